#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/media_lib.h"
#include "pairdump/changer.h"
#include "pairdump/text.h"

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

/* A library of the mock (tests/lib/mock-mtx), asked by cmd: and, with a PATH of its own, by mtx:.
 */
struct bed {
    struct pd_env env;
    struct pd_progress progress;
    struct pd_clock clock;
    struct pd_stop stop;
    volatile sig_atomic_t flag;
    unsigned looks, stop_at;
    uint64_t step;
    char *dir, *state, *control, *calls, *path;
    struct pd_changer *changer;
};

static uint64_t look(void *self)
{
    struct bed *bed = self;

    if (++bed->looks == bed->stop_at)
        bed->flag = 1;
    return pd_clock_monotonic(pd_clock_real()) + bed->looks * bed->step;
}

static void put(const char *path, const char *text)
{
    ml_write_bytes(path, text, strlen(text));
}

static char *get(const char *path)
{
    FILE *in = fopen(path, "r");
    char *text = calloc(1, 4096);

    assert_non_null(text);
    if (in != NULL) {
        text[fread(text, 1, 4095, in)] = '\0';
        (void)fclose(in);
    }
    return text;
}

static char *mock_path(void)
{
    char *out = realpath("tests/lib/mock-mtx", NULL);

    assert_non_null(out); /* tests run at the root of the sources */
    return out;
}

static void bed_make(struct bed *bed, bool mtx)
{
    char *program = mock_path(), *wrapper, *text, *url;

    memset(bed, 0, sizeof(*bed));
    bed->clock = *pd_clock_real();
    bed->clock.monotonic = look;
    bed->clock.self = bed;
    bed->stop.flag = &bed->flag;
    bed->env.clock = &bed->clock;
    bed->env.stop = &bed->stop;
    pd_progress_init(&bed->progress);
    bed->env.progress = &bed->progress;
    bed->dir = ml_folder();
    bed->state = ml_text("%s/library: a", bed->dir); /* colons and blanks are nothing special */
    bed->control = ml_text("%s.do", bed->state);
    bed->calls = ml_text("%s.calls", bed->state);
    put(bed->state, "drive 0 empty - -\n"
                    "drive 1 full 3 PD100003L6\n"
                    "slot 1 full - PD100001L6\n"
                    "slot 2 full - PD200001L6\n"
                    "slot 3 empty - -\n"
                    "slot 4 full - -\n"
                    "slot 5 empty - -\n"
                    "port 6 full - PD100009\n");
    wrapper = ml_text("%s/%s", bed->dir, mtx ? "mtx" : "wrapper");
    if (mtx) {
        bed->path = strdup(getenv("PATH"));
        text = ml_text("%s:%s", bed->dir, bed->path);
        assert_int_equal(setenv("PATH", text, 1), 0);
        assert_int_equal(symlink(program, wrapper), 0);
        url = ml_text("mtx:%s", bed->state);
    } else {
        text = ml_text("#!/bin/sh\nexec '%s' -f '%s' \"$@\"\n", program, bed->state);
        put(wrapper, text);
        assert_int_equal(chmod(wrapper, 0755), 0);
        url = ml_text("cmd:%s", wrapper);
    }
    OK(pd_changer_open(&bed->env, url, &bed->changer, &err));
    free(program);
    free(wrapper);
    free(text);
    free(url);
}

static void bed_drop(struct bed *bed)
{
    pd_changer_close(bed->changer);
    if (bed->path != NULL)
        assert_int_equal(setenv("PATH", bed->path, 1), 0);
    free(bed->path);
    free(bed->state);
    free(bed->control);
    free(bed->calls);
    ml_remove(bed->dir);
}

static void is_element(const struct pd_changer_element *element, enum pd_changer_kind kind,
                       uint32_t number, bool full, uint32_t source, const char *barcode)
{
    assert_non_null(element);
    assert_int_equal(element->kind, kind);
    assert_int_equal(element->number, number);
    assert_int_equal(element->full, full);
    assert_int_equal(element->source, source);
    assert_string_equal(element->barcode, barcode);
}

static void a_library_is_told(void **state)
{
    (void)state;
    for (int mtx = 0; mtx < 2; mtx++) {
        struct bed bed;
        struct pd_changer_inventory inventory;

        bed_make(&bed, mtx);
        OK(pd_changer_status(bed.changer, &inventory, &err));
        assert_int_equal(inventory.count, 8);
        assert_int_equal(inventory.drive_count, 2);
        assert_int_equal(inventory.slot_count, 6);
        assert_int_equal(inventory.port_count, 1);
        is_element(&inventory.elements[0], PD_CHANGER_DRIVE, 0, false, 0, "");
        is_element(&inventory.elements[1], PD_CHANGER_DRIVE, 1, true, 3, "PD100003L6");
        is_element(&inventory.elements[2], PD_CHANGER_SLOT, 1, true, 0, "PD100001L6");
        is_element(&inventory.elements[4], PD_CHANGER_SLOT, 3, false, 0, "");
        is_element(&inventory.elements[5], PD_CHANGER_SLOT, 4, true, 0, "");
        is_element(&inventory.elements[7], PD_CHANGER_PORT, 6, true, 0, "PD100009");
        assert_ptr_equal(pd_changer_drive(&inventory, 1), &inventory.elements[1]);
        assert_null(pd_changer_drive(&inventory, 2));
        assert_ptr_equal(pd_changer_slot(&inventory, 6), &inventory.elements[7]);
        assert_null(pd_changer_slot(&inventory, 0));
        assert_null(pd_changer_slot(&inventory, 7));
        pd_changer_inventory_free(&inventory);
        assert_null(inventory.elements);
        assert_int_equal(inventory.count, 0);
        bed_drop(&bed);
    }
}

static void cartridges_are_moved(void **state)
{
    struct bed bed;
    struct pd_changer_inventory inventory;
    char *calls;

    (void)state;
    bed_make(&bed, true);
    OK(pd_changer_load(bed.changer, 1, 0, &err));
    OK(pd_changer_unload(bed.changer, 5, 1, &err));
    OK(pd_changer_transfer(bed.changer, 6, 3, &err));
    OK(pd_changer_status(bed.changer, &inventory, &err));
    is_element(&inventory.elements[0], PD_CHANGER_DRIVE, 0, true, 1, "PD100001L6");
    is_element(&inventory.elements[1], PD_CHANGER_DRIVE, 1, false, 0, "");
    is_element(&inventory.elements[2], PD_CHANGER_SLOT, 1, false, 0, "");
    is_element(&inventory.elements[4], PD_CHANGER_SLOT, 3, true, 0, "PD100009");
    is_element(&inventory.elements[6], PD_CHANGER_SLOT, 5, true, 0, "PD100003L6");
    is_element(&inventory.elements[7], PD_CHANGER_PORT, 6, false, 0, "");
    pd_changer_inventory_free(&inventory);
    calls = get(bed.calls);
    assert_string_equal(calls, "load 1 0\ndone load 1 0\nunload 5 1\ndone unload 5 1\n"
                               "transfer 6 3\ndone transfer 6 3\nstatus\ndone status\n");
    free(calls);
    bed_drop(&bed);
}

/* The call fails so, its message has the part, and the changer's URL stands before it. */
static void fails(struct bed *bed, const char *verb, uint32_t from, uint32_t to,
                  enum pd_status wanted, const char *part)
{
    struct pd_changer_inventory inventory = {0};
    struct pd_error err = PD_ERROR_INIT;
    enum pd_status status;

    if (strcmp(verb, "load") == 0)
        status = pd_changer_load(bed->changer, from, to, &err);
    else if (strcmp(verb, "unload") == 0)
        status = pd_changer_unload(bed->changer, from, to, &err);
    else if (strcmp(verb, "transfer") == 0)
        status = pd_changer_transfer(bed->changer, from, to, &err);
    else
        status = pd_changer_status(bed->changer, &inventory, &err);
    ml_is(status, wanted, &err, verb, __LINE__);
    assert_int_equal(err.status, wanted);
    if (strstr(err.message, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.message, part);
    assert_true(err.volume[0] != '\0');
    assert_null(inventory.elements);
    assert_int_equal(inventory.count, 0);
}

static void moves_are_refused(void **state)
{
    static const struct {
        const char *verb;
        uint32_t from, to;
        enum pd_status wanted;
        const char *part;
    } cases[] = {
        {"load", 3, 0, PD_NOT_FOUND, "load 3 0: the source is empty: Source Element Address"},
        {"load", 1, 1, PD_EXISTS, "the drive is not empty: Drive 1 Full (Storage Element 3"},
        {"load", 7, 0, PD_NOT_FOUND, "there is no such slot: Invalid <storage-element-number>"},
        {"load", 1, 2, PD_NOT_FOUND, "there is no such drive: illegal <drive-number>"},
        {"load", 0, 0, PD_USAGE, "counted from 1"},
        {"load", 1, 65537, PD_NOT_FOUND, "no such element"},
        {"load", UINT32_MAX, 0, PD_NOT_FOUND, "no such element"},
        {"unload", 3, 0, PD_NOT_FOUND, "unload 3 0: the drive is empty: Data Transfer Element"},
        {"unload", 1, 1, PD_EXISTS, "the slot is full: Storage Element 1 is Already Full"},
        {"unload", 7, 1, PD_NOT_FOUND, "there is no such slot: illegal <storage-element"},
        {"unload", 3, 2, PD_NOT_FOUND, "there is no such drive: illegal <drive-number>"},
        {"unload", 0, 1, PD_USAGE, "counted from 1"},
        {"unload", 3, UINT32_MAX, PD_NOT_FOUND, "no such element"},
        {"transfer", 1, 2, PD_EXISTS, "the destination is full: Destination Element"},
        {"transfer", 3, 5, PD_NOT_FOUND, "the source is empty: Source Element Address"},
        {"transfer", 7, 5, PD_NOT_FOUND, "there is no such slot: Invalid source"},
        {"transfer", 1, 7, PD_NOT_FOUND, "there is no such slot: Invalid destination"},
        {"transfer", 1, 0, PD_USAGE, "counted from 1"},
        {"transfer", 0, 1, PD_USAGE, "counted from 1"},
        {"transfer", 2, 2, PD_USAGE, "where it is already"},
    };
    struct bed bed;
    char *before, *after;

    (void)state;
    bed_make(&bed, true);
    before = get(bed.state);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        fails(&bed, cases[i].verb, cases[i].from, cases[i].to, cases[i].wanted, cases[i].part);
    after = get(bed.state);
    assert_string_equal(before, after);
    free(before);
    free(after);
    bed_drop(&bed);
}

static void failures_have_a_status(void **state)
{
    static const struct {
        const char *how;
        enum pd_status wanted;
        const char *part;
    } cases[] = {
        {"say cannot open SCSI device '/dev/sg2' - Permission denied\n", PD_DENIED,
         ": no permission: cannot open"},
        {"say cannot open SCSI device '/dev/sg2' - No such file or directory\n", PD_NOT_FOUND,
         ": there is no such device: cannot"},
        {"say cannot open SCSI device '/dev/sg2' - No such device or address\n", PD_NOT_FOUND,
         "no such device"},
        {"say cannot open SCSI device '/dev/sg2' - Device or resource busy\n", PD_NOT_READY,
         ": the device is busy"},
        {"say cannot open SCSI device '/dev/sg2' - Input/output error\n", PD_IO,
         "Input/output error"},
        {"say /dev/null is not an sg device, or old sg driver\n", PD_UNSUPPORTED,
         "not a device that mtx can use"},
        {"sense Not_Ready 04 01\n", PD_NOT_READY, ": not ready: "},
        {"sense Not_Ready 04 01\n", PD_NOT_READY, "Failed (Not Ready, sense 04/01)"},
        {"sense Unit_Attention 28 00\n", PD_AGAIN, "something changed there: "},
        {"sense Illegal_Request 3B 0D\n", PD_EXISTS, "the destination is full"},
        {"sense Illegal_Request 3B 0E\n", PD_NOT_FOUND, "the source is empty"},
        {"sense Illegal_Request 21 01\n", PD_NOT_FOUND, "there is no such element"},
        {"sense Illegal_Request 53 02\n", PD_NOT_READY, "the drive still holds the cartridge"},
        {"sense Illegal_Request 20 00\n", PD_UNSUPPORTED, "not a changer"},
        {"sense Hardware_Error 15 01\n", PD_IO, "Failed (Hardware Error, sense 15/01)"},
        {"sense Hardware_Error zz -1\n", PD_IO, "Failed"},
        {"say robot: on strike%\033[31m\n", PD_IO, ": robot: on strike%%1B[31m"},
        {"say\n", PD_IO, "failed, and does not say why"},
        {"signal 9\n", PD_IO, ": ended by signal 9"},
    };
    struct bed bed;

    (void)state;
    bed_make(&bed, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put(bed.control, cases[i].how);
        fails(&bed, "status", 0, 0, cases[i].wanted, cases[i].part);
        fails(&bed, "load", 1, 0, cases[i].wanted, cases[i].part);
    }
    put(bed.control, "say Drive needs offline before move\n");
    fails(&bed, "unload", 3, 1, PD_NOT_READY, "unload it there first");
    put(bed.control, "say Cleaning Cartridge Installed and Ejected\n");
    fails(&bed, "load", 1, 0, PD_WRONG_VOLUME, "cleaning cartridge");
    /* once, and what is retryable may be tried again */
    put(bed.control, "once sense Unit_Attention 28 00\n");
    fails(&bed, "load", 1, 0, PD_AGAIN, "MOVE MEDIUM");
    OK(pd_changer_load(bed.changer, 1, 0, &err));
    bed_drop(&bed);
}

static void noise_is_no_failure(void **state)
{
    struct bed bed;
    struct pd_changer_inventory inventory;
    struct pd_error why = PD_ERROR_INIT;
    uint64_t started = pd_clock_monotonic(pd_clock_real());

    (void)state;
    bed_make(&bed, false);
    put(bed.control, "noise mtx: Request Sense: Long Report=yes\n");
    OK(pd_changer_status(bed.changer, &inventory, &err));
    assert_int_equal(inventory.count, 8);
    pd_changer_inventory_free(&inventory);
    put(bed.control, "leave 30\n");
    OK(pd_changer_status(bed.changer, &inventory, &err));
    assert_int_equal(inventory.count, 8);
    pd_changer_inventory_free(&inventory);
    put(bed.control, "leave 30\n");
    OK(pd_changer_load(bed.changer, 1, 0, &err));
    /* one that goes on writing may spoil a status, but is not waited for */
    put(bed.control, "flood 30\n");
    if (pd_changer_status(bed.changer, &inventory, &why) != PD_OK)
        assert_int_equal(why.status, PD_BAD_FORMAT);
    pd_changer_inventory_free(&inventory);
    assert_true(pd_clock_monotonic(pd_clock_real()) - started < 20 * S);
    OK(pd_changer_unload(bed.changer, 1, 0, &err));
    bed_drop(&bed);
}

static void much_and_endless_output(void **state)
{
    struct bed bed;
    struct pd_changer_inventory inventory;
    struct pd_buf text = PD_BUF_INIT;

    (void)state;
    bed_make(&bed, false);
    OK(pd_buf_puts(&text, "drive 0 empty - -\n"));
    for (unsigned i = 1; i <= 20000; i++)
        OK(pd_buf_printf(&text, "slot %u full - PD%06uL9\n", i, i));
    put(bed.state, text.data);
    pd_buf_free(&text);
    OK(pd_changer_status(bed.changer, &inventory, &err));
    assert_int_equal(inventory.count, 20001);
    is_element(&inventory.elements[20000], PD_CHANGER_SLOT, 20000, true, 0, "PD020000L9");
    pd_changer_inventory_free(&inventory);
    put(bed.control, "endless\n");
    fails(&bed, "status", 0, 0, PD_BAD_FORMAT, "more than 4194304 bytes");
    pd_changer_timeouts(bed.changer, 0, 300 * MS);
    fails(&bed, "load", 1, 0, PD_HUNG, "did not end within");
    bed_drop(&bed);
}

static void nothing_waits_for_ever(void **state)
{
    struct bed bed;

    (void)state;
    bed_make(&bed, true);
    pd_changer_timeouts(bed.changer, 300 * MS, 300 * MS);
    put(bed.control, "hang\n");
    fails(&bed, "status", 0, 0, PD_HUNG, "did not end within");
    fails(&bed, "load", 1, 0, PD_HUNG, "did not end within");
    put(bed.control, "deaf\n");
    bed.step = S / 10; /* so that the grace is over soon */
    fails(&bed, "status", 0, 0, PD_HUNG, "did not end within");
    fails(&bed, "unload", 3, 1, PD_HUNG, "did not end within");
    bed_drop(&bed);

    /* unless told otherwise: a minute, and ten */
    bed_make(&bed, true);
    put(bed.control, "hang\n");
    bed.step = 20 * S;
    fails(&bed, "status", 0, 0, PD_HUNG, "did not end within 1:00");
    assert_in_range(bed.looks, 3, 20);
    fails(&bed, "load", 1, 0, PD_HUNG, "did not end within 10:00");
    bed_drop(&bed);
}

static void a_move_is_not_broken_off(void **state)
{
    struct bed bed;
    struct pd_changer_inventory inventory;
    struct pd_error why = PD_ERROR_INIT;
    char *calls;

    (void)state;
    bed_make(&bed, false);
    put(bed.control, "slow 1.5\n");
    bed.stop_at = 5;
    OK(pd_changer_load(bed.changer, 1, 0, &err));
    assert_int_equal(bed.flag, 1);
    /* the next does not begin */
    fails(&bed, "unload", 1, 0, PD_INTERRUPTED, "stopped");
    fails(&bed, "status", 0, 0, PD_INTERRUPTED, "stopped");
    calls = get(bed.calls);
    assert_string_equal(calls, "load 1 0\ndone load 1 0\n");
    free(calls);
    /* what only looks ends at once */
    bed.flag = 0;
    bed.stop_at = bed.looks + 5;
    put(bed.control, "hang\n");
    assert_int_equal(pd_changer_status(bed.changer, &inventory, &why), PD_INTERRUPTED);
    bed_drop(&bed);
}

static void garbage_is_not_taken(void **state)
{
    struct bed bed;
    char *file, *how;

    (void)state;
    bed_make(&bed, false);
    file = ml_text("%s/garbage", bed.dir);
    how = ml_text("status %s\n", file);
    put(bed.control, how);
    put(file, "");
    fails(&bed, "status", 0, 0, PD_BAD_FORMAT, "line 1");
    put(file, "Usage: robot status\n");
    fails(&bed, "status", 0, 0, PD_BAD_FORMAT, "line 1: not the first line of a status: \"Usage");
    ml_write_bytes(file, "\0\0\n", 3);
    fails(&bed, "status", 0, 0, PD_BAD_FORMAT, "line 1");
    free(how);
    free(file);
    bed_drop(&bed);
}

static void what_can_be_opened(void **state)
{
    static const char *const wrong[] = {
        "", "mtx", "mtx:", "cmd:", "cmd:mtx", "/dev/sg2", "MTX:/dev/sg2", "disk:/tmp"};
    struct pd_changer *changer = NULL;
    struct pd_error why = PD_ERROR_INIT;
    char *path = strdup(getenv("PATH"));

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(pd_changer_open(ml_env(), wrong[i], &changer, &why), PD_USAGE);
        assert_null(changer);
    }
    IS(pd_changer_open(ml_env(), "cmd:/nowhere/at/all", &changer, &err), PD_NOT_FOUND);
    IS(pd_changer_open(ml_env(), "cmd:/etc/passwd", &changer, &err), PD_DENIED);
    IS(pd_changer_open(ml_env(), "cmd:/etc", &changer, &err), PD_DENIED);
    if (access("/usr/sbin/mtx", F_OK) != 0 && access("/usr/local/sbin/mtx", F_OK) != 0) {
        assert_int_equal(setenv("PATH", "/nowhere", 1), 0);
        assert_int_equal(pd_changer_open(ml_env(), "mtx:/dev/sg2", &changer, &why), PD_UNSUPPORTED);
        assert_non_null(strstr(why.message, "apt-get install mtx"));
        assert_string_equal(why.volume, "mtx:/dev/sg2");
        assert_int_equal(setenv("PATH", path, 1), 0);
    }
    assert_true(pd_changer_is_url("mtx:"));
    assert_true(pd_changer_is_url("cmd:x"));
    assert_false(pd_changer_is_url("disk:x"));
    pd_changer_close(NULL);
    free(path);
}

static void the_program_goes_away(void **state)
{
    struct bed bed;
    char *program;

    (void)state;
    bed_make(&bed, false);
    program = ml_text("%s/wrapper", bed.dir);
    assert_int_equal(unlink(program), 0);
    fails(&bed, "status", 0, 0, PD_NOT_FOUND, "cannot run");
    free(program);
    bed_drop(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_library_is_told),      cmocka_unit_test(cartridges_are_moved),
        cmocka_unit_test(moves_are_refused),      cmocka_unit_test(failures_have_a_status),
        cmocka_unit_test(noise_is_no_failure),    cmocka_unit_test(much_and_endless_output),
        cmocka_unit_test(nothing_waits_for_ever), cmocka_unit_test(a_move_is_not_broken_off),
        cmocka_unit_test(garbage_is_not_taken),   cmocka_unit_test(what_can_be_opened),
        cmocka_unit_test(the_program_goes_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
