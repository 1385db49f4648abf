# pairdump: make | demo | check | bench | lint | install | clean
#
# BUILD names the folder for objects, SAN adds sanitizers (address,undefined or thread), CC chooses
# the compiler (default gcc): make BUILD=build-asan SAN=address,undefined CC=clang

VERSION := 0.1.0
PREFIX  ?= /usr/local
BUILD   ?= build
ifeq ($(origin CC),default)
CC := gcc
endif
OPT     ?= -O2

PKGS := libarchive libcrypto sqlite3 libxxhash inih jansson
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
TEST_LIBS   = $(shell pkg-config --libs cmocka)

WARN := -Wall -Wextra -Wshadow -Wconversion -Werror -Wstrict-prototypes -Wmissing-prototypes \
        -Wformat=2 -Wvla
STD  := -std=gnu11
CPPFLAGS += -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Iinclude -include include/pairdump/banned.h \
            -DPD_VERSION='"$(VERSION)"'
CFLAGS   += $(STD) $(OPT) -g $(WARN) -pthread -fno-omit-frame-pointer $(PKG_CFLAGS)
LDFLAGS  += -pthread
ifneq ($(SAN),)
CFLAGS  += -fsanitize=$(SAN) -fno-sanitize-recover=all
LDFLAGS += -fsanitize=$(SAN)
endif

LIB_SRC  := $(filter-out src/face/main.c,$(wildcard src/*/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o)
LIB      := $(BUILD)/libpairdump.a
BIN      := $(if $(filter build,$(BUILD)),bin/pairdump,$(BUILD)/pairdump)
UNIT_SRC := $(wildcard tests/unit/*/*_test.c tests/contract/*_test.c tests/fault/*_test.c)
UNIT     := $(UNIT_SRC:%.c=$(BUILD)/%)
TEST_HELP_SRC := $(wildcard tests/lib/*.c)
TEST_HELP_OBJ := $(TEST_HELP_SRC:%.c=$(BUILD)/%.o)
FUZZ_SRC := $(wildcard tests/fuzz/*/fuzz_*.c)
FUZZ     := $(FUZZ_SRC:%.c=$(BUILD)/%)
BENCH_SRC := $(wildcard tests/bench/*.c)
BENCH    := $(BENCH_SRC:%.c=$(BUILD)/%)
TRY_SRC  := $(wildcard try/*.c)
TRY      := $(TRY_SRC:%.c=$(BUILD)/%)

.PHONY: all lib units fuzzers benches clean
all: $(BIN)
lib: $(LIB)
units: $(UNIT)
fuzzers: $(FUZZ)
benches: $(BENCH)

$(BIN): $(BUILD)/src/face/main.o $(LIB)
	@mkdir -p $(@D)
	@echo 'ld $@'
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(LDLIBS)

$(LIB): $(LIB_OBJ)
	@rm -f $@
	@$(AR) rcs $@ $^

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo 'cc $<'
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(TEST_HELP_OBJ) $(LIB)
	@echo 'ld $@'
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(TEST_LIBS) $(LDLIBS)
$(BUILD)/tests/contract/%: $(BUILD)/tests/contract/%.o $(TEST_HELP_OBJ) $(LIB)
	@echo 'ld $@'
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(TEST_LIBS) $(LDLIBS)
$(BUILD)/tests/fault/%: $(BUILD)/tests/fault/%.o $(TEST_HELP_OBJ) $(LIB)
	@echo 'ld $@'
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(TEST_LIBS) $(LDLIBS)
$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(LIB)
	@echo 'ld $@'
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(LDLIBS)
$(BUILD)/try/%: $(BUILD)/try/%.o
	@echo 'ld $@'
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(LDLIBS)

# Fuzz targets define LLVMFuzzerTestOneInput; built with BUILD=build-fuzz CC=clang
# SAN=address,undefined FUZZ_ENGINE=-fsanitize=fuzzer, all objects carrying fuzzer-no-link.
ifneq ($(FUZZ_ENGINE),)
CFLAGS += -fsanitize=fuzzer-no-link
endif
$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(LIB)
	@echo 'ld $@'
	@$(CC) $(CFLAGS) $(LDFLAGS) $(FUZZ_ENGINE) -o $@ $^ $(PKG_LIBS) $(LDLIBS)

clean:
	rm -rf build build-* bin/pairdump

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.SECONDARY:
