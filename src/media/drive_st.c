#include "pairdump/drive_st.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <scsi/sg.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "drive_st_priv.h"

#define TAPE_MAJOR 9 /* Documentation/admin-guide/devices.txt */
#define NO_REWIND  0x80
#define DRIVE_BITS 0x1f
#define RECORD_MAX ((uint64_t)4 << 20) /* of the format */
#define RECORD_MIN ((uint64_t)64 << 10)
#define READY_S    120 /* as st itself waits for a medium to become ready */
#define PATH_ADVICE                                                                                \
    "give the drive's node that does not rewind, as /dev/nst0 or /dev/tape/by-id/*-nst"

/* ---- asking st ---- */

int pd_drive_st_op(struct pd_drive_st *st, short op, int count)
{
    struct mtop request = {.mt_op = op, .mt_count = count};
    int result;

    do
        result = ioctl(st->fd, MTIOCTOP, &request);
    while (result != 0 && errno == EINTR); /* st waits for no signal once it has begun */
    return result == 0 ? 0 : errno;
}

int pd_drive_st_get(struct pd_drive_st *st, struct mtget *out)
{
    return ioctl(st->fd, MTIOCGET, out) == 0 ? 0 : errno;
}

int pd_drive_st_object(struct pd_drive_st *st, uint64_t *out)
{
    struct mtpos at = {0};

    if (ioctl(st->fd, MTIOCPOS, &at) != 0)
        return errno;
    *out = (uint64_t)at.mt_blkno;
    return at.mt_blkno >= 0 ? 0 : EIO;
}

bool pd_drive_st_place(struct pd_drive_st *st, uint64_t *object, uint64_t *file)
{
    /* SSC-5, 7.7: READ POSITION, long form */
    enum { READ_POSITION = 0x34, LONG_FORM = 6, LENGTH = 32, AT_OBJECT = 8, AT_FILE = 16 };
    enum { MARKS_UNKNOWN = 0x08, OBJECT_UNKNOWN = 0x04, TIMEOUT_MS = 60000 };
    unsigned char command[10] = {READ_POSITION, LONG_FORM}, data[LENGTH] = {0}, sense[32] = {0};
    struct sg_io_hdr request = {.interface_id = 'S',
                                .dxfer_direction = SG_DXFER_FROM_DEV,
                                .cmd_len = sizeof(command),
                                .mx_sb_len = sizeof(sense),
                                .dxfer_len = sizeof(data),
                                .dxferp = data,
                                .cmdp = command,
                                .sbp = sense,
                                .timeout = TIMEOUT_MS};

    if (ioctl(st->fd, SG_IO, &request) != 0 || (request.info & SG_INFO_OK_MASK) != SG_INFO_OK ||
        request.resid != 0 || (data[0] & (MARKS_UNKNOWN | OBJECT_UNKNOWN)) != 0)
        return false;
    *object = *file = 0;
    for (int i = 0; i < 8; i++) {
        *object = *object << 8 | data[AT_OBJECT + i];
        *file = *file << 8 | data[AT_FILE + i];
    }
    return true;
}

enum pd_status pd_drive_st_need_medium(const struct pd_drive_st *st, struct pd_error *err)
{
    if (st->loaded && st->fd >= 0)
        return PD_OK;
    return pd_error_set(err, PD_NO_MEDIUM, 0, "the drive %s is empty, or its medium not loaded",
                        st->device);
}

enum pd_status pd_drive_st_fail(struct pd_drive_st *st, int code, const char *what,
                                struct pd_error *err)
{
    static const struct {
        int code;
        enum pd_status status;
        const char *advice;
    } table[] = {
        {ENOMEDIUM, PD_NO_MEDIUM, "the medium is gone"},
        {EBUSY, PD_BUSY, "another program has the drive"},
        {EBADE, PD_BUSY, "another host has reserved the drive"},
        {EROFS, PD_WRITE_PROTECTED, "the medium is write protected; move its tab"},
        {EACCES, PD_WRITE_PROTECTED, "the medium is write protected; move its tab"},
        {ENXIO, PD_IO, "the drive does not answer; check power and cable"},
        {ENODEV, PD_IO, "the drive does not answer; check power and cable"},
        {ENOMEM, PD_NO_MEMORY, "the kernel has no memory for a record"},
        {EIO, PD_IO, "see the kernel's log (dmesg) for what the drive said"},
    };
    enum pd_status status = PD_IO;
    const char *advice = "see the kernel's log (dmesg)";

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].code == code) {
            status = table[i].status;
            advice = table[i].advice;
        }
    if (status == PD_NO_MEDIUM)
        st->loaded = false;
    return pd_error_set(err, status, code, "%s: cannot %s (%s)", st->device, what, advice);
}

/* ---- opening ---- */

static enum pd_status check_node(const char *device, struct pd_error *err)
{
    struct stat node;
    unsigned number;

    if (stat(device, &node) != 0)
        return pd_error_set(err, errno == ENOENT || errno == ENOTDIR ? PD_USAGE : PD_DENIED, errno,
                            "no tape drive %s; " PATH_ADVICE
                            " (is it switched on, and the module st loaded?)",
                            device);
    if (!S_ISCHR(node.st_mode) || major(node.st_rdev) != TAPE_MAJOR)
        return pd_error_set(err, PD_USAGE, 0, "%s is not a SCSI tape drive; " PATH_ADVICE, device);
    number = minor(node.st_rdev);
    if ((number & NO_REWIND) == 0)
        return pd_error_set(err, PD_USAGE, 0, "%s rewinds when it is closed; give /dev/nst%u",
                            device, (number & DRIVE_BITS) | (number & ~0xffU) >> 3);
    return PD_OK;
}

static enum pd_status open_failed(const struct pd_drive_st *st, int code, struct pd_error *err)
{
    switch (code) {
    case EBUSY:
        return pd_error_set(err, PD_BUSY, code, "another program has the drive %s open",
                            st->device);
    case EACCES:
    case EPERM:
        return pd_error_set(err, PD_DENIED, code,
                            "may not open %s; be root, or in the group that owns it (tape)",
                            st->device);
    case ENXIO:
    case ENODEV:
    case ENOENT:
        return pd_error_set(err, PD_NOT_FOUND, code,
                            "no drive answers behind %s; check power, cable and module st",
                            st->device);
    case ENOMEDIUM:
        return pd_error_set(err, PD_NO_MEDIUM, code, "the drive %s is empty", st->device);
    case EBADE:
        return pd_error_set(err, PD_BUSY, code, "another host has reserved the drive %s",
                            st->device);
    default:
        return pd_error_set(err, code == EROFS ? PD_WRITE_PROTECTED : PD_IO, code,
                            "cannot open the drive %s; see the kernel's log (dmesg)", st->device);
    }
}

/* Closes what is open, and opens anew; what was written is flushed before. 0 or errno. */
static int open_as(struct pd_drive_st *st, int flags)
{
    if (st->fd >= 0)
        (void)close(st->fd); /* nothing is left to be written */
    do
        st->fd = open(st->device, flags | O_CLOEXEC);
    while (st->fd < 0 && errno == EINTR && !pd_stop_requested(st->env->stop));
    return st->fd >= 0 ? 0 : errno;
}

/* ---- loading ---- */

/* Waits for a medium that is being threaded. */
static enum pd_status wait_ready(struct pd_drive_st *st, struct mtget *state, struct pd_error *err)
{
    bool tried = false;

    for (int seconds = 0; seconds <= READY_S; seconds++) {
        enum pd_status status;
        int code = open_as(st, O_RDONLY | O_NONBLOCK);

        if (code != 0)
            return open_failed(st, code, err);
        code = pd_drive_st_get(st, state);
        if (code != 0)
            return pd_drive_st_fail(st, code, "ask for the state of the drive", err);
        if (GMT_ONLINE(state->mt_gstat))
            return PD_OK;
        if (GMT_DR_OPEN(state->mt_gstat)) {
            if (tried || pd_drive_st_op(st, MTLOAD, 1) != 0)
                return pd_error_set(err, PD_NO_MEDIUM, 0, "the drive %s is empty", st->device);
            tried = true;
            continue;
        }
        status = pd_env_check(st->env, err);
        if (status != PD_OK)
            return status;
        pd_env_rest(st->env, (uint64_t)PD_NS_PER_S);
    }
    return pd_error_set(err, PD_NOT_READY, 0,
                        "the medium in %s did not become ready within %d s; look at the drive",
                        st->device, READY_S);
}

static enum pd_status open_medium(struct pd_drive_st *st, bool protected, struct pd_error *err)
{
    int code = open_as(st, protected ? O_RDONLY : O_RDWR);

    if (code == EROFS) {
        protected = true;
        code = open_as(st, O_RDONLY);
    }
    if (code != 0)
        return open_failed(st, code, err);
    st->read_only = protected;
    return PD_OK;
}

/* The largest block that the drive says it takes, found by asking for blocks of that size. */
static void find_limit(struct pd_drive_st *st)
{
    st->max_record = RECORD_MAX;
    while (st->max_record > RECORD_MIN &&
           pd_drive_st_op(st, MTSETBLK, (int)st->max_record) == EINVAL)
        st->max_record /= 2;
}

/* After a reset st refuses all but a rewind: at once if it knows, else from the first answer on
 * that is not plain good, as that to a step back from the start. The rewind behind it ends that. 0
 * or errno. */
static int rewind_anew(struct pd_drive_st *st)
{
    int code = pd_drive_st_op(st, MTREW, 1);

    if (code != 0)
        return code;
    (void)pd_drive_st_op(st, MTBSR, 1);
    return pd_drive_st_op(st, MTREW, 1);
}

/* Variable blocks, and what of the driver's options is ours to set. */
static enum pd_status set_up(struct pd_drive_st *st, struct pd_error *err)
{
    const long set = MT_ST_BUFFER_WRITES | MT_ST_ASYNC_WRITES | MT_ST_CAN_BSR | MT_ST_SCSI2LOGICAL;
    const long clear = MT_ST_TWO_FM | MT_ST_FAST_MTEOM | MT_ST_AUTO_LOCK | MT_ST_SYSV |
                       MT_ST_NOWAIT | MT_ST_NOWAIT_EOF | MT_ST_SILI;
    uint64_t object;
    int code;

    code = rewind_anew(st);
    if (code != 0)
        return pd_drive_st_fail(st, code, "rewind", err);
    find_limit(st);
    code = pd_drive_st_op(st, MTSETBLK, 0);
    if (code != 0)
        return pd_drive_st_fail(st, code, "set variable blocks", err);
    code = pd_drive_st_op(st, MTSETDRVBUFFER, (int)(MT_ST_SETBOOLEANS | set));
    if (code == 0)
        code = pd_drive_st_op(st, MTSETDRVBUFFER, (int)(MT_ST_CLEARBOOLEANS | clear));
    if (code != 0)
        pd_log_line(st->env->log, PD_LOG_DEBUG, "%s: options of st stay as they are: %s",
                    st->device, strerrordesc_np(code));
    code = pd_drive_st_op(st, MTLOCK, 1);
    if (code != 0)
        pd_log_line(st->env->log, PD_LOG_DEBUG, "%s: the door cannot be locked: %s", st->device,
                    strerrordesc_np(code));
    code = pd_drive_st_object(st, &object);
    if (code != 0)
        return pd_error_set(err, PD_UNSUPPORTED, code,
                            "%s does not tell where it stands (MTIOCPOS); it is too old a drive",
                            st->device);
    return PD_OK;
}

static void warn_of_cleaning(struct pd_drive_st *st, const struct mtget *state)
{
    if (!GMT_CLN(state->mt_gstat) || st->warned)
        return;
    st->warned = true;
    pd_log_line(st->env->log, PD_LOG_WARN, "%s asks to be cleaned; put in a cleaning cartridge",
                st->device);
}

static unsigned density_of(const struct mtget *state)
{
    return (unsigned)((unsigned long)(state->mt_dsreg & (long)MT_ST_DENSITY_MASK) >>
                      MT_ST_DENSITY_SHIFT);
}

/* All that is written is on the tape, and st writes no filemark of its own. */
static enum pd_status finish(struct pd_drive_st *st, struct pd_error *err)
{
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status status = pd_drive_st_idle(st, err);

    if (pd_drive_st_flush(st, &late) != PD_OK && status == PD_OK) {
        *err = late;
        status = late.status;
    }
    (void)pd_drive_st_op(st, MTUNLOCK, 1); /* drives without a lock say EIO */
    return status;
}

static enum pd_status st_load(void *impl, const char *medium, struct pd_error *err)
{
    struct pd_drive_st *st = impl;
    struct mtget state = {0};
    enum pd_status status = PD_OK;

    if (medium != NULL)
        return pd_error_set(err, PD_UNSUPPORTED, 0,
                            "%s cannot fetch %s by itself; put it into the drive", st->device,
                            medium);
    if (st->loaded && st->fd >= 0)
        status = finish(st, err);
    if (status != PD_OK && status != PD_NO_MEDIUM)
        return status;
    st->loaded = st->writing = st->dirty = false;
    pd_drive_st_lost(st);
    status = wait_ready(st, &state, err);
    if (status == PD_OK)
        status = open_medium(st, GMT_WR_PROT(state.mt_gstat) != 0, err);
    if (status != PD_OK)
        return status;
    status = set_up(st, err);
    if (status != PD_OK) {
        (void)pd_drive_st_op(st, MTUNLOCK, 1);
        return status;
    }
    warn_of_cleaning(st, &state);
    pd_log_line(st->env->log, PD_LOG_DEBUG,
                "%s: medium of density 0x%02x, records up to %" PRIu64 " bytes%s", st->device,
                density_of(&state), st->max_record, st->read_only ? ", write protected" : "");
    pd_drive_st_at_start(st);
    st->loaded = true;
    return PD_OK;
}

static enum pd_status st_unload(void *impl, struct pd_error *err)
{
    struct pd_drive_st *st = impl;
    enum pd_status status;
    int code;

    if (!st->loaded || st->fd < 0)
        return PD_OK;
    status = finish(st, err);
    code = pd_drive_st_op(st, MTOFFL, 1);
    if (code != 0 && status == PD_OK)
        status = pd_drive_st_fail(st, code, "unload", err);
    st->loaded = st->dirty = false;
    pd_drive_st_lost(st);
    return status;
}

/* ---- the rest ---- */

static enum pd_status st_status(void *impl, struct pd_drive_status *out, struct pd_error *err)
{
    struct pd_drive_st *st = impl;
    struct mtget state = {0};
    int code;

    out->max_record = st->max_record;
    if (st->fd < 0)
        return PD_OK;
    code = pd_drive_st_get(st, &state);
    if (code != 0 && st->loaded)
        return pd_drive_st_fail(st, code, "ask for the state of the drive", err);
    if (code != 0)
        return PD_OK;
    warn_of_cleaning(st, &state);
    out->cleaning = GMT_CLN(state.mt_gstat) != 0;
    if (!st->loaded)
        return PD_OK;
    if (GMT_DR_OPEN(state.mt_gstat)) {
        st->loaded = false;
        return PD_OK;
    }
    out->loaded = true;
    out->density = density_of(&state);
    out->write_protected = st->read_only;
    out->capacity = st->capacity;
    out->pos = st->pos;
    out->pos.known = st->has_object && st->has_file && st->has_record;
    out->at_start = st->has_object && st->pos.object == 0;
    out->early_warning =
        st->has_object && st->early_at != PD_DRIVE_ST_UNKNOWN && st->pos.object >= st->early_at;
    return PD_OK;
}

static enum pd_status st_close(void *impl, struct pd_error *err)
{
    struct pd_drive_st *st = impl;
    enum pd_status status = PD_OK;

    if (st->fd >= 0 && st->loaded)
        status = finish(st, err);
    if (st->fd >= 0 && close(st->fd) != 0 && errno != EINTR && status == PD_OK)
        status = pd_drive_st_fail(st, errno, "close it; what was written last may be lost", err);
    free(st->starts);
    free(st->device);
    free(st);
    return status;
}

const struct pd_drive_ops pd_drive_st_ops = {
    .name = "st",
    .load = st_load,
    .unload = st_unload,
    .status = st_status,
    .read = pd_drive_st_read,
    .write = pd_drive_st_write,
    .marks = pd_drive_st_marks,
    .space = pd_drive_st_space,
    .rewind = pd_drive_st_rewind,
    .end = pd_drive_st_end,
    .tell = pd_drive_st_tell,
    .locate = pd_drive_st_locate,
    .close = st_close,
};

enum pd_status pd_drive_st_open(const struct pd_env *env, const char *device,
                                const struct pd_drive_st_options *options, struct pd_drive **out,
                                struct pd_error *err)
{
    struct pd_error ignored = PD_ERROR_INIT;
    struct pd_drive_st *st;
    enum pd_status status = check_node(device, err);
    int code;

    *out = NULL;
    if (status != PD_OK)
        return status;
    st = calloc(1, sizeof(*st));
    if (st == NULL)
        return pd_error_memory(err, "a drive");
    st->env = env;
    st->fd = -1;
    st->capacity = options != NULL ? options->capacity : 0;
    st->max_record = RECORD_MAX;
    st->early_at = PD_DRIVE_ST_UNKNOWN;
    st->device = strdup(device);
    if (st->device == NULL)
        status = pd_error_memory(err, "a drive");
    else if ((code = open_as(st, O_RDONLY | O_NONBLOCK)) != 0)
        status = open_failed(st, code, err);
    if (status != PD_OK) {
        (void)!st_close(st, &ignored);
        return status;
    }
    return pd_drive_new(&pd_drive_st_ops, st, out, err);
}
