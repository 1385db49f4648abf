/*
 * Which pair a run gets, when others are at work on the same volumes or have left them.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/catalog_lib.h"
#include "../../lib/format_lib.h"
#include "../../lib/media_lib.h"
#include "pairdump/claim.h"
#include "pairdump/pool.h"
#include "pairdump/process.h"

#define LIMIT (600 * PD_NS_PER_S)

enum { COPIES = 2 };

struct bed {
    struct cat_case *c;
    struct pd_progress progress;
    char *dir;
    char *dirs[COPIES];
    struct pd_pool_config config;
    struct pd_pool *pool;
    struct pd_run_row run;
    const char *dump;             /* UUID of the dump that runs are for, or NULL */
    char labels[8][PD_UUID_TEXT]; /* that were about to be written */
    size_t label_count;
};

static int64_t new_run(struct bed *b)
{
    cat_ok(b->c, pd_catalog_run_add(b->c->catalog, "dump", &b->run, &b->c->err));
    return b->run.id;
}

static int start(void **state)
{
    struct bed *b = calloc(1, sizeof *b);

    assert_non_null(b);
    (void)cat_setup((void **)&b->c);
    pd_progress_init(&b->progress);
    b->c->env.progress = &b->progress;
    b->dir = ml_folder();
    cat_ok(b->c, pd_pool_config_init("default", &b->config, &b->c->err));
    for (size_t i = 0; i < COPIES; i++) {
        b->dirs[i] = ml_text("%s/%zu", b->dir, i + 1);
        assert_int_equal(mkdir(b->dirs[i], 0700), 0);
        b->config.copies[i] = ml_text("disk:%s", b->dirs[i]);
    }
    b->config.copy_count = COPIES;
    b->config.block_size = ML_BLOCK;
    (void)new_run(b);
    *state = b;
    return 0;
}

static void close_pool(struct bed *b)
{
    cat_ok(b->c, pd_pool_close(b->pool, &b->c->err));
    b->pool = NULL;
}

static int end(void **state)
{
    struct bed *b = *state;

    close_pool(b);
    pd_pool_config_release(&b->config);
    for (size_t i = 0; i < COPIES; i++) {
        free(b->dirs[i]);
    }
    ml_remove(b->dir);
    int left = cat_teardown((void **)&b->c);
    free(b);
    return left;
}

/* ---- runs and their volumes ---- */

static enum pd_status note_label(void *arg, const char *uuid, struct pd_error *err)
{
    struct bed *b = arg;

    (void)err;
    assert_in_range(b->label_count, 0, 7);
    (void)snprintf(b->labels[b->label_count++], PD_UUID_TEXT, "%s", uuid);
    return PD_OK;
}

static enum pd_status open_for(struct bed *b, int64_t run)
{
    const struct pd_pool_run who = {.catalog = b->c->catalog,
                                    .id = run,
                                    .limit_ns = LIMIT,
                                    .dump = b->dump,
                                    .on_label = b->dump ? note_label : NULL,
                                    .label_arg = b};

    close_pool(b);
    pd_error_clear(&b->c->err);
    return pd_pool_open(&b->c->env, &b->config, &who, PD_RETRY_ONCE, &b->pool, &b->c->err);
}

/* What a dump's journal would do. */
static void record_labels(struct bed *b)
{
    for (size_t i = 0; i < COPIES; i++) {
        struct pd_pool_copy *copy = pd_pool_copy(b->pool, i);
        if (copy->fresh) {
            cat_ok(b->c, pd_catalog_volume_labelled(b->c->catalog, copy->volume.uuid, &b->c->err));
        }
        copy->fresh = false;
    }
}

static void has_mounted(struct bed *b, const char *first, const char *second)
{
    record_labels(b);
    assert_string_equal(pd_pool_copy(b->pool, 0)->volume.label, first);
    assert_string_equal(pd_pool_copy(b->pool, 1)->volume.label, second);
    for (size_t i = 0; i < COPIES; i++) {
        const struct pd_pool_copy *copy = pd_pool_copy(b->pool, i);
        assert_string_equal(pd_target_label(copy->target)->label, copy->volume.label);
    }
}

static void next_pair(struct bed *b, const char *first, const char *second)
{
    cat_ok(b->c, pd_pool_next_pair(b->pool, &b->c->err));
    has_mounted(b, first, second);
}

/* A new run gets the pair, and ends. */
static void label_pair(struct bed *b)
{
    const struct pd_run_row kept = b->run;
    int64_t run = new_run(b);

    b->run = kept;
    cat_ok(b->c, open_for(b, run));
    cat_ok(b->c, pd_pool_next_pair(b->pool, &b->c->err));
    record_labels(b);
    close_pool(b);
    cat_ok(b->c, pd_catalog_run_remove(b->c->catalog, run, &b->c->err));
}

static int64_t owner(struct bed *b, const char *label)
{
    struct pd_run_row row;
    bool found = false;

    cat_ok(b->c, pd_catalog_claim_owner(b->c->catalog, PD_CLAIM_VOLUME, label, &row, &found,
                                        &b->c->err));
    return found ? row.id : 0;
}

/* The run has these volumes. */
static void claim(struct bed *b, int64_t run, const char *label)
{
    struct pd_claim one = {.kind = PD_CLAIM_VOLUME, .name = label};

    cat_ok(b->c, pd_catalog_claim(b->c->catalog, run, &one, 1, LIMIT, &b->c->err));
}

static void die(struct bed *b, int64_t run)
{
    char sql[128];

    (void)snprintf(sql, sizeof sql,
                   "UPDATE run SET process = 'an earlier boot', heartbeat = 5 WHERE id = %d",
                   (int)run);
    cat_sql(b->c, sql);
}

static struct pd_volume_row row_of(struct bed *b, const char *label)
{
    struct pd_volume_row row;

    cat_ok(b->c, pd_catalog_volume_find(b->c->catalog, label, &row, &b->c->err));
    return row;
}

static void is_in_state(struct bed *b, const char *label, enum pd_volume_state wanted)
{
    assert_string_equal(pd_volume_state_name(row_of(b, label).state),
                        pd_volume_state_name(wanted));
}

/* ---- what lies on volumes ---- */

/* A tape file with an archive of that top folder; NULL: one that begins no archive. */
static void write_file(struct bed *b, size_t copy, const char *label, const char *top)
{
    struct pd_target *target = ml_open(b->config.copies[copy]);
    char *record = pd_record_alloc(ML_BLOCK), *path = ml_text("%s/bagit.txt", top ? top : "");
    struct pd_tar_writer *writer = NULL;
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf tar = PD_BUF_INIT;
    uint32_t number = 0;

    assert_non_null(record);
    memset(record, top ? 0 : 'x', ML_BLOCK);
    if (top) {
        assert_int_equal(pd_tar_writer_new(format_to_buf, &tar, &writer, &err), PD_OK);
        assert_int_equal(pd_tar_file(writer, path, "x", 1, 5, &err), PD_OK);
        assert_int_equal(pd_tar_finish(writer, &err), PD_OK);
        pd_tar_writer_free(writer);
        assert_true(tar.len <= ML_BLOCK);
        memcpy(record, tar.data, tar.len);
    }
    assert_int_equal(pd_target_mount(target, label, &err), PD_OK);
    assert_int_equal(pd_target_begin(target, top ? top : "odd", &number, &err), PD_OK);
    assert_int_equal(pd_target_write(target, record, ML_BLOCK, &err), PD_OK);
    assert_int_equal(pd_target_end(target, true, &err), PD_OK);
    ml_close(target);
    pd_buf_free(&tar);
    free(path);
    free(record);
}

static void has_files(struct bed *b, size_t copy, const char *label, uint32_t wanted)
{
    struct pd_target *target = ml_open(b->config.copies[copy]);
    struct pd_error err = PD_ERROR_INIT;

    assert_int_equal(pd_target_mount(target, label, &err), PD_OK);
    ml_count(target, wanted);
    ml_close(target);
}

/* Pair 1 with an archive of dump d on it, verified; so in the catalog, too. */
static void record_pair(struct bed *b, int64_t *archive, struct pd_copy_row copies[COPIES])
{
    static const char *const paths[] = {"/a"};
    int64_t dump = cat_dump(b->c, "d", COPIES, 1), volumes[COPIES];

    label_pair(b);
    write_file(b, 0, "PD100001", "d.1");
    write_file(b, 1, "PD200001", "d.1");
    volumes[0] = row_of(b, "PD100001").id;
    volumes[1] = row_of(b, "PD200001").id;
    *archive = cat_archive(b->c, dump, 1, paths, 1, volumes, COPIES, copies);
    for (size_t i = 0; i < COPIES; i++) {
        cat_ok(b->c, cat_verify(b->c, copies[i].id, "full", PD_OK));
    }
    assert_int_equal(row_of(b, "PD100001").tape_files, 2);
}

/* ---- the next pair ---- */

static void the_first_pair_is_labelled_and_claimed(void **state)
{
    struct bed *b = *state;

    cat_ok(b->c, open_for(b, b->run.id));
    next_pair(b, "PD100001", "PD200001");
    for (size_t i = 0; i < COPIES; i++) {
        const struct pd_volume_row row = row_of(b, i == 0 ? "PD100001" : "PD200001");
        assert_int_equal(row.state, PD_VOLUME_APPENDABLE);
        assert_int_equal(row.tape_files, 1);
        assert_int_equal(row.pair, 1);
        assert_int_equal(row.copy, i + 1);
        assert_string_equal(row.location, b->config.copies[i]);
        assert_int_equal(owner(b, row.label), b->run.id);
    }
    assert_int_equal(cat_check(b->c), 0);
}

static void a_pair_that_nobody_has_is_taken_again(void **state)
{
    struct bed *b = *state;

    label_pair(b);
    label_pair(b);
    cat_ok(b->c, open_for(b, b->run.id));
    next_pair(b, "PD100001", "PD200001");
    assert_int_equal(cat_number(b->c, "SELECT COUNT(*) FROM volume"), COPIES);
    assert_int_equal(owner(b, "PD100001"), b->run.id);
}

/* Though the catalog has not taken that yet. */
static void a_pair_that_this_run_has_filled_is_not_taken_again(void **state)
{
    struct bed *b = *state;

    cat_ok(b->c, open_for(b, b->run.id));
    next_pair(b, "PD100001", "PD200001");
    pd_pool_copy(b->pool, 1)->volume.state = PD_VOLUME_FULL_STATE;
    next_pair(b, "PD100002", "PD200002");
    is_in_state(b, "PD200001", PD_VOLUME_APPENDABLE);
}

static void a_pair_of_a_live_run_is_passed_over(void **state)
{
    struct bed *b = *state;
    int64_t other = b->run.id, mine = new_run(b);

    label_pair(b);
    claim(b, other, "PD200001"); /* one of its volumes is enough */
    cat_ok(b->c, open_for(b, mine));
    next_pair(b, "PD100002", "PD200002");
    assert_int_equal(owner(b, "PD100001"), 0);
    assert_int_equal(owner(b, "PD200001"), other);
    assert_int_equal(owner(b, "PD100002"), mine);
    is_in_state(b, "PD100001", PD_VOLUME_APPENDABLE);
    is_in_state(b, "PD200001", PD_VOLUME_APPENDABLE);
}

static void the_lowest_pair_that_is_free_is_taken(void **state)
{
    struct bed *b = *state;
    int64_t other = b->run.id, mine = new_run(b);

    label_pair(b);
    claim(b, other, "PD100001");
    label_pair(b); /* pair 2 */
    claim(b, other, "PD100002");
    label_pair(b); /* pair 3 */
    cat_ok(b->c, pd_catalog_run_remove(b->c->catalog, other, &b->c->err));
    other = new_run(b);
    claim(b, other, "PD100001");
    cat_ok(b->c, open_for(b, mine));
    next_pair(b, "PD100002", "PD200002");
}

static void a_pair_of_a_dead_run_is_taken_over(void **state)
{
    struct bed *b = *state;
    int64_t other = b->run.id, mine = new_run(b);

    label_pair(b);
    claim(b, other, "PD100001");
    claim(b, other, "PD200001");
    die(b, other);
    cat_ok(b->c, open_for(b, mine));
    next_pair(b, "PD100001", "PD200001");
    assert_int_equal(owner(b, "PD100001"), mine);
    assert_int_equal(owner(b, "PD200001"), mine);
    cat_expect(b->c, PD_BUSY, pd_catalog_run_beat(b->c->catalog, other, &b->c->err));
}

static void what_a_dead_run_left_on_a_volume_stays_its_own(void **state)
{
    struct bed *b = *state;
    int64_t other = b->run.id, mine = new_run(b), archive;
    struct pd_copy_row copies[COPIES];

    record_pair(b, &archive, copies);
    write_file(b, 0, "PD100001", "d.2"); /* not recorded */
    claim(b, other, "PD100001");
    claim(b, other, "PD200001");
    die(b, other);
    cat_ok(b->c, open_for(b, mine));
    next_pair(b, "PD100002", "PD200002");
    is_in_state(b, "PD100001", PD_VOLUME_APPENDABLE);
    is_in_state(b, "PD200001", PD_VOLUME_APPENDABLE);
    assert_int_equal(owner(b, "PD100001"), other);
    assert_int_equal(owner(b, "PD200001"), other);
    assert_int_equal(cat_state(b->c, archive, copies[0].id), PD_COPY_VERIFIED);
    has_files(b, 0, "PD100001", 3);
    assert_non_null(strstr(b->c->log, "resume"));
}

static void what_nobody_explains_sets_a_volume_aside(void **state)
{
    struct bed *b = *state;
    struct pd_copy_row copies[COPIES];
    int64_t archive;

    record_pair(b, &archive, copies);
    write_file(b, 0, "PD100001", "d.2");
    cat_ok(b->c, open_for(b, b->run.id));
    next_pair(b, "PD100002", "PD200002");
    is_in_state(b, "PD100001", PD_VOLUME_BAD);
    is_in_state(b, "PD200001", PD_VOLUME_APPENDABLE);
    assert_int_equal(cat_state(b->c, archive, copies[0].id), PD_COPY_WRITTEN); /* doubted */
    assert_int_equal(cat_state(b->c, archive, copies[1].id), PD_COPY_VERIFIED);
    assert_int_equal(owner(b, "PD100001"), 0);
    assert_int_equal(owner(b, "PD200001"), 0);
    has_files(b, 0, "PD100001", 3);
}

static void tape_files_that_are_missing_set_it_aside_too(void **state)
{
    struct bed *b = *state;
    struct pd_copy_row copies[COPIES];
    int64_t archive;

    record_pair(b, &archive, copies);
    cat_sql(b->c, "UPDATE volume SET tape_files = 3 WHERE label = 'PD200001'");
    cat_ok(b->c, open_for(b, b->run.id));
    next_pair(b, "PD100002", "PD200002");
    is_in_state(b, "PD100001", PD_VOLUME_APPENDABLE);
    is_in_state(b, "PD200001", PD_VOLUME_BAD);
    assert_int_equal(cat_state(b->c, archive, copies[0].id), PD_COPY_VERIFIED);
    assert_int_equal(cat_state(b->c, archive, copies[1].id), PD_COPY_WRITTEN);
}

/* ---- the pair of a dump that goes on ---- */

static bool take_pair(struct bed *b, const char *name)
{
    const struct pd_volume_row rows[COPIES] = {row_of(b, "PD100001"), row_of(b, "PD200001")};
    bool good = false;

    cat_ok(b->c, open_for(b, b->run.id));
    cat_ok(b->c, pd_pool_take_pair(b->pool, rows, name, NULL, NULL, &good, &b->c->err));
    return good;
}

static void what_was_not_recorded_of_the_dump_is_cut(void **state)
{
    struct bed *b = *state;
    struct pd_copy_row copies[COPIES];
    int64_t archive, before = b->run.id;

    record_pair(b, &archive, copies);
    write_file(b, 0, "PD100001", "d.2");
    write_file(b, 0, "PD100001", "d.index");
    write_file(b, 0, "PD100001", "d.10");
    write_file(b, 1, "PD200001", "d.2");
    claim(b, before, "PD100001");
    die(b, before);
    (void)new_run(b);
    assert_true(take_pair(b, "d"));
    assert_int_equal(owner(b, "PD100001"), b->run.id);
    assert_int_equal(owner(b, "PD200001"), b->run.id);
    for (size_t i = 0; i < COPIES; i++) {
        const struct pd_pool_copy *copy = pd_pool_copy(b->pool, i);
        uint32_t number = 0;
        assert_string_equal(copy->volume.label, i == 0 ? "PD100001" : "PD200001");
        cat_ok(b->c, pd_target_begin(copy->target, "d.2", &number, &b->c->err));
        assert_int_equal(number, 2);
        cat_ok(b->c, pd_target_abandon(copy->target, &b->c->err));
    }
    close_pool(b);
    has_files(b, 0, "PD100001", 2);
    has_files(b, 1, "PD200001", 2);
    assert_int_equal(cat_state(b->c, archive, copies[0].id), PD_COPY_VERIFIED);
    is_in_state(b, "PD100001", PD_VOLUME_APPENDABLE);
}

static void what_is_recorded_stays_whosever_it_is(void **state)
{
    struct bed *b = *state;
    struct pd_copy_row copies[COPIES];
    int64_t archive;

    record_pair(b, &archive, copies);
    assert_true(take_pair(b, "d")); /* nothing is behind */
    assert_true(take_pair(b, "e"));
    close_pool(b);
    write_file(b, 1, "PD200001", "e.1");
    assert_true(take_pair(b, "e"));
    close_pool(b);
    has_files(b, 0, "PD100001", 2);
    has_files(b, 1, "PD200001", 2);
}

static void what_is_of_others_is_never_cut(void **state)
{
    static const char *const tops[] = {"e.1",   "dd.1",      "D.1",     "d",      "d-x.1",
                                       "xd.1",  "d.1.4",     "d.x.1",   "d.",     "d.index.1",
                                       "d.1x",  "d.indexes", "d.-1",    "d-2",    "dxindex",
                                       NULL};
    struct bed *b = *state;
    struct pd_copy_row copies[COPIES];
    int64_t archive;

    record_pair(b, &archive, copies);
    for (size_t i = 0; i < sizeof tops / sizeof tops[0]; i++) {
        cat_sql(b->c, "UPDATE volume SET state = 'appendable'");
        write_file(b, 0, "PD100001", i % 2 == 0 ? "d.2" : tops[i]);
        write_file(b, 0, "PD100001", i % 2 == 0 ? tops[i] : "d.2");
        bool good = take_pair(b, "d");
        if (good) {
            fail_msg("%s was cut", tops[i] ? tops[i] : "what is no archive");
        }
        close_pool(b);
        has_files(b, 0, "PD100001", 4);
        is_in_state(b, "PD100001", PD_VOLUME_BAD);
        assert_int_equal(owner(b, "PD100001"), 0);

        struct pd_target *target = ml_open(b->config.copies[0]); /* for the next one */
        cat_ok(b->c, pd_target_mount(target, "PD100001", &b->c->err));
        cat_ok(b->c, pd_target_cut(target, 2, &b->c->err));
        ml_close(target);
    }
}

static void a_pair_that_another_run_has_filled_is_taken_for_its_index(void **state)
{
    struct bed *b = *state;
    struct pd_volume_row rows[COPIES];
    struct pd_copy_row copies[COPIES];
    bool good = true;
    int64_t archive;

    record_pair(b, &archive, copies);
    rows[0] = row_of(b, "PD100001");
    rows[1] = row_of(b, "PD200001");
    cat_sql(b->c, "UPDATE volume SET state = 'full' WHERE label = 'PD200001'");
    cat_ok(b->c, open_for(b, b->run.id));
    cat_ok(b->c, pd_pool_take_pair(b->pool, rows, "d", NULL, NULL, &good, &b->c->err));
    assert_true(good); /* who takes it sees that it is full */
    assert_int_equal(pd_pool_copy(b->pool, 0)->volume.state, PD_VOLUME_APPENDABLE);
    assert_int_equal(pd_pool_copy(b->pool, 1)->volume.state, PD_VOLUME_FULL_STATE);
    is_in_state(b, "PD200001", PD_VOLUME_FULL_STATE);
    assert_int_equal(cat_state(b->c, archive, copies[1].id), PD_COPY_VERIFIED);
    cat_sql(b->c, "UPDATE volume SET state = 'bad' WHERE label = 'PD200001'");
    cat_ok(b->c, pd_pool_take_pair(b->pool, rows, "d", NULL, NULL, &good, &b->c->err));
    assert_false(good);
}

static void a_copy_without_a_volume_is_left_out(void **state)
{
    struct bed *b = *state;
    struct pd_volume_row rows[COPIES] = {0};
    bool good = false;

    label_pair(b);
    rows[1] = row_of(b, "PD200001");
    cat_ok(b->c, open_for(b, b->run.id));
    cat_ok(b->c, pd_pool_take_pair(b->pool, rows, "d", NULL, NULL, &good, &b->c->err));
    assert_true(good);
    assert_int_equal(owner(b, "PD100001"), 0);
    assert_int_equal(owner(b, "PD200001"), b->run.id);
    assert_string_equal(pd_pool_copy(b->pool, 1)->volume.label, "PD200001");
    assert_string_equal(pd_pool_copy(b->pool, 0)->volume.label, "");
}

static void a_pair_of_a_live_run_is_not_taken(void **state)
{
    struct bed *b = *state;
    int64_t other = b->run.id;

    label_pair(b);
    claim(b, other, "PD100001");
    write_file(b, 0, "PD100001", "d.1");
    (void)new_run(b);
    assert_false(take_pair(b, "d"));
    close_pool(b);
    has_files(b, 0, "PD100001", 2);
    assert_int_equal(owner(b, "PD100001"), other);
    assert_int_equal(owner(b, "PD200001"), 0);
    is_in_state(b, "PD100001", PD_VOLUME_APPENDABLE);
}

/* ---- reserved labels ---- */

static uint64_t rows(struct bed *b)
{
    return (uint64_t)cat_number(b->c, "SELECT COUNT(*) FROM volume");
}

/* A dump; while it is at hand, runs are for it. */
static int64_t begin_dump(struct bed *b, const char *name)
{
    static char uuid[PD_UUID_TEXT];
    struct pd_dump_row row;
    int64_t id = cat_dump(b->c, name, COPIES, 1);

    cat_ok(b->c, pd_catalog_dump_find(b->c->catalog, name, &row, &b->c->err));
    memcpy(uuid, row.uuid, sizeof uuid);
    b->dump = uuid;
    b->label_count = 0;
    return id;
}

static void end_dump(struct bed *b, int64_t id)
{
    char sql[96];

    (void)snprintf(sql, sizeof sql, "UPDATE dump SET state = 'done' WHERE id = %d", (int)id);
    cat_sql(b->c, sql);
}

/* A run reserves so many pairs, and labels one of them unless that is not wished; then it is
 * killed. */
static int64_t reserve_and_die(struct bed *b, size_t count, bool label)
{
    int64_t run = new_run(b);

    cat_ok(b->c, open_for(b, run));
    cat_ok(b->c, pd_pool_reserve(b->pool, count, &b->c->err));
    if (label) {
        cat_ok(b->c, pd_pool_spare_pair(b->pool, &b->c->err));
    }
    close_pool(b);
    die(b, run);
    return run;
}

static void reserved_pairs_are_labelled_without_the_catalog(void **state)
{
    struct bed *b = *state;

    cat_ok(b->c, open_for(b, b->run.id));
    cat_ok(b->c, pd_pool_reserve(b->pool, 2, &b->c->err));
    cat_ok(b->c, pd_pool_reserve(b->pool, 1, &b->c->err));
    assert_int_equal(pd_pool_spares(b->pool), 2);
    assert_int_equal(rows(b), 2 * COPIES);
    is_in_state(b, "PD100001", PD_VOLUME_RESERVED);
    is_in_state(b, "PD200002", PD_VOLUME_RESERVED);
    assert_int_equal(owner(b, "PD200002"), b->run.id);

    cat_ok(b->c, pd_catalog_run_remove(b->c->catalog, b->run.id, &b->c->err)); /* unknown to it */
    cat_ok(b->c, pd_pool_spare_pair(b->pool, &b->c->err));
    is_in_state(b, "PD100001", PD_VOLUME_RESERVED); /* until it is told */
    has_mounted(b, "PD100001", "PD200001");
    is_in_state(b, "PD100001", PD_VOLUME_APPENDABLE);
    cat_ok(b->c, pd_pool_spare_pair(b->pool, &b->c->err));
    has_mounted(b, "PD100002", "PD200002");
    cat_expect(b->c, PD_NO_VOLUME, pd_pool_spare_pair(b->pool, &b->c->err));
    assert_int_equal(cat_check(b->c), 0);
}

static void what_was_not_used_is_given_back(void **state)
{
    struct bed *b = *state;

    cat_ok(b->c, open_for(b, b->run.id));
    cat_ok(b->c, pd_pool_reserve(b->pool, 3, &b->c->err));
    next_pair(b, "PD100001", "PD200001"); /* the first of them */
    pd_pool_give_back(b->pool);
    assert_int_equal(rows(b), COPIES);
    is_in_state(b, "PD100001", PD_VOLUME_APPENDABLE);
    assert_int_equal(pd_pool_spares(b->pool), 0);
    cat_ok(b->c, pd_catalog_run_remove(b->c->catalog, b->run.id, &b->c->err));
    (void)new_run(b);
    cat_ok(b->c, open_for(b, b->run.id));
    next_pair(b, "PD100001", "PD200001");
    cat_sql(b->c, "UPDATE volume SET state = 'full'");
    next_pair(b, "PD100002", "PD200002");
}

static void a_pair_with_room_comes_before_a_reserved_one(void **state)
{
    struct bed *b = *state;

    label_pair(b);
    cat_ok(b->c, open_for(b, b->run.id));
    cat_ok(b->c, pd_pool_reserve(b->pool, 1, &b->c->err));
    next_pair(b, "PD100001", "PD200001");
    assert_int_equal(pd_pool_spares(b->pool), 1);
}

static void runs_at_once_reserve_numbers_of_their_own(void **state)
{
    struct bed *b = *state;
    int64_t other = b->run.id, mine = new_run(b);

    cat_ok(b->c, open_for(b, other));
    cat_ok(b->c, pd_pool_reserve(b->pool, 2, &b->c->err));
    cat_ok(b->c, open_for(b, mine));
    next_pair(b, "PD100003", "PD200003");
    assert_int_equal(owner(b, "PD100001"), other);
    is_in_state(b, "PD100001", PD_VOLUME_RESERVED);
}

static void as_many_are_reserved_as_the_rest_may_take(void **state)
{
    struct bed *b = *state;

    b->config.capacity = 100 * ML_BLOCK;
    cat_ok(b->c, open_for(b, b->run.id));
    cat_ok(b->c, pd_pool_reserve_for(b->pool, 10 * ML_BLOCK, &b->c->err));
    assert_int_equal(pd_pool_spares(b->pool), 1);
    next_pair(b, "PD100001", "PD200001");
    cat_ok(b->c, pd_pool_reserve_for(b->pool, 10 * ML_BLOCK, &b->c->err));
    assert_int_equal(pd_pool_spares(b->pool), 0); /* there is room on the first */
    cat_ok(b->c, pd_pool_reserve_for(b->pool, 1000 * ML_BLOCK, &b->c->err));
    assert_in_range(pd_pool_spares(b->pool), 10, 20);
    cat_ok(b->c, pd_pool_reserve_for(b->pool, UINT64_MAX, &b->c->err));
    assert_in_range(pd_pool_spares(b->pool), 20, 100);
    pd_pool_give_back(b->pool);
    assert_int_equal(rows(b), COPIES);
}

static void a_disk_without_end_needs_one_pair(void **state)
{
    struct bed *b = *state;

    cat_ok(b->c, open_for(b, b->run.id));
    cat_ok(b->c, pd_pool_reserve_for(b->pool, UINT64_MAX, &b->c->err));
    assert_int_equal(pd_pool_spares(b->pool), 1);
    next_pair(b, "PD100001", "PD200001");
    cat_ok(b->c, pd_pool_reserve_for(b->pool, UINT64_MAX, &b->c->err));
    assert_int_equal(pd_pool_spares(b->pool), 0);
}

static void what_a_dump_reserved_is_its_own_until_it_is_done(void **state)
{
    struct bed *b = *state;
    int64_t mine = b->run.id, dump = begin_dump(b, "first"), other = reserve_and_die(b, 2, true);

    assert_int_equal(b->label_count, COPIES);
    assert_string_equal(b->labels[0], row_of(b, "PD100001").uuid);
    assert_string_equal(row_of(b, "PD100001").reserved_by, b->dump);
    ml_remove(ml_text("%s/PD100001", b->dirs[0])); /* to the shelf */
    ml_remove(ml_text("%s/PD200001", b->dirs[1]));
    (void)begin_dump(b, "second");
    cat_ok(b->c, open_for(b, mine));
    next_pair(b, "PD100003", "PD200003");
    assert_int_equal(owner(b, "PD100001"), other);
    is_in_state(b, "PD100001", PD_VOLUME_RESERVED);
    is_in_state(b, "PD100002", PD_VOLUME_RESERVED);
    end_dump(b, dump);
    cat_sql(b->c, "UPDATE volume SET state = 'full' WHERE state = 'appendable'");
    next_pair(b, "PD100004", "PD200004"); /* no medium bears them: they are forgotten */
    assert_int_equal(rows(b), 2 * COPIES);
    assert_int_equal(cat_check(b->c), 0);
}

static void a_pair_that_is_half_labelled_is_finished(void **state)
{
    struct bed *b = *state;
    int64_t mine = b->run.id, dump = begin_dump(b, "first");
    struct pd_volume_row before;

    (void)reserve_and_die(b, 1, true);
    before = row_of(b, "PD200001");
    ml_remove(ml_text("%s/PD200001", b->dirs[1]));
    cat_ok(b->c, open_for(b, mine)); /* by the same dump */
    next_pair(b, "PD100001", "PD200001");
    assert_string_equal(pd_target_label(pd_pool_copy(b->pool, 1)->target)->uuid, before.uuid);
    assert_string_equal(row_of(b, "PD200001").reserved_by, "");
    close_pool(b);
    cat_sql(b->c, "UPDATE volume SET state = 'full'");

    (void)reserve_and_die(b, 1, true);
    end_dump(b, dump);
    (void)begin_dump(b, "second");
    cat_ok(b->c, open_for(b, mine)); /* by the next, when it is done */
    next_pair(b, "PD100002", "PD200002");
    assert_int_equal(rows(b), 2 * COPIES);
    assert_int_equal(cat_check(b->c), 0);
}

static void what_holds_more_than_its_label_is_left_alone(void **state)
{
    struct bed *b = *state;
    int64_t mine = b->run.id, dump = begin_dump(b, "first"), other = reserve_and_die(b, 1, true);

    end_dump(b, dump);
    write_file(b, 1, "PD200001", "d.1"); /* one copy is enough */
    (void)begin_dump(b, "second");
    cat_ok(b->c, open_for(b, mine));
    next_pair(b, "PD100002", "PD200002");
    assert_int_equal(owner(b, "PD100001"), other);
    assert_int_equal(owner(b, "PD200001"), other);
    is_in_state(b, "PD100001", PD_VOLUME_RESERVED);
    has_files(b, 1, "PD200001", 2);
    assert_non_null(strstr(b->c->log, "PD200001: holds more than its label"));
}

static void what_another_host_reserved_is_left_to_it(void **state)
{
    struct bed *b = *state;
    int64_t mine = b->run.id;

    (void)reserve_and_die(b, 1, true);
    cat_sql(b->c, "UPDATE volume SET host = 'elsewhere'");
    cat_ok(b->c, open_for(b, mine));
    next_pair(b, "PD100002", "PD200002");
    is_in_state(b, "PD100001", PD_VOLUME_RESERVED);
}

static void pairs_of_two_prefixes_are_not_mixed(void **state)
{
    struct bed *b = *state;
    int64_t mine = b->run.id;

    (void)reserve_and_die(b, 1, true);
    free(b->config.label_prefix);
    b->config.label_prefix = ml_text("XX");
    (void)reserve_and_die(b, 1, true);
    cat_sql(b->c, "DELETE FROM volume WHERE label IN ('PD100001', 'XX200001')");
    cat_ok(b->c, open_for(b, mine));
    next_pair(b, "XX100002", "XX200002");
}

static void who_goes_on_with_a_dump_drops_what_it_reserved(void **state)
{
    struct bed *b = *state;
    struct pd_pool_run run = {.catalog = b->c->catalog, .id = b->run.id, .limit_ns = LIMIT};

    (void)begin_dump(b, "first");
    (void)reserve_and_die(b, 3, true); /* the first is labelled, but never told */
    run.dump = "another";
    cat_ok(b->c, pd_pool_drop_reserved(&run, NULL, 0, &b->c->err));
    assert_int_equal(rows(b), 3 * COPIES);
    run.dump = b->dump;
    cat_ok(b->c, pd_pool_drop_reserved(&run, b->labels, 1, &b->c->err));
    assert_int_equal(rows(b), COPIES);
    is_in_state(b, "PD100001", PD_VOLUME_RESERVED); /* maybe on its medium */
    is_in_state(b, "PD200001", PD_VOLUME_RESERVED); /* for its partner's sake */
}

static void a_pair_of_another_host_is_appended_to_where_it_is_here(void **state)
{
    struct bed *b = *state;
    char host[PD_HOST_TEXT];

    pd_process_host(host);
    label_pair(b);
    assert_string_equal(row_of(b, "PD100001").host, host);
    cat_sql(b->c, "UPDATE volume SET host = 'elsewhere'");
    cat_ok(b->c, open_for(b, b->run.id));
    next_pair(b, "PD100001", "PD200001");
    assert_string_equal(row_of(b, "PD100001").host, host);
}

static void a_pair_of_another_host_is_passed_over_in_silence(void **state)
{
    struct bed *b = *state;

    label_pair(b);
    ml_remove(ml_text("%s/PD100001", b->dirs[0]));
    ml_remove(ml_text("%s/PD200001", b->dirs[1]));
    cat_sql(b->c, "UPDATE volume SET host = 'elsewhere'");
    cat_ok(b->c, open_for(b, b->run.id));
    next_pair(b, "PD100002", "PD200002");
    is_in_state(b, "PD100001", PD_VOLUME_APPENDABLE);
    assert_int_equal(owner(b, "PD100001"), 0);
    assert_null(strstr(b->c->log, "PD100001"));
}

static void a_label_told_late_changes_nothing(void **state)
{
    struct bed *b = *state;
    struct pd_volume_row row;

    label_pair(b);
    cat_sql(b->c, "UPDATE volume SET tape_files = 7, state = 'full'");
    row = row_of(b, "PD100001");
    cat_ok(b->c, pd_catalog_volume_labelled(b->c->catalog, row.uuid, &b->c->err));
    is_in_state(b, "PD100001", PD_VOLUME_FULL_STATE);
    assert_int_equal(row_of(b, "PD100001").tape_files, 7);
    cat_ok(b->c, pd_catalog_volumes_forget(b->c->catalog, &row.id, 1, &b->c->err));
    assert_int_equal(rows(b), COPIES); /* only what is reserved goes */
}

static void a_copy_that_cannot_be_labelled_is_lost(void **state)
{
    struct bed *b = *state;

    free(b->config.copies[1]);
    b->config.copies[1] = ml_text("fault:load@1+=EIO:disk:%s", b->dirs[1]);
    cat_ok(b->c, open_for(b, b->run.id));
    cat_ok(b->c, pd_pool_reserve(b->pool, 2, &b->c->err));
    cat_ok(b->c, pd_pool_next_pair(b->pool, &b->c->err));
    record_labels(b);
    assert_string_equal(pd_pool_copy(b->pool, 0)->volume.label, "PD100001");
    assert_string_equal(pd_pool_copy(b->pool, 1)->volume.label, "");
    assert_null(pd_pool_copy(b->pool, 1)->target);
    pd_pool_give_back(b->pool);
    assert_int_equal(rows(b), 1);
    is_in_state(b, "PD100001", PD_VOLUME_APPENDABLE);
}

/* ---- drives ---- */

static void a_drive_is_for_one_run_at_a_time(void **state)
{
    struct bed *b = *state;
    int64_t other = b->run.id, mine = new_run(b);
    struct pd_claim drive = {.kind = PD_CLAIM_DRIVE};

    free(b->config.copies[1]);
    b->config.copies[1] = ml_text("fault:read@1000=EIO:mock:%s/.", b->dirs[1]);
    drive.name = b->dirs[1];
    cat_ok(b->c, pd_catalog_claim(b->c->catalog, other, &drive, 1, LIMIT, &b->c->err));
    cat_expect(b->c, PD_BUSY, open_for(b, mine));
    assert_null(b->pool);
    cat_ok(b->c, open_for(b, 0)); /* for nobody: it is only looked at */
    die(b, other);
    cat_ok(b->c, open_for(b, mine));
    assert_int_equal(cat_number(b->c, "SELECT COUNT(*) FROM claim"), 1); /* a folder is none */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_pair_is_labelled_and_claimed),
        TEST(a_pair_that_nobody_has_is_taken_again),
        TEST(a_pair_that_this_run_has_filled_is_not_taken_again),
        TEST(a_pair_of_a_live_run_is_passed_over),
        TEST(the_lowest_pair_that_is_free_is_taken),
        TEST(a_pair_of_a_dead_run_is_taken_over),
        TEST(what_a_dead_run_left_on_a_volume_stays_its_own),
        TEST(what_nobody_explains_sets_a_volume_aside),
        TEST(tape_files_that_are_missing_set_it_aside_too),
        TEST(what_was_not_recorded_of_the_dump_is_cut),
        TEST(what_is_recorded_stays_whosever_it_is),
        TEST(what_is_of_others_is_never_cut),
        TEST(a_pair_that_another_run_has_filled_is_taken_for_its_index),
        TEST(a_copy_without_a_volume_is_left_out),
        TEST(a_pair_of_a_live_run_is_not_taken),
        TEST(reserved_pairs_are_labelled_without_the_catalog),
        TEST(what_was_not_used_is_given_back),
        TEST(a_pair_with_room_comes_before_a_reserved_one),
        TEST(runs_at_once_reserve_numbers_of_their_own),
        TEST(as_many_are_reserved_as_the_rest_may_take),
        TEST(a_disk_without_end_needs_one_pair),
        TEST(what_a_dump_reserved_is_its_own_until_it_is_done),
        TEST(a_pair_that_is_half_labelled_is_finished),
        TEST(what_holds_more_than_its_label_is_left_alone),
        TEST(what_another_host_reserved_is_left_to_it),
        TEST(pairs_of_two_prefixes_are_not_mixed),
        TEST(who_goes_on_with_a_dump_drops_what_it_reserved),
        TEST(a_pair_of_another_host_is_appended_to_where_it_is_here),
        TEST(a_pair_of_another_host_is_passed_over_in_silence),
        TEST(a_label_told_late_changes_nothing),
        TEST(a_copy_that_cannot_be_labelled_is_lost),
        TEST(a_drive_is_for_one_run_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
