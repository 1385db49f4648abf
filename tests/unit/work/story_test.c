/*
 * What a run writes down of its plan and its archives is what the run that goes on reads.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../src/work/resume_book.h"
#include "../../lib/catalog_lib.h"
#include "../../lib/format_lib.h"
#include "../../lib/work_restore_lib.h"

struct bed {
    struct restore_lib_env e;
    char dir[128]; /* the state folder */
    char a[160], b[160]; /* folders for volumes */
    struct pd_dump_row dump;
    struct pd_dump_book book;
    struct pd_story story;
    struct pd_error err;
};

static void open_book(struct bed *b, bool create)
{
    pd_book_release(&b->book, false);
    assert_int_equal(pd_book_open(&b->e.env, b->dir, &b->dump, create, &b->book, &b->err), PD_OK);
}

static int start(void **state)
{
    struct bed *b = calloc(1, sizeof *b);

    assert_non_null(b);
    restore_lib_env_start(&b->e);
    format_dir_make(b->dir, sizeof b->dir);
    (void)snprintf(b->a, sizeof b->a, "%s/a", b->dir);
    (void)snprintf(b->b, sizeof b->b, "%s/b", b->dir);
    assert_int_equal(mkdir(b->a, 0700), 0);
    assert_int_equal(mkdir(b->b, 0700), 0);
    (void)snprintf(b->dump.uuid, sizeof b->dump.uuid, "11111111-0000-4000-8000-000000000000");
    (void)snprintf(b->dump.name, sizeof b->dump.name, "d");
    open_book(b, true);
    *state = b;
    return 0;
}

static int end(void **state)
{
    struct bed *b = *state;

    pd_story_release(&b->story);
    pd_book_release(&b->book, true);
    format_dir_remove(b->dir);
    restore_lib_env_end(&b->e);
    free(b);
    return 0;
}

static void read_story(struct bed *b)
{
    pd_story_release(&b->story);
    assert_int_equal(pd_story_read(&b->book, &b->story, &b->err), PD_OK);
}

/* ---- the plan ---- */

static void save_plan(struct bed *b, const struct pd_dump_options *options,
                      const struct pd_pool_config *config)
{
    const struct pd_pool_run nobody = {0};
    struct pd_dumping *d = calloc(1, sizeof *d);

    assert_non_null(d);
    d->env = &b->e.env;
    d->options = options;
    d->book = b->book;
    d->lane_count = config->pairs;
    for (size_t i = 0; i < d->lane_count; i++) {
        struct pd_pool_config part = *config;
        part.copy_count = config->copy_count / d->lane_count;
        part.copies[0] = config->copies[i * part.copy_count];
        part.copies[1] = part.copy_count > 1 ? config->copies[i * part.copy_count + 1] : NULL;
        assert_int_equal(
            pd_pool_open(&b->e.env, &part, &nobody, PD_RETRY_ONCE, &d->lanes[i].pool, &b->err),
            PD_OK);
    }
    assert_int_equal(pd_plan_save(d, &b->err), PD_OK);
    for (size_t i = 0; i < d->lane_count; i++) {
        assert_int_equal(pd_pool_close(d->lanes[i].pool, &b->err), PD_OK);
    }
    free(d);
}

static void every_byte(char out[257])
{
    out[0] = '/';
    for (int i = 1; i < 256; i++) {
        out[i] = (char)i;
    }
    out[256] = '\0';
}

static void same_words(const char *const *words, size_t count, const char *const *wanted,
                       size_t wanted_count)
{
    assert_int_equal(count, wanted_count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(words[i], wanted[i]);
    }
}

static void a_plan_comes_back_as_it_was(void **state)
{
    struct bed *b = *state;
    char odd[257], url[2][256], location[2][256], name[] = "my pool\t%", prefix[] = "Q7";
    const char *const paths[] = {odd, "/", "relative", ""}, *const excludes[] = {"*.o", odd + 1};
    struct pd_pool_config pool = {.name = name,
                                  .copies = {url[0], url[1]},
                                  .copy_count = 2,
                                  .pairs = 2,
                                  .label_prefix = prefix,
                                  .block_size = 131072,
                                  .batch_size = UINT64_C(5000000000),
                                  .batch_files = 77,
                                  .capacity = 1 << 30,
                                  .reserve = 12345,
                                  .verify = {PD_VERIFY_SAMPLE, 25}};
    struct pd_dump_options options = {
        .source = {.paths = paths, .path_count = 4, .list_file = odd, .list_nul = true,
                   .list_recurse = true, .excludes = excludes, .exclude_count = 2,
                   .one_file_system = true, .cwd = odd},
        .incremental = true};

    every_byte(odd);
    (void)snprintf(url[0], sizeof url[0], "fault:read@1000=EIO:disk:%s/./", b->a);
    (void)snprintf(url[1], sizeof url[1], "disk:%s?capacity=2G", b->b);
    (void)snprintf(location[0], sizeof location[0], "disk:%s?capacity=1073741824", b->a);
    (void)snprintf(location[1], sizeof location[1], "disk:%s?capacity=2G", b->b);
    save_plan(b, &options, &pool);
    open_book(b, false); /* as a later run finds it */
    read_story(b);

    const struct pd_dump_plan *plan = &b->story.plan;
    const struct pd_source_path_options *source = &plan->options.source;
    same_words(source->paths, source->path_count, paths, 4);
    same_words(source->excludes, source->exclude_count, excludes, 2);
    assert_string_equal(source->list_file, odd);
    assert_string_equal(source->cwd, odd);
    assert_true(source->list_nul && source->list_recurse && source->one_file_system);
    assert_true(plan->options.incremental);
    assert_string_equal(plan->pool.name, name);
    assert_string_equal(plan->pool.label_prefix, prefix);
    assert_int_equal(plan->pool.copy_count, 2);
    assert_int_equal(plan->pool.pairs, 2);
    assert_string_equal(plan->pool.copies[0], location[0]);
    assert_string_equal(plan->pool.copies[1], location[1]);
    assert_int_equal(plan->pool.block_size, 131072);
    assert_true(plan->pool.batch_size == UINT64_C(5000000000));
    assert_int_equal(plan->pool.batch_files, 77);
    assert_int_equal(plan->pool.capacity, 1 << 30);
    assert_int_equal(plan->pool.reserve, 12345);
    assert_int_equal(plan->pool.verify.mode, PD_VERIFY_SAMPLE);
    assert_int_equal(plan->pool.verify.percent, 25);
}

static void a_plain_plan_comes_back_too(void **state)
{
    struct bed *b = *state;
    const char *const paths[] = {"/data"};
    struct pd_dump_options options = {.source = {.paths = paths, .path_count = 1, .cwd = "/"}};
    struct pd_pool_config pool;
    char *url = NULL;

    assert_int_equal(pd_pool_config_init("default", &pool, &b->err), PD_OK);
    assert_true(asprintf(&url, "disk:%s", b->a) > 0);
    pool.copies[0] = url;
    pool.copy_count = 1;
    save_plan(b, &options, &pool);
    read_story(b);

    const struct pd_dump_plan *plan = &b->story.plan;
    same_words(plan->options.source.paths, plan->options.source.path_count, paths, 1);
    assert_int_equal(plan->options.source.exclude_count, 0);
    assert_null(plan->options.source.list_file);
    assert_false(plan->options.incremental || plan->options.source.one_file_system ||
                 plan->options.source.list_nul || plan->options.source.list_recurse);
    assert_string_equal(plan->pool.copies[0], url);
    assert_int_equal(plan->pool.copy_count, 1);
    assert_int_equal(plan->pool.block_size, pool.block_size);
    assert_int_equal(plan->pool.batch_size, pool.batch_size);
    assert_int_equal(plan->pool.verify.mode, pool.verify.mode);
    assert_false(b->story.listed);
    pd_pool_config_release(&pool);
}

/* ---- the archives ---- */

/* On volumes "u<seq>" and so on: copy 1 and 3. */
static void begin_on(struct bed *b, uint64_t seq, size_t lane)
{
    const struct pd_archive_row row = {.seq = seq, .name = "d.n", .record_size = 65536};
    char uuids[2][PD_UUID_TEXT];
    const char *const names[] = {uuids[0], uuids[1]};
    struct pd_copy_row *copies = calloc(2, sizeof *copies);

    assert_non_null(copies);
    for (unsigned i = 0; i < 2; i++) {
        copies[i].copy = 2 * i + 1;
        copies[i].tape_file = 4;
        (void)snprintf(uuids[i], sizeof uuids[i], "uuid-%d-%u", (int)seq, copies[i].copy);
    }
    assert_int_equal(pd_book_begin(&b->book, &row, copies, names, 2, lane, &b->err), PD_OK);
    free(copies);
}

static void begin(struct bed *b, uint64_t seq)
{
    begin_on(b, seq, 0);
}

static void written(struct bed *b, uint64_t seq, uint64_t *offset, uint64_t *len)
{
    const struct pd_archive_row row = {.seq = seq, .name = "d.n", .record_size = 65536};
    const struct pd_dump_problems none = {.count = 0};
    struct pd_copy_row copy = {.copy = 1, .state = PD_COPY_WRITTEN, .tape_file = (uint32_t)seq + 5};
    struct pd_expect *expect = NULL;
    uint32_t tape_file = 0;
    struct pd_toc toc;

    cat_toc_start(&toc, "d.n");
    assert_int_equal(pd_expect_new(&toc, &expect, &b->err), PD_OK);
    assert_int_equal(pd_book_written(&b->book, &row, expect, &copy, 1, &none, offset, len,
                                     &tape_file, &b->err),
                     PD_OK);
    pd_expect_release(expect);
}

static void is(struct bed *b, uint64_t seq, enum pd_told wanted)
{
    const struct pd_told_archive *a = pd_story_archive(&b->story, seq);

    assert_non_null(a);
    assert_int_equal(a->state, wanted);
}

static void lane_has_volumes_of(struct bed *b, size_t lane, int seq)
{
    char uuid[PD_UUID_TEXT];

    for (int copy = 1; copy <= PD_COPIES_MAX; copy++) {
        (void)snprintf(uuid, sizeof uuid, "uuid-%d-%d", seq, copy);
        assert_string_equal(b->story.lanes[lane].volumes[copy - 1],
                            copy == 1 || copy == 3 ? uuid : "");
    }
}

static void has_volumes_of(struct bed *b, int seq)
{
    lane_has_volumes_of(b, 0, seq);
}

static void an_empty_book_tells_nothing(void **state)
{
    struct bed *b = *state;

    read_story(b);
    assert_false(b->story.listed);
    assert_int_equal(b->story.count, 0);
    assert_null(pd_story_archive(&b->story, 1));
    assert_string_equal(b->story.lanes[0].volumes[0], "");
    assert_false(b->story.lanes[0].indexes[0].written);
}

static void a_list_counts_once_its_problems_are_told(void **state)
{
    struct bed *b = *state;
    const struct pd_dump_problems none = {.count = 0};
    const struct pd_item item = {.path = "/big\t", .path_len = 5, .kind = PD_KIND_FILE,
                                 .size = 700, .stored = 700};
    struct pd_entry_text note = {PD_BUF_INIT, PD_OK};
    struct pd_list *list = NULL;
    char *path = NULL;
    struct stat st;

    pd_entry_word(&note, "list");
    for (int i = 1; i <= 8; i++) {
        pd_entry_number(&note, i);
    }
    assert_int_equal(pd_journal_append(b->book.journal, &note, false, false, NULL, &b->err), PD_OK);
    read_story(b);
    assert_false(b->story.listed);
    assert_int_equal(b->story.list_size, 2);

    assert_int_equal(pd_book_path(&b->book, "list", &path, &b->err), PD_OK);
    assert_int_equal(pd_list_create(path, &list, &b->err), PD_OK);
    assert_int_equal(pd_list_add(list, &item, &b->err), PD_OK);
    assert_int_equal(pd_book_listed(&b->book, list, 9, &none, &b->err), PD_OK);
    const struct pd_list_totals wanted = *pd_list_totals(list);
    assert_int_equal(stat(path, &st), 0); /* it is in the file by now */
    pd_list_free(list);
    free(path);
    read_story(b);
    assert_true(b->story.listed);
    assert_int_equal(b->story.skipped, 9);
    assert_int_equal(b->story.list_layout, PD_LIST_LAYOUT);
    assert_int_equal(b->story.list_size, st.st_size);
    assert_true(st.st_size > 0);
    const struct pd_list_totals *t = &b->story.totals;
    assert_int_equal(t->items, 1);
    assert_int_equal(t->files, 1);
    assert_int_equal(t->bytes, 700);
    assert_int_equal(t->archive_bytes, wanted.archive_bytes);
    assert_int_equal(t->largest, 700);
    assert_string_equal(t->largest_path, "/big\t");
}

static void each_archive_is_where_it_got(void **state)
{
    struct bed *b = *state;
    uint64_t offset[5], len[5];

    begin(b, 1);
    written(b, 1, &offset[1], &len[1]);
    begin(b, 2);
    assert_int_equal(pd_book_abandon(&b->book, 2, &b->err), PD_OK);
    begin(b, 3);
    written(b, 3, &offset[3], &len[3]);
    begin(b, 4);
    read_story(b);
    assert_int_equal(b->story.count, 4);
    is(b, 1, PD_TOLD_WRITTEN);
    is(b, 2, PD_TOLD_GONE);
    is(b, 3, PD_TOLD_WRITTEN);
    is(b, 4, PD_TOLD_BEGUN);
    assert_null(pd_story_archive(&b->story, 5));
    for (uint64_t seq = 1; seq <= 3; seq += 2) {
        const struct pd_told_archive *a = pd_story_archive(&b->story, seq);
        assert_int_equal(a->offset, offset[seq]);
        assert_int_equal(a->len, len[seq]);
        assert_int_equal(a->tape_file, seq + 5);
    }
    assert_true(offset[3] > 0 && len[3] > 0);
    has_volumes_of(b, 4);
}

static void an_index_stands_until_the_next_archive(void **state)
{
    struct bed *b = *state;
    uint64_t offset, len;

    begin(b, 1);
    written(b, 1, &offset, &len);
    assert_int_equal(pd_book_indexed(&b->book, 3, 17, "uuid-1-3", 0, &b->err), PD_OK);
    read_story(b);
    assert_false(b->story.lanes[0].indexes[0].written);
    assert_true(b->story.lanes[0].indexes[2].written);
    assert_int_equal(b->story.lanes[0].indexes[2].tape_file, 17);
    begin(b, 2);
    read_story(b);
    assert_false(b->story.lanes[0].indexes[2].written);
    has_volumes_of(b, 2);
}

static void only_the_volumes_of_the_last_archive_count(void **state)
{
    struct bed *b = *state;
    const struct pd_archive_row row = {.seq = 2, .name = "d.2", .record_size = 65536};
    const struct pd_copy_row copy = {.copy = 2, .tape_file = 1};
    const char *const uuids[] = {"another"};

    begin(b, 1);
    assert_int_equal(pd_book_begin(&b->book, &row, &copy, uuids, 1, 0, &b->err), PD_OK);
    read_story(b);
    assert_string_equal(b->story.lanes[0].volumes[0], "");
    assert_string_equal(b->story.lanes[0].volumes[1], "another");
    assert_string_equal(b->story.lanes[0].volumes[2], "");
}

static unsigned index_of(struct bed *b, uint64_t seq)
{
    return pd_story_archive(&b->story, seq)->index;
}

static void lanes_have_volumes_and_indexes_of_their_own(void **state)
{
    struct bed *b = *state;
    uint64_t offset, len;

    begin_on(b, 1, 0);
    begin_on(b, 2, 1);
    written(b, 2, &offset, &len);
    begin_on(b, 3, 1);
    written(b, 1, &offset, &len);
    written(b, 3, &offset, &len);
    assert_int_equal(pd_book_indexed(&b->book, 1, 9, "uuid-3-1", 1, &b->err), PD_OK);
    read_story(b);
    lane_has_volumes_of(b, 0, 1);
    lane_has_volumes_of(b, 1, 3);
    assert_int_equal(pd_story_archive(&b->story, 1)->lane, 0);
    assert_int_equal(pd_story_archive(&b->story, 3)->lane, 1);
    assert_int_equal(index_of(b, 1), 0); /* it is on the other pair */
    assert_int_equal(index_of(b, 2), 1);
    assert_int_equal(index_of(b, 3), 1);
    assert_false(b->story.lanes[0].indexes[0].written);
    assert_true(b->story.lanes[1].indexes[0].written);

    begin_on(b, 4, 0); /* leaves the index of the other one */
    assert_int_equal(pd_book_abandon(&b->book, 4, &b->err), PD_OK);
    assert_int_equal(pd_book_indexed(&b->book, 1, 5, "uuid-4-1", 0, &b->err), PD_OK);
    begin_on(b, 4, 1);
    read_story(b);
    assert_int_equal(index_of(b, 1), 2);
    assert_int_equal(pd_story_archive(&b->story, 4)->lane, 1); /* where it was begun last */
    assert_true(b->story.lanes[0].indexes[0].written);
    assert_false(b->story.lanes[1].indexes[0].written);

    assert_int_equal(pd_book_dropped(&b->book, 0, &b->err), PD_OK);
    read_story(b);
    assert_int_equal(index_of(b, 1), 0);
    assert_int_equal(index_of(b, 3), 1);
    assert_int_equal(pd_book_dropped(&b->book, PD_COPIES_MAX, &b->err), PD_OK);
    pd_story_release(&b->story);
    assert_int_equal(pd_story_read(&b->book, &b->story, &b->err), PD_BAD_FORMAT);
}

static void a_second_run_goes_on_with_the_story(void **state)
{
    struct bed *b = *state;
    uint64_t offset[5], len[5];

    begin(b, 1);
    written(b, 1, &offset[1], &len[1]);
    begin(b, 2);
    open_book(b, false); /* the first run has died */
    assert_int_equal(pd_book_abandon(&b->book, 2, &b->err), PD_OK);
    assert_int_equal(pd_book_indexed(&b->book, 1, 8, "uuid-1-1", 0, &b->err), PD_OK);
    read_story(b);
    is(b, 1, PD_TOLD_WRITTEN);
    is(b, 2, PD_TOLD_GONE);
    assert_true(b->story.lanes[0].indexes[0].written);
    begin(b, 2);
    read_story(b);
    is(b, 2, PD_TOLD_BEGUN);
    written(b, 2, &offset[2], &len[2]);
    begin(b, 3);
    open_book(b, false);
    read_story(b);
    is(b, 1, PD_TOLD_WRITTEN);
    is(b, 2, PD_TOLD_WRITTEN);
    is(b, 3, PD_TOLD_BEGUN);
    assert_int_equal(pd_story_archive(&b->story, 2)->offset, offset[2]);
    assert_int_equal(offset[2], len[1]);
    has_volumes_of(b, 3);
}

/* ---- what is not as it should be ---- */

/* Fields are split at spaces. */
static void refuse(struct bed *b, const char *text)
{
    struct pd_entry_text entry = {PD_BUF_INIT, PD_OK};
    char copy[512], *rest = copy;

    pd_book_release(&b->book, true);
    open_book(b, true);
    begin(b, 1);
    (void)snprintf(copy, sizeof copy, "%s", text);
    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        pd_entry_word(&entry, word);
    }
    assert_int_equal(pd_journal_append(b->book.journal, &entry, false, false, NULL, &b->err),
                     PD_OK);
    pd_story_release(&b->story);
    pd_error_clear(&b->err);
    enum pd_status status = pd_story_read(&b->book, &b->story, &b->err);
    if (status != PD_BAD_FORMAT) {
        fail_msg("\"%s\" gave %s", text, pd_status_name(status));
    }
    assert_int_equal(b->err.status, PD_BAD_FORMAT);
}

static void what_is_wrong_is_told(void **state)
{
    static const char *const wrong[] = {
        "option",
        "option path",
        "option path / /",
        "option nosuch 1",
        "option block-size",
        "option block-size 64K",
        "option capacity -1",
        "option incremental yes",
        "option verify most",
        "list",
        "list 1 2 3 4 5 6 7",
        "list 1 x 3 4 5 6 7 /p",
        "listed",
        "listed x",
        "begin",
        "begin x d.1 65536",
        "begin 2 d.2 65536 0 uuid 1",
        "begin 2 d.2 65536 9 uuid 1",
        "begin 2 d.2 65536 x uuid 1",
        "begin 2 d.2 65536 18446744073709551615 uuid 1",
        "written",
        "written 2 0 9 1",
        "written 1 0 9",
        "written 1 x 9 1",
        "written 1 0 -9 1",
        "abandon",
        "abandon 2",
        "indexed",
        "indexed 0 1 uuid",
        "indexed 9 1 uuid",
        "indexed 1 x uuid",
        "indexed 1",
    };
    struct bed *b = *state;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        refuse(b, wrong[i]);
    }
}

static void more_copies_than_there_can_be_are_told(void **state)
{
    struct bed *b = *state;

    for (int i = 0; i < PD_COPIES_MAX; i++) {
        assert_int_equal(pd_book_option(&b->book, "to", "disk:/x", &b->err), PD_OK);
    }
    read_story(b);
    assert_int_equal(b->story.plan.pool.copy_count, PD_COPIES_MAX);
    assert_int_equal(pd_book_option(&b->book, "to", "disk:/x", &b->err), PD_OK);
    pd_story_release(&b->story);
    assert_int_equal(pd_story_read(&b->book, &b->story, &b->err), PD_BAD_FORMAT);
}

static void what_is_for_the_catalog_alone_is_passed_over(void **state)
{
    struct bed *b = *state;
    const struct pd_volume_row volume = {.uuid = "u"};

    begin(b, 1);
    assert_int_equal(pd_book_state(&b->book, &b->dump, &b->err), PD_OK);
    assert_int_equal(pd_book_volume(&b->book, &volume, &b->err), PD_OK);
    read_story(b);
    assert_int_equal(b->story.count, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_plan_comes_back_as_it_was),
        TEST(a_plain_plan_comes_back_too),
        TEST(an_empty_book_tells_nothing),
        TEST(a_list_counts_once_its_problems_are_told),
        TEST(each_archive_is_where_it_got),
        TEST(an_index_stands_until_the_next_archive),
        TEST(only_the_volumes_of_the_last_archive_count),
        TEST(lanes_have_volumes_and_indexes_of_their_own),
        TEST(a_second_run_goes_on_with_the_story),
        TEST(what_is_wrong_is_told),
        TEST(more_copies_than_there_can_be_are_told),
        TEST(what_is_for_the_catalog_alone_is_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
