#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "pairdump/restore.h"

#include "../../lib/work_restore_set.h"

/* A run and what it said: "path [status]\n" per file, "label archive record [status]\n" per copy. */
struct run {
    struct restore_set set;
    struct pd_restore_options options;
    struct pd_restore_summary summary;
    struct pd_error err;
    char files[4096];
    char avoided[1024];
};

static void on_file(void *arg, const char *path, const struct pd_error *err)
{
    struct run *run = arg;
    size_t used = strlen(run->files);

    assert_int_not_equal(err->status, PD_OK);
    assert_true(err->message[0] != '\0');
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

static enum pd_status restore(struct run *run)
{
    run->files[0] = '\0';
    run->avoided[0] = '\0';
    pd_error_clear(&run->err);
    return pd_restore_run(&run->set.e.env, run->set.catalog, &run->options, &run->summary,
                          &run->err);
}

/* Restores and expects a summary with this status, these files named, these copies avoided. */
static void expect(struct run *run, enum pd_status status, const char *files, const char *avoided)
{
    if (restore(run) != PD_OK)
        fail_msg("%s", run->err.message);
    assert_string_equal(run->files, files);
    assert_string_equal(run->avoided, avoided);
    assert_string_equal(pd_status_name(run->summary.status), pd_status_name(status));
}

static unsigned leftovers; /* nftw takes no argument */

static int look_for_leftover(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    leftovers += strncmp(path + ftw->base, ".pairdump-", 10) == 0;
    return 0;
}

static void expect_no_leftovers(const struct run *run)
{
    leftovers = 0;
    assert_int_equal(nftw(run->set.to, look_for_leftover, 16, FTW_PHYS), 0);
    assert_int_equal(leftovers, 0);
}

#define ADD(run, p, k, ...)                                                                        \
    restore_set_add(&(run)->set,                                                                   \
                    &(struct restore_set_entry){.path = (p), .kind = (k), ##__VA_ARGS__})

static struct stat stat_of(const struct run *run, const char *rel)
{
    struct stat st;
    char path[300];

    snprintf(path, sizeof(path), "%s/%s", run->set.to, rel);
    assert_int_equal(lstat(path, &st), 0);
    return st;
}

static const char *at(const struct run *run, const char *rel)
{
    static char path[300];

    snprintf(path, sizeof(path), "%s/%s", run->set.to, rel);
    return path;
}

/* One archive of a few files, two of them larger than a record. */
static void add_tree(struct run *run)
{
    restore_set_archive(&run->set);
    ADD(run, "/src", PD_KIND_DIR, .mode = 0555, .mtime = -77);
    ADD(run, "/src/a", PD_KIND_FILE, .data = "small\n", .mode = 0600, .mtime = 5);
    ADD(run, "/src/big1", PD_KIND_FILE, .len = 200000, .seed = 1);
    ADD(run, "/src/big2", PD_KIND_FILE, .len = 200000, .seed = 2);
    ADD(run, "/src/sub", PD_KIND_DIR, .mode = 0700);
    ADD(run, "/src/sub/f", PD_KIND_FILE, .data = "in sub", .ino = 7, .xattr = "value");
    ADD(run, "/src/sub/link", PD_KIND_SYMLINK, .link = "../../nowhere", .mode = 0777);
    ADD(run, "/src/sub/pipe", PD_KIND_FIFO, .mode = 0640);
    ADD(run, "/src/sub/same", PD_KIND_HARDLINK, .link = "/src/sub/f", .ino = 7);
    ADD(run, "/src/z", PD_KIND_FILE, .data = "");
    restore_set_write(&run->set);
}

static void everything_comes_back(void **state)
{
    struct run *run = *state;
    char value[10], target[100];
    struct stat st, other;

    add_tree(run);
    expect(run, PD_OK, "", "");
    assert_int_equal(run->summary.files, 10);
    assert_int_equal(run->summary.bytes, 400012);
    assert_int_equal(run->summary.volumes, 2);
    restore_set_expect(&run->set, "src/a", "small\n");
    restore_set_expect(&run->set, "src/z", "");
    restore_set_expect_made(&run->set, "src/big1", 1, 200000);
    restore_set_expect_made(&run->set, "src/big2", 2, 200000);
    st = stat_of(run, "src");
    assert_int_equal(st.st_mode, S_IFDIR | 0555);
    assert_int_equal(st.st_mtim.tv_sec, -77);
    assert_int_equal(st.st_mtim.tv_nsec, 123);
    st = stat_of(run, "src/a");
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_int_equal(st.st_mtim.tv_sec, 5);
    st = stat_of(run, "src/sub");
    assert_int_equal(st.st_mode, S_IFDIR | 0700);
    assert_int_equal(st.st_mtim.tv_sec, 1000000000);
    st = stat_of(run, "src/sub/pipe");
    assert_int_equal(st.st_mode, S_IFIFO | 0640);
    st = stat_of(run, "src/sub/f");
    other = stat_of(run, "src/sub/same");
    assert_int_equal(st.st_ino, other.st_ino);
    assert_int_equal(st.st_nlink, 2);
    st = stat_of(run, "src/sub/link");
    assert_int_equal(st.st_mtim.tv_sec, 1000000000);
    assert_int_equal(readlink(at(run, "src/sub/link"), target, sizeof(target)), 13);
    if (getxattr(at(run, "src/sub/f"), "user.test", value, sizeof(value)) >= 0)
        assert_memory_equal(value, "value", 5);
    expect_no_leftovers(run);
}

static void a_bad_record_of_one_copy_is_avoided(void **state)
{
    struct run *run = *state;

    add_tree(run);
    restore_set_flip(&run->set, 0, 1, 3 * RESTORE_SET_RECORD + 17);
    expect(run, PD_OK, "", "RS100001 test.0001 3 [bad-record]\n");
    assert_int_equal(run->summary.avoided, 1);
    restore_set_expect_made(&run->set, "src/big1", 1, 200000);
    restore_set_expect_made(&run->set, "src/big2", 2, 200000);
    restore_set_expect(&run->set, "src/z", "");
}

static void a_record_bad_on_both_loses_exactly_its_files(void **state)
{
    struct run *run = *state;

    add_tree(run);
    restore_set_flip(&run->set, 0, 1, 1 * RESTORE_SET_RECORD + 17);
    restore_set_flip(&run->set, 1, 1, 1 * RESTORE_SET_RECORD + 17000);
    expect(run, PD_FAILED, "/src/big1 [bad-record]\n",
           "RS100001 test.0001 1 [bad-record]\nRS200001 test.0001 1 [bad-record]\n");
    assert_int_equal(run->summary.lost, 1);
    assert_int_equal(run->summary.files, 9);
    assert_false(restore_set_there(&run->set, "src/big1"));
    restore_set_expect_made(&run->set, "src/big2", 2, 200000);
    restore_set_expect(&run->set, "src/sub/f", "in sub");
    expect_no_leftovers(run);
}

static void a_record_of_many_files_loses_them_all_by_name(void **state)
{
    struct run *run = *state;

    restore_set_archive(&run->set);
    ADD(run, "/before", PD_KIND_FILE, .len = 66000, .seed = 1);
    ADD(run, "/d", PD_KIND_DIR);
    ADD(run, "/d/one", PD_KIND_FILE, .data = "1", .ino = 3);
    ADD(run, "/d/two", PD_KIND_SYMLINK, .link = "one");
    ADD(run, "/d/three", PD_KIND_FILE, .len = 70000, .seed = 3);
    ADD(run, "/d/after", PD_KIND_FILE, .len = 70000, .seed = 4);
    ADD(run, "/d/same", PD_KIND_HARDLINK, .link = "/d/one", .ino = 3);
    restore_set_write(&run->set);
    for (size_t copy = 0; copy < 2; copy++)
        restore_set_flip(&run->set, copy, 1, RESTORE_SET_RECORD + 60000);
    expect(run, PD_FAILED,
           "/before [bad-record]\n/d [bad-record]\n/d/one [bad-record]\n/d/two [bad-record]\n"
           "/d/three [bad-record]\n/d/same [bad-record]\n",
           "RS100001 test.0001 1 [bad-record]\nRS200001 test.0001 1 [bad-record]\n");
    assert_int_equal(run->summary.lost, 6);
    restore_set_expect_made(&run->set, "d/after", 4, 70000);
}

static void a_file_that_does_not_match_its_digest_never_appears(void **state)
{
    struct run *run = *state;

    restore_set_archive(&run->set);
    ADD(run, "/good", PD_KIND_FILE, .data = "good");
    ADD(run, "/bad", PD_KIND_FILE, .data = "bad", .wrong_sha256 = true);
    ADD(run, "/good2", PD_KIND_FILE, .data = "good2");
    restore_set_write(&run->set);
    expect(run, PD_FAILED, "/bad [bad-file]\n", "");
    assert_false(restore_set_there(&run->set, "bad"));
    restore_set_expect(&run->set, "good", "good");
    restore_set_expect(&run->set, "good2", "good2");
    expect_no_leftovers(run);
}

/* ---- attacks ---- */

static void paths_out_of_the_destination_are_refused(void **state)
{
    struct run *run = *state;
    char outside[100];

    restore_set_archive(&run->set);
    ADD(run, "/../escape1", PD_KIND_FILE, .data = "x");
    ADD(run, "/a/../../escape2", PD_KIND_FILE, .data = "x");
    ADD(run, "//tmp/escape3", PD_KIND_FILE, .data = "x");
    ADD(run, "/a/./b", PD_KIND_FILE, .data = "x");
    ADD(run, "/..", PD_KIND_DIR);
    ADD(run, "/fine", PD_KIND_FILE, .data = "fine");
    restore_set_write(&run->set);
    expect(run, PD_RESTORE,
           "/../escape1 [unsafe-path]\n/a/../../escape2 [unsafe-path]\n//tmp/escape3 "
           "[unsafe-path]\n/a/./b [unsafe-path]\n/.. [unsafe-path]\n",
           "");
    assert_int_equal(run->summary.failed, 5);
    assert_int_equal(run->summary.files, 1);
    snprintf(outside, sizeof(outside), "%s/escape1", run->set.root);
    assert_int_equal(access(outside, F_OK), -1);
    restore_set_expect(&run->set, "fine", "fine");
}

static void an_archive_that_tells_another_story_than_the_catalog_is_refused(void **state)
{
    struct run *run = *state;

    restore_set_archive(&run->set);
    ADD(run, "/a", PD_KIND_FILE, .data = "x", .tar_name = "../../escape");
    ADD(run, "/b", PD_KIND_FILE, .data = "x", .tar_name = "/tmp/escape");
    ADD(run, "/c", PD_KIND_FILE, .data = "x", .tar_name = "test.0001/data/d");
    ADD(run, "/e", PD_KIND_FILE, .len = 0, .tar_kind = PD_KIND_SYMLINK, .tar_link = "/etc");
    ADD(run, "/f", PD_KIND_SYMLINK, .link = "here", .tar_link = "/etc");
    ADD(run, "/g", PD_KIND_FILE, .data = "fine");
    restore_set_write(&run->set);
    expect(run, PD_FAILED,
           "/a [bad-file]\n/b [bad-file]\n/c [bad-file]\n/e [bad-file]\n/f [bad-file]\n", "");
    restore_set_expect(&run->set, "g", "fine");
    assert_false(restore_set_there(&run->set, "f"));
    assert_false(restore_set_there(&run->set, "d"));
}

static void a_link_of_the_archive_is_never_followed(void **state)
{
    struct run *run = *state;
    char victim[100], path[200];

    snprintf(victim, sizeof(victim), "%s/victim", run->set.root);
    assert_int_equal(mkdir(victim, 0755), 0);
    restore_set_archive(&run->set);
    ADD(run, "/door", PD_KIND_SYMLINK, .link = victim);
    ADD(run, "/door/file", PD_KIND_FILE, .data = "x");
    ADD(run, "/door/sub", PD_KIND_DIR);
    ADD(run, "/door/sub/file", PD_KIND_FILE, .data = "x");
    ADD(run, "/door", PD_KIND_DIR, .mode = 0700);
    ADD(run, "/fine", PD_KIND_FILE, .data = "fine");
    restore_set_write(&run->set);
    expect(run, PD_RESTORE,
           "/door/file [unsafe-path]\n/door/sub [unsafe-path]\n/door/sub/file [unsafe-path]\n"
           "/door [unsafe-path]\n",
           "");
    snprintf(path, sizeof(path), "%s/file", victim);
    assert_int_equal(access(path, F_OK), -1);
    restore_set_expect(&run->set, "fine", "fine");
    run->options.overwrite = true;
    expect(run, PD_RESTORE,
           "/door/file [unsafe-path]\n/door/sub [unsafe-path]\n/door/sub/file [unsafe-path]\n"
           "/door [unsafe-path]\n",
           "");
    assert_int_equal(access(path, F_OK), -1);
}

static void a_link_that_stands_in_the_destination_is_never_followed(void **state)
{
    struct run *run = *state;
    char victim[100], path[200];

    snprintf(victim, sizeof(victim), "%s/victim", run->set.root);
    snprintf(path, sizeof(path), "%s/a", victim);
    assert_int_equal(mkdir(victim, 0755), 0);
    assert_int_equal(mkdir(run->set.to, 0755), 0);
    assert_int_equal(symlink(victim, at(run, "src")), 0);
    add_tree(run);
    run->options.overwrite = true;
    if (restore(run) != PD_OK)
        fail_msg("%s", run->err.message);
    assert_int_equal(run->summary.status, PD_RESTORE);
    assert_int_equal(run->summary.failed, 10);
    assert_int_equal(run->summary.files, 0);
    assert_int_equal(access(path, F_OK), -1);
}

/* ---- what exists ---- */

static void existing_files_are_kept_and_named(void **state)
{
    struct run *run = *state;
    FILE *f;

    add_tree(run);
    expect(run, PD_OK, "", "");
    assert_int_equal(chmod(at(run, "src"), 0755), 0);
    assert_int_equal(unlink(at(run, "src/big1")), 0);
    assert_int_equal(chmod(at(run, "src"), 0555), 0); /* is opened up to restore into it */
    f = fopen(at(run, "src/a"), "w");
    assert_non_null(f);
    fputs("mine", f);
    assert_int_equal(fclose(f), 0);
    expect(run, PD_KEPT,
           "/src/a [exists]\n/src/big2 [exists]\n/src/sub/f [exists]\n/src/sub/link [exists]\n"
           "/src/sub/pipe [exists]\n/src/sub/same [exists]\n/src/z [exists]\n",
           "");
    assert_int_equal(run->summary.existing, 7);
    assert_int_equal(run->summary.files, 3);
    restore_set_expect(&run->set, "src/a", "mine");
    restore_set_expect_made(&run->set, "src/big1", 1, 200000);
    run->options.overwrite = true;
    expect(run, PD_OK, "", "");
    assert_int_equal(run->summary.files, 10);
    restore_set_expect(&run->set, "src/a", "small\n");
    assert_int_equal(stat_of(run, "src/sub/f").st_nlink, 2);
    assert_int_equal(stat_of(run, "src").st_mode, S_IFDIR | 0555);
    expect_no_leftovers(run);
}

static void a_folder_never_gives_way_to_a_file(void **state)
{
    struct run *run = *state;

    restore_set_archive(&run->set);
    ADD(run, "/x", PD_KIND_FILE, .data = "x");
    ADD(run, "/y", PD_KIND_DIR, .mode = 0711);
    restore_set_write(&run->set);
    assert_int_equal(mkdir(run->set.to, 0755), 0);
    assert_int_equal(mkdir(at(run, "x"), 0755), 0);
    assert_int_equal(close(creat(at(run, "y"), 0644)), 0);
    expect(run, PD_KEPT, "/x [exists]\n/y [exists]\n", "");
    run->options.overwrite = true;
    expect(run, PD_KEPT, "/x [exists]\n", "");
    assert_true(S_ISDIR(stat_of(run, "x").st_mode));
    assert_int_equal(stat_of(run, "y").st_mode, S_IFDIR | 0711);
}

/* ---- what is asked for ---- */

static void ask(struct run *run, const char *const *patterns, size_t count)
{
    run->options.patterns = patterns;
    run->options.pattern_count = count;
}

static void patterns_choose(void **state)
{
    static const char *const one[] = {"/src/a"}, *const folder[] = {"/src/sub/"},
                             *const glob[] = {"/*big?"}, *const all[] = {"/"},
                             *const none[] = {"/sr"}, *const mixed[] = {"/src/z", "/not/there"};
    struct run *run = *state;

    add_tree(run);
    ask(run, one, 1);
    expect(run, PD_OK, "", "");
    assert_int_equal(run->summary.files, 1);
    restore_set_expect(&run->set, "src/a", "small\n");
    assert_false(restore_set_there(&run->set, "src/z"));
    ask(run, folder, 1);
    expect(run, PD_OK, "", "");
    assert_int_equal(run->summary.files, 5);
    ask(run, glob, 1);
    expect(run, PD_OK, "", "");
    assert_int_equal(run->summary.files, 2);
    restore_set_expect_made(&run->set, "src/big2", 2, 200000);
    ask(run, mixed, 2);
    expect(run, PD_NOT_FOUND, "/not/there [not-found]\n", "");
    restore_set_expect(&run->set, "src/z", "");
    run->options.overwrite = true;
    ask(run, all, 1);
    expect(run, PD_OK, "", "");
    assert_int_equal(run->summary.files, 10);
    ask(run, none, 1);
    assert_int_equal(restore(run), PD_NOT_FOUND);
}

static void a_request_for_nothing_makes_nothing(void **state)
{
    static const char *const none[] = {"/nothing"};
    struct run *run = *state;

    add_tree(run);
    ask(run, none, 1);
    assert_int_equal(restore(run), PD_NOT_FOUND);
    assert_int_equal(access(run->set.to, F_OK), -1);
}

static void a_dry_run_writes_nothing(void **state)
{
    struct run *run = *state;

    add_tree(run);
    run->options.dry_run = true;
    expect(run, PD_OK, "", "");
    assert_int_equal(run->summary.files, 10);
    assert_int_equal(run->summary.bytes, 400012);
    assert_int_equal(run->summary.volumes, 1); /* the other is spare */
    assert_int_equal(access(run->set.to, F_OK), -1);
}

static void the_second_name_alone_brings_the_data(void **state)
{
    static const char *const same[] = {"/src/sub/same"};
    struct run *run = *state;

    add_tree(run);
    ask(run, same, 1);
    expect(run, PD_OK, "", "");
    restore_set_expect(&run->set, "src/sub/same", "in sub");
    assert_false(restore_set_there(&run->set, "src/sub/f"));
    assert_int_equal(stat_of(run, "src/sub/same").st_mtim.tv_sec, 1000000000);
}

static void names_of_one_file_in_two_archives_are_joined(void **state)
{
    struct run *run = *state;

    for (int i = 0; i < 2; i++) {
        restore_set_archive(&run->set);
        ADD(run, i == 0 ? "/first" : "/third", PD_KIND_FILE, .data = "shared", .ino = 9);
        ADD(run, i == 0 ? "/second" : "/fourth", PD_KIND_HARDLINK,
            .link = i == 0 ? "/first" : "/third", .ino = 9);
        ADD(run, i == 0 ? "/soft1" : "/soft2", PD_KIND_SYMLINK, .link = "to", .ino = 11);
        ADD(run, i == 0 ? "/changed1" : "/changed2", PD_KIND_FILE,
            .data = i == 0 ? "then" : "now", .ino = 10);
        restore_set_write(&run->set);
    }
    expect(run, PD_OK, "", "");
    assert_int_equal(run->summary.files, 8);
    assert_int_equal(stat_of(run, "soft1").st_nlink, 2);
    assert_int_equal(stat_of(run, "changed1").st_nlink, 1);
    assert_int_equal(stat_of(run, "first").st_nlink, 4);
    assert_int_equal(stat_of(run, "first").st_ino, stat_of(run, "fourth").st_ino);
    restore_set_expect(&run->set, "changed1", "then");
    restore_set_expect(&run->set, "changed2", "now");
}

static void files_that_were_not_whole_are_told(void **state)
{
    struct run *run = *state;

    restore_set_archive(&run->set);
    ADD(run, "/ok", PD_KIND_FILE, .data = "ok");
    ADD(run, "/moved", PD_KIND_FILE, .data = "moved", .state = PD_CHANGED);
    ADD(run, "/torn", PD_KIND_FILE, .data = "torn", .state = PD_PARTIAL);
    restore_set_write(&run->set);
    expect(run, PD_DEGRADED, "/moved [source-changed]\n/torn [source-unreadable]\n", "");
    assert_int_equal(run->summary.not_whole, 2);
    assert_int_equal(run->summary.files, 3);
    restore_set_expect(&run->set, "torn", "torn");
}

/* ---- volumes ---- */

static void lose_volume(struct run *run, size_t i)
{
    char gone[100];

    snprintf(gone, sizeof(gone), "%s.away", run->set.disk[i]);
    assert_int_equal(rename(run->set.disk[i], gone), 0);
}

static void a_missing_volume_is_avoided(void **state)
{
    struct run *run = *state;

    add_tree(run);
    lose_volume(run, 0);
    if (restore(run) != PD_OK)
        fail_msg("%s", run->err.message);
    assert_int_equal(run->summary.status, PD_OK);
    assert_int_equal(run->summary.avoided, 1);
    assert_int_equal(run->summary.volumes, 1);
    assert_true(strncmp(run->avoided, "RS100001 test.0001 0 [", 22) == 0);
    restore_set_expect_made(&run->set, "src/big2", 2, 200000);
}

static void without_any_volume_all_is_lost_by_name(void **state)
{
    static const char *const some[] = {"/src/a", "/src/sub/f"};
    struct run *run = *state;

    add_tree(run);
    lose_volume(run, 0);
    lose_volume(run, 1);
    ask(run, some, 2);
    if (restore(run) != PD_OK)
        fail_msg("%s", run->err.message);
    assert_int_equal(run->summary.status, PD_FAILED);
    assert_string_equal(run->files, "/src/a [missing]\n/src/sub/f [missing]\n");
    assert_int_equal(run->summary.lost, 2);
    assert_int_equal(run->summary.avoided, 2);
}

static void only_the_volume_named_is_read(void **state)
{
    struct run *run = *state;

    add_tree(run);
    run->options.from = "RS200001";
    restore_set_flip(&run->set, 0, 1, 3 * RESTORE_SET_RECORD + 17);
    expect(run, PD_OK, "", "");
    assert_int_equal(run->summary.volumes, 1);
    run->options.overwrite = true;
    run->options.from = "RS100001";
    expect(run, PD_FAILED, "/src/big1 [bad-record]\n/src/big2 [bad-record]\n",
           "RS100001 test.0001 3 [bad-record]\n");
    run->options.from = "NOSUCH";
    assert_int_equal(restore(run), PD_NOT_FOUND);
}

static void a_volume_with_another_uuid_is_not_believed(void **state)
{
    struct run *run = *state;
    struct pd_error err = PD_ERROR_INIT;

    add_tree(run);
    pd_uuid_make(run->set.e.env.rng, run->set.volumes[0].uuid);
    assert_int_equal(pd_catalog_volume_update(run->set.catalog, &run->set.volumes[0], &err), PD_OK);
    if (restore(run) != PD_OK)
        fail_msg("%s", run->err.message);
    assert_int_equal(run->summary.status, PD_OK);
    assert_int_equal(run->summary.avoided, 1);
    assert_int_equal(run->summary.volumes, 1);
    restore_set_expect(&run->set, "src/a", "small\n");
}

static void a_bad_copy_is_read_last(void **state)
{
    struct run *run = *state;
    struct pd_verification_row row = {.mode = "full", .status = PD_BAD_RECORD, .message = "test"};
    struct pd_error err = PD_ERROR_INIT;

    add_tree(run);
    restore_set_flip(&run->set, 0, 1, 3 * RESTORE_SET_RECORD + 17);
    row.copy_id = run->set.copy_ids[0];
    assert_int_equal(pd_catalog_verification_add(run->set.catalog, &row, NULL, 0, &err), PD_OK);
    expect(run, PD_OK, "", "RS100001 test.0001 0 [bad-record]\n"); /* passed over, and said so */
    lose_volume(run, 1);
    run->options.overwrite = true;
    if (restore(run) != PD_OK)
        fail_msg("%s", run->err.message);
    assert_int_equal(run->summary.status, PD_FAILED);
    assert_true(run->summary.files > 0); /* what is good on it still came */
    restore_set_expect(&run->set, "src/z", "");
}

/* ---- the destination ---- */

static void a_signal_ends_it(void **state)
{
    struct run *run = *state;

    add_tree(run);
    run->set.e.stopped = 1;
    assert_int_equal(restore(run), PD_INTERRUPTED);
    assert_int_equal(run->summary.status, PD_INTERRUPTED);
}

static void too_little_space_is_seen_before_writing(void **state)
{
    struct run *run = *state;

    restore_set_archive(&run->set);
    ADD(run, "/a", PD_KIND_FILE, .data = "x");
    ADD(run, "/huge", PD_KIND_FILE, .data = "x");
    run->set.toc.files[1].size = UINT64_C(1) << 60;
    run->set.toc.files[1].length = UINT64_C(1) << 60;
    restore_set_write(&run->set);
    assert_int_equal(restore(run), PD_NO_SPACE);
    assert_false(restore_set_there(&run->set, "a"));
}

static void a_destination_that_cannot_be_is_told(void **state)
{
    struct run *run = *state;

    add_tree(run);
    run->options.destination = "/nonexistent/folder/to";
    assert_int_equal(restore(run), PD_NOT_FOUND);
    assert_non_null(strstr(run->err.message, "/nonexistent/folder/to"));
}

static void odd_names_come_back(void **state)
{
    struct run *run = *state;
    char longest[300], deep[1700] = "";

    memset(longest, 'x', 256);
    longest[0] = '/';
    longest[256] = '\0';
    for (int i = 0; i < 8; i++)
        snprintf(deep + strlen(deep), sizeof(deep) - strlen(deep), "/%0200d", i);
    restore_set_archive(&run->set);
    ADD(run, longest, PD_KIND_FILE, .data = "255");
    ADD(run, deep, PD_KIND_FILE, .data = "deep");
    ADD(run, "/new\nline", PD_KIND_FILE, .data = "nl");
    ADD(run, "/\xff\xfe", PD_KIND_FILE, .data = "raw");
    restore_set_write(&run->set);
    expect(run, PD_OK, "", "");
    restore_set_expect(&run->set, longest + 1, "255");
    restore_set_expect(&run->set, deep + 1, "deep");
    restore_set_expect(&run->set, "new\nline", "nl");
    restore_set_expect(&run->set, "\xff\xfe", "raw");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_comes_back),
        TEST(a_bad_record_of_one_copy_is_avoided),
        TEST(a_record_bad_on_both_loses_exactly_its_files),
        TEST(a_record_of_many_files_loses_them_all_by_name),
        TEST(a_file_that_does_not_match_its_digest_never_appears),
        TEST(paths_out_of_the_destination_are_refused),
        TEST(an_archive_that_tells_another_story_than_the_catalog_is_refused),
        TEST(a_link_of_the_archive_is_never_followed),
        TEST(a_link_that_stands_in_the_destination_is_never_followed),
        TEST(existing_files_are_kept_and_named),
        TEST(a_folder_never_gives_way_to_a_file),
        TEST(patterns_choose),
        TEST(a_request_for_nothing_makes_nothing),
        TEST(a_dry_run_writes_nothing),
        TEST(the_second_name_alone_brings_the_data),
        TEST(names_of_one_file_in_two_archives_are_joined),
        TEST(files_that_were_not_whole_are_told),
        TEST(a_missing_volume_is_avoided),
        TEST(without_any_volume_all_is_lost_by_name),
        TEST(only_the_volume_named_is_read),
        TEST(a_volume_with_another_uuid_is_not_believed),
        TEST(a_bad_copy_is_read_last),
        TEST(a_signal_ends_it),
        TEST(too_little_space_is_seen_before_writing),
        TEST(a_destination_that_cannot_be_is_told),
        TEST(odd_names_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
