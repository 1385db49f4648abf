#include "pairdump/target_fault.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "pairdump/size.h"

#define HANG_SLICE (UINT64_C(100) * 1000 * 1000) /* ns */
#define FIRST_SIZE (UINT64_C(512) << 10) /* bytes a call stands for before a volume is known */
#define SPREAD     UINT64_C(2654435761)  /* makes flips fall all over the records */
#define FAULTS_MAX 64
#define FAULT_TEXT 96

enum op { OP_OPEN, OP_WRITE, OP_READ, OP_MARK, OP_SYNC, OP_SEEK, OP_LOAD, OP_COUNT };

enum effect {
    EFFECT_NONE,
    EFFECT_EIO,
    EFFECT_ENOSPC,
    EFFECT_SHORT,
    EFFECT_FLIP,
    EFFECT_SLOW,
    EFFECT_HANG,
    EFFECT_KILL,
};

struct fault {
    enum op op;
    uint64_t first;
    bool onward; /* each call from the first on */
    enum effect effect;
    uint64_t value; /* bytes per second of slow, ns of hang */
};

struct filter {
    const struct pd_env *env;
    struct pd_target *inner;
    struct fault faults[FAULTS_MAX];
    size_t count;
    uint64_t calls[OP_COUNT];
    bool
        writing; /* inner has an open tape file, perhaps one that it does not know to have failed */
    char *copy;  /* of a record to be altered; never the caller's, the other writers read it too */
    uint64_t copy_size;
};

static const char *const op_names[OP_COUNT] = {"open", "write", "read", "mark",
                                               "sync", "seek",  "load"};

/* ---- the specification ---- */

static bool parse_op(const char *text, enum op *out)
{
    for (int op = 0; op < OP_COUNT; op++)
        if (strcmp(text, op_names[op]) == 0) {
            *out = (enum op)op;
            return true;
        }
    return false;
}

/* BYTES, or BYTES/s */
static bool parse_rate(char *text, uint64_t *out)
{
    size_t len = strlen(text);

    if (len > 2 && strcmp(text + len - 2, "/s") == 0)
        text[len - 2] = '\0';
    return pd_parse_size(text, out) && *out > 0;
}

static bool parse_effect(char *text, struct fault *out)
{
    static const struct {
        const char *name;
        enum effect effect;
    } plain[] = {{"EIO", EFFECT_EIO},
                 {"ENOSPC", EFFECT_ENOSPC},
                 {"short", EFFECT_SHORT},
                 {"flip", EFFECT_FLIP},
                 {"kill", EFFECT_KILL}};
    bool data = out->op == OP_READ || out->op == OP_WRITE;

    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        if (strcmp(text, plain[i].name) == 0) {
            out->effect = plain[i].effect;
            return data || (out->effect != EFFECT_SHORT && out->effect != EFFECT_FLIP);
        }
    if (strncmp(text, "slow=", 5) == 0) {
        out->effect = EFFECT_SLOW;
        return parse_rate(text + 5, &out->value);
    }
    out->effect = EFFECT_HANG;
    return strncmp(text, "hang=", 5) == 0 && pd_parse_duration(text + 5, &out->value);
}

/* OP@N=EFFECT; text is taken apart. */
static bool parse_fault(char *text, struct fault *out)
{
    char *count = strchr(text, '@');
    char *effect = count == NULL ? NULL : strchr(count, '=');
    size_t len;

    memset(out, 0, sizeof(*out));
    if (effect == NULL)
        return false;
    *count++ = '\0';
    *effect++ = '\0';
    len = strlen(count);
    if (len > 0 && count[len - 1] == '+') {
        out->onward = true;
        count[len - 1] = '\0';
    }
    return parse_op(text, &out->op) && pd_parse_u64(count, &out->first) && out->first > 0 &&
           parse_effect(effect, out);
}

static enum pd_status parse_spec(struct filter *filter, const char *spec, struct pd_error *err)
{
    while (true) {
        size_t len = strcspn(spec, ",");
        char text[FAULT_TEXT];

        if (filter->count == FAULTS_MAX)
            return pd_error_set(err, PD_USAGE, 0, "fault: more than %d faults", FAULTS_MAX);
        (void)snprintf(text, sizeof(text), "%.*s", (int)(len < FAULT_TEXT ? len : FAULT_TEXT),
                       spec);
        if (len >= sizeof(text) || !parse_fault(text, &filter->faults[filter->count]))
            return pd_error_set(err, PD_USAGE, 0,
                                "fault: \"%.*s\" is not OP@N=EFFECT (OP: open write read mark sync "
                                "seek load; N: 7 or 7+; EFFECT: EIO ENOSPC slow=BYTES/s "
                                "hang=SECONDS kill, for write and read also short flip)",
                                (int)(len < FAULT_TEXT ? len : FAULT_TEXT), spec);
        filter->count++;
        if (spec[len] == '\0')
            return PD_OK;
        spec += len + 1;
    }
}

/* ---- effects ---- */

/* Sleeps it out whatever signal comes, on a clock that moves by itself or by sleeping only. */
static void sleep_out(const struct filter *filter, uint64_t ns)
{
    const struct pd_clock *clock = filter->env->clock;

    while (ns > 0) {
        uint64_t slice = ns < HANG_SLICE ? ns : HANG_SLICE;
        uint64_t before = pd_clock_monotonic(clock), passed;

        pd_clock_sleep(clock, slice);
        passed = pd_clock_monotonic(clock) - before;
        if (passed == 0)
            passed = slice;
        ns -= passed < ns ? passed : ns;
    }
}

static void delay(const struct filter *filter, uint64_t bytes, uint64_t rate)
{
    /* In two steps, for bytes * 1e9 must not overflow. */
    uint64_t ns = pd_mul_sat(bytes / rate, (uint64_t)PD_NS_PER_S);
    double rest = (double)(bytes % rate) / (double)rate;

    sleep_out(filter, pd_add_sat(ns, (uint64_t)(rest * (double)PD_NS_PER_S)));
}

/* Counts the call. Delays and the kill happen here; returns what is left to do to it. */
static enum effect next_effect(struct filter *filter, enum op op, uint64_t bytes)
{
    uint64_t call = ++filter->calls[op];
    enum effect result = EFFECT_NONE;

    for (size_t i = 0; i < filter->count; i++) {
        const struct fault *fault = &filter->faults[i];
        bool onward = fault->onward || fault->effect == EFFECT_SLOW;

        if (fault->op != op || call < fault->first || (call > fault->first && !onward))
            continue;
        if (fault->effect == EFFECT_SLOW)
            delay(filter, bytes, fault->value);
        else if (fault->effect == EFFECT_HANG)
            sleep_out(filter, fault->value);
        else if (fault->effect == EFFECT_KILL)
            (void)kill(getpid(), SIGKILL);
        else if (result == EFFECT_NONE)
            result = fault->effect;
    }
    return result;
}

static uint64_t record_size(const struct filter *filter)
{
    const struct pd_label *label = pd_target_label(filter->inner);

    return label == NULL ? FIRST_SIZE : label->block_size;
}

static enum pd_status fail(const struct filter *filter, enum op op, enum effect effect,
                           struct pd_error *err)
{
    enum pd_status full = op == OP_WRITE ? PD_VOLUME_FULL : PD_NO_SPACE;

    return pd_error_set(err, effect == EFFECT_ENOSPC ? full : PD_IO,
                        effect == EFFECT_ENOSPC ? ENOSPC : EIO, "injected fault at %s %" PRIu64,
                        op_names[op], filter->calls[op]);
}

/* For the operations that carry no data: PD_OK to go on. */
static enum pd_status gate(struct filter *filter, enum op op, struct pd_error *err)
{
    enum effect effect = next_effect(filter, op, record_size(filter));

    return effect == EFFECT_NONE ? PD_OK : fail(filter, op, effect, err);
}

static void flip(char *data, size_t len, uint64_t call)
{
    uint64_t bit = call * SPREAD % (len * 8);

    data[bit / 8] ^= (char)(1u << bit % 8);
}

/* ---- slots ---- */

static enum pd_status fault_volumes(void *impl, pd_volume_fn fn, void *arg, struct pd_error *err)
{
    struct filter *filter = impl;

    return pd_target_volumes(filter->inner, fn, arg, err);
}

/* A tape file that this filter made fail is still a good one to inner. */
static enum pd_status drop_output(struct filter *filter, struct pd_error *err)
{
    enum pd_status status = filter->writing ? pd_target_abandon(filter->inner, err) : PD_OK;

    if (status == PD_OK)
        filter->writing = false;
    return status;
}

static enum pd_status fault_mount(void *impl, const char *label, struct pd_label *out,
                                  struct pd_error *err)
{
    struct filter *filter = impl;
    enum pd_status status = gate(filter, OP_LOAD, err);

    if (status == PD_OK)
        status = drop_output(filter, err);
    if (status == PD_OK)
        status = pd_target_mount(filter->inner, label, err);
    if (status == PD_OK)
        *out = *pd_target_label(filter->inner);
    return status;
}

static enum pd_status fault_may_format(void *impl, const struct pd_label *label,
                                       struct pd_error *err)
{
    struct filter *filter = impl;

    return pd_target_may_format(filter->inner, label, err);
}

static enum pd_status fault_format(void *impl, const struct pd_label *label, struct pd_error *err)
{
    struct filter *filter = impl;
    enum pd_status status = gate(filter, OP_LOAD, err);

    return status == PD_OK ? pd_target_format(filter->inner, label, err) : status;
}

struct between {
    struct filter *filter;
    pd_before_fn before;
    void *arg;
};

/* What fails here fails the first write to the medium. */
static enum pd_status pass_between(void *arg, struct pd_error *err)
{
    const struct between *between = arg;
    enum pd_status status = between->before(between->arg, err);

    return status == PD_OK ? gate(between->filter, OP_WRITE, err) : status;
}

static enum pd_status fault_relabel(void *impl, const char *old_uuid, const struct pd_label *label,
                                    pd_before_fn before, void *arg, struct pd_error *err)
{
    struct filter *filter = impl;
    struct between between = {filter, before, arg};
    enum pd_status status = gate(filter, OP_LOAD, err);

    if (status == PD_OK)
        status = pd_target_relabel(filter->inner, old_uuid, label, pass_between, &between, err);
    return status == PD_OK ? gate(filter, OP_MARK, err) : status;
}

static enum pd_status fault_position(void *impl, struct pd_target_position *out,
                                     struct pd_error *err)
{
    struct filter *filter = impl;

    return pd_target_position(filter->inner, out, err);
}

static enum pd_status fault_cut(void *impl, uint32_t file_no, struct pd_error *err)
{
    struct filter *filter = impl;

    return pd_target_cut(filter->inner, file_no, err);
}

static enum pd_status fault_begin(void *impl, const char *name, uint32_t *file_no,
                                  struct pd_error *err)
{
    struct filter *filter = impl;
    enum pd_status status = pd_target_begin(filter->inner, name, file_no, err);

    filter->writing = status == PD_OK;
    return status;
}

static enum pd_status copy_record(struct filter *filter, const void *record, size_t len,
                                  struct pd_error *err)
{
    if (filter->copy_size < len) {
        free(filter->copy);
        filter->copy = pd_record_alloc(len);
        filter->copy_size = filter->copy == NULL ? 0 : len;
    }
    if (filter->copy == NULL)
        return pd_error_memory(err, "a record");
    memcpy(filter->copy, record, len);
    return PD_OK;
}

/* The record, altered as the fault of this write says: the caller's stays as it is. */
static enum pd_status alter(struct filter *filter, enum effect effect, const void *record,
                            size_t len, struct pd_error *err)
{
    enum pd_status status = copy_record(filter, record, len, err);

    if (status != PD_OK)
        return status;
    if (effect == EFFECT_FLIP)
        flip(filter->copy, len, filter->calls[OP_WRITE]);
    else
        memset(filter->copy + len / 2, 0, len - len / 2);
    return PD_OK;
}

static enum pd_status end_altered(const struct filter *filter, enum effect effect, size_t len,
                                  struct pd_error *err)
{
    if (effect != EFFECT_SHORT)
        return PD_OK;
    return pd_error_set(err, PD_SHORT_WRITE, 0,
                        "injected fault at write %" PRIu64 ": %zu of %zu bytes were taken",
                        filter->calls[OP_WRITE], len / 2, len);
}

static enum pd_status fault_patch(void *impl, uint32_t file_no, uint64_t record, const void *bytes,
                                  size_t len, struct pd_error *err)
{
    struct filter *filter = impl;
    enum effect effect = next_effect(filter, OP_WRITE, len);
    enum pd_status status;

    if (effect == EFFECT_NONE)
        return pd_target_patch(filter->inner, file_no, record, bytes, len, err);
    if (effect != EFFECT_FLIP && effect != EFFECT_SHORT)
        return fail(filter, OP_WRITE, effect, err);
    status = alter(filter, effect, bytes, len, err);
    if (status == PD_OK)
        status = pd_target_patch(filter->inner, file_no, record, filter->copy, len, err);
    return status == PD_OK ? end_altered(filter, effect, len, err) : status;
}

static enum pd_status fault_rewrite(void *impl, uint32_t file_no, const char *name,
                                    struct pd_error *err)
{
    struct filter *filter = impl;
    enum pd_status status = pd_target_rewrite(filter->inner, file_no, name, err);

    filter->writing = status == PD_OK;
    return status;
}

static enum pd_status fault_write(void *impl, const void *record, size_t len, struct pd_error *err)
{
    struct filter *filter = impl;
    enum effect effect = next_effect(filter, OP_WRITE, len);
    enum pd_status status;

    if (effect == EFFECT_NONE)
        return pd_target_write(filter->inner, record, len, err);
    if (effect != EFFECT_FLIP && effect != EFFECT_SHORT)
        return fail(filter, OP_WRITE, effect, err);
    status = alter(filter, effect, record, len, err);
    if (status == PD_OK)
        status = pd_target_write(filter->inner, filter->copy, len, err);
    return status == PD_OK ? end_altered(filter, effect, len, err) : status;
}

static enum pd_status fault_end(void *impl, bool durable, struct pd_error *err)
{
    struct filter *filter = impl;
    enum pd_status status = gate(filter, OP_MARK, err);

    if (status == PD_OK && durable)
        status = gate(filter, OP_SYNC, err);
    if (status == PD_OK)
        status = pd_target_end(filter->inner, durable, err);
    if (status == PD_OK)
        filter->writing = false;
    return status;
}

static enum pd_status fault_abandon(void *impl, struct pd_error *err)
{
    return drop_output(impl, err);
}

static enum pd_status fault_claim(void *impl, struct pd_error *err)
{
    struct filter *filter = impl;

    return pd_target_claim(filter->inner, err);
}

static enum pd_status fault_sync(void *impl, struct pd_error *err)
{
    struct filter *filter = impl;
    enum pd_status status = gate(filter, OP_SYNC, err);

    return status == PD_OK ? pd_target_sync(filter->inner, err) : status;
}

static enum pd_status fault_use_reserve(void *impl, bool on, struct pd_error *err)
{
    struct filter *filter = impl;

    return pd_target_use_reserve(filter->inner, on, err);
}

static enum pd_status fault_open_file(void *impl, uint32_t file_no, struct pd_error *err)
{
    struct filter *filter = impl;
    enum pd_status status = gate(filter, OP_OPEN, err);

    return status == PD_OK ? pd_target_open_file(filter->inner, file_no, err) : status;
}

/* The record is read in any case: behind a failed one the next read gives the one after it. */
static enum pd_status fault_read(void *impl, void *buf, size_t size, size_t *got,
                                 struct pd_error *err)
{
    struct filter *filter = impl;
    enum effect effect = next_effect(filter, OP_READ, size);
    enum pd_status status = pd_target_read(filter->inner, buf, size, got, err);

    if (status != PD_OK || effect == EFFECT_NONE)
        return status;
    if (effect == EFFECT_FLIP) {
        flip(buf, *got, filter->calls[OP_READ]);
    } else if (effect == EFFECT_SHORT) {
        *got = *got > 1 ? *got / 2 : *got;
    } else {
        memset(buf, 0, *got);
        *got = 0;
        status = fail(filter, OP_READ, effect, err);
    }
    return status;
}

static enum pd_status fault_seek(void *impl, uint64_t record, uint64_t size, struct pd_error *err)
{
    struct filter *filter = impl;
    enum pd_status status = gate(filter, OP_SEEK, err);

    return status == PD_OK ? pd_target_seek(filter->inner, record, size, err) : status;
}

static enum pd_status fault_close_file(void *impl, struct pd_error *err)
{
    struct filter *filter = impl;

    return pd_target_close_file(filter->inner, err);
}

static enum pd_status fault_space_left(void *impl, struct pd_target_space *out,
                                       struct pd_error *err)
{
    struct filter *filter = impl;

    return pd_target_space_left(filter->inner, out, err);
}

static enum pd_status fault_unmount(void *impl, struct pd_error *err)
{
    struct filter *filter = impl;
    enum pd_status status = drop_output(filter, err);

    return status == PD_OK ? pd_target_unmount(filter->inner, err) : status;
}

/* How often what was called: a drill can then strike the last call of each. */
static void log_calls(const struct filter *filter)
{
    char text[200] = "";
    size_t len = 0;

    for (size_t op = 0; op < OP_COUNT && len < sizeof(text) - 32; op++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, " %s@%" PRIu64, op_names[op],
                                filter->calls[op]);
    pd_log_line(filter->env->log, PD_LOG_INFO, "fault filter: calls%s", text);
}

static enum pd_status fault_drive(void *impl, struct pd_drive_status *out, struct pd_error *err)
{
    struct filter *filter = impl;
    enum pd_status status = gate(filter, OP_LOAD, err);

    return status == PD_OK ? pd_target_drive(filter->inner, out, err) : status;
}

static enum pd_status fault_close(void *impl, struct pd_error *err)
{
    struct filter *filter = impl;
    enum pd_status status = pd_target_close(filter->inner, err);

    log_calls(filter);
    free(filter->copy);
    free(filter);
    return status;
}

const struct pd_target_ops pd_target_fault_ops = {
    .scheme = "fault",
    .volumes = fault_volumes,
    .mount = fault_mount,
    .may_format = fault_may_format,
    .format = fault_format,
    .relabel = fault_relabel,
    .claim = fault_claim,
    .position = fault_position,
    .cut = fault_cut,
    .begin = fault_begin,
    .write = fault_write,
    .end = fault_end,
    .abandon = fault_abandon,
    .patch = fault_patch,
    .rewrite = fault_rewrite,
    .sync = fault_sync,
    .use_reserve = fault_use_reserve,
    .open_file = fault_open_file,
    .read = fault_read,
    .seek = fault_seek,
    .close_file = fault_close_file,
    .space_left = fault_space_left,
    .unmount = fault_unmount,
    .drive = fault_drive,
    .close = fault_close,
};

enum pd_status pd_target_fault_open(const struct pd_env *env, const char *spec,
                                    struct pd_target *inner, const char *url,
                                    struct pd_target **out, struct pd_error *err)
{
    struct filter *filter = calloc(1, sizeof(*filter));
    struct pd_error ignored = PD_ERROR_INIT;
    enum pd_status status;

    *out = NULL;
    if (filter == NULL) {
        (void)!pd_target_close(inner, &ignored);
        return pd_error_memory(err, "a target");
    }
    filter->env = env;
    filter->inner = inner;
    status = parse_spec(filter, spec, err);
    if (status == PD_OK)
        return pd_target_new(&pd_target_fault_ops, filter, url, pd_target_caps(inner), out, err);
    (void)!fault_close(filter, &ignored);
    return status;
}
