/* A library of the mock (tests/lib/mock-mtx), whose drive 0 is a mock drive in DIR/0: images move.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/media_lib.h"
#include "pairdump/drive_library.h"
#include "pairdump/drive_mock.h"
#include "pairdump/text.h"

#define S UINT64_C(1000000000)

/* Time passes by sleeping, which takes none, and while the robot hangs. */
struct bed {
    struct pd_env env;
    struct pd_progress progress;
    struct pd_clock clock;
    struct pd_stop stop;
    volatile sig_atomic_t flag;
    uint64_t slept;
    uint64_t act_at; /* when so much was slept: */
    void (*act)(struct bed *bed);
    char *said;
    char *dir, *state, *control, *calls, *hangs, *robot, *url;
    struct pd_drive *drive;
    uint64_t empty_until, busy_until; /* of the drive behind */
    int lock_fd;
};

static uint64_t look(void *self)
{
    struct bed *bed = self;

    if (bed->hangs != NULL && unlink(bed->hangs) == 0)
        bed->slept += 1000 * S;
    return pd_clock_monotonic(pd_clock_real()) + bed->slept;
}

static void sleep_on(void *self, uint64_t ns)
{
    struct bed *bed = self;

    bed->slept += ns;
    if (bed->act != NULL && bed->slept >= bed->act_at) {
        void (*act)(struct bed *) = bed->act;

        bed->act = NULL;
        act(bed);
    }
}

static void hear(void *arg, enum pd_log_level level, const char *line)
{
    struct bed *bed = arg;
    char *more =
        ml_text("%s%s: %s\n", bed->said != NULL ? bed->said : "", pd_log_level_name(level), line);

    free(bed->said);
    bed->said = more;
}

static void put(const char *path, const char *text)
{
    ml_write_bytes(path, text, strlen(text));
}

static char *get(const char *path)
{
    FILE *in = fopen(path, "r");
    char *text = calloc(1, 8192);

    assert_non_null(text);
    if (in != NULL) {
        text[fread(text, 1, 8191, in)] = '\0';
        assert_int_equal(fclose(in), 0);
    }
    return text;
}

/* ---- a drive that takes its time ---- */

struct slow {
    struct bed *bed;
    struct pd_drive *inner;
};

static enum pd_status slow_load(void *impl, const char *medium, struct pd_error *err)
{
    struct slow *slow = impl;

    if (slow->bed->slept < slow->bed->empty_until)
        return pd_error_set(err, PD_NO_MEDIUM, 0, "the slow drive is empty");
    if (slow->bed->slept < slow->bed->busy_until)
        return pd_error_set(err, PD_NOT_READY, 0, "the slow drive threads its tape");
    return pd_drive_load(slow->inner, medium, err);
}

static enum pd_status slow_unload(void *impl, struct pd_error *err)
{
    return pd_drive_unload(((struct slow *)impl)->inner, err);
}

static enum pd_status slow_status(void *impl, struct pd_drive_status *out, struct pd_error *err)
{
    return pd_drive_status(((struct slow *)impl)->inner, out, err);
}

static enum pd_status slow_read(void *impl, void *buf, size_t size, size_t *got,
                                struct pd_error *err)
{
    return pd_drive_read(((struct slow *)impl)->inner, buf, size, got, err);
}

static enum pd_status slow_write(void *impl, const void *buf, size_t len, bool *early,
                                 struct pd_error *err)
{
    return pd_drive_write(((struct slow *)impl)->inner, buf, len, early, err);
}

static enum pd_status slow_marks(void *impl, unsigned count, bool immediate, struct pd_error *err)
{
    return pd_drive_marks(((struct slow *)impl)->inner, count, immediate, err);
}

static enum pd_status slow_space(void *impl, enum pd_space_kind kind, int64_t count,
                                 struct pd_error *err)
{
    return pd_drive_space(((struct slow *)impl)->inner, kind, count, err);
}

static enum pd_status slow_rewind(void *impl, struct pd_error *err)
{
    return pd_drive_rewind(((struct slow *)impl)->inner, err);
}

static enum pd_status slow_end(void *impl, struct pd_error *err)
{
    return pd_drive_end(((struct slow *)impl)->inner, err);
}

static enum pd_status slow_tell(void *impl, struct pd_drive_pos *out, struct pd_error *err)
{
    return pd_drive_tell(((struct slow *)impl)->inner, out, err);
}

static enum pd_status slow_locate(void *impl, uint64_t object, struct pd_error *err)
{
    return pd_drive_locate(((struct slow *)impl)->inner, object, err);
}

static enum pd_status slow_close(void *impl, struct pd_error *err)
{
    struct slow *slow = impl;
    enum pd_status status = pd_drive_close(slow->inner, err);

    free(slow);
    return status;
}

static const struct pd_drive_ops slow_ops = {
    .name = "slow",
    .load = slow_load,
    .unload = slow_unload,
    .status = slow_status,
    .read = slow_read,
    .write = slow_write,
    .marks = slow_marks,
    .space = slow_space,
    .rewind = slow_rewind,
    .end = slow_end,
    .tell = slow_tell,
    .locate = slow_locate,
    .close = slow_close,
};

/* ---- the library ---- */

/* The drive behind is DIR/FOLDER. */
static void open_drive(struct bed *bed, const char *folder, uint32_t number)
{
    const struct pd_drive_library_options options = {
        .changer = bed->url, .drive = number, .name = "/dev/slow"};
    struct slow *slow = calloc(1, sizeof(*slow));
    char *dir = ml_text("%s/%s", bed->dir, folder);
    struct pd_drive *inner = NULL;

    assert_non_null(slow);
    slow->bed = bed;
    OK(pd_drive_mock_open(dir, NULL, &slow->inner, &err));
    OK(pd_drive_new(&slow_ops, slow, &inner, &err));
    OK(pd_drive_library_open(&bed->env, inner, &options, &bed->drive, &err));
    free(dir);
}

static void reopen(struct bed *bed, const char *folder, uint32_t number)
{
    OK(pd_drive_close(bed->drive, &err));
    open_drive(bed, folder, number);
}

/* lines: as ml_library takes them. */
static void set_up(struct bed *bed, const char *lines)
{
    memset(bed, 0, sizeof(*bed));
    bed->clock = *pd_clock_real();
    bed->clock.monotonic = look;
    bed->clock.sleep = sleep_on;
    bed->clock.self = bed;
    bed->stop.flag = &bed->flag;
    bed->env.clock = &bed->clock;
    bed->env.stop = &bed->stop;
    pd_progress_init(&bed->progress);
    bed->env.progress = &bed->progress;
    OK(pd_log_new(hear, bed, PD_LOG_INFO, &bed->env.log, &err));
    bed->dir = ml_folder();
    bed->state = ml_text("%s/library", bed->dir);
    bed->control = ml_text("%s.do", bed->state);
    bed->calls = ml_text("%s.calls", bed->state);
    bed->hangs = ml_text("%s.hangs", bed->state);
    bed->robot = ml_text("%s/robot", bed->dir);
    bed->url = ml_library(bed->dir, lines);
    open_drive(bed, "0", 0);
}

static void tear_down(struct bed *bed)
{
    OK(pd_drive_close(bed->drive, &err));
    pd_log_free(bed->env.log);
    free(bed->said);
    free(bed->state);
    free(bed->control);
    free(bed->calls);
    free(bed->hangs);
    free(bed->robot);
    free(bed->url);
    ml_remove(bed->dir);
}

/* The library's word: "slot 3 full - PD0001L6" is a line of its. */
static void shows(struct bed *bed, const char *line)
{
    char *text = get(bed->state);

    if (strstr(text, line) == NULL)
        fail_msg("no \"%s\" in:\n%s", line, text);
    free(text);
}

static void said(struct bed *bed, const char *part)
{
    if (bed->said == NULL || strstr(bed->said, part) == NULL)
        fail_msg("no \"%s\" in:\n%s", part, bed->said != NULL ? bed->said : "");
}

static size_t count_calls(struct bed *bed, const char *call)
{
    char *text = get(bed->calls);
    size_t count = 0;

    for (char *at = text; (at = strstr(at, call)) != NULL; at++)
        count += at == text || at[-1] == '\n';
    free(text);
    return count;
}

static void refuses(struct bed *bed, const char *label, enum pd_status wanted, const char *part)
{
    struct pd_drive_status status;
    struct pd_error why = PD_ERROR_INIT;

    ml_is(pd_drive_load(bed->drive, label, &why), wanted, &why, label, __LINE__);
    assert_int_equal(why.status, wanted);
    if (strstr(why.message, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why.message, part);
    OK(pd_drive_status(bed->drive, &status, &err));
    assert_false(status.loaded);
}

static void holds(struct bed *bed, const char *barcode, bool seen)
{
    struct pd_drive_status status;

    OK(pd_drive_status(bed->drive, &status, &err));
    assert_true(status.loaded);
    assert_int_equal(status.seen, seen);
    assert_string_equal(status.medium, barcode);
}

static void write_text(struct bed *bed, const char *text)
{
    bool early;

    OK(pd_drive_write(bed->drive, text, strlen(text), &early, &err));
    OK(pd_drive_marks(bed->drive, 1, false, &err));
}

static void reads_text(struct bed *bed, const char *text)
{
    char buf[64];
    size_t got = 0;

    OK(pd_drive_read(bed->drive, buf, sizeof(buf), &got, &err));
    assert_int_equal(got, strlen(text));
    assert_memory_equal(buf, text, got);
}

/* As an earlier run left it: its mock drive has not given the cartridge free. */
static void hold(struct bed *bed, const char *drive, const char *barcode)
{
    char *path = ml_text("%s/%s/loaded", bed->dir, drive);

    put(path, barcode);
    free(path);
}

#define SMALL                                                                                      \
    "drive 0 empty - -\n"                                                                          \
    "drive 1 empty - -\n"                                                                          \
    "slot 1 full - PD0001L6\n"                                                                     \
    "slot 2 full - PD0002L6\n"                                                                     \
    "slot 3 empty - -\n"                                                                           \
    "port 4 full - PD0004L6\n"

static void cartridges_come_and_go(void **state)
{
    struct bed bed;

    (void)state;
    set_up(&bed, SMALL);
    refuses(&bed, NULL, PD_NO_MEDIUM, "drive 0 is empty");
    OK(pd_drive_unload(bed.drive, &err));
    OK(pd_drive_load(bed.drive, "PD0001", &err));
    holds(&bed, "PD0001L6", true);
    shows(&bed, "drive 0 full 1 PD0001L6");
    said(&bed, "note: PD0001: slot 1 -> drive 0\n");
    write_text(&bed, "one");
    OK(pd_drive_load(bed.drive, "PD0001", &err)); /* again: from the start, and nothing moves */
    assert_int_equal(count_calls(&bed, "load"), 1);
    reads_text(&bed, "one");
    OK(pd_drive_load(bed.drive, NULL, &err));
    reads_text(&bed, "one");
    OK(pd_drive_load(bed.drive, "PD0004", &err)); /* from an import/export slot */
    shows(&bed, "slot 1 full - PD0001L6");
    shows(&bed, "drive 0 full 4 PD0004L6");
    said(&bed, "note: PD0001: drive 0 -> slot 1\nnote: PD0004: port 4 -> drive 0\n");
    write_text(&bed, "four");
    OK(pd_drive_unload(bed.drive, &err));
    shows(&bed, "port 4 full - PD0004L6"); /* where it came from */
    OK(pd_drive_unload(bed.drive, &err));
    refuses(&bed, NULL, PD_NO_MEDIUM, "drive 0 is empty");
    OK(pd_drive_load(bed.drive, "PD0001", &err));
    reads_text(&bed, "one");
    tear_down(&bed);
}

static void what_an_earlier_run_left(void **state)
{
    struct bed bed;

    (void)state;
    set_up(&bed, SMALL);
    OK(pd_drive_load(bed.drive, "PD0001", &err));
    write_text(&bed, "one");
    reopen(&bed, "0", 0); /* stays in the drive */
    shows(&bed, "drive 0 full 1 PD0001L6");
    OK(pd_drive_load(bed.drive, NULL, &err));
    holds(&bed, "PD0001L6", false); /* the changer says so; it was not seen to come */
    reads_text(&bed, "one");
    reopen(&bed, "0", 0);
    OK(pd_drive_load(bed.drive, "PD0001", &err));
    holds(&bed, "PD0001L6", false);
    assert_int_equal(count_calls(&bed, "load"), 1);
    reopen(&bed, "0", 0);
    OK(pd_drive_load(bed.drive, "PD0002", &err)); /* the drive held the other one */
    holds(&bed, "PD0002L6", true);
    shows(&bed, "slot 1 full - PD0001L6");
    reopen(&bed, "0", 0);
    OK(pd_drive_unload(bed.drive, &err));
    shows(&bed, "slot 2 full - PD0002L6");
    tear_down(&bed);
}

static void labels_of_barcodes(void **state)
{
    static const struct {
        const char *barcode, *label; /* NULL: none */
    } cases[] = {
        {"PD0001L6", "PD0001"},
        {"PD100001L6", "PD100001"},
        {"PD100001", "PD100001"},
        {"PD100001LT", "PD100001"},
        {"A", "A"},
        {"L6", "L6"},
        {"AL6", "A"},
        {"ABCD", "AB"},
        {"PD0001l6", NULL},
        {"PD0001L", "PD0001L"},
        {"PD1000012", NULL},
        {"PD1000012L6", NULL},
        {"", NULL},
        {"CLN001L1", NULL},
        {"CLNU01L1", NULL},
        {"PD 001L6", NULL},
        {"pd0001L6", NULL},
        {"PD-0_1M8", "PD-0_1"},
        {"123456789012345678901234567890123456", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char label[PD_LABEL_TEXT] = "before";
        bool has = pd_drive_library_label(cases[i].barcode, label);

        if (has != (cases[i].label != NULL))
            fail_msg("%s: %s", cases[i].barcode, label);
        if (has)
            assert_string_equal(label, cases[i].label);
    }
}

static enum pd_status collect(void *arg, const char *label, struct pd_error *err)
{
    if (strcmp(label, "STOP") == 0)
        return pd_error_set(err, PD_SKIPPED, 0, "stopped");
    return pd_buf_printf(arg, "%s ", label);
}

static void all_are_named(void **state)
{
    struct pd_buf names = PD_BUF_INIT;
    struct pd_drive_library_options options = {0};
    struct bed bed;
    void *media = NULL;

    (void)state;
    set_up(&bed, "drive 0 full 3 PD0003L6\ndrive 1 empty - -\nslot 1 full - PD0001L6\n"
                 "slot 2 full - CLN001L1\nslot 3 empty - -\nslot 4 full - -\n"
                 "slot 5 full - NOTALABELX1\nport 6 full - PD100009\n");
    options.changer = bed.url;
    OK(pd_drive_library_media_new(&bed.env, &options, &media, &err));
    OK(pd_drive_library_media(media, collect, &names, &err));
    assert_string_equal(names.data, "PD0003 PD0001 PD100009 ");
    put(bed.control, "say no such luck\n");
    IS(pd_drive_library_media(media, collect, &names, &err), PD_NOT_READY);
    put(bed.state, "drive 0 empty - -\nslot 1 full - STOPL6\nslot 2 full - PD0001L6\n");
    put(bed.control, "\n");
    pd_buf_clear(&names);
    IS(pd_drive_library_media(media, collect, &names, &err), PD_SKIPPED);
    assert_int_equal(names.len, 0);
    pd_drive_library_media_free(media);
    pd_drive_library_media_free(NULL);
    pd_buf_free(&names);
    options.changer = "mtx";
    IS(pd_drive_library_media_new(&bed.env, &options, &media, &err), PD_USAGE);
    assert_null(media);
    tear_down(&bed);
}

static void what_is_not_there(void **state)
{
    struct bed bed;

    (void)state;
    set_up(&bed, "drive 0 empty - -\ndrive 1 full 3 PD0003L7\nslot 1 full - PD0001L6\n"
                 "slot 2 full - CLN001L1\nslot 3 empty - -\nslot 4 full - PD0003L6\n"
                 "slot 5 full - PD0001\nslot 6 full - PD000001L6\n");
    refuses(&bed, "PD0009", PD_NOT_FOUND, "no cartridge in the library has the barcode of PD0009");
    refuses(&bed, "CLN001", PD_NOT_FOUND, "CLN001");
    refuses(&bed, "CLN001L1", PD_NOT_FOUND, "CLN001L1");
    refuses(&bed, "PD0003L6", PD_NOT_FOUND, "PD0003L6"); /* a barcode is no label */
    refuses(&bed, "PD0003", PD_EXISTS,
            "two cartridges are PD0003: PD0003L7 in drive 1 and PD0003L6 in slot 4");
    refuses(&bed, "PD0001", PD_EXISTS, "PD0001L6 in slot 1 and PD0001 in slot 5");
    assert_int_equal(count_calls(&bed, "load"), 0);
    assert_int_equal(count_calls(&bed, "unload"), 0);
    tear_down(&bed);

    set_up(&bed, SMALL "slot 5 full - -\n");
    refuses(&bed, "PD0009", PD_NOT_FOUND, "of 1 the barcode cannot be read");
    tear_down(&bed);
}

static void tell_barcodes(struct bed *bed)
{
    char *text = get(bed->state);

    for (char *at = text; (at = strstr(at, "full - -")) != NULL; at++)
        at[7] = '1';
    put(bed->state, text);
    free(text);
}

/* Barcodes that are told only later: the library was still reading them. */
static void barcodes_come_late(void **state)
{
    struct bed bed;

    (void)state;
    set_up(&bed, "drive 0 empty - -\nslot 1 full - -\n");
    bed.act = tell_barcodes;
    bed.act_at = 6 * S;
    refuses(&bed, "PD0001", PD_NOT_FOUND, "PD0001");
    assert_int_equal(count_calls(&bed, "status"), 3);
    tear_down(&bed);

    set_up(&bed, "drive 0 empty - -\nslot 1 full - -\n");
    refuses(&bed, "PD0001", PD_NOT_FOUND, "of 1 the barcode cannot be read");
    assert_int_equal(count_calls(&bed, "status"), 4);
    tear_down(&bed);
}

static void where_it_is_put(void **state)
{
    static const struct {
        const char *lines, *wanted; /* NULL: nowhere */
    } cases[] = {
        /* its own slot */
        {"drive 0 full 2 PD0009L6\ndrive 1 empty - -\nslot 1 empty - -\nslot 2 empty - -\n"
         "slot 3 full - PD0001L6\nport 4 empty - -\n",
         "slot 2 full - PD0009L6"},
        /* taken: another, but not that of a cartridge in a drive */
        {"drive 0 full 3 PD0009L6\ndrive 1 full 1 PD0005L6\nslot 1 empty - -\nslot 2 empty - -\n"
         "slot 3 full - PD0001L6\nport 4 empty - -\n",
         "slot 2 full - PD0009L6"},
        /* unless there is no other */
        {"drive 0 full 3 PD0009L6\ndrive 1 full 1 PD0005L6\nslot 1 empty - -\n"
         "slot 2 full - PD0006L6\nslot 3 full - PD0001L6\nport 4 empty - -\n",
         "slot 1 full - PD0009L6"},
        /* unknown, and never an import/export slot */
        {"drive 0 full - PD0009L6\ndrive 1 empty - -\nport 1 empty - -\nslot 2 full - PD0006L6\n"
         "slot 3 full - PD0001L6\nslot 4 empty - -\n",
         "slot 4 full - PD0009L6"},
        {"drive 0 full 3 PD0009L6\ndrive 1 empty - -\nport 1 empty - -\nslot 2 full - PD0006L6\n"
         "slot 3 full - PD0001L6\n",
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bed bed;

        set_up(&bed, cases[i].lines);
        hold(&bed, "0", "PD0009L6\n");
        if (cases[i].wanted == NULL) {
            refuses(&bed, "PD0001", PD_NO_SPACE, "no slot is free for PD0009 in drive 0");
            IS(pd_drive_unload(bed.drive, &err), PD_NO_SPACE);
            assert_int_equal(count_calls(&bed, "unload"), 0);
        } else {
            OK(pd_drive_load(bed.drive, "PD0001", &err));
            shows(&bed, cases[i].wanted);
            shows(&bed, "drive 0 full 3 PD0001L6");
        }
        tear_down(&bed);
    }
}

#define ELSEWHERE                                                                                  \
    "drive 0 full 1 PD0001L6\n"                                                                    \
    "drive 1 full 2 PD0002L6\n"                                                                    \
    "slot 1 empty - -\n"                                                                           \
    "slot 2 empty - -\n"

static void it_lies_in_another_drive(void **state)
{
    struct bed bed;

    (void)state;
    set_up(&bed, ELSEWHERE);
    OK(pd_drive_load(bed.drive, "PD0002", &err)); /* nobody uses it */
    holds(&bed, "PD0002L6", true);
    shows(&bed, "drive 0 full 2 PD0002L6");
    shows(&bed, "drive 1 empty - -");
    shows(&bed, "slot 1 full - PD0001L6");
    said(&bed, "note: PD0002: drive 1 -> slot 2\nnote: PD0001: drive 0 -> slot 1\n"
               "note: PD0002: slot 2 -> drive 0\n");
    tear_down(&bed);

    set_up(&bed, ELSEWHERE);
    hold(&bed, "1", "PD0002L6\n");
    refuses(&bed, "PD0002", PD_BUSY, "PD0002 lies in drive 1, which does not give it free");
    shows(&bed, "drive 0 full 1 PD0001L6"); /* for nothing else was moved */
    OK(pd_drive_load(bed.drive, "PD0001", &err));
    tear_down(&bed);
}

static void the_drive_is_another(void **state)
{
    struct bed bed;
    struct pd_error why = PD_ERROR_INIT;
    bool early;

    (void)state;
    /* the changer fills drive 1, and behind is drive 0 */
    set_up(&bed, SMALL);
    reopen(&bed, "0", 1);
    refuses(
        &bed, "PD0001", PD_NO_MEDIUM,
        "PD0001 lies in drive 1, says the changer, but /dev/slow has no medium: either drive=1");
    assert_in_range(bed.slept, 60 * S, 70 * S);
    refuses(&bed, NULL, PD_NO_MEDIUM, "drive=1 is the number of another drive");
    /* which has one of its own */
    hold(&bed, "1", "PD0001L6\n");
    assert_int_equal(pd_drive_unload(bed.drive, &why), PD_NO_MEDIUM);
    assert_non_null(strstr(why.message, "drive=1"));
    tear_down(&bed);

    set_up(&bed, "drive 0 full 1 PD0001L6\ndrive 1 empty - -\nslot 1 empty - -\n"
                 "slot 2 full - PD0002L6\n");
    reopen(&bed, "0", 1);
    refuses(&bed, "PD0002", PD_CONFIG, "drive 1 is empty, says the changer, but /dev/slow has");
    refuses(&bed, NULL, PD_CONFIG, "drive=1 is the number of another drive");
    shows(&bed, "slot 2 full - PD0002L6");
    IS(pd_drive_write(bed.drive, "x", 1, &early, &err), PD_NO_MEDIUM);
    tear_down(&bed);

    set_up(&bed, SMALL);
    reopen(&bed, "0", 7);
    refuses(&bed, "PD0001", PD_CONFIG, "the changer has 2 drives, counted from 0");
    refuses(&bed, NULL, PD_CONFIG, "there is no drive=7");
    IS(pd_drive_unload(bed.drive, &err), PD_CONFIG);
    tear_down(&bed);
}

static void refusals_may_pass(void **state)
{
    static const struct {
        const char *how;
        enum pd_status wanted; /* PD_OK: in the end */
        size_t loads;
        const char *part; /* of the message, or of the log */
    } cases[] = {
        {"once at load sense Not_Ready 04 01\n", PD_OK, 2, "info: cmd:"},
        {"once at load sense Unit_Attention 28 00\n", PD_OK, 2, "info: cmd:"},
        {"once at status sense Unit_Attention 28 00\n", PD_OK, 1, "slot 1 -> drive 0"},
        {"at load sense Not_Ready 04 01\n", PD_NOT_READY, 4, "Failed (Not Ready, sense 04/01)"},
        {"at load sense Unit_Attention 28 00\n", PD_AGAIN, 4, "sense 28/00"},
        {"at status sense Not_Ready 04 01\n", PD_NOT_READY, 0, "status: not ready"},
        /* that is final, and says nothing of the cartridge's data */
        {"at load sense Hardware_Error 15 01\n", PD_NOT_READY, 1, "sense 15/01"},
        {"at load sense Illegal_Request 30 00\n", PD_NOT_READY, 1, "does not take that medium"},
        {"at load signal 9\n", PD_NOT_READY, 1, "ended by signal 9"},
        {"at status status /etc/hostname\n", PD_NOT_READY, 0,
         "line 1: not the first line of a status"},
        {"at status say cannot open SCSI device '/dev/sg2' - Permission denied\n", PD_DENIED, 0,
         "no permission"},
        /* done, though it failed */
        {"once at load late sense Hardware_Error 15 01\n", PD_OK, 1, "warning: cmd:"},
        {"once at load late signal 9\n", PD_OK, 1, "the move was made all the same"},
        {"once at load late sense Unit_Attention 28 00\n", PD_OK, 1,
         "the move was made all the same\nnote: PD0001: slot 1 -> drive 0"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bed bed;

        set_up(&bed, SMALL);
        put(bed.control, cases[i].how);
        if (cases[i].wanted != PD_OK) {
            refuses(&bed, "PD0001", cases[i].wanted, cases[i].part);
            shows(&bed, "slot 1 full - PD0001L6");
        } else {
            OK(pd_drive_load(bed.drive, "PD0001", &err));
            holds(&bed, "PD0001L6", true);
            said(&bed, cases[i].part);
        }
        assert_int_equal(count_calls(&bed, "load"), cases[i].loads);
        tear_down(&bed);
    }
}

static void unloading_is_refused(void **state)
{
    struct pd_error why = PD_ERROR_INIT;
    struct bed bed;

    (void)state;
    set_up(&bed, SMALL);
    OK(pd_drive_load(bed.drive, "PD0001", &err));
    write_text(&bed, "one");
    put(bed.control, "at unload sense Hardware_Error 15 01\n");
    assert_int_equal(pd_drive_unload(bed.drive, &why), PD_NOT_READY);
    assert_non_null(strstr(why.message, "sense 15/01"));
    shows(&bed, "drive 0 full 1 PD0001L6");
    refuses(&bed, "PD0002", PD_NOT_READY, "sense 15/01"); /* there is no place for it */
    put(bed.control, "once late at unload sense Hardware_Error 15 01\n");
    OK(pd_drive_unload(bed.drive, &err)); /* done all the same */
    shows(&bed, "slot 1 full - PD0001L6");
    OK(pd_drive_load(bed.drive, "PD0001", &err));
    reads_text(&bed, "one");
    tear_down(&bed);
}

/* Not for the 1000 s that the robot does. */
static void nothing_hangs(void **state)
{
    struct bed bed;

    (void)state;
    set_up(&bed, SMALL);
    put(bed.control, "at load hang\n");
    refuses(&bed, "PD0001", PD_HUNG, "did not end within 10:00");
    assert_int_equal(count_calls(&bed, "load"), 1); /* what it does now nobody knows */
    put(bed.control, "at status hang\n");
    refuses(&bed, "PD0001", PD_HUNG, "did not end within 1:00");
    tear_down(&bed);

    set_up(&bed, SMALL);
    put(bed.control, "once at load late hang\n");
    OK(pd_drive_load(bed.drive, "PD0001", &err));
    said(&bed, "did not end within");
    holds(&bed, "PD0001L6", true);
    tear_down(&bed);
}

/* The changer says it is done, and shows that it is not. */
static void it_does_not_come(void **state)
{
    struct bed bed;
    char *mock = realpath("tests/lib/mock-mtx", NULL), *text;

    (void)state;
    set_up(&bed, SMALL);
    text = ml_text("#!/bin/sh\n[ \"$1\" = load ] || exec '%s' -f '%s' \"$@\"\n", mock, bed.state);
    put(bed.robot, text);
    refuses(&bed, "PD0001", PD_NOT_READY, "shows it elsewhere; look at it");
    free(text);
    free(mock);
    tear_down(&bed);
}

static void let_go(struct bed *bed)
{
    assert_int_equal(close(bed->lock_fd), 0);
}

static void stop(struct bed *bed)
{
    bed->flag = 1;
}

static void one_mover_at_a_time(void **state)
{
    struct bed bed;

    (void)state;
    set_up(&bed, SMALL);
    bed.lock_fd = open(bed.robot, O_RDONLY | O_CLOEXEC);
    assert_true(bed.lock_fd >= 0);
    assert_int_equal(flock(bed.lock_fd, LOCK_EX), 0);
    refuses(&bed, "PD0001", PD_BUSY, "another run has kept the changer cmd:");
    assert_in_range(bed.slept, 29 * 60 * S, 31 * 60 * S);
    assert_int_equal(count_calls(&bed, "status"), 0); /* not even asked */
    bed.act = stop;
    bed.act_at = bed.slept + 10 * S;
    refuses(&bed, "PD0001", PD_INTERRUPTED, "stopped");
    bed.flag = 0;
    bed.act = let_go;
    bed.act_at = bed.slept + 10 * S;
    OK(pd_drive_load(bed.drive, "PD0001", &err));
    said(&bed, "waiting for another run that moves cartridges");
    /* and it is given back */
    bed.lock_fd = open(bed.robot, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(bed.lock_fd, LOCK_EX | LOCK_NB), 0);
    let_go(&bed);
    put(bed.control, "at unload say no\n");
    refuses(&bed, "PD0002", PD_NOT_READY, "no");
    bed.lock_fd = open(bed.robot, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(bed.lock_fd, LOCK_EX | LOCK_NB), 0);
    let_go(&bed);
    tear_down(&bed);
}

static void drives_take_their_time(void **state)
{
    struct bed bed;

    (void)state;
    set_up(&bed, SMALL);
    bed.empty_until = 40 * S;
    bed.busy_until = 250 * S;
    OK(pd_drive_load(bed.drive, "PD0001", &err));
    assert_in_range(bed.slept, 250 * S, 260 * S);
    tear_down(&bed);

    set_up(&bed, SMALL);
    bed.busy_until = UINT64_MAX;
    reopen(&bed, "0", 0);
    OK(pd_drive_unload(bed.drive, &err));
    refuses(&bed, "PD0001", PD_NOT_READY, "threads its tape"); /* before anything is moved */
    shows(&bed, "slot 1 full - PD0001L6");
    bed.busy_until = 0;
    OK(pd_drive_load(bed.drive, "PD0001", &err));
    OK(pd_drive_unload(bed.drive, &err));
    bed.busy_until = UINT64_MAX;
    bed.slept = 0;
    refuses(&bed, "PD0001", PD_NOT_READY, "threads its tape");
    assert_in_range(bed.slept, 300 * S, 310 * S);
    bed.act = stop;
    bed.act_at = bed.slept + 10 * S;
    refuses(&bed, "PD0001", PD_INTERRUPTED, "stopped");
    bed.flag = 0;
    tear_down(&bed);
}

static void stopped_between_moves(void **state)
{
    struct bed bed;

    (void)state;
    set_up(&bed, SMALL);
    put(bed.control, "at load sense Not_Ready 04 01\n");
    bed.act = stop;
    bed.act_at = 1;
    refuses(&bed, "PD0001", PD_INTERRUPTED, "stopped");
    assert_int_equal(count_calls(&bed, "load"), 1);
    bed.flag = 0;
    tear_down(&bed);
}

static void what_cannot_be_opened(void **state)
{
    const struct pd_drive_library_options options = {.changer = "cmd:/nowhere/at/all",
                                                     .name = "/dev/slow"};
    struct pd_drive *inner = NULL, *drive = NULL;
    char *dir = ml_folder();

    (void)state;
    OK(pd_drive_mock_open(dir, NULL, &inner, &err));
    IS(pd_drive_library_open(ml_env(), inner, &options, &drive, &err), PD_NOT_FOUND);
    assert_null(drive);
    OK(pd_drive_mock_open(dir, NULL, &inner, &err)); /* it was closed */
    OK(pd_drive_close(inner, &err));
    ml_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cartridges_come_and_go), cmocka_unit_test(what_an_earlier_run_left),
        cmocka_unit_test(labels_of_barcodes),     cmocka_unit_test(all_are_named),
        cmocka_unit_test(what_is_not_there),      cmocka_unit_test(barcodes_come_late),
        cmocka_unit_test(where_it_is_put),        cmocka_unit_test(it_lies_in_another_drive),
        cmocka_unit_test(the_drive_is_another),   cmocka_unit_test(refusals_may_pass),
        cmocka_unit_test(unloading_is_refused),   cmocka_unit_test(nothing_hangs),
        cmocka_unit_test(it_does_not_come),       cmocka_unit_test(one_mover_at_a_time),
        cmocka_unit_test(drives_take_their_time), cmocka_unit_test(stopped_between_moves),
        cmocka_unit_test(what_cannot_be_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
