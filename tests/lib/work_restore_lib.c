#include "work_restore_lib.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "target_lib.h"

static void silent(void *arg, enum pd_log_level level, const char *line)
{
    (void)arg;
    (void)level;
    (void)line;
}

void restore_lib_env_start(struct restore_lib_env *e)
{
    const uint64_t seed = 7;
    struct pd_error err = PD_ERROR_INIT;

    memset(e, 0, sizeof(*e));
    pd_progress_init(&e->progress);
    e->stop.flag = &e->stopped;
    e->env.clock = pd_clock_real();
    e->env.progress = &e->progress;
    e->env.stop = &e->stop;
    assert_int_equal(pd_log_new(silent, NULL, PD_LOG_ERROR, &e->env.log, &err), PD_OK);
    assert_int_equal(pd_rng_new(&seed, &e->env.rng, &err), PD_OK);
}

void restore_lib_env_end(struct restore_lib_env *e)
{
    pd_log_free(e->env.log);
    pd_rng_free(e->env.rng);
}

static enum pd_status do_volumes(void *impl, pd_volume_fn fn, void *arg, struct pd_error *err)
{
    const struct restore_lib_volume *volume = impl;

    return fn(arg, volume->label, err);
}

static enum pd_status do_mount(void *impl, const char *label, struct pd_label *out,
                               struct pd_error *err)
{
    const struct restore_lib_volume *volume = impl;

    (void)label;
    (void)err;
    memset(out, 0, sizeof(*out));
    snprintf(out->label, sizeof(out->label), "%s", volume->label);
    out->block_size = volume->record_size;
    return PD_OK;
}

static enum pd_status do_position(void *impl, struct pd_target_position *out, struct pd_error *err)
{
    (void)impl;
    (void)err;
    out->file_count = 2;
    return PD_OK;
}

static enum pd_status do_reserve(void *impl, bool on, struct pd_error *err)
{
    (void)impl;
    (void)on;
    (void)err;
    return PD_OK;
}

static enum pd_status do_open(void *impl, uint32_t file_no, struct pd_error *err)
{
    struct restore_lib_volume *volume = impl;

    volume->opens++;
    if (volume->no_open || file_no != 1)
        return pd_error_set(err, PD_MISSING, 0, "no such tape file");
    volume->next = 0;
    return PD_OK;
}

static enum pd_status do_read(void *impl, void *buf, size_t size, size_t *got, struct pd_error *err)
{
    struct restore_lib_volume *volume = impl;
    uint64_t no = volume->next;

    volume->reads++;
    if (no >= volume->count)
        return pd_error_set(err, PD_END_OF_FILE, 0, "no more records");
    volume->next++;
    if (no >= volume->bad_from && no < volume->bad_to)
        return pd_error_set(err, PD_IO, 0, "as told");
    memcpy(buf, volume->records + no * volume->record_size, size);
    *got = size;
    return PD_OK;
}

static enum pd_status do_seek(void *impl, uint64_t record, uint64_t record_size,
                              struct pd_error *err)
{
    struct restore_lib_volume *volume = impl;

    (void)record_size;
    (void)err;
    volume->seeks++;
    volume->next = record;
    return PD_OK;
}

struct pd_target *restore_lib_target(struct restore_lib_volume *volume)
{
    static struct pd_target_ops ops;
    const struct pd_target_caps caps = {.seeks_cheaply = true};
    struct pd_error err = PD_ERROR_INIT;
    struct pd_target *target;

    if (ops.scheme == NULL) {
        ops = target_lib_ops;
        ops.volumes = do_volumes;
        ops.mount = do_mount;
        ops.position = do_position;
        ops.use_reserve = do_reserve;
        ops.open_file = do_open;
        ops.read = do_read;
        ops.seek = do_seek;
    }
    assert_int_equal(pd_target_new(&ops, volume, "memory:", caps, &target, &err), PD_OK);
    assert_int_equal(pd_target_mount(target, volume->label, &err), PD_OK);
    return target;
}

void restore_lib_close(struct pd_target *target)
{
    struct pd_error err = PD_ERROR_INIT;

    assert_int_equal(pd_target_close(target, &err), PD_OK);
}
