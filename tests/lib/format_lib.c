#include "format_lib.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

enum pd_status format_to_buf(void *arg, const void *bytes, size_t len, struct pd_error *err)
{
    return pd_buf_append(arg, bytes, len) == PD_OK ? PD_OK : pd_error_memory(err, "a test");
}

enum pd_status format_from_memory(void *arg, const void **bytes, size_t *len, struct pd_error *err)
{
    struct format_memory *memory = arg;
    size_t step = memory->len - memory->at;

    if (memory->fail != PD_OK && memory->at >= memory->fail_at)
        return pd_error_set(err, memory->fail, 0, "as told");
    if (memory->step != 0 && step > memory->step)
        step = memory->step;
    *bytes = memory->bytes + memory->at;
    *len = step;
    memory->at += step;
    return PD_OK;
}

void format_dir_make(char *dir, size_t size)
{
    const char *base = getenv("TMPDIR");

    (void)snprintf(dir, size, "%s/pairdump-format-XXXXXX", base == NULL ? "/tmp" : base);
    assert_non_null(mkdtemp(dir));
}

static int run(char *const argv[], char *const envp[])
{
    int result = 0;
    pid_t pid;

    if (posix_spawn(&pid, argv[0], NULL, NULL, argv, envp) != 0 || waitpid(pid, &result, 0) != pid)
        return -1;
    return WIFEXITED(result) ? WEXITSTATUS(result) : -1;
}

void format_dir_remove(const char *dir)
{
    char *argv[] = {(char *)"/bin/rm", (char *)"-rf", (char *)(uintptr_t)dir, NULL};
    char *envp[] = {NULL};

    assert_int_equal(run(argv, envp), 0);
}

void format_file_write(const char *dir, const char *name, const void *bytes, size_t len)
{
    char path[4096];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

char *format_file_read(const char *dir, const char *name, size_t *len)
{
    struct pd_buf buf = PD_BUF_INIT;
    char path[4096], part[4096];
    size_t got;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(pd_buf_puts(&buf, ""), PD_OK);
    while ((got = fread(part, 1, sizeof(part), file)) > 0)
        assert_int_equal(pd_buf_append(&buf, part, got), PD_OK);
    assert_int_equal(fclose(file), 0);
    if (len != NULL)
        *len = buf.len;
    return buf.data;
}

int format_sh(const char *dir, const char *script)
{
    static const char prologue[] = "cd \"$D\" || exit 99; exec >out 2>&1; set -e\n";
    struct pd_buf whole = PD_BUF_INIT;
    char where[4096], path[4096];
    int result;

    (void)snprintf(where, sizeof(where), "D=%s", dir);
    (void)snprintf(path, sizeof(path), "PATH=%s", getenv("PATH"));
    assert_int_equal(pd_buf_puts(&whole, prologue), PD_OK);
    assert_int_equal(pd_buf_puts(&whole, script), PD_OK);
    {
        char *argv[] = {(char *)"/bin/sh", (char *)"-c", whole.data, NULL};
        char *envp[] = {where, path, (char *)"LC_ALL=C", (char *)"TZ=UTC", NULL};

        result = run(argv, envp);
    }
    pd_buf_free(&whole);
    return result;
}
