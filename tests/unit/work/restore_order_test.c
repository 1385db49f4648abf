#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/restore.h"

#include "../../lib/work_restore_set.h"

/* A run, the files that it named, and what it told of volumes. */
struct run {
    struct restore_set set;
    struct pd_restore_options options;
    struct pd_restore_summary summary;
    struct pd_restore_volume volumes[4];
    size_t volume_count;
    char files[1024], avoided[1024];
};

static void on_file(void *arg, const char *path, const struct pd_error *err)
{
    struct run *run = arg;
    size_t used = strlen(run->files);

    snprintf(run->files + used, sizeof(run->files) - used, "%s [%s]\n", path,
             pd_status_name(err->status));
}

static void on_avoided(void *arg, const char *label, const char *archive, uint64_t record,
                       enum pd_status why)
{
    struct run *run = arg;
    size_t used = strlen(run->avoided);

    snprintf(run->avoided + used, sizeof(run->avoided) - used, "%s %s %llu [%s]\n", label, archive,
             (unsigned long long)record, pd_status_name(why));
}

static void on_volume(void *arg, const struct pd_restore_volume *volume)
{
    struct run *run = arg;

    assert_true(run->volume_count < 4);
    run->volumes[run->volume_count++] = *volume;
}

static int start(void **state)
{
    struct run *run = calloc(1, sizeof(*run));

    assert_non_null(run);
    restore_set_start(&run->set);
    run->options.dump_id = run->set.dump.id;
    run->options.destination = run->set.to;
    run->options.retry = PD_RETRY_ONCE;
    run->options.on_file = on_file;
    run->options.file_arg = run;
    run->options.on_avoided = on_avoided;
    run->options.avoided_arg = run;
    run->options.on_volume = on_volume;
    run->options.volume_arg = run;
    *state = run;
    return 0;
}

static int end(void **state)
{
    struct run *run = *state;

    restore_set_end(&run->set);
    free(run);
    return 0;
}

static void expect(struct run *run, enum pd_status status, const char *files)
{
    struct pd_error err = PD_ERROR_INIT;

    run->files[0] = '\0';
    run->avoided[0] = '\0';
    run->volume_count = 0;
    if (pd_restore_run(&run->set.e.env, run->set.catalog, &run->options, &run->summary, &err) !=
        PD_OK)
        fail_msg("%s", err.message);
    assert_string_equal(run->files, files);
    assert_string_equal(pd_status_name(run->summary.status), pd_status_name(status));
}

#define ADD(run, p, k, ...)                                                                        \
    restore_set_add(&(run)->set,                                                                   \
                    &(struct restore_set_entry){.path = (p), .kind = (k), ##__VA_ARGS__})

static const struct pd_restore_volume *told(const struct run *run, const char *label)
{
    for (size_t i = 0; i < run->volume_count; i++)
        if (strcmp(run->volumes[i].row.label, label) == 0)
            return &run->volumes[i];
    fail_msg("%s is not told of", label);
    return NULL;
}

static uint64_t records_read(const struct run *run)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < run->volume_count; i++)
        sum += run->volumes[i].records;
    return sum;
}

/* ---- each record once ---- */

static void names_alone_take_the_data_when_it_goes_by(void **state)
{
    static const char *const links[] = {"/z/one", "/z/two", "/z/big", "/m"};
    struct run *run = *state;

    restore_set_archive(&run->set);
    ADD(run, "/a", PD_KIND_FILE, .len = 200000, .seed = 1, .ino = 5);
    ADD(run, "/b", PD_KIND_FILE, .len = 200000, .seed = 2, .ino = 6);
    ADD(run, "/m", PD_KIND_FILE, .len = 200000, .seed = 3);
    ADD(run, "/z", PD_KIND_DIR);
    ADD(run, "/z/one", PD_KIND_HARDLINK, .link = "/a", .ino = 5);
    ADD(run, "/z/two", PD_KIND_HARDLINK, .link = "/b", .ino = 6);
    ADD(run, "/z/big", PD_KIND_HARDLINK, .link = "/a", .ino = 5);
    restore_set_write(&run->set);
    run->options.patterns = links;
    run->options.pattern_count = 4;
    expect(run, PD_OK, "");
    restore_set_expect_made(&run->set, "z/one", 1, 200000);
    restore_set_expect_made(&run->set, "z/two", 2, 200000);
    restore_set_expect_made(&run->set, "z/big", 1, 200000);
    restore_set_expect_made(&run->set, "m", 3, 200000);
    assert_false(restore_set_there(&run->set, "a"));
    assert_int_equal(run->set.toc.record_count, 10);
    assert_int_equal(records_read(run), 10);
}

static void a_name_that_is_kept_leaves_the_data_to_the_next(void **state)
{
    struct run *run = *state;
    char path[200];
    FILE *f;

    restore_set_archive(&run->set);
    ADD(run, "/a", PD_KIND_FILE, .len = 200000, .seed = 1, .ino = 5);
    ADD(run, "/b", PD_KIND_FILE, .len = 200000, .seed = 2);
    ADD(run, "/c", PD_KIND_HARDLINK, .link = "/a", .ino = 5);
    ADD(run, "/d", PD_KIND_HARDLINK, .link = "/a", .ino = 5);
    restore_set_write(&run->set);
    assert_int_equal(mkdir(run->set.to, 0755), 0);
    snprintf(path, sizeof(path), "%s/a", run->set.to);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("mine", f);
    assert_int_equal(fclose(f), 0);
    expect(run, PD_KEPT, "/a [exists]\n");
    restore_set_expect(&run->set, "a", "mine");
    restore_set_expect_made(&run->set, "c", 1, 200000);
    restore_set_expect_made(&run->set, "d", 1, 200000);
    assert_int_equal(records_read(run), run->set.toc.record_count);
}

static void a_single_file_is_located(void **state)
{
    static const char *const one[] = {"/late"};
    struct run *run = *state;

    restore_set_archive(&run->set);
    ADD(run, "/early", PD_KIND_FILE, .len = 2000000, .seed = 1);
    ADD(run, "/late", PD_KIND_FILE, .data = "late");
    restore_set_write(&run->set);
    run->options.patterns = one;
    run->options.pattern_count = 1;
    expect(run, PD_OK, "");
    assert_string_equal(run->avoided, "");
    restore_set_expect(&run->set, "late", "late");
    assert_true(records_read(run) <= 2); /* its record, and the next if the entry reaches into it */
}

static void data_that_is_bad_is_not_read_again_for_other_names(void **state)
{
    struct run *run = *state;

    restore_set_archive(&run->set);
    ADD(run, "/a", PD_KIND_FILE, .len = 200000, .seed = 1, .ino = 5, .wrong_sha256 = true);
    ADD(run, "/b", PD_KIND_FILE, .len = 200000, .seed = 2);
    ADD(run, "/c", PD_KIND_HARDLINK, .link = "/a", .ino = 5);
    restore_set_write(&run->set);
    expect(run, PD_FAILED, "/a [bad-file]\n/c [bad-file]\n");
    assert_int_equal(records_read(run), run->set.toc.record_count);
    restore_set_expect_made(&run->set, "b", 2, 200000);
}

/* ---- several dumps ---- */

static void archive_of(struct run *run, const char *path, const char *data)
{
    restore_set_archive(&run->set);
    ADD(run, path, PD_KIND_FILE, .data = data);
    restore_set_write(&run->set);
}

static void each_path_comes_from_the_newest_dump(void **state)
{
    struct run *run = *state;
    int64_t ids[2] = {0, run->set.dump.id};

    restore_set_archive(&run->set);
    ADD(run, "/s", PD_KIND_DIR, .mode = 0700);
    ADD(run, "/s/both", PD_KIND_FILE, .data = "old");
    ADD(run, "/s/old", PD_KIND_FILE, .data = "only old");
    ADD(run, "/s/was-folder", PD_KIND_DIR);
    ADD(run, "/s/was-folder/in", PD_KIND_FILE, .data = "hidden");
    ADD(run, "/s/was-folder2", PD_KIND_FILE, .data = "not hidden");
    ADD(run, "/s/was-file", PD_KIND_FILE, .data = "gone");
    restore_set_write(&run->set);
    restore_set_dump(&run->set, "second");
    ids[0] = run->set.dump.id;
    restore_set_archive(&run->set);
    ADD(run, "/s", PD_KIND_DIR, .mode = 0711);
    ADD(run, "/s/both", PD_KIND_FILE, .data = "new");
    ADD(run, "/s/was-folder", PD_KIND_SYMLINK, .link = "both");
    ADD(run, "/s/was-file", PD_KIND_DIR);
    ADD(run, "/s/was-file/in", PD_KIND_FILE, .data = "below");
    restore_set_write(&run->set);
    run->options.dumps = ids;
    run->options.dump_count = 2;
    expect(run, PD_OK, "");
    assert_int_equal(run->summary.files, 7);
    restore_set_expect(&run->set, "s/both", "new");
    restore_set_expect(&run->set, "s/old", "only old");
    restore_set_expect(&run->set, "s/was-folder2", "not hidden");
    restore_set_expect(&run->set, "s/was-file/in", "below");
    assert_int_equal(run->volumes[0].mounts, 1);
    assert_int_equal(run->volumes[1].mounts, 1);
}

static void what_is_not_asked_for_hides_too(void **state)
{
    static const char *const below[] = {"/s/x/in"}, *const glob[] = {"/s/*/i?"};
    struct run *run = *state;
    int64_t ids[2] = {0, run->set.dump.id};
    struct pd_error err = PD_ERROR_INIT;

    archive_of(run, "/s/x/in", "hidden");
    restore_set_dump(&run->set, "second");
    ids[0] = run->set.dump.id;
    archive_of(run, "/s/x", "a file");
    run->options.dumps = ids;
    run->options.dump_count = 2;
    run->options.pattern_count = 1;
    run->options.patterns = below;
    assert_int_equal(
        pd_restore_run(&run->set.e.env, run->set.catalog, &run->options, &run->summary, &err),
        PD_NOT_FOUND);
    run->options.patterns = glob;
    assert_int_equal(
        pd_restore_run(&run->set.e.env, run->set.catalog, &run->options, &run->summary, &err),
        PD_NOT_FOUND);
    run->options.dumps = &ids[1];
    run->options.dump_count = 1;
    expect(run, PD_OK, "");
    restore_set_expect(&run->set, "s/x/in", "hidden");
}

static void a_name_may_outlive_the_first_one(void **state)
{
    struct run *run = *state;
    int64_t ids[2] = {0, run->set.dump.id};

    restore_set_archive(&run->set);
    ADD(run, "/first", PD_KIND_FILE, .data = "shared", .ino = 9);
    ADD(run, "/second", PD_KIND_HARDLINK, .link = "/first", .ino = 9);
    restore_set_write(&run->set);
    restore_set_dump(&run->set, "second");
    ids[0] = run->set.dump.id;
    restore_set_archive(&run->set); /* the same inode, in use again, and as if it were unchanged */
    ADD(run, "/first", PD_KIND_FILE, .data = "other", .ino = 10);
    ADD(run, "/third", PD_KIND_FILE, .data = "shared", .ino = 9);
    restore_set_write(&run->set);
    run->options.dumps = ids;
    run->options.dump_count = 2;
    expect(run, PD_OK, "");
    restore_set_expect(&run->set, "first", "other");
    restore_set_expect(&run->set, "second", "shared");
    restore_set_expect(&run->set, "third", "shared");
    struct stat second, third;
    char path[200];
    snprintf(path, sizeof(path), "%s/second", run->set.to);
    assert_int_equal(stat(path, &second), 0);
    snprintf(path, sizeof(path), "%s/third", run->set.to);
    assert_int_equal(stat(path, &third), 0);
    assert_int_not_equal(second.st_ino, third.st_ino);
}

static void the_newest_is_lost_rather_than_exchanged(void **state)
{
    struct run *run = *state;
    int64_t ids[2] = {0, run->set.dump.id};

    archive_of(run, "/f", "old");
    restore_set_dump(&run->set, "second");
    ids[0] = run->set.dump.id;
    archive_of(run, "/f", "new");
    for (size_t copy = 0; copy < 2; copy++)
        restore_set_flip(&run->set, copy, 2, 2000);
    run->options.dumps = ids;
    run->options.dump_count = 2;
    expect(run, PD_FAILED, "/f [bad-record]\n");
    assert_false(restore_set_there(&run->set, "f"));
}

static void archives_of_all_dumps_are_read_in_their_order_on_the_volume(void **state)
{
    struct run *run = *state;
    int64_t ids[2] = {0, run->set.dump.id};

    archive_of(run, "/a", "a");
    archive_of(run, "/b", "b");
    restore_set_dump(&run->set, "second");
    ids[0] = run->set.dump.id;
    archive_of(run, "/c", "c");
    for (uint64_t seq = 1; seq <= 3; seq++)
        restore_set_flip(&run->set, 0, seq, 2000); /* each says so when it is read */
    run->options.dumps = ids;
    run->options.dump_count = 2;
    run->options.from = "RS100001"; /* or the other volume would be read once this one is known */
    expect(run, PD_FAILED, "/a [bad-record]\n/b [bad-record]\n/c [bad-record]\n");
    assert_int_equal(told(run, "RS100001")->mounts, 1);
}

/* ---- dry runs ---- */

static void a_dry_run_lists_the_volumes(void **state)
{
    struct run *run = *state;
    char gone[120];

    archive_of(run, "/a", "aaaa");
    archive_of(run, "/b", "bb");
    run->options.dry_run = true;
    expect(run, PD_OK, "");
    assert_int_equal(run->volume_count, 2);
    assert_string_equal(run->volumes[0].row.label, "RS100001");
    assert_int_equal(run->volumes[0].archives, 2);
    assert_int_equal(run->volumes[0].files, 2);
    assert_int_equal(run->volumes[0].bytes, 6);
    assert_int_equal(run->volumes[0].mounts, 0);
    assert_int_equal(run->volumes[1].archives, 0);
    assert_int_equal(run->volumes[1].spare, 2);
    snprintf(gone, sizeof(gone), "%s.away", run->set.disk[0]);
    assert_int_equal(rename(run->set.disk[0], gone), 0);
    expect(run, PD_OK, "");
    assert_int_equal(run->summary.files, 2);
    assert_int_equal(told(run, "RS100001")->archives, 0);
    assert_int_not_equal(told(run, "RS100001")->why.status, PD_OK);
    assert_int_equal(told(run, "RS200001")->archives, 2);
    snprintf(gone, sizeof(gone), "%s.away", run->set.disk[1]);
    assert_int_equal(rename(run->set.disk[1], gone), 0);
    expect(run, PD_FAILED, "");
    assert_int_equal(run->summary.lost, 2);
    assert_int_equal(run->summary.files, 0);
    assert_int_equal(told(run, "RS100001")->archives, 2);
    assert_int_equal(access(run->set.to, F_OK), -1);
}

static void what_was_avoided_is_told_by_volume(void **state)
{
    struct run *run = *state;

    restore_set_archive(&run->set);
    ADD(run, "/a", PD_KIND_FILE, .len = 300000, .seed = 1);
    restore_set_write(&run->set);
    restore_set_flip(&run->set, 0, 1, 2 * RESTORE_SET_RECORD + 5);
    expect(run, PD_OK, "");
    assert_int_equal(told(run, "RS100001")->avoided, 1);
    assert_int_equal(told(run, "RS100001")->bad_records, 1);
    assert_int_equal(told(run, "RS100001")->why.status, PD_BAD_RECORD);
    assert_true(told(run, "RS200001")->records > 0);
    assert_int_equal(records_read(run), run->set.toc.record_count);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_alone_take_the_data_when_it_goes_by),
        TEST(a_name_that_is_kept_leaves_the_data_to_the_next),
        TEST(a_single_file_is_located),
        TEST(data_that_is_bad_is_not_read_again_for_other_names),
        TEST(each_path_comes_from_the_newest_dump),
        TEST(what_is_not_asked_for_hides_too),
        TEST(a_name_may_outlive_the_first_one),
        TEST(the_newest_is_lost_rather_than_exchanged),
        TEST(archives_of_all_dumps_are_read_in_their_order_on_the_volume),
        TEST(a_dry_run_lists_the_volumes),
        TEST(what_was_avoided_is_told_by_volume),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
