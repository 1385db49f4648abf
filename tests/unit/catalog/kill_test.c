/* What becomes of a catalog in SQLite when its writer is killed, or its file damaged. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/catalog_lib.h"

enum { KILLS = 30, IDS = 8192, TIMEOUT_MS = 20000 };

/* What the writer meant to do and what the catalog said was done; outlives the writer. */
struct diary {
    volatile uint64_t done; /* calls that returned well */
    volatile uint8_t asked_verified[IDS], verified[IDS]; /* by id of the copy */
    volatile uint8_t written[IDS];                       /* by id of the archive */
    volatile uint8_t asked_abandoned[IDS], abandoned[IDS];
};

/* ---- the writer, without assertions: they would leave its process ---- */

struct writer {
    struct cat_case *c;
    struct diary *diary;
    int64_t volumes[2], dump;
    unsigned round;
    uint64_t seq;
};

static enum pd_status count(struct writer *w, enum pd_status status)
{
    w->diary->done += status == PD_OK;
    return status;
}

static enum pd_status add_file(struct writer *w, struct pd_toc *toc, unsigned no)
{
    char path[96];
    struct pd_toc_file file = {.path = path, .kind = PD_KIND_FILE, .state = PD_WHOLE,
                               .size = 512, .offset = no * 1024, .length = 1024};

    (void)snprintf(path, sizeof path, "/round%u/folder%d/file%u", w->round, (int)w->seq % 7, no);
    return pd_toc_add_file(toc, &file, NULL, &w->c->err);
}

static enum pd_status fill_toc(struct writer *w, struct pd_toc *toc)
{
    enum pd_status status = PD_OK;

    pd_toc_init(toc);
    (void)snprintf(toc->name, sizeof toc->name, "r%u.%d", w->round, (int)w->seq);
    toc->record_size = 65536;
    for (unsigned i = 0; i < 60 && status == PD_OK; i++) {
        status = add_file(w, toc, i);
    }
    return status == PD_OK ? pd_toc_add_record(toc, pd_record_digest("x", 1), &w->c->err)
                           : status;
}

static enum pd_status verify(struct writer *w, const struct pd_copy_row *copy)
{
    const struct pd_damage damage = {true, 1, NULL, PD_BAD_RECORD};
    struct pd_verification_row row = {.copy_id = copy->id, .mode = "full", .finished = 1};

    if (copy->id % 5 == 0) { /* this one is bad */
        row.status = PD_BAD_RECORD;
        return count(w, pd_catalog_verification_add(w->c->catalog, &row, &damage, 1, &w->c->err));
    }
    w->diary->asked_verified[copy->id % IDS] = 1;
    enum pd_status status = pd_catalog_verification_add(w->c->catalog, &row, NULL, 0, &w->c->err);
    w->diary->verified[copy->id % IDS] = status == PD_OK;
    return count(w, status);
}

static enum pd_status write_archive(struct writer *w)
{
    struct pd_catalog *catalog = w->c->catalog;
    struct pd_archive_row archive = {.dump_id = w->dump, .seq = ++w->seq, .record_size = 65536};
    struct pd_copy_row copies[2] = {{.volume_id = w->volumes[0], .copy = 1},
                                    {.volume_id = w->volumes[1], .copy = 2}};
    struct pd_toc toc;
    enum pd_status status = fill_toc(w, &toc);

    copies[0].tape_file = copies[1].tape_file = w->round * 10000 + (uint32_t)w->seq;
    if (status == PD_OK) {
        status = count(w, pd_catalog_archive_begin(catalog, &archive, copies, 2, &w->c->err));
    }
    if (status == PD_OK && w->seq % 4 == 0) {
        w->diary->asked_abandoned[archive.id % IDS] = 1;
        status = count(w, pd_catalog_archive_abandon(catalog, archive.id, &w->c->err));
        w->diary->abandoned[archive.id % IDS] = status == PD_OK;
        pd_toc_release(&toc);
        return status;
    }
    copies[0].state = copies[1].state = PD_COPY_WRITTEN;
    if (status == PD_OK) {
        status = count(w, pd_catalog_archive_written(catalog, archive.id, &toc, copies, 2,
                                                     &w->c->err));
        w->diary->written[archive.id % IDS] = status == PD_OK;
    }
    for (size_t i = 0; i < 2 && status == PD_OK; i++) {
        status = verify(w, &copies[i]);
    }
    pd_toc_release(&toc);
    return status;
}

static void write_until_killed(struct writer *w)
{
    struct cat_case *c = w->c;
    struct pd_dump_row dump = {.copies = 2, .state = PD_DUMP_WRITE, .started = w->round};
    enum pd_status status = pd_catalog_open(&c->env, c->url, false, &c->catalog, &c->err);

    (void)snprintf(dump.name, sizeof dump.name, "round%u", w->round);
    (void)snprintf(dump.uuid, sizeof dump.uuid, "round%u", w->round);
    if (status == PD_OK) {
        status = count(w, pd_catalog_dump_add(c->catalog, &dump, &c->err));
    }
    w->dump = dump.id;
    while (status == PD_OK) {
        status = write_archive(w);
    }
    print_error("the writer stopped by itself: %s\n", c->err.message);
    _exit(1);
}

/* ---- who kills it, and judges ---- */

static void pause_us(uint64_t us)
{
    struct timespec time = {.tv_sec = (time_t)(us / 1000000),
                            .tv_nsec = (long)(us % 1000000) * 1000};

    (void)nanosleep(&time, NULL);
}

/* After so many calls, and some time into the next one. */
static void kill_after(pid_t pid, const struct diary *diary, uint64_t calls, uint64_t us)
{
    const uint64_t from = diary->done;
    int status = 0;

    for (int i = 0; i < TIMEOUT_MS * 10 && diary->done < from + calls; i++) {
        pause_us(100);
    }
    pause_us(us);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

struct judging {
    const struct diary *diary;
    unsigned verified, bad, copies;
};

static enum pd_status judge_copy(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct judging *j = arg;
    const struct diary *diary = j->diary;

    (void)err;
    assert_true(row->id < IDS && row->archive_id < IDS);
    j->copies++;
    /* nothing is verified that was not, and nothing that was is forgotten */
    if (row->state == PD_COPY_VERIFIED) {
        j->verified++;
        assert_true(diary->asked_verified[row->id]);
    }
    if (diary->verified[row->id]) {
        assert_int_equal(row->state, PD_COPY_VERIFIED);
    }
    if (diary->written[row->archive_id]) {
        assert_int_not_equal(row->state, PD_COPY_WRITING);
    }
    assert_false(diary->abandoned[row->archive_id]);
    j->bad += row->state == PD_COPY_BAD;
    return PD_OK;
}

static void judge(struct cat_case *c, const struct diary *diary, struct judging *j)
{
    *j = (struct judging){.diary = diary};
    if (cat_check(c) != 0) {
        fail_msg("after the kill: %s", c->problems);
    }
    cat_ok(c, pd_catalog_copies(c->catalog, 0, 0, judge_copy, j, &c->err));
    for (int i = 0; i < IDS; i++) {
        if (diary->written[i]) {
            char sql[80];
            struct pd_toc toc;
            cat_ok(c, pd_catalog_toc(c->catalog, i, &toc, &c->err));
            assert_int_equal(toc.file_count, 60);
            pd_toc_release(&toc);
            (void)snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM copy WHERE archive_id = %d", i);
            assert_int_equal(cat_number(c, sql), 2);
        }
    }
}

static struct diary *make_diary(void)
{
    void *memory = mmap(NULL, sizeof(struct diary), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(memory != MAP_FAILED);
    return memory;
}

static struct pd_rng *make_rng(struct cat_case *c)
{
    static const uint64_t seed = 20260722;
    struct pd_rng *rng = NULL;

    cat_ok(c, pd_rng_new(&seed, &rng, &c->err));
    return rng;
}

static void a_killed_writer_leaves_a_catalog_that_tells_the_truth(void **state)
{
    struct cat_case *c = *state;
    struct diary *diary = make_diary();
    struct pd_rng *rng = make_rng(c);
    struct writer writer = {.c = c, .diary = diary,
                            .volumes = {cat_volume(c, "V1"), cat_volume(c, "V2")}};
    struct judging j;

    for (unsigned i = 0; i < KILLS; i++) {
        cat_close(c);
        writer.round = i;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            write_until_killed(&writer);
        }
        kill_after(pid, diary, pd_rng_below(rng, 16), pd_rng_below(rng, 3000));
        cat_ok(c, pd_catalog_open(&c->env, c->url, false, &c->catalog, &c->err));
        judge(c, diary, &j);
    }
    /* it was worth the killing */
    assert_in_range(j.verified, KILLS, IDS);
    assert_in_range(j.bad, 1, IDS);
    assert_int_equal(munmap(diary, sizeof *diary), 0);
    pd_rng_free(rng);
}

static void remove_catalog(const char *folder)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char path[160];

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/catalog.db%s", folder, ends[i]);
        (void)unlink(path);
    }
}

static void a_kill_while_the_catalog_is_made_leaves_one_to_be_made(void **state)
{
    struct cat_case *c = *state;
    struct pd_rng *rng = make_rng(c);

    for (int i = 0; i < KILLS; i++) {
        int status = 0;
        cat_close(c);
        remove_catalog(c->folder);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            (void)!pd_catalog_open(&c->env, c->url, true, &c->catalog, &c->err);
            pause_us(1000000);
            _exit(0);
        }
        pause_us(pd_rng_below(rng, 6000));
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        /* made as a whole, or to be made: nothing between */
        enum pd_status found = pd_catalog_open(&c->env, c->url, false, &c->catalog, &c->err);
        assert_true(found == PD_OK || found == PD_CATALOG);
        if (found != PD_OK) {
            assert_null(c->catalog);
            cat_open(c);
        }
        assert_int_equal(cat_check(c), 0);
        (void)cat_dump(c, "after", 1, 1);
    }
    pd_rng_free(rng);
}

/* ---- damage ---- */

struct bytes {
    char *data;
    size_t len;
};

static struct bytes read_file(const char *folder, const char *name)
{
    struct bytes bytes = {NULL, 0};
    struct stat st;
    char path[160];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    bytes.len = (size_t)st.st_size;
    bytes.data = malloc(bytes.len + 1);
    assert_non_null(bytes.data);
    assert_true(read(fd, bytes.data, bytes.len) == st.st_size);
    (void)close(fd);
    return bytes;
}

static void write_file(const char *folder, const char *name, const struct bytes *bytes, size_t len)
{
    char path[160];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_true(write(fd, bytes->data, len) == (ssize_t)len);
    assert_int_equal(close(fd), 0);
}

static void fill_catalog(struct cat_case *c, unsigned archives)
{
    int64_t dump = cat_dump(c, "d", 1, 1), volume = cat_volume(c, "V1");
    char names[100][64];
    const char *paths[100];
    struct pd_copy_row copy;

    for (unsigned i = 1; i <= archives; i++) {
        for (unsigned k = 0; k < 100; k++) {
            (void)snprintf(names[k], sizeof names[k], "/some/folder/%u/file%u", i, k);
            paths[k] = names[k];
        }
        (void)cat_archive(c, dump, i, paths, 100, &volume, 1, &copy);
        cat_ok(c, cat_verify(c, copy.id, "full", PD_OK));
    }
}

static void ignore(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

/* Opens and checks; PD_OK only if nothing was noticed. */
static enum pd_status examine(struct cat_case *c, const char *url)
{
    struct pd_catalog *catalog = NULL;
    enum pd_status status = pd_catalog_open(&c->env, url, false, &catalog, &c->err);

    if (status == PD_OK) {
        status = pd_catalog_check(catalog, ignore, NULL, &c->err);
        pd_catalog_close(catalog);
    }
    return status;
}

static void a_page_that_is_lost_is_noticed(void **state)
{
    enum { PAGE = 4096 };
    struct cat_case *c = *state;

    fill_catalog(c, 3);
    cat_close(c);
    struct bytes good = read_file(c->folder, "catalog.db");
    struct bytes bad = {malloc(good.len), good.len};
    assert_non_null(bad.data);
    assert_in_range(good.len, 10 * PAGE, 1000 * PAGE);
    for (size_t at = 0; at < good.len; at += PAGE) {
        for (int fill = 0; fill < 2; fill++) {
            memcpy(bad.data, good.data, good.len);
            memset(bad.data + at, fill ? 0xff : 0, PAGE);
            write_file(c->folder, "catalog.db", &bad, bad.len);
            pd_error_clear(&c->err);
            if (examine(c, c->url) != PD_CATALOG) {
                fail_msg("page %d lost and nobody noticed: %s", (int)(at / PAGE), c->err.message);
            }
        }
    }
    free(bad.data);
    write_file(c->folder, "catalog.db", &good, good.len);
    assert_int_equal(examine(c, c->url), PD_OK);
    free(good.data);
}

static void a_file_cut_short_is_noticed(void **state)
{
    struct cat_case *c = *state;

    fill_catalog(c, 3);
    cat_close(c);
    struct bytes good = read_file(c->folder, "catalog.db");
    for (size_t len = 0; len < good.len; len += 4096 + 512 * (len / 4096 % 3)) {
        write_file(c->folder, "catalog.db", &good, len);
        pd_error_clear(&c->err);
        if (examine(c, c->url) != PD_CATALOG) {
            fail_msg("cut to %d of %d bytes and nobody noticed", (int)len, (int)good.len);
        }
    }
    free(good.data);
}

static enum pd_status count_verified(void *arg, const struct pd_copy_row *row,
                                     struct pd_error *err)
{
    (void)err;
    *(unsigned *)arg += row->state == PD_COPY_VERIFIED;
    return PD_OK;
}

/* As after a power failure: of what was not synchronized, the log holds the beginning only. */
static void a_torn_log_loses_the_last_transactions_only(void **state)
{
    enum { ARCHIVES = 12 };
    struct cat_case *c = *state;
    char other[96], url[128];
    unsigned before = 0;

    (void)snprintf(other, sizeof other, "%s/other", c->folder);
    (void)snprintf(url, sizeof url, "sqlite:%s/catalog.db", other);
    assert_int_equal(mkdir(other, 0700), 0);
    cat_close(c); /* what was made so far is no longer in the log */
    cat_open(c);
    fill_catalog(c, ARCHIVES);
    struct bytes file = read_file(c->folder, "catalog.db");
    struct bytes log = read_file(c->folder, "catalog.db-wal");
    assert_in_range(log.len, 100000, 100000000);
    for (size_t i = 0; i <= 40; i++) {
        struct pd_catalog *catalog = NULL;
        unsigned verified = 0;
        write_file(other, "catalog.db", &file, file.len);
        write_file(other, "catalog.db-wal", &log, i == 40 ? log.len : log.len / 40 * i);
        cat_ok(c, pd_catalog_open(&c->env, url, false, &catalog, &c->err));
        cat_ok(c, pd_catalog_check(catalog, ignore, NULL, &c->err));
        cat_ok(c, pd_catalog_copies(catalog, 0, 0, count_verified, &verified, &c->err));
        pd_catalog_close(catalog);
        assert_in_range(verified, before, ARCHIVES);
        before = verified;
    }
    assert_int_equal(before, ARCHIVES);
    free(file.data);
    free(log.data);
    remove_catalog(other);
    assert_int_equal(rmdir(other), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cat_setup_sqlite, cat_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_killed_writer_leaves_a_catalog_that_tells_the_truth),
        TEST(a_kill_while_the_catalog_is_made_leaves_one_to_be_made),
        TEST(a_page_that_is_lost_is_noticed),
        TEST(a_file_cut_short_is_noticed),
        TEST(a_torn_log_loses_the_last_transactions_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
