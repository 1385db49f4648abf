#include "catalog_lib.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "pairdump/sql.h"

static int64_t utc(void *self)
{
    (void)self;
    return 1700000000 * PD_NS_PER_S;
}

static uint64_t monotonic(void *self)
{
    (void)self;
    return 1;
}

static void no_sleep(void *self, uint64_t ns)
{
    (void)self;
    (void)ns;
}

static const struct pd_clock fixed_clock = {utc, monotonic, no_sleep, NULL};

void cat_expect_at(const struct cat_case *c, enum pd_status want, enum pd_status got,
                   const char *text, const char *file, int line)
{
    if (want != got) {
        print_error("%s: %s instead of %s: %s\n", text, pd_status_name(got), pd_status_name(want),
                    c->err.message);
        _fail(file, line);
    }
}

/* ---- the database ---- */

static const char lite[] = "sqlite:", server[] = "mysql:";

static bool is_lite(const struct cat_case *c)
{
    return strncmp(c->url, lite, sizeof lite - 1) == 0;
}

/* A session beside the catalog's. NULL: there is no database yet. */
static struct pd_sql *session(struct cat_case *c)
{
    struct pd_sql *sql = NULL;

    if (!is_lite(c)) {
        cat_ok(c, pd_sql_mysql_open(&c->env, c->url + strlen(server), &sql, &c->err));
        cat_ok(c, pd_sql_exec(sql, "SET foreign_key_checks = 0", &c->err));
        return sql;
    }
    const char *path = c->url + sizeof lite - 1;
    if (access(path, F_OK) == 0) {
        cat_ok(c, pd_sql_sqlite_open(&c->env, path, false, &sql, &c->err));
        cat_ok(c, pd_sql_exec(sql, "PRAGMA foreign_keys = OFF", &c->err));
    }
    return sql;
}

static void drop_tables(struct cat_case *c)
{
    static const char *const tables[] = {
        "applied", "claim", "run",     "damage",       "verification", "problem", "file",
        "folder",  "copy",  "archive", "drive_report", "volume",       "dump",    "schema_version"};
    struct pd_sql *sql = session(c);
    char text[64];

    for (size_t i = 0; sql && i < sizeof tables / sizeof tables[0]; i++) {
        (void)snprintf(text, sizeof text, "DROP TABLE IF EXISTS %s", tables[i]);
        cat_ok(c, pd_sql_exec(sql, text, &c->err));
    }
    pd_sql_close(sql);
}

static void keep_line(void *arg, enum pd_log_level level, const char *line)
{
    struct cat_case *c = arg;
    size_t at = strlen(c->log);

    (void)level;
    (void)snprintf(c->log + at, sizeof c->log - at, "%s\n", line);
}

static struct cat_case *make_case(const char *shared)
{
    static const uint64_t seed = 20261121;
    struct cat_case *c = calloc(1, sizeof *c);

    assert_non_null(c);
    c->lock = -1;
    c->stop.flag = &c->stopped;
    c->env = (struct pd_env){.clock = &fixed_clock, .stop = &c->stop};
    assert_int_equal(pd_rng_new(&seed, &c->env.rng, &c->err), PD_OK);
    assert_int_equal(pd_log_new(keep_line, c, PD_LOG_WARN, &c->env.log, &c->err), PD_OK);
    (void)snprintf(c->folder, sizeof c->folder, "/tmp/pd-catalog.XXXXXX");
    assert_non_null(mkdtemp(c->folder));
    (void)snprintf(c->url, sizeof c->url, "%s%s/catalog.db", lite, c->folder);
    if (shared && *shared) {
        (void)snprintf(c->url, sizeof c->url, "%s", shared);
        c->lock = open("/tmp/pd-catalog.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        assert_true(c->lock >= 0);
        assert_int_equal(flock(c->lock, LOCK_EX), 0);
        drop_tables(c);
    }
    return c;
}

int cat_setup_empty(void **state)
{
    *state = make_case(getenv("PAIRDUMP_TEST_CATALOG"));
    return 0;
}

int cat_setup(void **state)
{
    (void)cat_setup_empty(state);
    cat_open(*state);
    return 0;
}

int cat_setup_sqlite(void **state)
{
    *state = make_case(NULL);
    cat_open(*state);
    return 0;
}

int cat_teardown(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    struct cat_case *c = *state;
    char name[128];

    cat_close(c);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        (void)snprintf(name, sizeof name, "%s/catalog.db%s", c->folder, ends[i]);
        (void)unlink(name);
    }
    int left = rmdir(c->folder);
    if (c->lock >= 0) {
        (void)close(c->lock);
    }
    pd_log_free(c->env.log);
    pd_rng_free(c->env.rng);
    free(c);
    return left;
}

void cat_open(struct cat_case *c)
{
    cat_ok(c, pd_catalog_open(&c->env, c->url, true, &c->catalog, &c->err));
}

void cat_close(struct cat_case *c)
{
    pd_catalog_close(c->catalog);
    c->catalog = NULL;
}

/* ---- rows ---- */

static void make_uuid(struct cat_case *c, char out[PD_UUID_TEXT])
{
    (void)snprintf(out, PD_UUID_TEXT, "%08x-0000-4000-8000-%012x", 0xabcd0000U + c->serial,
                   c->serial);
    c->serial++;
}

int64_t cat_dump(struct cat_case *c, const char *name, unsigned copies, int64_t started)
{
    struct pd_dump_row row = {.host = "host", .pid = 7, .pool = "pool", .roots = "/data",
                              .policy = "full", .state = PD_DUMP_WRITE, .copies = copies,
                              .started = started};

    make_uuid(c, row.uuid);
    (void)snprintf(row.name, sizeof row.name, "%s", name);
    cat_ok(c, pd_catalog_dump_add(c->catalog, &row, &c->err));
    assert_true(row.id > 0);
    return row.id;
}

int64_t cat_volume(struct cat_case *c, const char *label)
{
    struct pd_volume_row row = {.pool = "pool",
                                .copy = 1,
                                .state = PD_VOLUME_APPENDABLE,
                                .location = "disk:/v",
                                .host = "lab-1",
                                .block_size = 65536,
                                .tape_files = 1,
                                .created = 5};

    make_uuid(c, row.uuid);
    (void)snprintf(row.label, sizeof row.label, "%s", label);
    cat_ok(c, pd_catalog_volume_add(c->catalog, &row, &c->err));
    assert_true(row.id > 0);
    return row.id;
}

void cat_toc_start(struct pd_toc *toc, const char *name)
{
    pd_toc_init(toc);
    (void)snprintf(toc->name, sizeof toc->name, "%s", name);
    toc->record_size = 65536;
}

void cat_toc_add(struct cat_case *c, struct pd_toc *toc, const char *path)
{
    struct pd_toc_file file = {.path = path, .kind = PD_KIND_FILE, .state = PD_WHOLE,
                               .has_digest = true, .mode = 0644, .mtime = 100, .mtime_ns = 1,
                               .ctime = 200, .ctime_ns = 2, .size = 512,
                               .offset = toc->file_count * 1024, .length = 1024};

    memset(file.digest, (int)(toc->file_count & 0xff), sizeof file.digest);
    cat_ok(c, pd_toc_add_file(toc, &file, NULL, &c->err));
}

void cat_toc_end(struct cat_case *c, struct pd_toc *toc)
{
    uint64_t records = toc->file_count * 1024 / toc->record_size + 1;

    for (uint64_t i = 0; i < records; i++) {
        cat_ok(c, pd_toc_add_record(toc, pd_record_digest(&i, sizeof i), &c->err));
    }
    toc->payload_files = toc->file_count;
    toc->payload_bytes = toc->file_count * 512;
    toc->manifest_offset = toc->file_count * 1024;
}

int64_t cat_begin(struct cat_case *c, int64_t dump, uint64_t seq, const int64_t *volumes,
                  size_t count, struct pd_copy_row *copies)
{
    struct pd_archive_row archive = {.dump_id = dump, .seq = seq, .record_size = 65536};

    (void)snprintf(archive.name, sizeof archive.name, "d%d.%d", (int)dump, (int)seq);
    for (size_t i = 0; i < count; i++) {
        copies[i] = (struct pd_copy_row){.volume_id = volumes[i], .copy = (unsigned)i + 1,
                                         .tape_file = (uint32_t)seq};
    }
    cat_ok(c, pd_catalog_archive_begin(c->catalog, &archive, copies, count, &c->err));
    return archive.id;
}

int64_t cat_archive(struct cat_case *c, int64_t dump, uint64_t seq, const char *const *paths,
                    size_t path_count, const int64_t *volumes, size_t count,
                    struct pd_copy_row *copies)
{
    int64_t id = cat_begin(c, dump, seq, volumes, count, copies);
    struct pd_toc toc;
    char name[64];

    (void)snprintf(name, sizeof name, "d%d.%d", (int)dump, (int)seq);
    cat_toc_start(&toc, name);
    for (size_t i = 0; i < path_count; i++) {
        cat_toc_add(c, &toc, paths[i]);
    }
    cat_toc_end(c, &toc);
    for (size_t i = 0; i < count; i++) {
        copies[i].state = PD_COPY_WRITTEN;
    }
    cat_ok(c, pd_catalog_archive_written(c->catalog, id, &toc, copies, count, &c->err));
    pd_toc_release(&toc);
    return id;
}

enum pd_status cat_verify(struct cat_case *c, int64_t copy, const char *mode,
                          enum pd_status status)
{
    struct pd_verification_row row = {.copy_id = copy, .started = 10, .finished = 20,
                                      .status = status, .records = 1};

    (void)snprintf(row.mode, sizeof row.mode, "%s", mode);
    return pd_catalog_verification_add(c->catalog, &row, NULL, 0, &c->err);
}

struct wanted {
    int64_t copy;
    int found;
    enum pd_copy_state state;
};

static enum pd_status take_state(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct wanted *wanted = arg;

    (void)err;
    if (row->id == wanted->copy) {
        wanted->found++;
        wanted->state = row->state;
    }
    return PD_OK;
}

enum pd_copy_state cat_state(struct cat_case *c, int64_t archive, int64_t copy)
{
    struct wanted wanted = {.copy = copy};

    cat_ok(c, pd_catalog_copies(c->catalog, archive, 0, take_state, &wanted, &c->err));
    assert_int_equal(wanted.found, 1);
    return wanted.state;
}

struct pd_item cat_item(const char *path)
{
    return (struct pd_item){.path = path, .path_len = strlen(path), .kind = PD_KIND_FILE,
                            .mtime = 100, .mtime_ns = 1, .ctime = 200, .ctime_ns = 2,
                            .size = 512, .nlink = 1};
}

/* ---- behind the catalog's back ---- */

void cat_sql(struct cat_case *c, const char *sql)
{
    struct pd_sql *own = session(c);

    assert_non_null(own);
    cat_expect_at(c, PD_OK, pd_sql_exec(own, sql, &c->err), sql, __FILE__, __LINE__);
    pd_sql_close(own);
}

int64_t cat_number(struct cat_case *c, const char *sql)
{
    struct pd_sql *own = session(c);
    struct pd_sql_stmt *stmt = NULL;
    bool row = false;

    assert_non_null(own);
    cat_expect_at(c, PD_OK, pd_sql_get(own, sql, &stmt, &c->err), sql, __FILE__, __LINE__);
    cat_expect_at(c, PD_OK, pd_sql_step(stmt, &row, &c->err), sql, __FILE__, __LINE__);
    assert_true(row);
    int64_t number = pd_sql_int(stmt, 0);
    pd_sql_reset(stmt);
    pd_sql_close(own);
    return number;
}

struct findings {
    struct cat_case *c;
    unsigned count;
};

static void take_problem(void *arg, const char *text)
{
    struct findings *findings = arg;
    size_t at = strlen(findings->c->problems);

    findings->count++;
    (void)snprintf(findings->c->problems + at, sizeof findings->c->problems - at, "%s\n", text);
}

unsigned cat_check(struct cat_case *c)
{
    struct findings findings = {c, 0};

    c->problems[0] = '\0';
    enum pd_status status = pd_catalog_check(c->catalog, take_problem, &findings, &c->err);
    assert_int_equal(status, findings.count > 0 ? PD_CATALOG : PD_OK);
    return findings.count;
}
