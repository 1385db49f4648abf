#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pairdump/text.h"

#include "../../lib/catalog_lib.h"

#define NOW (1700000000 * PD_NS_PER_S) /* of the clock of the library */

enum { ROWS = 16 };

struct dumps {
    size_t n;
    struct pd_dump_row rows[ROWS];
};

static enum pd_status take_dump(void *arg, const struct pd_dump_row *row, struct pd_error *err)
{
    struct dumps *list = arg;

    (void)err;
    assert_true(list->n < ROWS);
    list->rows[list->n++] = *row;
    return PD_OK;
}

struct volumes {
    size_t n;
    struct pd_volume_row rows[ROWS];
};

static enum pd_status take_volume(void *arg, const struct pd_volume_row *row, struct pd_error *err)
{
    struct volumes *list = arg;

    (void)err;
    assert_true(list->n < ROWS);
    list->rows[list->n++] = *row;
    return PD_OK;
}

struct archives {
    size_t n;
    struct pd_archive_row rows[ROWS];
};

static enum pd_status take_archive(void *arg, const struct pd_archive_row *row,
                                   struct pd_error *err)
{
    struct archives *list = arg;

    (void)err;
    assert_true(list->n < ROWS);
    list->rows[list->n++] = *row;
    return PD_OK;
}

struct copies {
    size_t n;
    struct pd_copy_row rows[ROWS];
};

static enum pd_status take_copy(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct copies *list = arg;

    (void)err;
    assert_true(list->n < ROWS);
    list->rows[list->n++] = *row;
    return PD_OK;
}

struct verifications {
    size_t n;
    struct pd_verification_row rows[ROWS];
};

static enum pd_status take_verification(void *arg, const struct pd_verification_row *row,
                                        struct pd_error *err)
{
    struct verifications *list = arg;

    (void)err;
    assert_true(list->n < ROWS);
    list->rows[list->n++] = *row;
    return PD_OK;
}

static struct pd_copy_row copy_row(struct cat_case *c, int64_t archive, int64_t copy)
{
    struct copies list = {0};

    cat_ok(c, pd_catalog_copies(c->catalog, archive, 0, take_copy, &list, &c->err));
    for (size_t i = 0; i < list.n; i++) {
        if (list.rows[i].id == copy) {
            return list.rows[i];
        }
    }
    fail_msg("no copy %d of archive %d", (int)copy, (int)archive);
    return list.rows[0];
}

static struct pd_volume_row volume_row(struct cat_case *c, const char *which)
{
    struct pd_volume_row row;

    cat_ok(c, pd_catalog_volume_find(c->catalog, which, &row, &c->err));
    return row;
}

static void fill(char *text, size_t size, char with)
{
    memset(text, with, size - 1);
    text[size - 1] = '\0';
}

/* ---- opening ---- */

static void what_holds_no_catalog_is_refused_until_one_is_made(void **state)
{
    struct cat_case *c = *state;

    cat_expect(c, PD_CATALOG,
               pd_catalog_open(&c->env, c->url, false, &c->catalog, &c->err));
    assert_non_null(strstr(c->err.message, "catalog init"));
    assert_null(c->catalog);
    cat_open(c);
    assert_int_equal(pd_catalog_schema_version(c->catalog), 5);
    cat_close(c);
    cat_ok(c, pd_catalog_open(&c->env, c->url, false, &c->catalog, &c->err));
    assert_int_equal(pd_catalog_schema_version(c->catalog), 5);
    assert_int_equal(cat_check(c), 0);
}

static void a_newer_schema_is_refused_and_left_alone(void **state)
{
    struct cat_case *c = *state;

    (void)cat_dump(c, "kept", 1, 1);
    cat_close(c);
    cat_sql(c, "UPDATE schema_version SET version = 7");
    for (int create = 0; create < 2; create++) {
        pd_error_clear(&c->err);
        cat_expect(c, PD_CATALOG,
                   pd_catalog_open(&c->env, c->url, create, &c->catalog, &c->err));
        assert_non_null(strstr(c->err.message, "schema 7"));
        assert_non_null(strstr(c->err.message, "knows 5"));
        assert_null(c->catalog);
    }
    assert_int_equal(cat_number(c, "SELECT version FROM schema_version"), 7);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM dump"), 1);
}

static void a_migration_that_fails_leaves_the_catalog_as_it_was(void **state)
{
    struct cat_case *c = *state;
    struct pd_dump_row row;

    (void)cat_dump(c, "kept", 1, 1);
    cat_close(c);
    cat_sql(c, "UPDATE schema_version SET version = 0");
    cat_expect(c, PD_CATALOG, pd_catalog_open(&c->env, c->url, true, &c->catalog, &c->err));
    assert_int_equal(cat_number(c, "SELECT version FROM schema_version"), 0);
    cat_sql(c, "UPDATE schema_version SET version = 5");
    cat_open(c);
    cat_ok(c, pd_catalog_dump_find(c->catalog, "kept", &row, &c->err));
    assert_int_equal(cat_check(c), 0);
}

/* As the version before left it. A step that was broken off has left some of its tables on a server. */
static void an_older_catalog_is_migrated(void **state)
{
    static const char *const newer[] = {"applied", "drive_report", "claim", "run"};
    struct cat_case *c = *state;
    struct pd_dump_row row;
    bool server = strncmp(c->url, "mysql:", 6) == 0;
    int64_t volume = cat_volume(c, "V1"), dump = cat_dump(c, "kept", 1, 1);
    const char *paths[] = {"/a/b"};

    (void)cat_volume(c, "V2");
    struct pd_copy_row copy;
    uint64_t seq = 7;
    char text[64];

    (void)cat_archive(c, dump, 1, paths, 1, &volume, 1, &copy);
    cat_close(c);
    cat_sql(c, "UPDATE volume SET last_verified = 77");
    for (size_t i = 0; i < sizeof newer / sizeof newer[0]; i++) {
        if (!server || i < 2) {
            (void)snprintf(text, sizeof text, "DROP TABLE %s", newer[i]);
            cat_sql(c, text);
        }
    }
    cat_sql(c, "ALTER TABLE volume DROP COLUMN replaces");
    cat_sql(c, "ALTER TABLE file DROP COLUMN digest");
    cat_sql(c, "ALTER TABLE archive DROP COLUMN digest_algorithm");
    cat_sql(c, "ALTER TABLE volume DROP COLUMN reserved_by");
    cat_sql(c, "ALTER TABLE volume DROP COLUMN medium");
    if (!server) {
        cat_sql(c, "ALTER TABLE volume DROP COLUMN host");
        cat_sql(c, "ALTER TABLE volume DROP COLUMN retain_until");
    }
    cat_sql(c, "UPDATE volume SET state = 'bad', tape_files = 0 WHERE label = 'V2'");
    cat_sql(c, "UPDATE schema_version SET version = 1");
    cat_ok(c, pd_catalog_open(&c->env, c->url, false, &c->catalog, &c->err));
    assert_int_equal(pd_catalog_schema_version(c->catalog), 5);
    assert_int_equal(cat_number(c, "SELECT version FROM schema_version"), 5);
    assert_int_equal(cat_number(c, "SELECT MAX(last_verified) FROM volume"), 0);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM file"), 1);
    cat_ok(c, pd_catalog_dump_find(c->catalog, "kept", &row, &c->err));
    cat_ok(c, pd_catalog_applied(c->catalog, row.id, &seq, &c->err));
    assert_int_equal(seq, 0);
    assert_int_equal(volume_row(c, "V1").state, PD_VOLUME_APPENDABLE);
    assert_int_equal(volume_row(c, "V2").state, PD_VOLUME_RESERVED);
    assert_string_equal(volume_row(c, "V1").host, server ? "lab-1" : "");
    assert_int_equal(volume_row(c, "V1").retain_until, 0);
    assert_string_equal(volume_row(c, "V1").medium, "");
    assert_int_equal(cat_check(c), 0);
}

/* On a server a step that was broken off may have made any of its columns and its table. */
static void a_catalog_of_schema_3_is_migrated(void **state)
{
    static const char *const undo[] = {"ALTER TABLE volume DROP COLUMN replaces",
                                       "ALTER TABLE file DROP COLUMN digest",
                                       "ALTER TABLE archive DROP COLUMN digest_algorithm",
                                       "DROP TABLE drive_report",
                                       "ALTER TABLE volume DROP COLUMN medium",
                                       "ALTER TABLE volume DROP COLUMN retain_until"};
    struct cat_case *c = *state;
    size_t steps = sizeof undo / sizeof undo[0];
    bool server = strncmp(c->url, "mysql:", 6) == 0;
    int64_t id = cat_volume(c, "V1");

    cat_ok(c, pd_catalog_volume_retain(c->catalog, id, 77, &c->err));
    cat_close(c);
    for (size_t undone = server ? 0 : steps; undone <= steps; undone++) {
        for (size_t i = 0; i < undone; i++) {
            cat_sql(c, undo[i]);
        }
        cat_sql(c, "UPDATE schema_version SET version = 3");
        cat_ok(c, pd_catalog_open(&c->env, c->url, false, &c->catalog, &c->err));
        assert_int_equal(pd_catalog_schema_version(c->catalog), 5);
        assert_int_equal(volume_row(c, "V1").retain_until, undone == steps ? 0 : 77);
        assert_string_equal(volume_row(c, "V1").medium, "");
        assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM drive_report"), 0);
        assert_int_equal(cat_check(c), 0);
        cat_close(c);
    }
}

static void urls_of_no_known_engine_are_wrong_usage(void **state)
{
    static const char *const urls[] = {"", "catalog.db", "/tmp/catalog.db", "sqlite", "sqlite:",
                                       "nosuch:catalog", "SQLITE:x"};
    struct cat_case *c = *state;

    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        pd_error_clear(&c->err);
        cat_expect(c, PD_USAGE, pd_catalog_open(&c->env, urls[i], true, &c->catalog, &c->err));
        assert_null(c->catalog);
    }
}

/* Runs fn in processes of their own, all let go at once; the worst of what they return. */
static int in_processes(struct cat_case *c, int count, int (*fn)(struct cat_case *c, int no))
{
    int go[2], worst = 0;

    assert_int_equal(pipe(go), 0);
    for (int i = 0; i < count; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            char byte;
            (void)close(go[1]);
            (void)!read(go[0], &byte, 1);
            _exit(fn(c, i));
        }
    }
    (void)close(go[0]);
    (void)close(go[1]);
    for (int i = 0; i < count; i++) {
        int status = 0;
        assert_true(wait(&status) > 0);
        assert_true(WIFEXITED(status));
        worst = WEXITSTATUS(status) > worst ? WEXITSTATUS(status) : worst;
    }
    return worst;
}

/* Whoever comes in the way of another is told to try again, and nothing else. */
static int open_only(struct cat_case *c, int no)
{
    enum pd_status status = PD_CATALOG_BUSY;

    for (int i = 0; i < 500 && pd_status_retryable(status); i++) {
        (void)usleep(i > 0 ? 2000 : 0);
        status = pd_catalog_open(&c->env, c->url, true, &c->catalog, &c->err);
    }
    if (status != PD_OK) {
        print_error("process %d: %s\n", no, c->err.message);
    }
    pd_catalog_close(c->catalog);
    return (int)status;
}

static void several_processes_may_make_the_catalog_at_once(void **state)
{
    struct cat_case *c = *state;

    assert_int_equal(in_processes(c, 6, open_only), PD_OK);
    cat_ok(c, pd_catalog_open(&c->env, c->url, false, &c->catalog, &c->err));
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM schema_version"), 1);
    assert_int_equal(cat_check(c), 0);
}

enum { WRITERS = 3, ARCHIVES_EACH = 12 };

/* As a dump does, on a volume of its own; without assertions, which would leave the process. */
static enum pd_status write_some(struct cat_case *c, int no)
{
    struct pd_dump_row dump = {.copies = 1, .state = PD_DUMP_WRITE, .started = 1};
    struct pd_volume_row volume = {.copy = 1, .tape_files = 1};
    enum pd_status status = pd_catalog_open(&c->env, c->url, false, &c->catalog, &c->err);

    (void)snprintf(dump.name, sizeof dump.name, "w%d", no);
    (void)snprintf(dump.uuid, sizeof dump.uuid, "dump-%d", no);
    (void)snprintf(volume.label, sizeof volume.label, "W%d", no);
    (void)snprintf(volume.uuid, sizeof volume.uuid, "volume-%d", no);
    status = status == PD_OK ? pd_catalog_dump_add(c->catalog, &dump, &c->err) : status;
    status = status == PD_OK ? pd_catalog_volume_add(c->catalog, &volume, &c->err) : status;
    for (uint32_t i = 1; status == PD_OK && i <= ARCHIVES_EACH; i++) {
        struct pd_archive_row archive = {.dump_id = dump.id, .seq = i, .record_size = 65536};
        struct pd_copy_row copy = {.volume_id = volume.id, .copy = 1, .tape_file = i};
        struct pd_toc_file file = {.path = "/shared/by/all", .kind = PD_KIND_FILE,
                                   .state = PD_WHOLE, .length = 512};
        struct pd_toc toc;
        pd_toc_init(&toc);
        toc.record_size = 65536;
        status = pd_catalog_archive_begin(c->catalog, &archive, &copy, 1, &c->err);
        copy.state = PD_COPY_WRITTEN;
        status = status == PD_OK ? pd_toc_add_file(&toc, &file, NULL, &c->err) : status;
        status = status == PD_OK ? pd_toc_add_record(&toc, pd_record_digest(&i, 1), &c->err)
                                 : status;
        status = status == PD_OK ? pd_catalog_archive_written(c->catalog, archive.id, &toc, &copy,
                                                              1, &c->err)
                                 : status;
        status = status == PD_OK ? cat_verify(c, copy.id, "full", PD_OK) : status;
        pd_toc_release(&toc);
    }
    return status;
}

static int write_and_close(struct cat_case *c, int no)
{
    enum pd_status status = write_some(c, no);

    if (status != PD_OK) {
        print_error("process %d: %s\n", no, c->err.message);
    }
    pd_catalog_close(c->catalog);
    return (int)status;
}

static void several_processes_may_write_at_once(void **state)
{
    struct cat_case *c = *state;

    cat_close(c);
    assert_int_equal(in_processes(c, WRITERS, write_and_close), PD_OK);
    cat_open(c);
    assert_int_equal(cat_check(c), 0);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM copy WHERE state = 'verified'"),
                     WRITERS * ARCHIVES_EACH);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM folder"), 1);
}

/* ---- dumps ---- */

static struct pd_dump_row full_dump(void)
{
    struct pd_dump_row row = {
        .uuid = "01234567-89ab-4cde-8f01-23456789abcd", .pid = INT64_C(1) << 40,
        .state = PD_DUMP_INITIALIZE, .status = PD_DEGRADED, .incremental = true, .copies = 8,
        .started = INT64_MAX - 1, .finished = INT64_MAX, .archives = 1, .files = UINT64_MAX,
        .bytes = (uint64_t)1 << 63, .problems = 4, .skipped = 5};

    fill(row.name, sizeof row.name, 'n');
    fill(row.host, sizeof row.host, 'h');
    fill(row.pool, sizeof row.pool, 'p');
    fill(row.roots, sizeof row.roots, 'r');
    fill(row.policy, sizeof row.policy, 'o');
    return row;
}

static void assert_dump_equal(const struct pd_dump_row *a, const struct pd_dump_row *b)
{
    assert_int_equal(a->id, b->id);
    assert_string_equal(a->uuid, b->uuid);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->host, b->host);
    assert_string_equal(a->pool, b->pool);
    assert_string_equal(a->roots, b->roots);
    assert_string_equal(a->policy, b->policy);
    assert_true(a->pid == b->pid && a->state == b->state && a->status == b->status);
    assert_true(a->incremental == b->incremental && a->copies == b->copies);
    assert_true(a->started == b->started && a->finished == b->finished);
    assert_true(a->archives == b->archives && a->files == b->files && a->bytes == b->bytes);
    assert_true(a->problems == b->problems && a->skipped == b->skipped);
}

static void a_dump_comes_back_as_it_was_added(void **state)
{
    struct cat_case *c = *state;
    struct pd_dump_row row = full_dump(), got;

    cat_ok(c, pd_catalog_dump_add(c->catalog, &row, &c->err));
    assert_true(row.id > 0);
    cat_ok(c, pd_catalog_dump_find(c->catalog, row.uuid, &got, &c->err));
    assert_dump_equal(&got, &row);
    cat_close(c);
    cat_open(c);
    cat_ok(c, pd_catalog_dump_find(c->catalog, row.name, &got, &c->err));
    assert_dump_equal(&got, &row);
}

static void a_dump_goes_through_all_states(void **state)
{
    struct cat_case *c = *state;
    struct pd_dump_row row = full_dump(), other, got;
    int64_t other_id = cat_dump(c, "other", 2, 1);

    cat_ok(c, pd_catalog_dump_add(c->catalog, &row, &c->err));
    for (int i = PD_DUMP_INITIALIZE; i <= PD_DUMP_DONE; i++) {
        row.state = (enum pd_dump_state)i;
        row.status = (enum pd_status)(i % 2 ? PD_OK : PD_FAILED);
        row.finished = i;
        row.archives = 10 + (uint64_t)i;
        row.files = 20;
        row.bytes = 30;
        row.problems = 40;
        row.skipped = 50;
        cat_ok(c, pd_catalog_dump_update(c->catalog, &row, &c->err));
        cat_ok(c, pd_catalog_dump_find(c->catalog, row.name, &got, &c->err));
        assert_dump_equal(&got, &row);
    }
    cat_ok(c, pd_catalog_dump_find(c->catalog, "other", &other, &c->err));
    assert_int_equal(other.id, other_id);
    assert_int_equal(other.state, PD_DUMP_WRITE);
    assert_int_equal(other.files, 0);
}

static void add_dump(struct cat_case *c, const char *name, const char *uuid)
{
    struct pd_dump_row row = {.copies = 1};

    (void)snprintf(row.name, sizeof row.name, "%s", name);
    (void)snprintf(row.uuid, sizeof row.uuid, "%s", uuid);
    cat_ok(c, pd_catalog_dump_add(c->catalog, &row, &c->err));
}

static void a_dump_is_found_by_name_uuid_and_unique_prefix(void **state)
{
    static const struct {
        const char *which;
        enum pd_status status;
        const char *name;
    } asked[] = {
        {"one", PD_OK, "one"},
        {"11112222-0000-4000-8000-000000000001", PD_OK, "one"},
        {"33334444", PD_OK, "33334444"},   /* a name beats a prefix */
        {"33334444-", PD_OK, "three"},     /* and this is one */
        {"77778888", PD_OK, "77778888"},   /* whichever is older */
        {"11112222-0", PD_OK, "one"},
        {"11112222", PD_USAGE, NULL},      /* of two */
        {"11112222-1", PD_OK, "two"},
        {"3333444", PD_NOT_FOUND, NULL},   /* too short */
        {"44445555", PD_NOT_FOUND, NULL},
        {"on", PD_NOT_FOUND, NULL},
        {"", PD_NOT_FOUND, NULL},
        {"%", PD_NOT_FOUND, NULL},
        {"last", PD_OK, "33334444"},
        {NULL, PD_OK, "33334444"},
    };
    struct cat_case *c = *state;
    struct pd_dump_row row;

    cat_expect(c, PD_NOT_FOUND, pd_catalog_dump_find(c->catalog, "last", &row, &c->err));
    cat_expect(c, PD_NOT_FOUND, pd_catalog_dump_find(c->catalog, NULL, &row, &c->err));
    add_dump(c, "one", "11112222-0000-4000-8000-000000000001");
    add_dump(c, "two", "11112222-1000-4000-8000-000000000002");
    add_dump(c, "three", "33334444-0000-4000-8000-000000000003");
    add_dump(c, "77778888", "99990000-0000-4000-8000-000000000005");
    add_dump(c, "later", "77778888-0000-4000-8000-000000000006");
    add_dump(c, "33334444", "55556666-0000-4000-8000-000000000004");
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        pd_error_clear(&c->err);
        enum pd_status status = pd_catalog_dump_find(c->catalog, asked[i].which, &row, &c->err);
        assert_string_equal(pd_status_name(status), pd_status_name(asked[i].status));
        if (asked[i].name) {
            assert_string_equal(row.name, asked[i].name);
        }
    }
}

static void dumps_are_listed_oldest_first(void **state)
{
    struct cat_case *c = *state;
    struct dumps list = {0};

    (void)cat_dump(c, "b", 1, 1);
    (void)cat_dump(c, "c", 1, 2);
    (void)cat_dump(c, "a", 1, 3);
    cat_ok(c, pd_catalog_dumps(c->catalog, take_dump, &list, &c->err));
    assert_int_equal(list.n, 3);
    assert_string_equal(list.rows[0].name, "b");
    assert_string_equal(list.rows[1].name, "c");
    assert_string_equal(list.rows[2].name, "a");
}

static void names_and_uuids_of_dumps_are_unique(void **state)
{
    struct cat_case *c = *state;
    struct pd_dump_row row = full_dump(), again = full_dump();

    cat_ok(c, pd_catalog_dump_add(c->catalog, &row, &c->err));
    again.uuid[0] = 'f';
    assert_int_not_equal(pd_catalog_dump_add(c->catalog, &again, &c->err), PD_OK);
    again = full_dump();
    again.name[0] = 'f';
    assert_int_not_equal(pd_catalog_dump_add(c->catalog, &again, &c->err), PD_OK);
    again.uuid[0] = 'f';
    cat_ok(c, pd_catalog_dump_add(c->catalog, &again, &c->err));
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM dump"), 2);
}

struct problems {
    size_t n;
    const struct pd_problem *wanted;
};

static enum pd_status compare_problem(void *arg, const struct pd_problem *got,
                                      struct pd_error *err)
{
    struct problems *list = arg;
    const struct pd_problem *want = &list->wanted[list->n++];

    (void)err;
    assert_string_equal(got->path, want->path);
    assert_int_equal(got->status, want->status);
    assert_int_equal(got->sys_errno, want->sys_errno);
    assert_string_equal(got->message, want->message ? want->message : "");
    assert_int_equal(got->archived, want->archived);
    return PD_OK;
}

static void problems_come_back_in_order(void **state)
{
    static const struct pd_problem wanted[] = {
        {"/z", PD_SOURCE_VANISHED, 2, "gone", false},
        {"/raw \xff\n\t", PD_SOURCE_UNREADABLE, 5, NULL, true},
        {"/z", PD_SOURCE_CHANGED, 0, "grew by 'half' \"\\", true},
        {"/a", PD_SOURCE_UNREADABLE, 13, "", false},
    };
    struct cat_case *c = *state;
    struct problems list = {0, wanted};
    int64_t dump = cat_dump(c, "d", 1, 1), other = cat_dump(c, "e", 1, 2);

    for (size_t i = 0; i < 4; i++) {
        cat_ok(c, pd_catalog_problem_add(c->catalog, dump, &wanted[i], &c->err));
    }
    cat_ok(c, pd_catalog_problems(c->catalog, dump, compare_problem, &list, &c->err));
    assert_int_equal(list.n, 4);
    cat_ok(c, pd_catalog_problems(c->catalog, other, compare_problem, &list, &c->err));
    assert_int_equal(list.n, 4);
}

/* ---- archives ---- */

static const char *const two_paths[] = {"/data/a", "/data/b"};

static void an_archive_begun_has_copies_being_written(void **state)
{
    struct cat_case *c = *state;
    int64_t dump = cat_dump(c, "d", 2, 1);
    int64_t volumes[] = {cat_volume(c, "V1"), cat_volume(c, "V2")};
    struct pd_copy_row copies[2];
    struct archives archives = {0};
    struct copies list = {0};
    struct pd_toc toc;
    int64_t id = cat_begin(c, dump, 4, volumes, 2, copies);

    cat_ok(c, pd_catalog_archives(c->catalog, dump, take_archive, &archives, &c->err));
    assert_int_equal(archives.n, 1);
    assert_int_equal(archives.rows[0].id, id);
    assert_int_equal(archives.rows[0].dump_id, dump);
    assert_int_equal(archives.rows[0].seq, 4);
    assert_int_equal(archives.rows[0].record_size, 65536);
    assert_int_equal(archives.rows[0].records, 0);
    cat_ok(c, pd_catalog_copies(c->catalog, id, 0, take_copy, &list, &c->err));
    assert_int_equal(list.n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(list.rows[i].id, copies[i].id);
        assert_int_equal(list.rows[i].archive_id, id);
        assert_int_equal(list.rows[i].volume_id, volumes[i]);
        assert_int_equal(list.rows[i].copy, i + 1);
        assert_int_equal(list.rows[i].tape_file, 4);
        assert_int_equal(list.rows[i].state, PD_COPY_WRITING);
        assert_true(list.rows[i].changed == NOW);
        assert_string_equal(list.rows[i].label, i == 0 ? "V1" : "V2");
        assert_string_equal(list.rows[i].archive, archives.rows[0].name);
        assert_string_equal(list.rows[i].location, "disk:/v");
    }
    cat_ok(c, pd_catalog_toc(c->catalog, id, &toc, &c->err));
    assert_int_equal(toc.file_count + toc.record_count, 0);
    pd_toc_release(&toc);
    assert_int_equal(volume_row(c, "V1").used, 0);
    assert_int_equal(cat_check(c), 0);
}

static void assert_file_equal(const struct pd_toc_file *a, const struct pd_toc_file *b)
{
    assert_string_equal(a->path, b->path);
    assert_int_equal(a->link == NULL, b->link == NULL);
    if (a->link) {
        assert_string_equal(a->link, b->link);
    }
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->has_digest, b->has_digest);
    assert_memory_equal(a->digest, b->digest, sizeof a->digest);
    assert_true(a->mode == b->mode && a->uid == b->uid && a->gid == b->gid);
    assert_true(a->mtime == b->mtime && a->mtime_ns == b->mtime_ns);
    assert_true(a->ctime == b->ctime && a->ctime_ns == b->ctime_ns);
    assert_true(a->dev == b->dev && a->ino == b->ino && a->size == b->size);
    assert_true(a->offset == b->offset && a->length == b->length);
}

static void a_table_of_contents_comes_back_as_it_was_written(void **state)
{
    static const struct pd_toc_file files[] = {
        {.path = "/", .kind = PD_KIND_DIR, .state = PD_WHOLE, .mode = 0755},
        {.path = "/top", .kind = PD_KIND_FILE, .state = PD_PARTIAL, .has_digest = true,
         .digest = {1, 2, 0, 255}, .mode = 07777, .uid = UINT32_MAX, .gid = UINT32_MAX - 1,
         .mtime = -1, .mtime_ns = 999999999, .ctime = INT64_MIN, .ctime_ns = 1,
         .dev = UINT64_MAX, .ino = UINT64_MAX, .size = (uint64_t)1 << 62, .length = 512},
        {.path = "/d/l", .kind = PD_KIND_SYMLINK, .state = PD_WHOLE, .link = "../\xff \n'x'",
         .offset = 512, .length = 1024},
        {.path = "/d/h", .kind = PD_KIND_HARDLINK, .state = PD_CHANGED, .link = "/top",
         .has_digest = true, .offset = 1536, .length = 512},
        {.path = "/d/\xc3\xa4\xff\t", .kind = PD_KIND_FIFO, .state = PD_WHOLE, .offset = 2048,
         .length = 512},
        {.path = "/d/c", .kind = PD_KIND_CHAR, .state = PD_WHOLE, .offset = 2560, .length = 512},
        {.path = "/d/b", .kind = PD_KIND_BLOCK, .state = PD_WHOLE, .offset = 3072, .length = 512},
    };
    enum { FILES = sizeof files / sizeof files[0] };
    struct cat_case *c = *state;
    int64_t dump = cat_dump(c, "d", 1, 1), volume = cat_volume(c, "V1");
    struct pd_copy_row copy;
    struct pd_toc toc, got;
    int64_t id = cat_begin(c, dump, 9, &volume, 1, &copy);
    struct pd_dump_row row;

    cat_toc_start(&toc, "renamed.9");
    for (size_t i = 0; i < FILES; i++) {
        cat_ok(c, pd_toc_add_file(&toc, &files[i], NULL, &c->err));
    }
    for (int i = 0; i < 3; i++) {
        cat_ok(c, pd_toc_add_record(&toc, pd_record_digest(&i, sizeof i), &c->err));
    }
    toc.payload_files = 3;
    toc.payload_bytes = 77;
    toc.manifest_offset = 3584;
    copy.state = PD_COPY_WRITTEN;
    cat_ok(c, pd_catalog_archive_written(c->catalog, id, &toc, &copy, 1, &c->err));
    cat_close(c);
    cat_open(c);
    cat_ok(c, pd_catalog_toc(c->catalog, id, &got, &c->err));
    cat_ok(c, pd_catalog_dump_find(c->catalog, "d", &row, &c->err));
    assert_string_equal(got.name, "renamed.9");
    assert_string_equal(got.dump_uuid, row.uuid);
    assert_int_equal(got.seq, 9);
    assert_int_equal(got.record_size, 65536);
    assert_int_equal(got.payload_files, 3);
    assert_int_equal(got.payload_bytes, 77);
    assert_int_equal(got.manifest_offset, 3584);
    assert_int_equal(got.record_count, 3);
    assert_memory_equal(got.records, toc.records, 3 * sizeof *toc.records);
    assert_int_equal(got.file_count, FILES);
    for (size_t i = 0; i < FILES; i++) {
        assert_file_equal(&got.files[i], &files[i]);
    }
    pd_toc_release(&got);
    pd_toc_release(&toc);
    assert_int_equal(cat_check(c), 0);
}

static void an_archive_that_is_not_there_is_not_found(void **state)
{
    struct cat_case *c = *state;
    struct pd_toc toc;

    cat_expect(c, PD_NOT_FOUND, pd_catalog_toc(c->catalog, 5, &toc, &c->err));
    cat_toc_start(&toc, "x");
    cat_expect(c, PD_CATALOG, pd_catalog_archive_written(c->catalog, 5, &toc, NULL, 0, &c->err));
    pd_toc_release(&toc);
}

static void volumes_follow_what_is_written_on_them(void **state)
{
    struct cat_case *c = *state;
    int64_t dump = cat_dump(c, "d", 2, 1);
    int64_t volumes[] = {cat_volume(c, "V1"), cat_volume(c, "V2")};
    struct pd_copy_row copies[2];
    struct pd_toc toc;
    int64_t id;

    (void)cat_archive(c, dump, 1, two_paths, 2, volumes, 2, copies);
    (void)cat_archive(c, dump, 2, two_paths, 2, volumes, 2, copies);
    id = cat_begin(c, dump, 3, volumes, 2, copies);
    cat_toc_start(&toc, "d1.3");
    cat_toc_add(c, &toc, "/data/c");
    cat_toc_end(c, &toc);
    copies[0].state = PD_COPY_WRITTEN;
    copies[1].state = PD_COPY_BAD;
    copies[1].reason = PD_IO;
    fill(copies[1].message, sizeof copies[1].message, 'm');
    cat_ok(c, pd_catalog_archive_written(c->catalog, id, &toc, copies, 2, &c->err));
    pd_toc_release(&toc);

    struct pd_volume_row good = volume_row(c, "V1"), bad = volume_row(c, "V2");
    assert_int_equal(good.used, 3 * 65536);
    assert_int_equal(good.tape_files, 4);
    assert_true(good.last_written == NOW);
    assert_int_equal(good.archives, 3);
    assert_int_equal(good.bad_copies, 0);
    assert_int_equal(bad.used, 2 * 65536); /* nothing counts on what a bad copy took */
    assert_int_equal(bad.tape_files, 3);
    assert_int_equal(bad.archives, 3);
    assert_int_equal(bad.bad_copies, 1);
    struct pd_copy_row row = copy_row(c, id, copies[1].id);
    assert_int_equal(row.state, PD_COPY_BAD);
    assert_int_equal(row.reason, PD_IO);
    assert_string_equal(row.message, copies[1].message);
    assert_int_equal(cat_state(c, id, copies[0].id), PD_COPY_WRITTEN);
    assert_int_equal(cat_check(c), 0);
}

static void the_highest_tape_file_counts(void **state)
{
    struct cat_case *c = *state;
    int64_t dump = cat_dump(c, "d", 1, 1), volume = cat_volume(c, "V1");
    struct pd_copy_row copy;

    (void)cat_archive(c, dump, 7, two_paths, 2, &volume, 1, &copy);
    (void)cat_archive(c, dump, 3, two_paths, 2, &volume, 1, &copy);
    assert_int_equal(volume_row(c, "V1").tape_files, 8);
}

static void a_volume_of_another_host_is_elsewhere(void **state)
{
    struct cat_case *c = *state;
    struct pd_volume_row row;

    (void)cat_volume(c, "V1");
    row = volume_row(c, "V1");
    assert_string_equal(row.host, "lab-1");
    assert_true(pd_volume_is_elsewhere(&row));
    memset(row.host, 0, sizeof row.host);
    assert_false(pd_volume_is_elsewhere(&row));
    assert_int_equal(gethostname(row.host, sizeof row.host - 1), 0);
    assert_false(pd_volume_is_elsewhere(&row));
    row.host[strlen(row.host) - 1] ^= 1;
    assert_true(pd_volume_is_elsewhere(&row));
}

static void copies_are_listed_by_archive_by_volume_and_all(void **state)
{
    struct cat_case *c = *state;
    int64_t dump = cat_dump(c, "d", 2, 1);
    int64_t volumes[] = {cat_volume(c, "V1"), cat_volume(c, "V2")};
    struct pd_copy_row copies[4];
    int64_t first = cat_archive(c, dump, 1, two_paths, 2, volumes, 2, copies);
    struct copies list = {0};

    (void)cat_archive(c, dump, 2, two_paths, 2, volumes, 2, copies + 2);
    cat_ok(c, pd_catalog_copies(c->catalog, first, 0, take_copy, &list, &c->err));
    assert_int_equal(list.n, 2);
    assert_int_equal(list.rows[0].id, copies[0].id);
    assert_int_equal(list.rows[1].id, copies[1].id);
    list.n = 0;
    cat_ok(c, pd_catalog_copies(c->catalog, 0, volumes[1], take_copy, &list, &c->err));
    assert_int_equal(list.n, 2);
    assert_int_equal(list.rows[0].id, copies[1].id);
    assert_int_equal(list.rows[1].id, copies[3].id);
    list.n = 0;
    cat_ok(c, pd_catalog_copies(c->catalog, 0, 0, take_copy, &list, &c->err));
    assert_int_equal(list.n, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(list.rows[i].id, copies[i].id);
    }
}

static void written_is_all_or_nothing(void **state)
{
    struct cat_case *c = *state;
    int64_t dump = cat_dump(c, "d", 2, 1);
    int64_t volumes[] = {cat_volume(c, "V1"), cat_volume(c, "V2")};
    struct pd_copy_row copies[2], others[2];
    int64_t id = cat_begin(c, dump, 1, volumes, 2, copies);
    struct pd_toc toc, got;

    (void)cat_begin(c, dump, 2, volumes, 2, others);
    cat_toc_start(&toc, "d1.1");
    cat_toc_add(c, &toc, "/new/folder/a");
    cat_toc_end(c, &toc);
    copies[0].state = PD_COPY_WRITTEN;
    copies[1].state = PD_COPY_VERIFIED; /* which nobody can know yet */
    cat_expect(c, PD_INTERNAL,
               pd_catalog_archive_written(c->catalog, id, &toc, copies, 2, &c->err));
    others[0].state = PD_COPY_WRITTEN; /* of another archive */
    copies[1] = others[0];
    cat_expect(c, PD_CATALOG,
               pd_catalog_archive_written(c->catalog, id, &toc, copies, 2, &c->err));
    assert_int_equal(cat_state(c, id, copies[0].id), PD_COPY_WRITING);
    assert_int_equal(volume_row(c, "V1").used, 0);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM file"), 0);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM folder"), 0);

    /* the folder that was taken back is made again */
    cat_ok(c, pd_catalog_archive_written(c->catalog, id, &toc, copies, 1, &c->err));
    cat_ok(c, pd_catalog_toc(c->catalog, id, &got, &c->err));
    assert_int_equal(got.file_count, 1);
    assert_string_equal(got.files[0].path, "/new/folder/a");
    pd_toc_release(&got);
    /* and only once: what is written cannot be written anew */
    assert_int_not_equal(pd_catalog_archive_written(c->catalog, id, &toc, copies, 1, &c->err),
                         PD_OK);
    assert_int_equal(volume_row(c, "V1").used, 65536);
    pd_toc_release(&toc);
    assert_int_equal(cat_check(c), 0);
}

static void begun_is_all_or_nothing(void **state)
{
    struct cat_case *c = *state;
    int64_t dump = cat_dump(c, "d", 2, 1), volume = cat_volume(c, "V1");
    struct pd_archive_row archive = {.dump_id = dump, .seq = 1, .name = "d.1"};
    struct pd_copy_row copies[2] = {{.volume_id = volume, .copy = 1},
                                    {.volume_id = volume, .copy = 2}};

    /* two copies of one archive on one volume are no two copies */
    assert_int_not_equal(
        pd_catalog_archive_begin(c->catalog, &archive, copies, 2, &c->err), PD_OK);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM archive"), 0);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM copy"), 0);
    cat_ok(c, pd_catalog_archive_begin(c->catalog, &archive, copies, 1, &c->err));
    assert_int_not_equal(
        pd_catalog_archive_begin(c->catalog, &archive, copies, 1, &c->err), PD_OK);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM archive"), 1);
}

static void an_abandoned_archive_leaves_no_trace(void **state)
{
    struct cat_case *c = *state;
    int64_t dump = cat_dump(c, "d", 2, 1);
    int64_t volumes[] = {cat_volume(c, "V1"), cat_volume(c, "V2")};
    struct pd_copy_row copies[2];
    int64_t kept = cat_archive(c, dump, 1, two_paths, 2, volumes, 2, copies);
    struct archives archives = {0};
    struct copies list = {0};
    struct pd_toc toc;

    int64_t id = cat_begin(c, dump, 2, volumes, 2, copies);
    cat_ok(c, pd_catalog_archive_abandon(c->catalog, id, &c->err));
    cat_ok(c, pd_catalog_archives(c->catalog, dump, take_archive, &archives, &c->err));
    assert_int_equal(archives.n, 1);
    assert_int_equal(archives.rows[0].id, kept);
    assert_int_equal(archives.rows[0].files, 2);
    cat_ok(c, pd_catalog_copies(c->catalog, 0, 0, take_copy, &list, &c->err));
    assert_int_equal(list.n, 2);
    cat_expect(c, PD_NOT_FOUND, pd_catalog_toc(c->catalog, id, &toc, &c->err));
    assert_int_equal(volume_row(c, "V1").archives, 1);
    assert_int_equal(cat_check(c), 0);
    /* its number is free for the next pair */
    (void)cat_archive(c, dump, 2, two_paths, 2, volumes, 2, copies);
    assert_int_equal(cat_check(c), 0);
}

/* ---- verification ---- */

struct pair {
    int64_t dump, archive, volumes[2];
    struct pd_copy_row copies[2];
};

static struct pair make_pair(struct cat_case *c)
{
    struct pair p = {.dump = cat_dump(c, "d", 2, 1)};

    p.volumes[0] = cat_volume(c, "V1");
    p.volumes[1] = cat_volume(c, "V2");
    p.archive = cat_archive(c, p.dump, 1, two_paths, 2, p.volumes, 2, p.copies);
    return p;
}

static void a_verification_moves_its_copy_by_what_it_found(void **state)
{
    static const struct {
        enum pd_status status;
        bool blames;
    } found[] = {
        {PD_IO, true},           {PD_BAD_RECORD, true},   {PD_BAD_FILE, true},
        {PD_TRUNCATED, true},    {PD_MISSING, true},      {PD_BAD_FORMAT, true},
        {PD_END_OF_DATA, true},  {PD_INTERRUPTED, false}, {PD_NO_MEDIUM, false},
        {PD_NOT_READY, false},   {PD_BUSY, false},        {PD_WRONG_VOLUME, false},
        {PD_NO_MEMORY, false},   {PD_HUNG, false},        {PD_INTERNAL, false},
        {PD_UNVERIFIED, false},  {PD_AGAIN, false},
    };
    struct cat_case *c = *state;
    struct pair p = make_pair(c);
    int64_t copy = p.copies[0].id;

    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++) {
        for (int full = 0; full < 2; full++) {
            cat_sql(c, "UPDATE copy SET state = 'written', reason = 'ok'");
            cat_ok(c, cat_verify(c, copy, full ? "full" : "records", found[i].status));
            struct pd_copy_row row = copy_row(c, p.archive, copy);
            assert_int_equal(row.state, found[i].blames ? PD_COPY_BAD : PD_COPY_WRITTEN);
            assert_int_equal(row.reason, found[i].blames ? found[i].status : PD_OK);
            assert_int_equal(cat_state(c, p.archive, p.copies[1].id), PD_COPY_WRITTEN);
        }
    }
}

static void only_a_full_verification_makes_a_copy_verified(void **state)
{
    struct cat_case *c = *state;
    struct pair p = make_pair(c);
    int64_t copy = p.copies[0].id;

    cat_ok(c, cat_verify(c, copy, "records", PD_OK));
    assert_int_equal(cat_state(c, p.archive, copy), PD_COPY_WRITTEN);
    assert_int_equal(volume_row(c, "V1").last_verified, 0);
    cat_ok(c, cat_verify(c, copy, "full", PD_OK));
    assert_int_equal(cat_state(c, p.archive, copy), PD_COPY_VERIFIED);
    assert_int_equal(copy_row(c, p.archive, copy).changed, 20);
    assert_int_equal(volume_row(c, "V1").last_verified, 20);
    assert_int_equal(volume_row(c, "V2").last_verified, 0);
    assert_int_equal(cat_state(c, p.archive, p.copies[1].id), PD_COPY_WRITTEN);
    cat_ok(c, cat_verify(c, copy, "records", PD_OK));
    assert_int_equal(cat_state(c, p.archive, copy), PD_COPY_VERIFIED);
    cat_ok(c, cat_verify(c, copy, "full", PD_INTERRUPTED));
    assert_int_equal(cat_state(c, p.archive, copy), PD_COPY_VERIFIED);
    assert_int_equal(cat_check(c), 0);
}

static void a_bad_copy_is_good_again_only_after_a_full_verification(void **state)
{
    struct cat_case *c = *state;
    struct pair p = make_pair(c);
    int64_t copy = p.copies[0].id;

    cat_ok(c, cat_verify(c, copy, "full", PD_OK));
    cat_ok(c, cat_verify(c, copy, "records", PD_BAD_RECORD));
    assert_int_equal(cat_state(c, p.archive, copy), PD_COPY_BAD);
    cat_ok(c, cat_verify(c, copy, "records", PD_OK));
    assert_int_equal(cat_state(c, p.archive, copy), PD_COPY_BAD);
    cat_ok(c, cat_verify(c, copy, "full", PD_HUNG));
    assert_int_equal(cat_state(c, p.archive, copy), PD_COPY_BAD);
    cat_ok(c, cat_verify(c, copy, "full", PD_OK));
    struct pd_copy_row row = copy_row(c, p.archive, copy);
    assert_int_equal(row.state, PD_COPY_VERIFIED);
    assert_int_equal(row.reason, PD_OK);
    assert_string_equal(row.message, "");
}

static void what_was_never_written_cannot_be_verified(void **state)
{
    struct cat_case *c = *state;
    int64_t dump = cat_dump(c, "d", 1, 1), volume = cat_volume(c, "V1");
    struct pd_copy_row copy;
    int64_t id = cat_begin(c, dump, 1, &volume, 1, &copy);

    cat_expect(c, PD_CATALOG, cat_verify(c, copy.id, "full", PD_OK));
    cat_expect(c, PD_CATALOG, cat_verify(c, copy.id + 100, "full", PD_OK));
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM verification"), 0);
    cat_ok(c, cat_verify(c, copy.id, "full", PD_BAD_FILE));
    assert_int_equal(cat_state(c, id, copy.id), PD_COPY_WRITING);
    assert_int_equal(volume_row(c, "V1").last_verified, 0);
}

static int64_t verified_since(struct cat_case *c)
{
    return volume_row(c, "V1").last_verified;
}

static void verify_at(struct cat_case *c, int64_t copy, int64_t when, enum pd_status found)
{
    struct pd_verification_row row = {
        .copy_id = copy, .started = when - 1, .finished = when, .mode = "full", .status = found};

    cat_ok(c, pd_catalog_verification_add(c->catalog, &row, NULL, 0, &c->err));
}

static void a_volume_was_verified_when_the_oldest_of_its_copies_was(void **state)
{
    struct cat_case *c = *state;
    struct pair p = make_pair(c);
    struct pd_copy_row second[2], third[2];
    const char *paths[] = {"/a"};
    struct pd_error why = PD_ERROR_INIT;

    assert_int_equal(verified_since(c), 0);
    (void)cat_archive(c, p.dump, 8, paths, 1, p.volumes, 2, second);
    verify_at(c, p.copies[0].id, 300, PD_OK);
    assert_int_equal(verified_since(c), 0); /* the second was never */
    verify_at(c, second[0].id, 100, PD_OK);
    verify_at(c, second[1].id, 77, PD_OK); /* of another volume */
    assert_int_equal(verified_since(c), 100);
    verify_at(c, second[0].id, 400, PD_OK);
    assert_int_equal(verified_since(c), 300);
    verify_at(c, p.copies[0].id, 500, PD_INTERRUPTED);
    assert_int_equal(verified_since(c), 300);
    (void)cat_begin(c, p.dump, 9, p.volumes, 2, third); /* not there yet */
    assert_int_equal(verified_since(c), 300);
    verify_at(c, p.copies[0].id, 600, PD_BAD_FILE); /* counts no longer, and is said to be bad */
    assert_int_equal(verified_since(c), 400);
    verify_at(c, p.copies[0].id, 700, PD_OK);
    verify_at(c, second[0].id, 800, PD_HUNG);
    assert_int_equal(verified_since(c), 0);
    verify_at(c, second[0].id, 900, PD_OK);
    assert_int_equal(verified_since(c), 700);
    assert_int_equal(cat_check(c), 0);
    (void)pd_error_set(&why, PD_MISSING, 0, "gone");
    cat_ok(c, pd_catalog_volume_doubt(c->catalog, p.volumes[0], &why, &c->err));
    assert_int_equal(verified_since(c), 0);
    verify_at(c, p.copies[0].id, 910, PD_IO);
    verify_at(c, second[0].id, 920, PD_IO);
    assert_int_equal(verified_since(c), 0);
}

static void the_history_of_verifications_is_kept(void **state)
{
    struct cat_case *c = *state;
    struct pair p = make_pair(c);
    struct pd_verification_row row = {.copy_id = p.copies[1].id, .started = 5, .finished = 6,
                                      .mode = "full", .status = PD_BAD_FILE,
                                      .records = UINT64_MAX, .bad_records = 2, .files = 3,
                                      .bad_files = 4};
    struct verifications list = {0};

    fill(row.message, sizeof row.message, 'm');
    cat_ok(c, cat_verify(c, p.copies[0].id, "full", PD_OK));
    cat_ok(c, pd_catalog_verification_add(c->catalog, &row, NULL, 0, &c->err));
    cat_ok(c, cat_verify(c, p.copies[0].id, "records", PD_INTERRUPTED));
    cat_ok(c, pd_catalog_verifications(c->catalog, 0, 0, take_verification, &list, &c->err));
    assert_int_equal(list.n, 3);
    const struct pd_verification_row *got = &list.rows[1];
    assert_int_equal(got->copy_id, row.copy_id);
    assert_true(got->started == 5 && got->finished == 6);
    assert_string_equal(got->mode, "full");
    assert_int_equal(got->status, PD_BAD_FILE);
    assert_true(got->records == UINT64_MAX && got->bad_records == 2);
    assert_true(got->files == 3 && got->bad_files == 4);
    assert_string_equal(got->message, row.message);
    assert_string_equal(got->label, "V2");
    assert_string_equal(got->archive, "d1.1");
    assert_string_equal(copy_row(c, p.archive, row.copy_id).message, row.message);

    list.n = 0;
    cat_ok(c, pd_catalog_verifications(c->catalog, p.copies[0].id, 0, take_verification, &list,
                                       &c->err));
    assert_int_equal(list.n, 2);
    assert_int_equal(list.rows[0].status, PD_OK);
    assert_int_equal(list.rows[1].status, PD_INTERRUPTED);
    assert_string_equal(list.rows[1].mode, "records");
    list.n = 0;
    cat_ok(c, pd_catalog_verifications(c->catalog, 0, p.volumes[1], take_verification, &list,
                                       &c->err));
    assert_int_equal(list.n, 1);
    assert_int_equal(list.rows[0].copy_id, p.copies[1].id);
}

struct damages {
    size_t n;
    const struct pd_damage *wanted;
};

static enum pd_status compare_damage(void *arg, const struct pd_damage *got, struct pd_error *err)
{
    struct damages *list = arg;
    const struct pd_damage *want = &list->wanted[list->n++];

    (void)err;
    assert_int_equal(got->has_record, want->has_record);
    assert_true(got->record == want->record);
    assert_int_equal(got->path == NULL, want->path == NULL);
    if (want->path) {
        assert_string_equal(got->path, want->path);
    }
    assert_int_equal(got->status, want->status);
    return PD_OK;
}

static void damage_comes_back_in_order(void **state)
{
    static const struct pd_damage damage[] = {
        {true, UINT64_MAX, NULL, PD_BAD_RECORD},
        {false, 0, "/z \xff\n", PD_BAD_FILE},
        {true, 0, "/a", PD_MISSING},
    };
    struct cat_case *c = *state;
    struct pair p = make_pair(c);
    struct pd_verification_row row = {.copy_id = p.copies[0].id, .mode = "full",
                                      .status = PD_BAD_FILE};
    struct damages got = {0, damage};

    cat_ok(c, pd_catalog_verification_add(c->catalog, &row, damage, 3, &c->err));
    cat_ok(c, cat_verify(c, p.copies[1].id, "full", PD_OK));
    int64_t first = cat_number(c, "SELECT MIN(id) FROM verification");
    cat_ok(c, pd_catalog_damage(c->catalog, first, compare_damage, &got, &c->err));
    assert_int_equal(got.n, 3);
    cat_ok(c, pd_catalog_damage(c->catalog, first + 1, compare_damage, &got, &c->err));
    assert_int_equal(got.n, 3);
}

/* ---- volumes ---- */

static struct pd_volume_row full_volume(void)
{
    struct pd_volume_row row = {.label = "ABCD-_89",
                                .uuid = "01234567-89ab-4cde-8f01-23456789abcd",
                                .copy = 8,
                                .pair = UINT32_MAX,
                                .state = PD_VOLUME_FULL_STATE,
                                .block_size = 4 << 20,
                                .used = UINT64_MAX,
                                .tape_files = UINT32_MAX,
                                .created = 1,
                                .last_written = 2};

    fill(row.pool, sizeof row.pool, 'p');
    fill(row.location, sizeof row.location, 'l');
    fill(row.host, sizeof row.host, 'h');
    fill(row.reserved_by, sizeof row.reserved_by, 'r');
    fill(row.medium, sizeof row.medium, 'm');
    row.retain_until = INT64_MAX;
    return row;
}

static void assert_volume_equal(const struct pd_volume_row *a, const struct pd_volume_row *b)
{
    assert_int_equal(a->id, b->id);
    assert_string_equal(a->label, b->label);
    assert_string_equal(a->uuid, b->uuid);
    assert_string_equal(a->pool, b->pool);
    assert_string_equal(a->location, b->location);
    assert_string_equal(a->host, b->host);
    assert_string_equal(a->reserved_by, b->reserved_by);
    assert_string_equal(a->medium, b->medium);
    assert_int_equal(a->retain_until, b->retain_until);
    assert_true(a->copy == b->copy && a->pair == b->pair && a->state == b->state);
    assert_true(a->block_size == b->block_size && a->used == b->used);
    assert_true(a->tape_files == b->tape_files && a->created == b->created);
    assert_true(a->last_written == b->last_written && a->last_verified == b->last_verified);
    assert_true(a->archives == b->archives && a->bad_copies == b->bad_copies);
}

static void a_volume_comes_back_by_label_and_by_uuid(void **state)
{
    static const char *const unknown[] = {"ABCD-_8", "ABCD-%89", "%", "",
                                          "01234567", "01234567-89ab-4cde-8f01-23456789abce"};
    struct cat_case *c = *state;
    struct pd_volume_row row = full_volume(), got;

    (void)cat_volume(c, "OTHER");
    cat_ok(c, pd_catalog_volume_add(c->catalog, &row, &c->err));
    assert_true(row.id > 0);
    got = volume_row(c, row.label);
    assert_volume_equal(&got, &row);
    got = volume_row(c, row.uuid);
    assert_volume_equal(&got, &row);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        cat_expect(c, PD_NOT_FOUND,
                   pd_catalog_volume_find(c->catalog, unknown[i], &got, &c->err));
    }
}

static void labels_and_uuids_of_volumes_are_unique(void **state)
{
    struct cat_case *c = *state;
    struct pd_volume_row row = full_volume(), again = full_volume();

    cat_ok(c, pd_catalog_volume_add(c->catalog, &row, &c->err));
    again.uuid[0] = 'f';
    assert_int_not_equal(pd_catalog_volume_add(c->catalog, &again, &c->err), PD_OK);
    again = full_volume();
    again.label[0] = 'F';
    assert_int_not_equal(pd_catalog_volume_add(c->catalog, &again, &c->err), PD_OK);
    again.uuid[0] = 'f';
    cat_ok(c, pd_catalog_volume_add(c->catalog, &again, &c->err));
    /* neither may an update take the UUID of another */
    memcpy(again.uuid, row.uuid, sizeof again.uuid);
    assert_int_not_equal(pd_catalog_volume_update(c->catalog, &again, &c->err), PD_OK);
    assert_int_equal(volume_row(c, row.uuid).id, row.id);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM volume"), 2);
}

static void a_volume_changes_all_but_its_label_and_birth(void **state)
{
    struct cat_case *c = *state;
    struct pd_volume_row row = full_volume(), got;
    int64_t other = cat_volume(c, "OTHER");

    cat_ok(c, pd_catalog_volume_add(c->catalog, &row, &c->err));
    for (int i = PD_VOLUME_APPENDABLE; i <= PD_VOLUME_BAD; i++) {
        row.state = (enum pd_volume_state)i;
        row.uuid[0] = 'e';
        row.pool[0] = 'q';
        row.copy = 3;
        row.pair = 4;
        row.location[0] = 'm';
        row.host[0] = 'n';
        row.reserved_by[0] = 's';
        row.medium[0] = 'n';
        row.block_size = 65536;
        row.used = 7;
        row.tape_files = 8;
        row.last_written = 9;
        cat_ok(c, pd_catalog_volume_update(c->catalog, &row, &c->err));
        got = volume_row(c, row.label);
        assert_volume_equal(&got, &row);
    }
    assert_int_equal(volume_row(c, "OTHER").id, other);
    assert_string_equal(volume_row(c, "OTHER").location, "disk:/v");
}

static void volumes_are_listed_by_label(void **state)
{
    struct cat_case *c = *state;
    struct volumes list = {0};

    (void)cat_volume(c, "B1");
    (void)cat_volume(c, "A2");
    (void)cat_volume(c, "A1");
    cat_ok(c, pd_catalog_volumes(c->catalog, take_volume, &list, &c->err));
    assert_int_equal(list.n, 3);
    assert_string_equal(list.rows[0].label, "A1");
    assert_string_equal(list.rows[1].label, "A2");
    assert_string_equal(list.rows[2].label, "B1");
}

static void pair_numbers_are_counted_per_prefix(void **state)
{
    static const char *const labels[] = {
        "PD100007", "PD200009", "PD300002", "PD1000", "PD1-0099", "PDX", "QD100042",
        "P100003", "PX1000AB", "100005", "PD10009Z",
    };
    static const struct {
        const char *prefix;
        uint64_t last;
    } wanted[] = {{"PD", 9}, {"QD", 42}, {"P", 3}, {"PX", 0}, {"", 5}, {"ZZ", 0}, {"%", 0},
                  {"_D", 0}};
    struct cat_case *c = *state;
    uint64_t last = 7;

    cat_ok(c, pd_catalog_last_pair(c->catalog, "PD", &last, &c->err));
    assert_int_equal(last, 0);
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        (void)cat_volume(c, labels[i]);
    }
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        cat_ok(c, pd_catalog_last_pair(c->catalog, wanted[i].prefix, &last, &c->err));
        assert_int_equal(last, wanted[i].last);
    }
}

/* A cartridge of a library is called by its barcode. */
static void pair_numbers_of_barcodes_stand_in_the_rows(void **state)
{
    struct cat_case *c = *state;
    struct pd_volume_row row = {.id = 0};
    uint64_t last = 0;

    (void)cat_volume(c, "PD0003");
    cat_ok(c, pd_catalog_volume_find(c->catalog, "PD0003", &row, &c->err));
    row.pair = 17;
    cat_ok(c, pd_catalog_volume_update(c->catalog, &row, &c->err));
    cat_ok(c, pd_catalog_last_pair(c->catalog, "PD", &last, &c->err));
    assert_int_equal(last, 17);
    cat_ok(c, pd_catalog_last_pair(c->catalog, "QD", &last, &c->err));
    assert_int_equal(last, 0);
}

/* ---- lists that are left early ---- */

static enum pd_status stop(void *arg, struct pd_error *err)
{
    ++*(int *)arg;
    return pd_error_set(err, PD_INTERRUPTED, 0, "enough");
}

static enum pd_status stop_dump(void *arg, const struct pd_dump_row *row, struct pd_error *err)
{
    (void)row;
    return stop(arg, err);
}

static enum pd_status stop_volume(void *arg, const struct pd_volume_row *row,
                                  struct pd_error *err)
{
    (void)row;
    return stop(arg, err);
}

static enum pd_status stop_archive(void *arg, const struct pd_archive_row *row,
                                   struct pd_error *err)
{
    (void)row;
    return stop(arg, err);
}

static enum pd_status stop_copy(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    (void)row;
    return stop(arg, err);
}

static enum pd_status stop_verification(void *arg, const struct pd_verification_row *row,
                                        struct pd_error *err)
{
    (void)row;
    return stop(arg, err);
}

static enum pd_status stop_problem(void *arg, const struct pd_problem *row, struct pd_error *err)
{
    (void)row;
    return stop(arg, err);
}

static enum pd_status stop_damage(void *arg, const struct pd_damage *row, struct pd_error *err)
{
    (void)row;
    return stop(arg, err);
}

static enum pd_status stop_found(void *arg, const struct pd_found *row, struct pd_error *err)
{
    (void)row;
    return stop(arg, err);
}

static void a_callback_that_fails_ends_its_list(void **state)
{
    static const struct pd_problem problem = {.path = "/x", .status = PD_SOURCE_VANISHED};
    static const struct pd_damage damage[2] = {{true, 1, NULL, PD_IO}, {true, 2, NULL, PD_IO}};
    struct cat_case *c = *state;
    struct pair p = make_pair(c);
    struct pd_copy_row copies[2];
    struct pd_verification_row row = {.copy_id = p.copies[0].id, .mode = "full", .status = PD_IO};
    int n = 0;

    (void)cat_dump(c, "e", 2, 2);
    (void)cat_archive(c, p.dump, 2, two_paths, 2, p.volumes, 2, copies);
    cat_ok(c, pd_catalog_verification_add(c->catalog, &row, damage, 2, &c->err));
    int64_t verification = cat_number(c, "SELECT MAX(id) FROM verification");
    cat_ok(c, cat_verify(c, p.copies[1].id, "full", PD_OK));
    cat_ok(c, pd_catalog_problem_add(c->catalog, p.dump, &problem, &c->err));
    cat_ok(c, pd_catalog_problem_add(c->catalog, p.dump, &problem, &c->err));

    cat_expect(c, PD_INTERRUPTED, pd_catalog_dumps(c->catalog, stop_dump, &n, &c->err));
    cat_expect(c, PD_INTERRUPTED, pd_catalog_volumes(c->catalog, stop_volume, &n, &c->err));
    cat_expect(c, PD_INTERRUPTED,
               pd_catalog_archives(c->catalog, p.dump, stop_archive, &n, &c->err));
    cat_expect(c, PD_INTERRUPTED, pd_catalog_copies(c->catalog, 0, 0, stop_copy, &n, &c->err));
    cat_expect(c, PD_INTERRUPTED,
               pd_catalog_verifications(c->catalog, 0, 0, stop_verification, &n, &c->err));
    cat_expect(c, PD_INTERRUPTED,
               pd_catalog_problems(c->catalog, p.dump, stop_problem, &n, &c->err));
    cat_expect(c, PD_INTERRUPTED,
               pd_catalog_damage(c->catalog, verification, stop_damage, &n, &c->err));
    cat_expect(c, PD_INTERRUPTED, pd_catalog_find(c->catalog, 0, "/*", stop_found, &n, &c->err));
    cat_expect(c, PD_INTERRUPTED, pd_catalog_ls(c->catalog, 0, "/data", stop_found, &n, &c->err));
    assert_int_equal(n, 9);
    /* nothing is left open: another session may write, and this one too */
    cat_sql(c, "UPDATE dump SET host = 'elsewhere'");
    (void)cat_dump(c, "f", 2, 3);
}

/* ---- check ---- */

/* Two archives of a dump that is done, the first verified, and one that is being written; a
 * verification with damage, and a problem. The ids are known: 1, 2, ... in each table. */
static void make_scene(struct cat_case *c)
{
    static const char *const one_path[] = {"/data/c"};
    static const struct pd_problem problem = {.path = "/x", .status = PD_SOURCE_VANISHED};
    static const struct pd_damage damage = {true, 0, NULL, PD_BAD_RECORD};
    struct pd_verification_row bad = {.copy_id = 1, .mode = "full", .status = PD_BAD_RECORD};
    struct pd_dump_row row;
    struct pair p = make_pair(c);
    struct pd_copy_row copies[2];

    cat_ok(c, pd_catalog_verification_add(c->catalog, &bad, &damage, 1, &c->err));
    cat_ok(c, cat_verify(c, 1, "full", PD_OK));
    cat_ok(c, cat_verify(c, 2, "full", PD_OK));
    (void)cat_archive(c, p.dump, 2, one_path, 1, p.volumes, 2, copies);
    cat_ok(c, pd_catalog_problem_add(c->catalog, p.dump, &problem, &c->err));
    cat_ok(c, pd_catalog_dump_find(c->catalog, "d", &row, &c->err));
    row.state = PD_DUMP_DONE;
    row.archives = 2;
    row.files = 3;
    cat_ok(c, pd_catalog_dump_update(c->catalog, &row, &c->err));
    (void)cat_begin(c, cat_dump(c, "running", 2, 2), 3, p.volumes, 2, copies);
    assert_int_equal(p.copies[0].id, 1);
    assert_int_equal(copies[1].id, 6);
}

static void check_finds_what_contradicts_itself(void **state)
{
    static const struct {
        const char *plant, *mend, *says; /* says NULL: in the engine's words */
    } kinds[] = {
        {"UPDATE copy SET state = 'verified' WHERE id = 3",
         "UPDATE copy SET state = 'written' WHERE id = 3",
         "verified, but no full verification says so: V1 d1.2"},
        {"UPDATE verification SET mode = 'records' WHERE id = 3",
         "UPDATE verification SET mode = 'full' WHERE id = 3",
         "verified, but no full verification says so: V2 d1.1"},
        {"UPDATE verification SET status = 'io-error' WHERE id = 3",
         "UPDATE verification SET status = 'ok' WHERE id = 3",
         "verified, but no full verification says so: V2 d1.1"},
        {"UPDATE copy SET state = 'writing' WHERE id = 4",
         "UPDATE copy SET state = 'written' WHERE id = 4",
         "still being written, but its dump is done: V2 d1.2"},
        {"UPDATE copy SET state = 'writing' WHERE id = 4",
         "UPDATE copy SET state = 'written' WHERE id = 4",
         "ended well, with copies unfinished: d"},
        {"UPDATE volume SET tape_files = 2 WHERE id = 2",
         "UPDATE volume SET tape_files = 3 WHERE id = 2",
         "stands behind the last tape file of its volume: V2 d1.2"},
        {"UPDATE copy SET tape_file = 1 WHERE id = 3",
         "UPDATE copy SET tape_file = 2 WHERE id = 3",
         "shares a tape file with another archive: V1 d1.2"},
        {"UPDATE archive SET records = 2 WHERE id = 1",
         "UPDATE archive SET records = 1 WHERE id = 1",
         "record digests are missing or cut: d1.1"},
        {"UPDATE archive SET files = 1 WHERE id = 1",
         "UPDATE archive SET files = 2 WHERE id = 1",
         "the count of files differs from its files: d1.1"},
        {"UPDATE file SET archive_id = 900 WHERE archive_id = 1 AND seq = 1",
         "UPDATE file SET archive_id = 1 WHERE archive_id = 900",
         "a file belongs to no archive: 900 1"},
        {"UPDATE file SET folder_id = 900 WHERE archive_id = 1 AND seq = 1",
         "UPDATE file SET folder_id = 1 WHERE folder_id = 900",
         "a file belongs to no folder: 1 1"},
        {"UPDATE file SET file_length = 64513 WHERE archive_id = 1 AND seq = 1",
         "UPDATE file SET file_length = 1024 WHERE archive_id = 1 AND seq = 1",
         "a file reaches beyond its archive: d1.1"},
        {"UPDATE dump SET archives = 3 WHERE id = 1", "UPDATE dump SET archives = 2 WHERE id = 1",
         "the count of archives differs from its archives: d"},
        {"UPDATE archive SET dump_id = 900 WHERE id = 3",
         "UPDATE archive SET dump_id = 2 WHERE id = 3", NULL},
        {"UPDATE copy SET archive_id = 900 WHERE id = 5",
         "UPDATE copy SET archive_id = 3 WHERE id = 5", NULL},
        {"UPDATE copy SET volume_id = 900 WHERE id = 5",
         "UPDATE copy SET volume_id = 1 WHERE id = 5", NULL},
        {"UPDATE verification SET copy_id = 900 WHERE id = 1",
         "UPDATE verification SET copy_id = 1 WHERE id = 1", NULL},
        {"UPDATE damage SET verification_id = 900",
         "UPDATE damage SET verification_id = 1", NULL},
        {"UPDATE problem SET dump_id = 900", "UPDATE problem SET dump_id = 1", NULL},
    };
    struct cat_case *c = *state;

    make_scene(c);
    assert_int_equal(cat_check(c), 0);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        cat_sql(c, kinds[i].plant);
        if (cat_check(c) == 0) {
            fail_msg("not found: %s", kinds[i].plant);
        }
        if (kinds[i].says && !strstr(c->problems, kinds[i].says)) {
            fail_msg("%s: found instead:\n%s", kinds[i].plant, c->problems);
        }
        cat_sql(c, kinds[i].mend);
        assert_int_equal(cat_check(c), 0);
    }
}

static void check_counts_every_contradiction(void **state)
{
    struct cat_case *c = *state;

    make_scene(c);
    cat_sql(c, "DELETE FROM verification WHERE id > 1");
    assert_int_equal(cat_check(c), 2);
    assert_non_null(strstr(c->problems, "V1 d1.1"));
    assert_non_null(strstr(c->problems, "V2 d1.1"));
    assert_non_null(strstr(c->err.message, "2 contradictions"));
    cat_sql(c, "UPDATE archive SET record_digests = NULL WHERE id < 3");
    assert_int_equal(cat_check(c), 4);
}

static void damaged_digests_are_not_taken(void **state)
{
    struct cat_case *c = *state;
    struct pd_toc toc;

    make_scene(c);
    cat_sql(c, "UPDATE file SET sha256 = x'0102' WHERE archive_id = 1 AND seq = 0");
    cat_expect(c, PD_CATALOG, pd_catalog_toc(c->catalog, 1, &toc, &c->err));
    cat_sql(c, "UPDATE archive SET record_digests = x'0102' WHERE id = 2");
    cat_expect(c, PD_CATALOG, pd_catalog_toc(c->catalog, 2, &toc, &c->err));
}

static void an_unknown_status_is_the_worst(void **state)
{
    struct cat_case *c = *state;
    struct pd_dump_row row;

    make_scene(c);
    cat_sql(c, "UPDATE dump SET status = 'splendid' WHERE id = 1");
    cat_ok(c, pd_catalog_dump_find(c->catalog, "d", &row, &c->err));
    assert_int_equal(row.status, PD_INTERNAL);
    cat_sql(c, "UPDATE copy SET state = 'verified?' WHERE id = 1");
    assert_int_equal(cat_state(c, 1, 1), PD_COPY_BAD);
    cat_sql(c, "UPDATE volume SET state = 'new' WHERE id = 1");
    assert_int_equal(volume_row(c, "V1").state, PD_VOLUME_BAD);
}

/* ---- export ---- */

static char *export_text(struct cat_case *c)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    cat_ok(c, pd_catalog_export(c->catalog, out, &c->err));
    assert_int_equal(fclose(out), 0);
    return text;
}

/* A stream; with each row that is written another session adds a dump. */
struct meddler {
    struct cat_case *c;
    struct pd_catalog *other;
    struct pd_buf text;
    int dumps;
};

static ssize_t meddle(void *cookie, const char *bytes, size_t len)
{
    struct meddler *m = cookie;
    struct pd_catalog *own = m->c->catalog;
    char name[32];

    assert_int_equal(pd_buf_append(&m->text, bytes, len), PD_OK);
    if (len == m->text.len) { /* the head: nothing is read yet */
        return (ssize_t)len;
    }
    (void)snprintf(name, sizeof name, "late%d", m->dumps++);
    m->c->catalog = m->other;
    (void)cat_dump(m->c, name, 1, 1);
    m->c->catalog = own;
    return (ssize_t)len;
}

static void an_export_is_of_one_moment(void **state)
{
    struct cat_case *c = *state;
    struct meddler m = {.c = c};
    FILE *out = fopencookie(&m, "w", (cookie_io_functions_t){.write = meddle});
    char *after;

    for (int i = 0; i < 5; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "early%d", i);
        (void)cat_dump(c, name, 1, 1);
    }
    assert_non_null(out);
    setbuf(out, NULL);
    cat_ok(c, pd_catalog_again(c->catalog, &m.other, &c->err));
    cat_ok(c, pd_catalog_export(c->catalog, out, &c->err));
    assert_int_equal(fclose(out), 0);
    assert_true(m.dumps >= 5);
    assert_non_null(strstr(m.text.data, "early4"));
    assert_null(strstr(m.text.data, "late"));
    after = export_text(c); /* the next one has them all */
    assert_non_null(strstr(after, "late0"));
    free(after);
    pd_buf_free(&m.text);
    pd_catalog_close(m.other);
}

#define ZEROS "00000000000000000000000000000000"

static void an_export_is_stable_text(void **state)
{
    static const char *const path[] = {"/tab\there/100%\xff"};
    static const struct pd_problem problem = {"/gone\n", PD_SOURCE_VANISHED, 2, "no", false};
    static const struct pd_damage damage[] = {{true, 0, NULL, PD_BAD_RECORD},
                                              {false, 0, "/\x7f", PD_BAD_FILE}};
    static const char head[] =
        "pairdump-catalog\tschema=5\n"
        "dump\tid=1\tuuid=abcd0000-0000-4000-8000-000000000000\tname=d\thost=host\tpid=7"
        "\tpool=pool\troots=/data\tpolicy=full\tstate=write\tstatus=ok\tincremental=0\tcopies=1"
        "\tstarted=1\tfinished=0\tarchives=0\tfiles=0\tbytes=0\tproblems=0\tskipped=0\n"
        "volume\tid=1\tlabel=V1\tuuid=abcd0001-0000-4000-8000-000000000001\tpool=pool\tcopy=1"
        "\tpair=0\tstate=appendable\tlocation=disk:/v\tblock_size=65536\tused=65536\ttape_files=2"
        "\tcreated=5\tlast_written=1700000000000000000\tlast_verified=0\thost=lab-1\treserved_by="
        "\tretain_until=0\tmedium=\treplaces=0\n"
        "drive_report\tid=1\tvolume_id=1\tdrive=IBM ULT3580-TD8 1\ttaken=7\tsource=sg_logs"
        "\talerts=4 media\twrite_corrected=12\twrite_uncorrected=0\tread_corrected=-1"
        "\tread_uncorrected=-1\n"
        "archive\tid=1\tdump_id=1\tseq=1\tname=d1.1\trecord_size=65536\trecords=1\tfiles=1"
        "\tpayload_bytes=512\tpayload_files=1\tmanifest_offset=1024\trecord_digests=";
    static const char tail[] =
        "\tdigest_algorithm=sha256\n"
        "archive\tid=2\tdump_id=1\tseq=2\tname=d1.2\trecord_size=65536\trecords=0\tfiles=0"
        "\tpayload_bytes=0\tpayload_files=0\tmanifest_offset=0\tdigest_algorithm=sha256\n"
        "copy\tid=1\tarchive_id=1\tvolume_id=1\tcopy=1\ttape_file=1\tstate=bad\treason=bad-file"
        "\tmessage=bad%25\tchanged=6\n"
        "copy\tid=2\tarchive_id=2\tvolume_id=1\tcopy=1\ttape_file=2\tstate=writing\treason=ok"
        "\tmessage=\tchanged=1700000000000000000\n"
        "folder\tid=1\tpath=/tab%09here\n"
        "file\tarchive_id=1\tseq=0\tfolder_id=1\tname=100%25\xff\tkind=102\tstate=61\tmode=420"
        "\tuid=0\tgid=0\tsize=512\tmtime=100\tmtime_ns=1\tctime=200\tctime_ns=2\tino=0"
        "\tfile_offset=0\tfile_length=1024\tsha256=" ZEROS ZEROS "\n"
        "problem\tid=1\tdump_id=1\tpath=/gone%0A\tstatus=source-vanished\terrno_value=2"
        "\tarchived=0\tmessage=no\n"
        "verification\tid=1\tcopy_id=1\tstarted=5\tfinished=6\tmode=full\tstatus=bad-file"
        "\trecords=0\tbad_records=0\tfiles=0\tbad_files=0\tmessage=bad%25\n"
        "damage\tid=1\tverification_id=1\trecord=0\tstatus=bad-record\n"
        "damage\tid=2\tverification_id=1\tpath=/%7F\tstatus=bad-file\n"
        "end\trows=13\n";
    struct cat_case *c = *state;
    int64_t dump = cat_dump(c, "d", 1, 1), volume = cat_volume(c, "V1");
    struct pd_verification_row row = {.copy_id = 1, .started = 5, .finished = 6, .mode = "full",
                                      .status = PD_BAD_FILE, .message = "bad%"};
    static const struct pd_drive_report report = {.volume_id = 1,
                                                  .drive = "IBM ULT3580-TD8 1",
                                                  .taken = 7,
                                                  .source = "sg_logs",
                                                  .alerts = "4 media",
                                                  .write_corrected = 12,
                                                  .read_corrected = PD_COUNT_UNKNOWN,
                                                  .read_uncorrected = PD_COUNT_UNKNOWN};
    struct pd_copy_row copy;
    char wanted[4096], digest[PD_XXH128_TEXT];
    uint64_t zero = 0;
    char *text;

    (void)cat_archive(c, dump, 1, path, 1, &volume, 1, &copy);
    (void)cat_begin(c, dump, 2, &volume, 1, &copy);
    cat_ok(c, pd_catalog_problem_add(c->catalog, dump, &problem, &c->err));
    cat_ok(c, pd_catalog_verification_add(c->catalog, &row, damage, 2, &c->err));
    cat_ok(c, pd_catalog_drive_report_add(c->catalog, &report, &c->err));
    struct pd_xxh128 hash = pd_record_digest(&zero, sizeof zero);
    pd_hex_encode(hash.bytes, sizeof hash.bytes, digest);
    (void)snprintf(wanted, sizeof wanted, "%s%s%s", head, digest, tail);
    for (int i = 0; i < 2; i++) {
        text = export_text(c);
        assert_string_equal(text, wanted);
        free(text);
        cat_close(c);
        cat_open(c);
    }
}

static void an_export_that_cannot_be_written_fails(void **state)
{
    struct cat_case *c = *state;
    FILE *full = fopen("/dev/full", "w");

    assert_non_null(full);
    cat_expect(c, PD_NO_SPACE, pd_catalog_export(c->catalog, full, &c->err));
    assert_int_not_equal(fclose(full), 99);
    (void)cat_dump(c, "d", 1, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cat_setup, cat_teardown)
#define TEST_EMPTY(name) cmocka_unit_test_setup_teardown(name, cat_setup_empty, cat_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_EMPTY(what_holds_no_catalog_is_refused_until_one_is_made),
        TEST(a_newer_schema_is_refused_and_left_alone),
        TEST(an_older_catalog_is_migrated),
        TEST(a_catalog_of_schema_3_is_migrated),
        TEST(a_migration_that_fails_leaves_the_catalog_as_it_was),
        TEST_EMPTY(urls_of_no_known_engine_are_wrong_usage),
        TEST_EMPTY(several_processes_may_make_the_catalog_at_once),
        TEST(several_processes_may_write_at_once),
        TEST(a_dump_comes_back_as_it_was_added),
        TEST(a_dump_goes_through_all_states),
        TEST(a_dump_is_found_by_name_uuid_and_unique_prefix),
        TEST(dumps_are_listed_oldest_first),
        TEST(names_and_uuids_of_dumps_are_unique),
        TEST(problems_come_back_in_order),
        TEST(an_archive_begun_has_copies_being_written),
        TEST(a_table_of_contents_comes_back_as_it_was_written),
        TEST(an_archive_that_is_not_there_is_not_found),
        TEST(volumes_follow_what_is_written_on_them),
        TEST(a_volume_of_another_host_is_elsewhere),
        TEST(the_highest_tape_file_counts),
        TEST(copies_are_listed_by_archive_by_volume_and_all),
        TEST(written_is_all_or_nothing),
        TEST(begun_is_all_or_nothing),
        TEST(an_abandoned_archive_leaves_no_trace),
        TEST(a_verification_moves_its_copy_by_what_it_found),
        TEST(only_a_full_verification_makes_a_copy_verified),
        TEST(a_bad_copy_is_good_again_only_after_a_full_verification),
        TEST(what_was_never_written_cannot_be_verified),
        TEST(a_volume_was_verified_when_the_oldest_of_its_copies_was),
        TEST(the_history_of_verifications_is_kept),
        TEST(damage_comes_back_in_order),
        TEST(a_volume_comes_back_by_label_and_by_uuid),
        TEST(labels_and_uuids_of_volumes_are_unique),
        TEST(a_volume_changes_all_but_its_label_and_birth),
        TEST(volumes_are_listed_by_label),
        TEST(pair_numbers_are_counted_per_prefix),
        TEST(pair_numbers_of_barcodes_stand_in_the_rows),
        TEST(a_callback_that_fails_ends_its_list),
        TEST(check_finds_what_contradicts_itself),
        TEST(check_counts_every_contradiction),
        TEST(damaged_digests_are_not_taken),
        TEST(an_unknown_status_is_the_worst),
        TEST(an_export_is_stable_text),
        TEST(an_export_is_of_one_moment),
        TEST(an_export_that_cannot_be_written_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
