/* The checked calls of target.h on a driver that breaks every promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/media_lib.h"

/* What the driver answers next. */
struct liar {
    enum pd_status status;
    bool silent; /* no message */
    enum pd_status claimed;
    const char *label;
    uint32_t number;
    size_t got;
    bool closed;
};

static enum pd_status answer(struct liar *liar, struct pd_error *err)
{
    if (liar->status != PD_OK && !liar->silent)
        (void)pd_error_set(err, liar->claimed != PD_OK ? liar->claimed : liar->status, 0,
                           "because");
    return liar->status;
}

static enum pd_status lie_volumes(void *impl, pd_volume_fn fn, void *arg, struct pd_error *err)
{
    (void)fn;
    (void)arg;
    return answer(impl, err);
}

static enum pd_status lie_mount(void *impl, const char *label, struct pd_label *out,
                                struct pd_error *err)
{
    struct liar *liar = impl;

    (void)label;
    *out = ml_label(liar->label);
    return answer(impl, err);
}

static enum pd_status lie_format(void *impl, const struct pd_label *label, struct pd_error *err)
{
    (void)label;
    return answer(impl, err);
}

static enum pd_status lie_claim(void *impl, struct pd_error *err)
{
    (void)impl;
    (void)err;
    return PD_OK;
}

static enum pd_status lie_position(void *impl, struct pd_target_position *out, struct pd_error *err)
{
    struct liar *liar = impl;

    out->file_count = liar->number;
    return answer(impl, err);
}

static enum pd_status lie_begin(void *impl, const char *name, uint32_t *file_no,
                                struct pd_error *err)
{
    struct liar *liar = impl;

    (void)name;
    *file_no = liar->number;
    return answer(impl, err);
}

static enum pd_status lie_write(void *impl, const void *record, size_t len, struct pd_error *err)
{
    (void)record;
    (void)len;
    return answer(impl, err);
}

static enum pd_status lie_flag(void *impl, bool flag, struct pd_error *err)
{
    (void)flag;
    return answer(impl, err);
}

static enum pd_status lie_plain(void *impl, struct pd_error *err)
{
    return answer(impl, err);
}

static enum pd_status lie_open(void *impl, uint32_t file_no, struct pd_error *err)
{
    (void)file_no;
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

static enum pd_status lie_seek(void *impl, uint64_t record, uint64_t size, struct pd_error *err)
{
    (void)record;
    (void)size;
    return answer(impl, err);
}

static enum pd_status lie_space(void *impl, struct pd_target_space *out, struct pd_error *err)
{
    memset(out, 0, sizeof(*out));
    return answer(impl, err);
}

static enum pd_status lie_close(void *impl, struct pd_error *err)
{
    struct liar *liar = impl;

    liar->closed = true;
    return answer(impl, err);
}

static enum pd_status lie_relabel(void *impl, const char *old_uuid, const struct pd_label *label,
                                  pd_before_fn before, void *arg, struct pd_error *err)
{
    (void)old_uuid, (void)label, (void)before, (void)arg;
    return answer(impl, err);
}

static enum pd_status lie_drive(void *impl, struct pd_drive_status *out, struct pd_error *err)
{
    out->loaded = ((struct liar *)impl)->number > 0;
    return answer(impl, err);
}

static enum pd_status lie_patch(void *impl, uint32_t file_no, uint64_t record, const void *bytes,
                                size_t len, struct pd_error *err)
{
    (void)file_no, (void)record, (void)bytes, (void)len;
    return answer(impl, err);
}

static enum pd_status lie_rewrite(void *impl, uint32_t file_no, const char *name,
                                  struct pd_error *err)
{
    (void)file_no, (void)name;
    return answer(impl, err);
}

static const struct pd_target_ops lies = {
    .scheme = "liar",
    .volumes = lie_volumes,
    .mount = lie_mount,
    .may_format = lie_format,
    .format = lie_format,
    .relabel = lie_relabel,
    .claim = lie_claim,
    .position = lie_position,
    .cut = lie_open,
    .begin = lie_begin,
    .write = lie_write,
    .end = lie_flag,
    .abandon = lie_plain,
    .patch = lie_patch,
    .rewrite = lie_rewrite,
    .sync = lie_plain,
    .use_reserve = lie_flag,
    .open_file = lie_open,
    .read = lie_read,
    .seek = lie_seek,
    .close_file = lie_plain,
    .space_left = lie_space,
    .unmount = lie_plain,
    .drive = lie_drive,
    .close = lie_close,
};

static struct pd_target *make(struct liar *liar)
{
    const struct pd_target_caps caps = {.tape = true};
    struct pd_target *target = NULL;

    liar->label = "PD100001";
    liar->number = 1;
    OK(pd_target_new(&lies, liar, "liar:x", caps, &target, &err));
    assert_true(pd_target_caps(target).tape);
    return target;
}

static void test_gaps(void **state)
{
    const struct pd_target_caps caps = {.tape = true};

    (void)state;
    for (size_t at = 0; at < sizeof(lies); at += sizeof(void *)) {
        struct pd_target_ops ops = lies;
        struct pd_target *target = NULL;
        struct liar liar = {0};

        memset((char *)&ops + at, 0, sizeof(void *));
        IS(pd_target_new(&ops, &liar, "liar:x", caps, &target, &err), PD_INTERNAL);
        assert_null(target);
        assert_true(liar.closed || ops.close == NULL);
    }
}

static void test_failure_has_a_reason(void **state)
{
    struct liar liar = {0};
    struct pd_target *target = make(&liar);
    struct pd_error why = PD_ERROR_INIT;

    (void)state;
    liar.status = PD_IO;
    IS(pd_target_mount(target, "PD100001", &err), PD_IO);
    assert_int_equal(pd_target_mount(target, "PD100001", &why), PD_IO);
    assert_string_equal(why.volume, "PD100001");
    assert_int_equal(pd_target_mount(target, NULL, &why), PD_IO);
    assert_string_equal(why.volume, "liar:x");
    liar.silent = true;
    IS(pd_target_mount(target, "PD100001", &err), PD_INTERNAL);
    liar.silent = false;
    liar.claimed = PD_BLANK;
    IS(pd_target_mount(target, "PD100001", &err), PD_INTERNAL);
    liar.claimed = PD_OK;
    liar.status = (enum pd_status)4711;
    IS(pd_target_mount(target, "PD100001", &err), PD_INTERNAL);
    liar.status = PD_OK;
    liar.label = "PD100002";
    IS(pd_target_mount(target, "PD100001", &err), PD_INTERNAL);
    liar.label = "";
    IS(pd_target_mount(target, NULL, &err), PD_INTERNAL);
    assert_null(pd_target_label(target));
    ml_close(target);
}

static void test_success_has_a_result(void **state)
{
    struct liar liar = {0};
    struct pd_target *target = make(&liar);
    struct pd_target_position position;
    char *record = pd_record_alloc(ML_BLOCK);
    uint32_t number;
    size_t got;

    (void)state;
    memset(record, 0, ML_BLOCK);
    OK(pd_target_mount(target, "PD100001", &err));
    struct pd_drive_status drive;
    OK(pd_target_drive(target, &drive, &err));
    assert_null(pd_target_label(target));
    liar.number = 0;
    IS(pd_target_drive(target, &drive, &err), PD_INTERNAL);
    OK(pd_target_mount(target, "PD100001", &err));
    IS(pd_target_position(target, &position, &err), PD_INTERNAL);
    IS(pd_target_begin(target, "a", &number, &err), PD_INTERNAL);
    IS(pd_target_write(target, record, ML_BLOCK, &err), PD_INTERNAL);
    OK(pd_target_abandon(target, &err));
    OK(pd_target_open_file(target, 1, &err));
    IS(pd_target_read(target, record, ML_BLOCK, &got, &err), PD_INTERNAL);
    liar.got = ML_BLOCK + 1;
    IS(pd_target_read(target, record, ML_BLOCK * 2, &got, &err), PD_INTERNAL);
    assert_int_equal(got, 0);
    liar.got = ML_BLOCK;
    OK(pd_target_read(target, record, ML_BLOCK * 2, &got, &err));
    assert_int_equal(got, ML_BLOCK);
    liar.status = PD_IO;
    IS(pd_target_read(target, record, ML_BLOCK, &got, &err), PD_IO);
    assert_int_equal(got, 0);
    IS(pd_target_close_file(target, &err), PD_IO);
    liar.status = PD_OK;
    OK(pd_target_sync(target, &err)); /* a failed close closes all the same */
    ml_close(target);
    free(record);
}

static void test_failed_write_is_only_abandoned(void **state)
{
    struct liar liar = {0};
    struct pd_target *target = make(&liar);
    char *record = pd_record_alloc(ML_BLOCK);
    uint32_t number;

    (void)state;
    memset(record, 0, ML_BLOCK);
    OK(pd_target_mount(target, NULL, &err));
    for (int failing = 0; failing < 2; failing++) {
        OK(pd_target_begin(target, "a", &number, &err));
        liar.status = PD_IO;
        if (failing == 0)
            IS(pd_target_write(target, record, ML_BLOCK, &err), PD_IO);
        else
            IS(pd_target_end(target, true, &err), PD_IO);
        liar.status = PD_OK;
        IS(pd_target_write(target, record, ML_BLOCK, &err), PD_INTERNAL);
        IS(pd_target_end(target, true, &err), PD_INTERNAL);
        IS(pd_target_sync(target, &err), PD_INTERNAL);
        IS(pd_target_begin(target, "b", &number, &err), PD_INTERNAL);
        liar.status = PD_IO;
        IS(pd_target_abandon(target, &err), PD_IO);
        liar.status = PD_OK;
        IS(pd_target_begin(target, "b", &number, &err), PD_INTERNAL);
        OK(pd_target_abandon(target, &err));
    }
    liar.status = PD_IO;
    IS(pd_target_unmount(target, &err), PD_IO);
    assert_null(pd_target_label(target));
    IS(pd_target_close(target, &err), PD_IO);
    assert_true(liar.closed);
    OK(pd_target_close(NULL, &err));
    free(record);
}

static void test_record_alloc(void **state)
{
    (void)state;
    for (size_t size = 0; size < 10000; size += 999) {
        char *record = pd_record_alloc(size);

        assert_non_null(record);
        assert_int_equal((uintptr_t)record % PD_RECORD_ALIGN, 0);
        memset(record, 1, size);
        free(record);
    }
    assert_null(pd_record_alloc(SIZE_MAX));
    assert_null(pd_record_alloc(SIZE_MAX / 2 + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_failure_has_a_reason),
        cmocka_unit_test(test_success_has_a_result),
        cmocka_unit_test(test_failed_write_is_only_abandoned),
        cmocka_unit_test(test_record_alloc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
