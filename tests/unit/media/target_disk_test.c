#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/media_lib.h"
#include "pairdump/target_disk.h"

struct bed {
    char *dir;
    struct pd_target *target;
};

static struct pd_target *open_disk(const char *dir)
{
    struct pd_target *target = NULL;

    OK(pd_target_disk_open(ml_env(), dir, 0, "disk:test", &target, &err));
    return target;
}

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof(*bed));

    assert_non_null(bed);
    bed->dir = ml_folder();
    bed->target = open_disk(bed->dir);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;

    ml_close(bed->target);
    ml_remove(bed->dir);
    free(bed);
    return 0;
}

static void format(struct pd_target *target, const char *name)
{
    struct pd_label label = ml_label(name);

    OK(pd_target_format(target, &label, &err));
}

static void touch(const struct bed *bed, const char *name, const char *content)
{
    char *path = ml_text("%s/%s", bed->dir, name);

    ml_write_bytes(path, content, strlen(content));
    free(path);
}

static bool there(const struct bed *bed, const char *name)
{
    char *path = ml_text("%s/%s", bed->dir, name);
    bool result = ml_exists(path);

    free(path);
    return result;
}

static void change_name(const struct bed *bed, const char *from, const char *to)
{
    char *a = ml_text("%s/%s", bed->dir, from), *b = ml_text("%s/%s", bed->dir, to);

    assert_int_equal(rename(a, b), 0);
    free(a);
    free(b);
}

static void make_dir(const struct bed *bed, const char *name)
{
    char *path = ml_text("%s/%s", bed->dir, name);

    assert_int_equal(mkdir(path, 0755), 0);
    free(path);
}

static void test_layout(void **state)
{
    struct bed *bed = *state;

    format(bed->target, "PD100001");
    ml_write_file(bed->target, 1, 2);
    assert_true(there(bed, "PD100001/0000-label.tar"));
    assert_true(there(bed, "PD100001/0001-archive.tar"));
    assert_true(there(bed, "PD100001/README.txt"));
    assert_false(there(bed, "PD100001/README.txt.partial"));
    assert_false(there(bed, "PD100001/0001-archive.tar.partial"));
}

static void test_partial_shows_until_the_end(void **state)
{
    struct bed *bed = *state;
    char *record = pd_record_alloc(ML_BLOCK);
    uint32_t number;

    ml_fill(record, 1, 0);
    format(bed->target, "PD100001");
    OK(pd_target_begin(bed->target, "x", &number, &err));
    OK(pd_target_write(bed->target, record, ML_BLOCK, &err));
    assert_true(there(bed, "PD100001/0001-x.tar.partial"));
    assert_false(there(bed, "PD100001/0001-x.tar"));
    OK(pd_target_end(bed->target, false, &err));
    assert_true(there(bed, "PD100001/0001-x.tar"));
    OK(pd_target_begin(bed->target, "y", &number, &err));
    OK(pd_target_write(bed->target, record, ML_BLOCK, &err));
    OK(pd_target_abandon(bed->target, &err));
    assert_false(there(bed, "PD100001/0002-y.tar.partial"));
    assert_false(there(bed, "PD100001/0002-y.tar"));
    free(record);
}

static void test_foreign_folder(void **state)
{
    struct bed *bed = *state;
    struct pd_label label = ml_label("PD100001");

    IS(pd_target_mount(bed->target, NULL, &err), PD_BLANK);
    make_dir(bed, "lost+found");
    make_dir(bed, "PD100009"); /* what a labelling that was killed at once leaves */
    IS(pd_target_mount(bed->target, NULL, &err), PD_BLANK);
    touch(bed, "holiday.jpg", "x");
    IS(pd_target_mount(bed->target, NULL, &err), PD_FOREIGN);
    IS(pd_target_format(bed->target, &label, &err), PD_FOREIGN);
    assert_false(there(bed, "PD100001"));
    assert_true(there(bed, "holiday.jpg"));
}

static void test_foreign_volume_folder(void **state)
{
    struct bed *bed = *state;
    struct pd_label label = ml_label("PD100001");

    make_dir(bed, "PD100001");
    touch(bed, "PD100001/thesis.tex", "x");
    IS(pd_target_format(bed->target, &label, &err), PD_FOREIGN);
    IS(pd_target_mount(bed->target, "PD100001", &err), PD_FOREIGN);
    assert_true(there(bed, "PD100001/thesis.tex"));
}

static void test_foreign_label(void **state)
{
    struct bed *bed = *state;
    struct pd_label label = ml_label("PD100001");

    make_dir(bed, "PD100001");
    touch(bed, "PD100001/0000-mine.tar", "not a tar at all");
    IS(pd_target_mount(bed->target, "PD100001", &err), PD_FOREIGN);
    IS(pd_target_format(bed->target, &label, &err), PD_EXISTS);
    touch(bed, "PD100001/0000-mine.tar", "");
    IS(pd_target_mount(bed->target, "PD100001", &err), PD_FOREIGN);
    touch(bed, "PD100002", "a file where a folder should be");
    IS(pd_target_mount(bed->target, "PD100002", &err), PD_FOREIGN);
}

static void test_killed_format(void **state)
{
    struct bed *bed = *state;

    make_dir(bed, "PD100001");
    touch(bed, "PD100001/README.txt.partial", "x");
    touch(bed, "PD100001/0000-label.tar.partial", "half a la");
    IS(pd_target_mount(bed->target, "PD100001", &err), PD_NOT_FOUND);
    IS(pd_target_mount(bed->target, NULL, &err), PD_BLANK);
    format(bed->target, "PD100001");
    assert_false(there(bed, "PD100001/0000-label.tar.partial"));
    assert_false(there(bed, "PD100001/README.txt.partial"));
    ml_count(bed->target, 1);
}

static void test_stale_partials(void **state)
{
    struct bed *bed = *state;
    struct pd_target *reader;

    format(bed->target, "PD100001");
    ml_write_file(bed->target, 1, 1);
    ml_close(bed->target);
    touch(bed, "PD100001/0002-old.tar.partial", "x");
    touch(bed, "PD100001/0007-old.tar.partial", "x");
    bed->target = open_disk(bed->dir);
    OK(pd_target_mount(bed->target, NULL, &err));
    ml_count(bed->target, 2);
    reader = open_disk(bed->dir);
    OK(pd_target_mount(reader, NULL, &err));
    ml_read_file(reader, 1, 1);
    assert_true(there(bed, "PD100001/0002-old.tar.partial")); /* reading removes nothing */
    ml_write_file(bed->target, 2, 1);
    assert_false(there(bed, "PD100001/0002-old.tar.partial"));
    assert_false(there(bed, "PD100001/0007-old.tar.partial"));
    ml_read_file(reader, 2, 1); /* written after the reader has mounted */
    ml_count(reader, 3);
    ml_close(reader);
}

static void test_numbering(void **state)
{
    struct bed *bed = *state;
    struct pd_target_position position;
    uint32_t number;

    format(bed->target, "PD100001");
    for (uint32_t i = 1; i <= 3; i++)
        ml_write_file(bed->target, i, i);
    ml_close(bed->target);
    bed->target = open_disk(bed->dir);
    change_name(bed, "PD100001/0002-archive.tar", "PD100001/0002-archive.was");
    OK(pd_target_mount(bed->target, "PD100001", &err));
    IS(pd_target_position(bed->target, &position, &err), PD_BAD_FORMAT);
    IS(pd_target_begin(bed->target, "x", &number, &err), PD_BAD_FORMAT);
    IS(pd_target_open_file(bed->target, 2, &err), PD_MISSING);
    ml_read_file(bed->target, 3, 3); /* what is there can be read */
    change_name(bed, "PD100001/0002-archive.was", "PD100001/0003-double.tar");
    IS(pd_target_position(bed->target, &position, &err), PD_BAD_FORMAT);
    OK(pd_target_mount(bed->target, "PD100001", &err));
    IS(pd_target_open_file(bed->target, 3, &err), PD_BAD_FORMAT);
    ml_read_file(bed->target, 1, 1);
    change_name(bed, "PD100001/0003-double.tar", "PD100001/0002-archive.tar");
    ml_count(bed->target, 4);
    /* Not the names of tape files: */
    touch(bed, "PD100001/00004-x.tar", "x");
    touch(bed, "PD100001/004-x.tar", "x");
    touch(bed, "PD100001/0004-.tar", "x");
    touch(bed, "PD100001/0004-x.tar.gz", "x");
    touch(bed, "PD100001/99999999999-x.tar", "x");
    ml_count(bed->target, 4);
    make_dir(bed, "PD100001/0004-x.tar");
    ml_count(bed->target, 4);
}

static void test_links_are_not_followed(void **state)
{
    struct bed *bed = *state;
    char *link = ml_text("%s/PD100002", bed->dir);
    char *file = ml_text("%s/PD100001/0001-x.tar", bed->dir);
    char *partial = ml_text("%s/PD100001/0001-archive.tar.partial", bed->dir);
    char *victim = ml_text("%s/victim", bed->dir);
    uint32_t number;
    struct stat st;

    format(bed->target, "PD100001");
    touch(bed, "victim", "precious");
    assert_int_equal(symlink("PD100001", link), 0);
    IS(pd_target_mount(bed->target, "PD100002", &err), PD_FOREIGN);
    OK(pd_target_mount(bed->target, "PD100001", &err));
    assert_int_equal(symlink("/etc/passwd", file), 0);
    IS(pd_target_open_file(bed->target, 1, &err), PD_MISSING);
    assert_int_equal(unlink(file), 0);
    ml_close(bed->target);
    bed->target = open_disk(bed->dir);
    OK(pd_target_mount(bed->target, "PD100001", &err));
    ml_count(bed->target, 1);
    assert_int_equal(symlink(victim, partial), 0);
    IS(pd_target_begin(bed->target, "archive", &number, &err), PD_EXISTS);
    assert_int_equal(stat(victim, &st), 0);
    assert_int_equal(st.st_size, 8);
    free(link);
    free(file);
    free(partial);
    free(victim);
}

static void test_wrong_folder(void **state)
{
    struct bed *bed = *state;

    format(bed->target, "PD100001");
    change_name(bed, "PD100001", "PD100005");
    IS(pd_target_mount(bed->target, "PD100001", &err), PD_NOT_FOUND);
    IS(pd_target_mount(bed->target, "PD100005", &err), PD_WRONG_VOLUME);
    IS(pd_target_mount(bed->target, NULL, &err), PD_WRONG_VOLUME);
    change_name(bed, "PD100005", "PD100001");
    format(bed->target, "PD100002");
    IS(pd_target_mount(bed->target, NULL, &err), PD_WRONG_VOLUME); /* which? */
    OK(pd_target_mount(bed->target, "PD100001", &err));
}

static void test_one_writer(void **state)
{
    struct bed *bed = *state;
    struct pd_target *other = open_disk(bed->dir);
    struct pd_label label = ml_label("PD100001");
    uint32_t number;

    format(bed->target, "PD100001");
    OK(pd_target_mount(other, NULL, &err));
    ml_count(other, 1);
    IS(pd_target_begin(other, "x", &number, &err), PD_BUSY);
    ml_write_file(bed->target, 1, 2);
    ml_read_file(other, 1, 2);
    IS(pd_target_begin(other, "x", &number, &err), PD_BUSY);
    OK(pd_target_unmount(bed->target, &err));
    ml_write_file(other, 2, 1); /* and it sees what the first one wrote */
    IS(pd_target_format(bed->target, &label, &err), PD_EXISTS);
    ml_close(other);
}

static void test_names(void **state)
{
    struct bed *bed = *state;
    char name[300];
    uint32_t number;

    format(bed->target, "PD100001");
    memset(name, 'n', sizeof(name));
    name[201] = '\0';
    IS(pd_target_begin(bed->target, name, &number, &err), PD_USAGE);
    name[200] = '\0';
    OK(pd_target_begin(bed->target, name, &number, &err));
    OK(pd_target_abandon(bed->target, &err));
    IS(pd_target_begin(bed->target, "", &number, &err), PD_INTERNAL);
}

static void test_name_is_taken(void **state)
{
    struct bed *bed = *state;
    char *record = pd_record_alloc(ML_BLOCK);
    uint32_t number;

    ml_fill(record, 1, 0);
    format(bed->target, "PD100001");
    OK(pd_target_begin(bed->target, "x", &number, &err));
    OK(pd_target_write(bed->target, record, ML_BLOCK, &err));
    touch(bed, "PD100001/0001-x.tar", "somebody else's");
    IS(pd_target_end(bed->target, true, &err), PD_EXISTS);
    OK(pd_target_abandon(bed->target, &err));
    assert_true(there(bed, "PD100001/0001-x.tar")); /* not ours to remove */
    free(record);
}

static void test_capacity_below_label(void **state)
{
    struct bed *bed = *state;
    struct pd_label label = ml_label("PD100001");
    struct pd_target *small = NULL;

    OK(pd_target_disk_open(ml_env(), bed->dir, ML_BLOCK, "disk:small", &small, &err));
    IS(pd_target_format(small, &label, &err), PD_NO_SPACE);
    assert_false(there(bed, "PD100001"));
    ml_close(small);
}

/* SIGKILL in the middle: the next run counts what was ended, and nothing else. */
static void test_kill(void **state)
{
    struct bed *bed = *state;
    char *record = pd_record_alloc(ML_BLOCK);

    ml_fill(record, 2, 0);
    format(bed->target, "PD100001");
    ml_write_file(bed->target, 1, 2);
    ml_close(bed->target);
    for (unsigned records = 0; records < 3; records++) {
        pid_t child = fork();
        int result = 0;

        assert_true(child >= 0);
        if (child == 0) {
            struct pd_error why = PD_ERROR_INIT;
            struct pd_target *target = NULL;
            uint32_t number;

            if (pd_target_disk_open(ml_env(), bed->dir, 0, "x", &target, &why) != PD_OK ||
                pd_target_mount(target, "PD100001", &why) != PD_OK ||
                pd_target_begin(target, "cut-off", &number, &why) != PD_OK)
                _exit(1);
            for (unsigned i = 0; i < records; i++)
                if (pd_target_write(target, record, ML_BLOCK, &why) != PD_OK)
                    _exit(1);
            (void)kill(getpid(), SIGKILL);
            _exit(1);
        }
        assert_int_equal(waitpid(child, &result, 0), child);
        assert_true(WIFSIGNALED(result));
        assert_true(there(bed, "PD100001/0002-cut-off.tar.partial"));
    }
    bed->target = open_disk(bed->dir);
    OK(pd_target_mount(bed->target, NULL, &err));
    ml_count(bed->target, 2);
    ml_write_file(bed->target, 2, 3);
    ml_read_file(bed->target, 1, 2);
    ml_read_file(bed->target, 2, 3);
    assert_false(there(bed, "PD100001/0002-cut-off.tar.partial"));
    free(record);
}

static void test_no_folder(void **state)
{
    struct bed *bed = *state;
    struct pd_target *target = NULL;
    char *file = ml_text("%s/file", bed->dir);

    touch(bed, "file", "x");
    IS(pd_target_disk_open(ml_env(), "/nowhere/at/all", 0, "x", &target, &err), PD_USAGE);
    IS(pd_target_disk_open(ml_env(), file, 0, "x", &target, &err), PD_USAGE);
    assert_null(target);
    free(file);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_layout),
        CASE(test_partial_shows_until_the_end),
        CASE(test_foreign_folder),
        CASE(test_foreign_volume_folder),
        CASE(test_foreign_label),
        CASE(test_killed_format),
        CASE(test_stale_partials),
        CASE(test_numbering),
        CASE(test_links_are_not_followed),
        CASE(test_wrong_folder),
        CASE(test_one_writer),
        CASE(test_names),
        CASE(test_name_is_taken),
        CASE(test_capacity_below_label),
        CASE(test_kill),
        CASE(test_no_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
