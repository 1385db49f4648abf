#include "media_lib.h"

#include <ftw.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pairdump/registry.h"

char *ml_text(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    assert_true(vasprintf(&text, fmt, args) >= 0);
    va_end(args);
    return text;
}

char *ml_folder(void)
{
    const char *base = getenv("TMPDIR");
    char *dir = ml_text("%s/pairdump-media-XXXXXX", base != NULL ? base : "/tmp");

    assert_non_null(mkdtemp(dir));
    return dir;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st;
    (void)kind;
    (void)walk;
    return remove(path);
}

void ml_remove(char *dir)
{
    assert_int_equal(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(dir);
}

const struct pd_env *ml_env(void)
{
    static const volatile sig_atomic_t never;
    static const struct pd_stop stop = {.flag = &never};
    static struct pd_env env;
    static struct pd_progress progress;

    env.clock = pd_clock_real();
    env.stop = &stop;
    env.progress = &progress;
    return &env;
}

const char *ml_tape(void)
{
    return getenv("PD_TEST_TAPE");
}

void ml_change(const char *what, const char *first, const char *second)
{
    const char *program = getenv("PD_TEST_CHANGER");
    const char *args[] = {program, ml_tape(), what, first, second, NULL};
    char *argv[sizeof(args) / sizeof(args[0])];
    int result = -1;
    pid_t child;

    assert_non_null(program);
    memcpy(argv, args, sizeof(args));
    assert_int_equal(posix_spawnp(&child, program, NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
}

/* One element of a library, and the image of its cartridge. */
static void put_element(FILE *out, const char *dir, const char *line)
{
    char kind[8], full[8], source[8], barcode[40], *folder, *image;
    unsigned number;

    assert_int_equal(sscanf(line, "%7s %u %7s %7s %39s", kind, &number, full, source, barcode), 5);
    folder = strcmp(kind, "drive") == 0 ? ml_text("%s/%u", dir, number)
                                        : ml_text("%s/library.tapes", dir);
    image = ml_text("%s/%s.tap", folder, barcode);
    assert_true(fprintf(out, "%s %u %s %s %s %s\n", kind, number, full, source, barcode,
                        strcmp(kind, "drive") == 0 ? folder : "") > 0);
    if (barcode[0] != '-')
        ml_write_bytes(image, "", 0);
    free(image);
    free(folder);
}

char *ml_library(const char *dir, const char *lines)
{
    static const char *const folders[] = {"0", "1", "library.tapes"};
    char *mock = realpath("tests/lib/mock-mtx", NULL), *path, *text;
    FILE *out;

    assert_non_null(mock); /* tests run at the root of the sources */
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        path = ml_text("%s/%s", dir, folders[i]);
        assert_int_equal(mkdir(path, 0755), 0);
        free(path);
    }
    path = ml_text("%s/library", dir);
    out = fopen(path, "w");
    assert_non_null(out);
    for (const char *line = lines; *line != '\0'; line = strchr(line, '\n') + 1)
        put_element(out, dir, line);
    assert_int_equal(fclose(out), 0);
    free(path);
    path = ml_text("%s/robot", dir);
    text = ml_text("#!/bin/sh\nexec '%s' -f '%s/library' \"$@\"\n", mock, dir);
    ml_write_bytes(path, text, strlen(text));
    assert_int_equal(chmod(path, 0755), 0);
    free(text);
    free(path);
    free(mock);
    return ml_text("cmd:%s/robot", dir);
}

struct pd_label ml_label(const char *name)
{
    struct pd_label label = {
        .format = PD_FORMAT_VERSION,
        .uuid = "123e4567-e89b-42d3-a456-426614174000",
        .pool = "test",
        .copy = 1,
        .block_size = ML_BLOCK,
        .created = 1700000000 * PD_NS_PER_S,
        .software = "pairdump test",
    };

    (void)snprintf(label.label, sizeof(label.label), "%s", name);
    return label;
}

void ml_fill(char *record, uint32_t file, uint64_t number)
{
    uint64_t x = ((uint64_t)file << 32 | number) * UINT64_C(0x9e3779b97f4a7c15) + 1;

    for (size_t i = 0; i < ML_BLOCK; i += sizeof(x)) {
        x = x * UINT64_C(6364136223846793005) + 1;
        memcpy(record + i, &x, sizeof(x));
    }
}

void ml_check(const char *record, size_t got, uint32_t file, uint64_t number)
{
    char *wanted = pd_record_alloc(ML_BLOCK);

    assert_non_null(wanted);
    ml_fill(wanted, file, number);
    assert_int_equal(got, ML_BLOCK);
    assert_memory_equal(record, wanted, ML_BLOCK);
    free(wanted);
}

void ml_is(enum pd_status status, enum pd_status wanted, const struct pd_error *err,
           const char *where, int line)
{
    char text[1400];

    if (status == wanted && (status == PD_OK || err->status == status))
        return;
    pd_error_format(err, text, sizeof(text));
    fail_msg("line %d: %s\n  gave %s, not %s\n  %s", line, where, pd_status_name(status),
             pd_status_name(wanted), text);
}

struct pd_target *ml_open(const char *url)
{
    struct pd_target *target = NULL;

    OK(pd_target_open(ml_env(), url, &target, &err));
    return target;
}

void ml_close(struct pd_target *target)
{
    OK(pd_target_close(target, &err));
}

void ml_write_file(struct pd_target *target, uint32_t wanted, uint64_t records)
{
    char *record = pd_record_alloc(ML_BLOCK);
    uint32_t number = 0;

    OK(pd_target_begin(target, "archive", &number, &err));
    assert_int_equal(number, wanted);
    for (uint64_t i = 0; i < records; i++) {
        ml_fill(record, number, i);
        OK(pd_target_write(target, record, ML_BLOCK, &err));
    }
    OK(pd_target_end(target, true, &err));
    free(record);
}

void ml_read_file(struct pd_target *target, uint32_t file, uint64_t records)
{
    char *record = pd_record_alloc(ML_BLOCK);
    size_t got = 0;

    OK(pd_target_open_file(target, file, &err));
    for (uint64_t i = 0; i < records; i++) {
        OK(pd_target_read(target, record, ML_BLOCK, &got, &err));
        ml_check(record, got, file, i);
    }
    IS(pd_target_read(target, record, ML_BLOCK, &got, &err), PD_END_OF_FILE);
    assert_int_equal(got, 0);
    IS(pd_target_read(target, record, ML_BLOCK, &got, &err), PD_END_OF_FILE);
    OK(pd_target_close_file(target, &err));
    free(record);
}

void ml_count(struct pd_target *target, uint32_t wanted)
{
    struct pd_target_position position = {0};

    OK(pd_target_position(target, &position, &err));
    assert_int_equal(position.file_count, wanted);
}

void ml_write_bytes(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

bool ml_exists(const char *path)
{
    return access(path, F_OK) == 0;
}
