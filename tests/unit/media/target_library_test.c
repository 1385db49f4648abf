/* A tape target whose volumes a changer brings: which cartridge is which, and that none is written
 * that was not meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/stat.h>

#include <cmocka.h>

#include "../../lib/media_lib.h"
#include "pairdump/registry.h"
#include "pairdump/text.h"

struct bed {
    char *dir, *changer;
    struct pd_target *target;
};

/* mock:DIR/FOLDER as drive of that number. */
static void open_drive(struct bed *bed, const char *folder, int number)
{
    char *url = ml_text("mock:%s/%s?changer=%s&drive=%d", bed->dir, folder, bed->changer, number);

    bed->target = ml_open(url);
    free(url);
}

static void reopen(struct bed *bed, const char *folder, int number)
{
    ml_close(bed->target);
    open_drive(bed, folder, number);
}

static void set_up(struct bed *bed, const char *lines)
{
    bed->dir = ml_folder();
    bed->changer = ml_library(bed->dir, lines);
    open_drive(bed, "0", 0);
}

static void tear_down(struct bed *bed)
{
    ml_close(bed->target);
    free(bed->changer);
    ml_remove(bed->dir);
}

static void format(struct bed *bed, const char *name)
{
    struct pd_label label = ml_label(name);

    OK(pd_target_format(bed->target, &label, &err));
}

/* The message has both parts. */
static void refuses(struct bed *bed, bool format_it, const char *name, enum pd_status wanted,
                    const char *part, const char *other)
{
    struct pd_label label = ml_label(name);
    struct pd_error why = PD_ERROR_INIT;

    ml_is(format_it ? pd_target_format(bed->target, &label, &why)
                    : pd_target_mount(bed->target, name, &why),
          wanted, &why, name, __LINE__);
    assert_int_equal(why.status, wanted);
    if (strstr(why.message, part) == NULL || strstr(why.message, other) == NULL)
        fail_msg("\"%s\" does not say \"%s\" and \"%s\"", why.message, part, other);
    assert_null(pd_target_label(bed->target));
}

static char *file(const struct bed *bed, const char *name)
{
    return ml_text("%s/%s", bed->dir, name);
}

static void has_size(const struct bed *bed, const char *name, bool empty)
{
    char *path = file(bed, name);
    struct stat st;

    if (stat(path, &st) != 0)
        fail_msg("no %s", path);
    assert_int_equal(st.st_size == 0, empty);
    free(path);
}

static void lies(const struct bed *bed, const char *line)
{
    char *path = file(bed, "library"), text[4096] = "";
    FILE *in = fopen(path, "r");

    assert_non_null(in);
    assert_true(fread(text, 1, sizeof(text) - 1, in) > 0);
    assert_int_equal(fclose(in), 0);
    if (strstr(text, line) == NULL)
        fail_msg("no \"%s\" in:\n%s", line, text);
    free(path);
}

static enum pd_status collect(void *arg, const char *label, struct pd_error *err)
{
    (void)err;
    return pd_buf_printf(arg, "%s ", label);
}

#define LINES                                                                                      \
    "drive 0 empty - -\n"                                                                          \
    "drive 1 empty - -\n"                                                                          \
    "slot 1 full - PD0001L6\n"                                                                     \
    "slot 2 full - PD0002L6\n"                                                                     \
    "slot 3 full - CLN001L1\n"

static void volumes_of_a_library(void **state)
{
    struct pd_buf names = PD_BUF_INIT;
    struct bed bed;

    (void)state;
    set_up(&bed, LINES);
    assert_true(pd_target_caps(bed.target).library);
    OK(pd_target_volumes(bed.target, collect, &names, &err));
    assert_string_equal(names.data, "PD0001 PD0002 ");
    pd_buf_free(&names);
    refuses(&bed, false, "PD0001", PD_BLANK, "nothing is recorded", "");
    format(&bed, "PD0001");
    ml_write_file(bed.target, 1, 3);
    format(&bed, "PD0002");
    lies(&bed, "drive 0 full 2 PD0002L6");
    OK(pd_target_unmount(bed.target, &err));
    lies(&bed, "slot 2 full - PD0002L6");
    OK(pd_target_unmount(bed.target, &err));
    OK(pd_target_mount(bed.target, "PD0001", &err));
    ml_read_file(bed.target, 1, 3);
    reopen(&bed, "0", 0);
    OK(pd_target_mount(bed.target, NULL, &err));
    assert_string_equal(pd_target_label(bed.target)->label, "PD0001");
    OK(pd_target_unmount(bed.target, &err));
    IS(pd_target_mount(bed.target, NULL, &err), PD_NO_MEDIUM);
    tear_down(&bed);
}

static void only_cartridges_that_are_there(void **state)
{
    struct bed bed;

    (void)state;
    set_up(&bed, LINES);
    refuses(&bed, true, "PD0003", PD_NOT_FOUND, "no cartridge", "PD0003");
    refuses(&bed, false, "PD0003", PD_NOT_FOUND, "no cartridge", "PD0003");
    refuses(&bed, true, "PD0001L6", PD_NOT_FOUND, "no cartridge", "PD0001L6");
    refuses(&bed, true, "CLN001", PD_NOT_FOUND, "no cartridge", "CLN001");
    lies(&bed, "drive 0 empty - -");
    tear_down(&bed);
}

/* PD0002L6, labelled by hand as PD0009. */
static void another_label(void **state)
{
    struct bed bed;
    char *from, *to, *url;

    (void)state;
    set_up(&bed, LINES);
    url = ml_text("mock:%s/1", bed.dir);
    ml_close(bed.target);
    bed.target = ml_open(url);
    format(&bed, "PD0009");
    ml_close(bed.target);
    from = file(&bed, "1/PD0009.tap");
    to = file(&bed, "library.tapes/PD0002L6.tap");
    assert_int_equal(rename(from, to), 0);
    free(from);
    from = file(&bed, "1/loaded");
    assert_int_equal(remove(from), 0);
    open_drive(&bed, "0", 0);
    refuses(&bed, false, "PD0002", PD_WRONG_VOLUME, "barcode PD0002L6", "label PD0009");
    refuses(&bed, true, "PD0002", PD_EXISTS, "volume PD0009", "");
    refuses(&bed, false, "PD0009", PD_NOT_FOUND, "no cartridge", "PD0009");
    /* it lies in the drive, and that is said only after it was seen to come */
    reopen(&bed, "0", 0);
    refuses(&bed, false, "PD0002", PD_WRONG_VOLUME, "barcode PD0002L6", "label PD0009");
    free(from);
    free(to);
    free(url);
    tear_down(&bed);
}

static void foreign_and_protected(void **state)
{
    static const char simh[] = "\4\0\0\0data\4\0\0\0\0\0\0\0";
    struct bed bed;
    char *path;

    (void)state;
    set_up(&bed, LINES);
    path = file(&bed, "library.tapes/PD0002L6.tap");
    ml_write_bytes(path, simh, sizeof(simh) - 1);
    refuses(&bed, true, "PD0002", PD_FOREIGN, "", "");
    refuses(&bed, false, "PD0002", PD_FOREIGN, "", "");
    free(path);
    path = file(&bed, "library.tapes/PD0001L6.tap");
    assert_int_equal(chmod(path, 0444), 0);
    refuses(&bed, true, "PD0001", PD_WRITE_PROTECTED, "", "");
    refuses(&bed, false, "PD0001", PD_BLANK, "", "");
    has_size(&bed, "0/PD0001L6.tap", true);
    OK(pd_target_unmount(bed.target, &err));
    free(path);
    tear_down(&bed);
}

/* A blank one that an earlier run left in the drive. */
static void a_blank_one_in_the_drive(void **state)
{
    struct bed bed;

    (void)state;
    set_up(&bed, LINES);
    refuses(&bed, false, "PD0001", PD_BLANK, "", "");
    reopen(&bed, "0", 0);
    lies(&bed, "drive 0 full 1 PD0001L6");
    format(&bed, "PD0001");
    OK(pd_target_mount(bed.target, "PD0001", &err));
    tear_down(&bed);
}

/* Both drives hold a cartridge, and the URL has the number of the other drive. */
static void the_number_of_another_drive(void **state)
{
    static const char lines[] = "drive 0 full 1 PD0001L6\ndrive 1 full 2 PD0002L6\n"
                                "slot 1 empty - -\nslot 2 empty - -\n";
    struct bed bed;

    (void)state;
    set_up(&bed, lines);
    reopen(&bed, "0", 1);
    refuses(&bed, true, "PD0002", PD_CONFIG, "drive=1 is the number of another drive", "/0 has");
    has_size(&bed, "0/PD0001L6.tap", true);
    has_size(&bed, "library.tapes/PD0002L6.tap", true);
    tear_down(&bed);

    /* the same with a volume: it is not PD0002, but that says nothing of PD0002 */
    set_up(&bed, lines);
    format(&bed, "PD0001");
    lies(&bed, "drive 0 full 1 PD0001L6");
    reopen(&bed, "0", 1);
    refuses(&bed, false, "PD0002", PD_CONFIG, "drive=1 is the number of another drive", "/0 has");
    tear_down(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(volumes_of_a_library),
        cmocka_unit_test(only_cartridges_that_are_there),
        cmocka_unit_test(another_label),
        cmocka_unit_test(foreign_and_protected),
        cmocka_unit_test(a_blank_one_in_the_drive),
        cmocka_unit_test(the_number_of_another_drive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
