#include "work_verify_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/dump.h"
#include "pairdump/registry.h"
#include "pairdump/sample.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct pd_error ok_err = PD_ERROR_INIT, *err = &ok_err;                                    \
        if ((call) != PD_OK)                                                                       \
            fail_msg("%s: %s", #call, err->message);                                               \
    } while (0)

static void add_file(const struct verify_set *set, const char *name, size_t len, unsigned seed)
{
    char path[300];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", set->source, name);
    file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1103515245u + 12345u;
        fputc((int)(seed >> 16), file);
    }
    assert_int_equal(fclose(file), 0);
}

static void add_odd(const struct verify_set *set)
{
    char path[300], other[300];
    const struct timespec old[2] = {{-100, 500000000}, {-100, 500000000}};
    int fd;

    snprintf(path, sizeof(path), "%s/folder", set->source);
    assert_int_equal(mkdir(path, 01755), 0);
    add_file(set, "folder/inside", 300, 5);
    snprintf(path, sizeof(path), "%s/one", set->source);
    snprintf(other, sizeof(other), "%s/two-hard", set->source);
    assert_int_equal(link(path, other), 0);
    snprintf(other, sizeof(other), "%s/three-soft", set->source);
    assert_int_equal(symlink("nowhere", other), 0);
    snprintf(path, sizeof(path), "%s/raw\n%%41\xff", set->source);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "odd", 3), 3);
    assert_int_equal(futimens(fd, old), 0);
    assert_int_equal(close(fd), 0);
    snprintf(path, sizeof(path), "%s/sparse", set->source);
    fd = open(path, O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "middle", 6, 1000000), 6);
    assert_int_equal(ftruncate(fd, 3000000), 0);
    assert_int_equal(close(fd), 0);
}

void verify_set_start(struct verify_set *set, const char *scheme, const char *options)
{
    char url[100];

    memset(set, 0, sizeof(*set));
    restore_lib_env_start(&set->e);
    snprintf(set->root, sizeof(set->root), "/tmp/pairdump-verify-XXXXXX");
    assert_non_null(mkdtemp(set->root));
    snprintf(set->source, sizeof(set->source), "%s/source", set->root);
    assert_int_equal(mkdir(set->source, 0755), 0);
    for (size_t i = 0; i < 2; i++) {
        snprintf(set->place[i], sizeof(set->place[i]), "%s/place%zu", set->root, i + 1);
        assert_int_equal(mkdir(set->place[i], 0755), 0);
        snprintf(set->url[i], sizeof(set->url[i]), "%s:%s%s", scheme, set->place[i], options);
    }
    add_file(set, "big", 300000, 1);
    add_file(set, "empty", 0, 2);
    add_file(set, "middle", 150000, 3);
    add_file(set, "one", 1000, 4);
    add_file(set, "small", 100, 6);
    add_odd(set);
    snprintf(url, sizeof(url), "sqlite:%s/catalog.db", set->root);
    OK(pd_catalog_open(&set->e.env, url, true, &set->catalog, err));
}

static const char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

void verify_set_dump(struct verify_set *set, const char *name, uint64_t files)
{
    const char *paths[] = {set->source};
    struct pd_pool_config pool;
    struct pd_config *config = NULL;
    struct pd_dump_summary *summary = calloc(1, sizeof(*summary));
    struct pd_dump_options options = {.name = name,
                                      .source = {.paths = paths, .path_count = 1, .cwd = "/"},
                                      .pool = &pool,
                                      .state_dir = set->root};
    struct pd_error error = PD_ERROR_INIT;
    enum pd_status status;

    assert_non_null(summary);
    OK(pd_config_parse("", 0, "test", no_environment, &config, err));
    OK(pd_pool_config_init("default", &pool, err));
    for (size_t i = 0; i < 2; i++) {
        pool.copies[i] = strdup(set->url[i]);
        assert_non_null(pool.copies[i]);
    }
    pool.copy_count = 2;
    pool.block_size = VERIFY_SET_RECORD;
    pool.batch_files = files;
    pool.reserve = 0;
    pool.digest = set->alg;
    pool.verify.mode = PD_VERIFY_NONE;
    options.config = config;
    status = pd_dump_run(&set->e.env, set->catalog, &options, summary, &error);
    if (status != PD_OK && status != PD_UNVERIFIED)
        fail_msg("dump: %s", error.message);
    set->dump = summary->row;
    pd_pool_config_release(&pool);
    pd_config_free(config);
    free(summary);
}

void verify_set_leave(struct verify_set *set)
{
    pd_catalog_close(set->catalog);
    OK(pd_sample_remove(set->root, err));
}

void verify_set_end(struct verify_set *set)
{
    verify_set_leave(set);
    restore_lib_env_end(&set->e);
}

struct pick {
    uint64_t seq;
    int64_t id;
};

static enum pd_status pick_archive(void *arg, const struct pd_archive_row *row,
                                   struct pd_error *err)
{
    struct pick *pick = arg;

    (void)err;
    if (row->seq == pick->seq)
        pick->id = row->id;
    return PD_OK;
}

int64_t verify_set_toc(struct verify_set *set, uint64_t seq, struct pd_toc *toc)
{
    struct pick pick = {seq, 0};

    OK(pd_catalog_archives(set->catalog, set->dump.id, pick_archive, &pick, err));
    assert_true(pick.id != 0);
    OK(pd_catalog_toc(set->catalog, pick.id, toc, err));
    return pick.id;
}

struct pd_target *verify_set_mount(struct verify_set *set, size_t copy, const char *filter)
{
    struct pd_target *target = NULL;
    char url[300];

    snprintf(url, sizeof(url), "%s%s", filter, set->url[copy]);
    OK(pd_target_open(&set->e.env, url, &target, err));
    OK(pd_target_mount(target, copy == 0 ? "PD100001" : "PD200001", err));
    return target;
}

void verify_set_close(struct pd_target *target)
{
    OK(pd_target_close(target, err));
}

void verify_set_path(const struct verify_set *set, size_t copy, uint32_t tape_file, char *out,
                     size_t size)
{
    char pattern[200];
    glob_t found;

    snprintf(pattern, sizeof(pattern), "%s/PD%zu00001/%04u-*.tar", set->place[copy], copy + 1,
             tape_file);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    snprintf(out, size, "%s", found.gl_pathv[0]);
    globfree(&found);
    assert_int_equal(chmod(out, 0644), 0);
}

uint64_t verify_set_size(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_size;
}

void verify_set_flip(const char *path, uint64_t offset, unsigned bit)
{
    int fd = open(path, O_RDWR);
    unsigned char byte;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte = (unsigned char)(byte ^ (1u << bit));
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(close(fd), 0);
}

void verify_set_truncate(const char *path, uint64_t size)
{
    assert_int_equal(truncate(path, (off_t)size), 0);
}

void verify_set_swap(const char *path, uint64_t record_a, uint64_t record_b)
{
    static const off_t size = VERIFY_SET_RECORD;
    char *records = malloc(2 * VERIFY_SET_RECORD);
    int fd = open(path, O_RDWR);

    assert_non_null(records);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, records, VERIFY_SET_RECORD, (off_t)record_a * size), size);
    assert_int_equal(
        pread(fd, records + VERIFY_SET_RECORD, VERIFY_SET_RECORD, (off_t)record_b * size), size);
    assert_int_equal(pwrite(fd, records, VERIFY_SET_RECORD, (off_t)record_b * size), size);
    assert_int_equal(
        pwrite(fd, records + VERIFY_SET_RECORD, VERIFY_SET_RECORD, (off_t)record_a * size), size);
    assert_int_equal(close(fd), 0);
    free(records);
}
