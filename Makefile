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

PKGS := libarchive libcrypto sqlite3 mysqlclient libxxhash inih jansson libacl
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
TEST_LIBS   = $(shell pkg-config --libs cmocka)

# Hashes files side by side; pairdump does without where it is not (it knows x86 only).
IPSEC_MB ?= $(shell $(CC) -E -x c -include intel-ipsec-mb.h /dev/null >/dev/null 2>&1 && echo yes)
ifeq ($(IPSEC_MB),yes)
CPPFLAGS += -DPD_IPSEC_MB
PKG_LIBS += -lIPSec_MB
endif

WARN := -Wall -Wextra -Wshadow -Wconversion -Werror -Wstrict-prototypes -Wmissing-prototypes \
        -Wformat=2 -Wvla
STD  := -std=gnu11
CPPFLAGS += -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Iinclude $(FIRST) \
            -include include/pairdump/banned.h \
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
TOOL_SRC := $(wildcard tests/tools/*.c)
TOOL     := $(TOOL_SRC:%.c=$(BUILD)/%)
FAULTY   := $(BUILD)/tests/campaign/faulty
POWER    := $(BUILD)/tests/campaign/power.so
TRY_SRC  := $(wildcard try/*.c)
TRY      := $(TRY_SRC:%.c=$(BUILD)/%)

.PHONY: all lib units fuzzers benches faulty clean
all: $(BIN)
lib: $(LIB)
units: $(UNIT)
fuzzers: $(FUZZ)
benches: $(BENCH)
tools: $(TOOL)
faulty: $(FAULTY) $(POWER)

$(BIN): $(BUILD)/src/face/main.o $(LIB)
	@mkdir -p $(@D)
	@echo 'ld $@'
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(LDLIBS)

$(LIB): $(LIB_OBJ)
	@rm -f $@
	@$(AR) rcs $@ $^

# A header that uses in macros what is banned comes before the ban.
$(BUILD)/src/catalog/sql_mysql.o $(BUILD)/src/catalog/sql_mysql_stmt.o \
$(BUILD)/src/catalog/sql_mysql_rows.o $(BUILD)/tests/unit/catalog/rows_test.o: FIRST = -include mysql.h

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
$(BUILD)/tests/tools/%: $(BUILD)/tests/tools/%.o $(LIB)
	@echo 'ld $@'
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(LDLIBS)
# The program with calls of the C library and of SQLite that fail at a count.
FAULTY_CALLS := malloc calloc realloc reallocarray aligned_alloc strdup strndup asprintf vasprintf \
    sqlite3_step sqlite3_exec sqlite3_bind_int64 sqlite3_bind_null sqlite3_bind_text64 \
    sqlite3_bind_blob64 sqlite3_prepare_v3 open64 openat64 close read write pread64 pwrite64 \
    pwritev64 fsync fdatasync syncfs ftruncate64 fstat64 stat64 lstat64 fstatat64 mkdir mkdirat \
    rename renameat renameat2 unlink unlinkat linkat symlinkat fchmod flock futimens utimensat \
    fdopendir readdir64 flistxattr readlink readlinkat
$(FAULTY): $(FAULTY).o $(BUILD)/src/face/main.o $(LIB)
	@echo 'ld $@'
	@$(CC) $(CFLAGS) $(LDFLAGS) -rdynamic $(FAULTY_CALLS:%=-Wl,--wrap=%) -o $@ $^ $(PKG_LIBS) $(LDLIBS)
# Preloaded: writes down what happens to files.
$(POWER): tests/campaign/power.c Makefile
	@mkdir -p $(@D)
	@echo 'cc $<'
	@$(CC) $(CPPFLAGS) $(STD) $(OPT) -g $(WARN) -fPIC -shared -pthread -o $@ $< -ldl
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

# ---- set-up and checks; each does all that it needs by itself ----

.PHONY: deps test-deps demo check check-unit check-cli check-vm check-fuzz check-campaign campaign lint bench try install tools
deps:
	@bin/install-deps
test-deps:
	@bin/install-deps --test

# A second make, so that pkg-config is asked after the packages are there.
demo: deps
	@$(MAKE) --no-print-directory all
	@bin/demo

check: test-deps
	@$(MAKE) --no-print-directory -j2 all units tools
	@$(MAKE) --no-print-directory check-unit check-cli check-fuzz \
	    check-campaign lint

check-unit: units tools
	@CMOCKA_MESSAGE_OUTPUT=TAP prove -j2 --exec '' $(UNIT)

check-cli: all tools
	@prove -j2 tests/cli/*.t tests/fault/*.t
	@ENGINE=mysql prove -j2 tests/cli/[2-7]*.t tests/fault/[23]0-*.t

# On the kernel's own tape driver, in a virtual machine; its packages are kept in TAPE_VM_CACHE. The
# longest first.
VM_TESTS := $(patsubst %,tests/vm/%.t,library tape cartridge span kill)
VM_TESTS += $(filter-out $(VM_TESTS),$(wildcard tests/vm/*.t))
check-vm: all units tools
	@BUILD=$(BUILD) prove -j2 --timer --exec tests/vm/run $(VM_TESTS)

# Every corpus, and a short run of new inputs, under sanitizers.
FUZZ_SECONDS ?= 5
check-fuzz:
	@$(MAKE) --no-print-directory -j2 BUILD=build-fuzz CC=clang SAN=address,undefined OPT=-O1 \
	    FUZZ_ENGINE=-fsanitize=fuzzer fuzzers
	@BUILD=build-fuzz SECONDS_EACH=$(FUZZ_SECONDS) prove tests/fuzz/run.t

# Random damage, calls that fail and power cuts, judged by a reader that shares no code with the
# program: in short, and by the ten thousand. Sanitizers see to leaks; in short those of check-fuzz, whose
# objects are there. CAMPAIGN_SEED chooses other trials.
check-campaign: all faulty
	@prove tests/campaign/*.t
	@$(MAKE) --no-print-directory -j2 BUILD=build-fuzz CC=clang SAN=address,undefined OPT=-O1 \
	    FUZZ_ENGINE=-fsanitize=fuzzer faulty
	@BUILD=build-fuzz CAMPAIGN_TRIALS=22 CAMPAIGN_SEED=2 prove tests/campaign/20-calls.t

campaign: all faulty
	@CAMPAIGN=long prove -v tests/campaign/*.t
	@$(MAKE) --no-print-directory -j2 BUILD=build-asan CC=clang SAN=address,undefined OPT=-O1 faulty
	@CAMPAIGN=long BUILD=build-asan prove -v tests/campaign/20-calls.t
	@FUZZ_KEEP=$(CURDIR)/build-fuzz/kept $(MAKE) --no-print-directory check-fuzz FUZZ_SECONDS=600

lint: lib
	@bin/lint $(BUILD)

bench: test-deps
	@$(MAKE) --no-print-directory all benches
	@tests/bench/run

try: test-deps
	@$(MAKE) --no-print-directory $(TRY)
	@for t in $(TRY); do echo "== $$t"; $$t || exit 1; done

install: all
	install -D -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/pairdump
	install -D -m 644 man/pairdump.1 $(DESTDIR)$(PREFIX)/share/man/man1/pairdump.1
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	$(BIN) completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/pairdump
	install -D -m 644 etc/pairdump.conf.sample $(DESTDIR)$(PREFIX)/share/doc/pairdump/pairdump.conf.sample
	install -D -m 600 etc/pairdump.cnf.sample $(DESTDIR)$(PREFIX)/share/doc/pairdump/pairdump.cnf.sample
	install -D -m 644 etc/pairdump-grant.sql $(DESTDIR)$(PREFIX)/share/doc/pairdump/pairdump-grant.sql

clean:
	rm -rf build build-* bin/pairdump

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.SECONDARY:
