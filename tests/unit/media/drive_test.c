/* The checked calls of drive.h on a driver that breaks every promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/media_lib.h"
#include "pairdump/drive.h"

struct liar {
    enum pd_status status;
    bool silent;
    size_t got;
    struct pd_drive_pos pos;
    bool endless; /* a medium name without its end */
    unsigned moves;
    bool closed;
};

static enum pd_status answer(struct liar *liar, struct pd_error *err)
{
    if (liar->status != PD_OK && !liar->silent)
        (void)pd_error_set(err, liar->status, 0, "because");
    return liar->status;
}

static enum pd_status lie_load(void *impl, const char *medium, struct pd_error *err)
{
    (void)medium;
    return answer(impl, err);
}

static enum pd_status lie_plain(void *impl, struct pd_error *err)
{
    return answer(impl, err);
}

static enum pd_status lie_status(void *impl, struct pd_drive_status *out, struct pd_error *err)
{
    struct liar *liar = impl;

    if (liar->endless)
        memset(out->medium, 'x', sizeof(out->medium));
    return answer(impl, err);
}

static enum pd_status lie_read(void *impl, void *buf, size_t size, size_t *got,
                               struct pd_error *err)
{
    struct liar *liar = impl;

    (void)buf;
    (void)size;
    *got = liar->got;
    return answer(impl, err);
}

static enum pd_status lie_write(void *impl, const void *buf, size_t len, bool *early,
                                struct pd_error *err)
{
    (void)buf;
    (void)len;
    *early = false;
    return answer(impl, err);
}

static enum pd_status lie_marks(void *impl, unsigned count, bool immediate, struct pd_error *err)
{
    (void)count;
    (void)immediate;
    return answer(impl, err);
}

static enum pd_status lie_space(void *impl, enum pd_space_kind kind, int64_t count,
                                struct pd_error *err)
{
    struct liar *liar = impl;

    (void)kind;
    (void)count;
    liar->moves++;
    return answer(impl, err);
}

static enum pd_status lie_tell(void *impl, struct pd_drive_pos *out, struct pd_error *err)
{
    struct liar *liar = impl;

    *out = liar->pos;
    return answer(impl, err);
}

static enum pd_status lie_locate(void *impl, uint64_t object, struct pd_error *err)
{
    (void)object;
    return answer(impl, err);
}

static enum pd_status lie_close(void *impl, struct pd_error *err)
{
    struct liar *liar = impl;

    liar->closed = true;
    return answer(impl, err);
}

static const struct pd_drive_ops lies = {
    .name = "liar",
    .load = lie_load,
    .unload = lie_plain,
    .status = lie_status,
    .read = lie_read,
    .write = lie_write,
    .marks = lie_marks,
    .space = lie_space,
    .rewind = lie_plain,
    .end = lie_plain,
    .tell = lie_tell,
    .locate = lie_locate,
    .close = lie_close,
};

static void test_gaps(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof(lies); at += sizeof(void *)) {
        struct pd_drive_ops ops = lies;
        struct pd_drive *drive = NULL;
        struct liar liar = {0};

        memset((char *)&ops + at, 0, sizeof(void *));
        IS(pd_drive_new(&ops, &liar, &drive, &err), PD_INTERNAL);
        assert_null(drive);
        assert_true(liar.closed || ops.close == NULL);
    }
}

static void test_failure_has_a_reason(void **state)
{
    struct liar liar = {0};
    struct pd_drive *drive = NULL;
    struct pd_drive_status status;
    struct pd_drive_pos pos;
    char buf[8] = "";
    bool early;
    size_t got;

    (void)state;
    OK(pd_drive_new(&lies, &liar, &drive, &err));
    liar.status = PD_IO;
    for (int i = 0; i < 2; i++) {
        enum pd_status wanted = i == 0 ? PD_IO : PD_INTERNAL;

        liar.silent = i == 1;
        liar.got = 5;
        IS(pd_drive_load(drive, "x", &err), wanted);
        IS(pd_drive_unload(drive, &err), wanted);
        IS(pd_drive_status(drive, &status, &err), wanted);
        IS(pd_drive_read(drive, buf, sizeof(buf), &got, &err), wanted);
        assert_int_equal(got, 0);
        IS(pd_drive_write(drive, buf, sizeof(buf), &early, &err), wanted);
        IS(pd_drive_marks(drive, 1, true, &err), wanted);
        IS(pd_drive_space(drive, PD_SPACE_FILES, 1, &err), wanted);
        IS(pd_drive_rewind(drive, &err), wanted);
        IS(pd_drive_end(drive, &err), wanted);
        IS(pd_drive_tell(drive, &pos, &err), wanted);
        IS(pd_drive_locate(drive, 0, &err), wanted);
    }
    IS(pd_drive_close(drive, &err), PD_INTERNAL);
    assert_true(liar.closed);
    OK(pd_drive_close(NULL, &err));
}

static void test_success_has_a_result(void **state)
{
    struct liar liar = {0};
    struct pd_drive *drive = NULL;
    struct pd_drive_status status;
    struct pd_drive_pos pos;
    char buf[8];
    size_t got;

    (void)state;
    OK(pd_drive_new(&lies, &liar, &drive, &err));
    IS(pd_drive_read(drive, buf, sizeof(buf), &got, &err), PD_INTERNAL);
    liar.got = sizeof(buf) + 1;
    IS(pd_drive_read(drive, buf, sizeof(buf), &got, &err), PD_INTERNAL);
    assert_int_equal(got, 0);
    liar.got = sizeof(buf);
    OK(pd_drive_read(drive, buf, sizeof(buf), &got, &err));
    IS(pd_drive_read(drive, NULL, sizeof(buf), &got, &err), PD_INTERNAL);
    IS(pd_drive_read(drive, buf, 0, &got, &err), PD_INTERNAL);
    liar.endless = true;
    IS(pd_drive_status(drive, &status, &err), PD_INTERNAL);
    OK(pd_drive_tell(drive, &pos, &err));
    assert_false(pos.known);
    liar.pos = (struct pd_drive_pos){.known = true, .file = 2, .record = 3, .object = 4};
    IS(pd_drive_tell(drive, &pos, &err), PD_INTERNAL);
    liar.pos.object = 5;
    OK(pd_drive_tell(drive, &pos, &err));
    IS(pd_drive_space(drive, (enum pd_space_kind)9, 1, &err), PD_INTERNAL);
    IS(pd_drive_space(drive, PD_SPACE_FILES, INT64_MIN, &err), PD_INTERNAL);
    OK(pd_drive_space(drive, PD_SPACE_FILES, 0, &err));
    assert_int_equal(liar.moves, 0);
    OK(pd_drive_close(drive, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_failure_has_a_reason),
        cmocka_unit_test(test_success_has_a_result),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
