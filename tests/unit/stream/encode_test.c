#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "../../lib/format_lib.h"
#include "../../lib/stream_encode_set.h"
#include "../../lib/stream_lib.h"

#define F    PD_KIND_FILE
#define SIZE (3 * SL_RECORD + 100)
#define TAGS "d.0001/manifest-sha256.txt d.0001/bag-info.txt "
#define LAST "d.0001/tagmanifest-sha256.txt "

static struct encode_set *again(void **state)
{
    es_end(state);
    es_start(state);
    return *state;
}

static const struct pd_toc_file *toc_file(const struct encode_set *set, const char *path)
{
    for (uint64_t i = 0; i < set->toc.file_count; i++)
        if (strcmp(set->toc.files[i].path, path) == 0)
            return &set->toc.files[i];
    return NULL;
}

static void expect_problem(const struct encode_set *set, unsigned i, const char *path,
                           enum pd_status status, bool archived)
{
    assert_true(i < set->problem_count);
    assert_string_equal(set->problems[i].path, path);
    assert_int_equal(set->problems[i].status, status);
    assert_int_equal(set->problems[i].archived, archived);
}

/* ---- what goes well ---- */

static void a_batch_becomes_a_bag(void **state)
{
    struct encode_set *set = *state;

    es_add(set, "/a", PD_KIND_DIR, 0);
    es_add(set, "/a/empty", F, 0);
    es_add(set, "/a/fifo", PD_KIND_FIFO, 0);
    es_add(set, "/a/file", F, SIZE);
    es_add(set, "/a/link", PD_KIND_SYMLINK, 0)->link = "../none";
    es_add(set, "/a/rounds", F, 20 * SL_RECORD); /* goes round the ring */
    es_add(set, "/b c", F, 1);
    es_encode(set);
    es_expect_names(set, "d.0001/bagit.txt d.0001/data/a/ d.0001/data/a/empty d.0001/data/a/fifo "
                         "d.0001/data/a/file d.0001/data/a/link d.0001/data/a/rounds "
                         "d.0001/data/b c " TAGS LAST);
    assert_int_equal(set->toc.file_count, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_string_equal(set->toc.files[i].path, set->fakes[i].path);
        assert_int_equal(set->toc.files[i].state, PD_WHOLE);
        assert_int_equal(set->toc.files[i].has_digest, set->fakes[i].kind == F);
        if (set->fakes[i].kind == F)
            assert_int_equal(es_right_bytes(set, i), set->fakes[i].size);
    }
    assert_int_equal(set->problem_count, 0);
    assert_string_equal(toc_file(set, "/a/link")->link, "../none");
}

static void the_toc_and_the_tar_tell_the_metadata(void **state)
{
    struct encode_set *set = *state;
    const struct pd_toc_file *file;
    struct es_view v;

    es_add(set, "/x", F, 10);
    es_encode(set);
    file = toc_file(set, "/x");
    assert_int_equal(file->mode, 04751);
    assert_int_equal(file->uid, 1234567);
    assert_int_equal(file->gid, 89);
    assert_int_equal(file->mtime, 1700000000);
    assert_int_equal(file->mtime_ns, 123456789);
    assert_int_equal(file->ctime, 1700000001);
    assert_int_equal(file->ctime_ns, 5);
    assert_int_equal(file->dev, 0); /* it has one name only */
    assert_int_equal(file->ino, 100);
    es_view_at(set, &v, file->offset, "d.0001/data/x");
    assert_int_equal(archive_entry_perm(v.entry), 04751);
    assert_int_equal(archive_entry_uid(v.entry), 1234567);
    assert_int_equal(archive_entry_mtime(v.entry), 1700000000);
    assert_int_equal(archive_entry_mtime_nsec(v.entry), 123456789);
    es_view_end(&v);
}

static void the_tags_name_dump_archive_and_sums(void **state)
{
    struct encode_set *set = *state;

    set->batch.seq = 12;
    es_add(set, "/x", F, 10);
    es_add(set, "/y", F, 32);
    assert_int_equal(es_run(set), PD_OK);
    assert_string_equal(set->toc.name, "d.0012");
    assert_int_equal(set->toc.seq, 12);
    assert_string_equal(set->toc.dump_uuid, set->job.dump_uuid);
    es_expect_text(set, "d.0012/bagit.txt",
                   "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");
    es_expect_text(set, "d.0012/bag-info.txt", "External-Identifier: d.0012\n");
    es_expect_text(set, "d.0012/bag-info.txt", "Payload-Oxum: 42.2\n");
    es_expect_text(set, "d.0012/bag-info.txt", "Pairdump-Record-Size: 4096\n");
    es_expect_text(set, "d.0012/bag-info.txt", "Pairdump-Host: here\n");
    es_expect_text(set, "d.0012/bag-info.txt", "Pairdump-Roots: /a /b\n");
    assert_int_equal(set->e.progress.files_done, 2);
    assert_int_equal(set->e.progress.bytes_done, 42);
}

static void tar_and_sha256sum_agree_with_the_bag(void **state)
{
    struct encode_set *set = *state;
    char dir[128];

    es_add(set, "/a", PD_KIND_DIR, 0);
    es_add(set, "/a/file", F, SIZE);
    es_add(set, "/a/l\nf \\ 100%\xff", F, 77);
    es_add(set, "/a/changed", F, SIZE)->have = 5000; /* the digest is of what was stored */
    assert_int_equal(es_run(set), PD_OK);
    format_dir_make(dir, sizeof(dir));
    format_file_write(dir, "tar", set->bytes.data, set->bytes.len);
    assert_int_equal(format_sh(dir, "tar xf tar; cd d.0001\n"
                                    "sha256sum -c --strict tagmanifest-sha256.txt\n"
                                    "grep -v '%0A' manifest-sha256.txt >m; [ $(wc -l <m) = 2 ]\n"
                                    "sha256sum -c --strict m; [ $(ls data/a | wc -l) = 4 ]\n"
                                    "grep -c 'l%0Af .* 100%25' manifest-sha256.txt\n"
                                    "grep -x '~ data/a/changed' not-whole.txt\n"),
                     0);
    format_dir_remove(dir);
}

/* Of many files, of none, of holes and of hard links; the tags have the same algorithm. */
static void any_algorithm_goes_into_all_manifests(void **state)
{
    static const char *const checks[] = {
        "sha256sum -c --strict tagmanifest-sha256.txt",
        "sha512sum -c --strict tagmanifest-sha512.txt",
        ("cut -c -64 tagmanifest-sha3256.txt >a; cut -c 67- tagmanifest-sha3256.txt |"
         " xargs openssl dgst -sha3-256 -r | cut -c -64 | cmp - a"),
        "b2sum -c --strict tagmanifest-blake2b512.txt"};
    char dir[128], script[400];

    for (unsigned i = 0; i < PD_DIGEST_ALGS; i++) {
        struct encode_set *set = *state;
        struct es_file *file;

        set->job.alg = (enum pd_digest_alg)i;
        es_add(set, "/a", PD_KIND_DIR, 0);
        es_add(set, "/a/one", F, 99999);
        es_add(set, "/a/empty", F, 0);
        file = es_add(set, "/a/sparse", F, 100000);
        file->sparse = true;
        file->data[0] = 4096;
        file->data[1] = 4096;
        file = es_add(set, "/b", F, 33);
        file->ino = 7;
        file->nlink = 2;
        file = es_add(set, "/c", F, 33);
        file->ino = 7;
        file->nlink = 2;
        file->seed = set->fakes[4].seed;
        es_encode(set);
        assert_int_equal(set->toc.alg, i);
        assert_int_equal(set->toc.files[5].kind, PD_KIND_HARDLINK);
        assert_true(pd_toc_same_digest(&set->toc.files[5], &set->toc.files[4]));
        assert_false(pd_toc_same_digest(&set->toc.files[5], &set->toc.files[1]));
        format_dir_make(dir, sizeof(dir));
        format_file_write(dir, "tar", set->bytes.data, set->bytes.len);
        (void)snprintf(
            script, sizeof(script),
            "tar xf tar; cd d.0001; [ $(ls | wc -l) = 5 ]; %s; [ $(cat tagmanifest-* | wc -l) = 3 ]",
            checks[i]);
        assert_int_equal(format_sh(dir, script), 0);
        format_dir_remove(dir);
        es_end(state);
        es_start(state);
    }
}

static void records_may_have_any_size(void **state)
{
    static const uint64_t sizes[] = {512, 1536, 4096, 65536, 1 << 20};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct encode_set *set = *state;

        set->job.record_size = sizes[i];
        set->slots = 4;
        es_add(set, "/one", F, 99999);
        es_add(set, "/two", F, 512);
        es_encode(set);
        assert_int_equal(es_right_bytes(set, 0), 99999);
        again(state);
    }
}

static void very_many_files_get_their_digests(void **state)
{
    enum { MANY = 10000, HOLE = 600000000 };
    struct encode_set *set = *state;
    static char paths[MANY][16];
    struct pd_item *items = calloc(MANY, sizeof(*items));

    assert_non_null(items);
    es_add(set, "/file", F, 3);
    es_add(set, "/hole", F, HOLE)->sparse = true; /* hashing it lets more wait than can wait */
    set->fakes[1].data[0] = HOLE;
    set->slots = MANY; /* all of it */
    items[0] = set->items[1];
    for (unsigned i = 1; i < MANY; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "/%u", i);
        items[i] = set->items[0];
        items[i].path = paths[i];
        items[i].path_len = strlen(paths[i]);
    }
    set->batch.items = items;
    set->batch.count = MANY;
    assert_int_equal(es_run(set), PD_OK);
    assert_int_equal(set->toc.file_count, MANY);
    for (unsigned i = 1; i < MANY; i++) {
        assert_true(set->toc.files[i].has_digest);
        assert_memory_equal(set->toc.files[i].digest, set->toc.files[1].digest, PD_SHA256_LEN);
    }
    free(items);
}

static void a_batch_of_nothing_is_still_a_bag(void **state)
{
    struct encode_set *set = *state;

    es_encode(set);
    es_expect_names(set, "d.0001/bagit.txt d.0001/data/ " TAGS LAST);
    es_expect_text(set, "d.0001/bag-info.txt", "Payload-Oxum: 0.0\n");
}

static void holes_count_for_digests_and_take_no_room(void **state)
{
    struct encode_set *set = *state;
    struct es_file *file = es_add(set, "/sparse", F, 1000000);
    struct es_file *hole = es_add(set, "/hole", F, 5000000);
    struct es_view v;

    file->sparse = hole->sparse = true;
    memcpy(file->data, (const uint64_t[]){4096, 8192, 900000, 4096}, sizeof(file->data));
    hole->data[0] = hole->size; /* nothing but a hole */
    es_encode(set); /* compares digests with what an extraction gives */
    assert_in_range(toc_file(set, "/sparse")->length, 8192 + 4096, 8192 + 4096 + 4096);
    assert_in_range(toc_file(set, "/hole")->length, 512, 4096);
    assert_int_equal(toc_file(set, "/sparse")->size, 1000000);
    es_view_at(set, &v, toc_file(set, "/sparse")->offset, "d.0001/data/sparse");
    for (uint64_t i = 0; i < v.len; i++) {
        bool data = (i >= 4096 && i < 3 * 4096) || (i >= 900000 && i < 904096);
        assert_int_equal(v.data[i], data ? sl_byte(file->seed + i) : 0);
    }
    es_view_end(&v);
}

/* ---- hard links ---- */

static void later_names_of_a_file_are_links(void **state)
{
    struct encode_set *set = *state;
    static const char *const paths[] = {"/1", "/2", "/3", "/other"};
    const struct pd_toc_file *file;
    struct es_view v;

    for (size_t i = 0; i < 4; i++) {
        struct es_file *name = es_add(set, paths[i], F, SIZE);
        name->ino = i == 3 ? 99 : 50;
        name->nlink = 3;
    }
    es_encode(set);
    for (size_t i = 1; i < 3; i++) {
        file = toc_file(set, paths[i]);
        assert_int_equal(file->kind, PD_KIND_HARDLINK);
        assert_string_equal(file->link, "/1");
        assert_int_equal(file->size, SIZE);
        assert_int_equal(file->state, PD_WHOLE);
        assert_true(file->has_digest);
        assert_memory_equal(file->digest, toc_file(set, "/1")->digest, PD_SHA256_LEN);
        assert_in_range(file->length, 512, 2048);
    }
    es_view_at(set, &v, file->offset, "d.0001/data/3");
    assert_string_equal(archive_entry_hardlink(v.entry), "d.0001/data/1");
    es_view_end(&v);
    assert_int_equal(toc_file(set, "/other")->kind, F);
    assert_int_equal(es_right_bytes(set, 3), SIZE);
    es_expect_text(set, "d.0001/manifest-sha256.txt", "  data/3\n");
}

static void a_link_to_what_is_not_whole_is_not_whole(void **state)
{
    struct encode_set *set = *state;

    es_add(set, "/1", F, SIZE)->close = PD_SOURCE_CHANGED;
    es_add(set, "/2", F, SIZE);
    for (size_t i = 0; i < 2; i++) {
        set->fakes[i].ino = 50;
        set->fakes[i].nlink = 2;
    }
    es_encode(set);
    assert_int_equal(toc_file(set, "/2")->kind, PD_KIND_HARDLINK);
    assert_int_equal(toc_file(set, "/2")->state, PD_CHANGED);
    expect_problem(set, 0, "/1", PD_SOURCE_CHANGED, true);
    expect_problem(set, 1, "/2", PD_SOURCE_CHANGED, true);
    es_expect_text(set, "d.0001/not-whole.txt", "~ data/1\n~ data/2\n");
}

static void a_file_changed_between_its_names_is_stored_again(void **state)
{
    struct encode_set *set = *state;
    static const char *const paths[] = {"/1", "/2", "/3"};

    for (size_t i = 0; i < 3; i++) {
        struct es_file *name = es_add(set, paths[i], F, SIZE);
        name->ino = 50;
        name->nlink = 3;
        name->ctime = i > 0;
    }
    es_encode(set);
    assert_int_equal(toc_file(set, "/2")->kind, F);
    assert_int_equal(es_right_bytes(set, 1), SIZE); /* its bytes, not those of the first */
    assert_int_equal(toc_file(set, "/3")->kind, PD_KIND_HARDLINK);
    assert_string_equal(toc_file(set, "/3")->link, "/2");
    assert_memory_equal(toc_file(set, "/3")->digest, toc_file(set, "/2")->digest, PD_SHA256_LEN);
}

/* ---- files that are not whole ---- */

static void a_file_that_is_not_whole_is_named_and_marked(void **state)
{
    static const struct {
        uint64_t have, fail_at;
        enum pd_status close;
        char state;
        uint64_t right_min, right_max; /* bytes of its own that are stored */
    } cases[] = {
        {5000, ES_NEVER, PD_OK, PD_CHANGED, 5000, 5000},             /* it shrank */
        {5000, ES_NEVER, PD_SOURCE_CHANGED, PD_CHANGED, 5000, 5000}, /* and says so */
        {0, ES_NEVER, PD_OK, PD_CHANGED, 0, 0},
        {SIZE - 1, ES_NEVER, PD_OK, PD_CHANGED, SIZE - 1, SIZE - 1},
        {SIZE + 999, ES_NEVER, PD_SOURCE_CHANGED, PD_CHANGED, SIZE, SIZE}, /* it grew */
        {SIZE, ES_NEVER, PD_SOURCE_CHANGED, PD_CHANGED, SIZE, SIZE},       /* or was rewritten */
        {SIZE, 0, PD_OK, PD_PARTIAL, 0, 0},                                /* unreadable */
        {SIZE, 6000, PD_OK, PD_PARTIAL, 1, 6000},
        {SIZE, SIZE - 1, PD_SOURCE_CHANGED, PD_PARTIAL, 1, SIZE - 1},
        {SIZE, ES_NEVER, PD_SOURCE_UNREADABLE, PD_PARTIAL, SIZE, SIZE}, /* an attribute */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct encode_set *set = *state;
        struct es_file *file;
        char line[] = "? data/bad\n";

        es_add(set, "/before", F, SIZE);
        file = es_add(set, "/bad", F, SIZE);
        es_add(set, "/behind", F, SIZE);
        file->have = cases[i].have;
        file->fail_at = cases[i].fail_at;
        file->close = cases[i].close;
        es_encode(set);
        line[0] = cases[i].state;
        assert_int_equal(toc_file(set, "/bad")->state, cases[i].state);
        assert_int_equal(toc_file(set, "/bad")->size, SIZE);
        assert_in_range(es_right_bytes(set, 1), cases[i].right_min, cases[i].right_max);
        assert_int_equal(file->reads_too_many, 0);
        assert_int_equal(set->problem_count, 1);
        expect_problem(set, 0, "/bad",
                       cases[i].state == PD_CHANGED ? PD_SOURCE_CHANGED : PD_SOURCE_UNREADABLE,
                       true);
        es_expect_text(set, "d.0001/not-whole.txt", line);
        es_expect_names(set, "d.0001/bagit.txt d.0001/data/before d.0001/data/bad "
                             "d.0001/data/behind " TAGS "d.0001/not-whole.txt " LAST);
        assert_int_equal(toc_file(set, "/before")->state, PD_WHOLE);
        assert_int_equal(toc_file(set, "/behind")->state, PD_WHOLE);
        assert_int_equal(es_right_bytes(set, 0), SIZE);
        assert_int_equal(es_right_bytes(set, 2), SIZE);
        again(state);
    }
}

static void a_file_that_cannot_be_opened_is_named_and_left_out(void **state)
{
    static const enum pd_status whys[] = {PD_SOURCE_VANISHED, PD_SOURCE_UNREADABLE};

    for (size_t i = 0; i < 2; i++) {
        struct encode_set *set = *state;

        es_add(set, "/gone", F, SIZE)->open = whys[i];
        es_add(set, "/here", F, SIZE);
        es_encode(set);
        expect_problem(set, 0, "/gone", whys[i], false);
        assert_int_equal(set->problem_count, 1);
        assert_int_equal(set->toc.file_count, 1);
        es_expect_names(set, "d.0001/bagit.txt d.0001/data/here " TAGS LAST);
        again(state);
    }
}

static void what_tar_cannot_hold_is_named_and_left_out(void **state)
{
    enum { LONG = 1200000 };
    struct encode_set *set = *state;
    char *path = malloc(LONG + 1);

    assert_non_null(path);
    memset(path, 'x', LONG);
    path[0] = '/';
    path[LONG] = '\0';
    es_add(set, "/before", F, SIZE);
    es_add(set, path, F, SIZE);
    es_add(set, "/behind", F, SIZE);
    es_encode(set);
    assert_int_equal(set->problem_count, 1);
    expect_problem(set, 0, path, PD_SOURCE_UNREADABLE, false);
    assert_int_equal(set->toc.file_count, 2);
    assert_int_equal(es_right_bytes(set, 2), SIZE);
    free(path);
}

static void problems_may_go_to_nobody(void **state)
{
    struct encode_set *set = *state;

    set->job.on_problem = NULL;
    es_add(set, "/bad", F, SIZE)->have = 1;
    es_encode(set);
    assert_int_equal(toc_file(set, "/bad")->state, PD_CHANGED);
}

/* ---- what ends an archive ---- */

static void a_problem_that_cannot_be_told_ends_the_archive(void **state)
{
    struct encode_set *set = *state;

    set->on_problem = PD_CATALOG;
    es_add(set, "/bad", F, SIZE)->have = 1;
    es_add(set, "/behind", F, SIZE);
    assert_int_equal(es_run(set), PD_CATALOG);
    assert_int_equal(set->toc.file_count, 1);
}

static void no_memory_ends_the_archive(void **state)
{
    struct encode_set *set = *state;

    es_add(set, "/bad", F, SIZE)->open = PD_NO_MEMORY;
    es_add(set, "/behind", F, SIZE);
    assert_int_equal(es_run(set), PD_NO_MEMORY);
    assert_int_equal(set->problem_count, 0);
}

static void the_stop_flag_ends_the_archive(void **state)
{
    struct encode_set *set = *state;

    set->e.stopped = 1; /* between two files */
    es_add(set, "/a", F, 0);
    assert_int_equal(es_run(set), PD_INTERRUPTED);
    assert_int_equal(set->e.progress.files_done, 0);
    set = again(state);
    es_add(set, "/a", F, 100 * SL_RECORD)->stops = true; /* within one */
    assert_int_equal(es_run(set), PD_INTERRUPTED);
    assert_int_equal(set->e.progress.files_done, 0);
}

static void readers_that_give_up_end_the_archive(void **state)
{
    for (uint64_t records = 1; records < 20; records += 3) {
        struct encode_set *set = *state;

        set->abort_at = records * SL_RECORD;
        es_add(set, "/a", F, 100 * SL_RECORD);
        assert_int_equal(es_run(set), PD_INTERRUPTED);
        assert_int_equal(set->problem_count, 0);
        again(state);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, es_start, es_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_batch_becomes_a_bag),
        TEST(the_toc_and_the_tar_tell_the_metadata),
        TEST(the_tags_name_dump_archive_and_sums),
        TEST(tar_and_sha256sum_agree_with_the_bag),
        TEST(any_algorithm_goes_into_all_manifests),
        TEST(records_may_have_any_size),
        TEST(very_many_files_get_their_digests),
        TEST(a_batch_of_nothing_is_still_a_bag),
        TEST(holes_count_for_digests_and_take_no_room),
        TEST(later_names_of_a_file_are_links),
        TEST(a_link_to_what_is_not_whole_is_not_whole),
        TEST(a_file_changed_between_its_names_is_stored_again),
        TEST(a_file_that_is_not_whole_is_named_and_marked),
        TEST(a_file_that_cannot_be_opened_is_named_and_left_out),
        TEST(what_tar_cannot_hold_is_named_and_left_out),
        TEST(problems_may_go_to_nobody),
        TEST(a_problem_that_cannot_be_told_ends_the_archive),
        TEST(no_memory_ends_the_archive),
        TEST(the_stop_flag_ends_the_archive),
        TEST(readers_that_give_up_end_the_archive),
    };

    alarm(240); /* a call that waits for ever ends the program */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
