#include "pairdump/target_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/size.h"
#include "pairdump/space.h"
#include "target_disk_priv.h"

#define LABEL_NAME   "label"
#define LABEL_FILE   "0000-" LABEL_NAME ".tar"
#define LABEL_MAX    ((size_t)4 << 20)
#define NAME_LEN_MAX 200 /* with number, ".tar.partial" it fits NAME_MAX of every file system */
#define SCAN_TRIES   3

/* ---- folders ---- */

static void leave_volume(struct pd_target_disk *disk)
{
    if (disk->folder_fd >= 0)
        (void)close(disk->folder_fd); /* nothing was written through it; drops the lock */
    disk->folder_fd = -1;
    free(disk->folder_name);
    disk->folder_name = NULL;
    disk->locked = false;
    disk->reserve = false;
    pd_target_disk_folder_free(&disk->folder);
}

static enum pd_status enter_folder(struct pd_target_disk *disk, const char *label,
                                   struct pd_error *err)
{
    int fd = pd_target_disk_openat(disk->root, label, O_RDONLY | O_DIRECTORY, 0);

    if (fd < 0) {
        if (errno == ENOENT)
            return pd_error_set(err, PD_NOT_FOUND, 0, "no volume %s in %s", label, disk->dir);
        if (errno == ENOTDIR || errno == ELOOP)
            return pd_error_set(err, PD_FOREIGN, 0, "%s/%s is not a folder", disk->dir, label);
        return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot open %s/%s", disk->dir,
                            label);
    }
    leave_volume(disk);
    disk->folder_fd = fd;
    if (asprintf(&disk->folder_name, "%s/%s", disk->dir, label) < 0) {
        disk->folder_name = NULL;
        leave_volume(disk);
        return pd_error_memory(err, "a folder name");
    }
    return PD_OK;
}

/* Reads the folder until its numbering holds: a reader may meet a writer's renames half way. */
static enum pd_status read_folder(struct pd_target_disk *disk, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (int i = 0; i < SCAN_TRIES; i++) {
        status = pd_target_disk_scan(disk->folder_fd, disk->folder_name, &disk->folder, err);
        if (status != PD_OK)
            break;
        status = pd_target_disk_check(&disk->folder, disk->folder_name, err);
        if (status != PD_BAD_FORMAT)
            break;
    }
    return status;
}

/* At the first begin: take the volume for writing and see what is really there. */
static enum pd_status claim(struct pd_target_disk *disk, struct pd_error *err)
{
    enum pd_status status = pd_target_disk_lock(disk, err);

    if (status == PD_OK)
        status = read_folder(disk, err);
    if (status == PD_OK)
        status = pd_target_disk_sweep(disk, err);
    disk->locked = status == PD_OK;
    return status;
}

enum pd_status pd_target_disk_claim(void *impl, struct pd_error *err)
{
    struct pd_target_disk *disk = impl;

    return disk->locked ? PD_OK : claim(disk, err);
}

/* ---- writing ---- */

static enum pd_status disk_begin(void *impl, const char *name, uint32_t *file_no,
                                 struct pd_error *err)
{
    struct pd_target_disk *disk = impl;
    char final[NAME_LEN_MAX + 32];
    enum pd_status status = pd_target_disk_claim(disk, err);

    if (status != PD_OK)
        return status;
    if (strlen(name) > NAME_LEN_MAX)
        return pd_error_set(err, PD_USAGE, 0, "the name of an archive is longer than %d bytes: %s",
                            NAME_LEN_MAX, name);
    if (disk->folder.count >= UINT32_MAX)
        return pd_error_set(err, PD_VOLUME_FULL, 0,
                            "%s holds as many tape files as can be numbered", disk->folder_name);
    *file_no = (uint32_t)disk->folder.count;
    (void)snprintf(final, sizeof(final), "%04" PRIu32 "-%s.tar", *file_no, name);
    return pd_target_disk_create(disk, final, err);
}

static enum pd_status disk_write(void *impl, const void *record, size_t len, struct pd_error *err)
{
    struct pd_target_disk *disk = impl;
    uint64_t whole = pd_add_sat(pd_add_sat(disk->folder.used, disk->written), len);

    if (disk->capacity > 0 && !disk->reserve && !disk->over && whole > disk->capacity)
        return pd_error_set(err, PD_VOLUME_FULL, 0,
                            "%s has reached its capacity of %" PRIu64 " bytes", disk->folder_name,
                            disk->capacity);
    return pd_target_disk_put(disk, record, len, err);
}

static enum pd_status disk_end(void *impl, bool durable, struct pd_error *err)
{
    struct pd_target_disk *disk = impl;
    enum pd_status status = pd_target_disk_finish(disk, err);

    (void)durable; /* always */
    return status == PD_OK ? pd_target_disk_ended(disk, err) : status;
}

static enum pd_status disk_abandon(void *impl, struct pd_error *err)
{
    return pd_target_disk_discard(impl, err);
}

static enum pd_status disk_sync(void *impl, struct pd_error *err)
{
    (void)impl; /* each end has done it */
    (void)err;
    return PD_OK;
}

static enum pd_status disk_use_reserve(void *impl, bool on, struct pd_error *err)
{
    struct pd_target_disk *disk = impl;

    (void)err;
    disk->reserve = on;
    return PD_OK;
}

/* ---- reading ---- */

static enum pd_status disk_open_file(void *impl, uint32_t file_no, struct pd_error *err)
{
    struct pd_target_disk *disk = impl;
    const struct pd_target_disk_file *file = NULL;
    struct pd_error ignored = PD_ERROR_INIT;
    enum pd_status status;

    status = pd_target_disk_find(&disk->folder, disk->folder_name, file_no, &file, &ignored);
    if (status != PD_OK) {
        /* Written since the folder was read. */
        status = pd_target_disk_scan(disk->folder_fd, disk->folder_name, &disk->folder, err);
        if (status == PD_OK)
            status = pd_target_disk_find(&disk->folder, disk->folder_name, file_no, &file, err);
    }
    return status == PD_OK ? pd_target_disk_open_input(disk, file, err) : status;
}

static enum pd_status disk_close_file(void *impl, struct pd_error *err)
{
    (void)err;
    pd_target_disk_close_input(impl);
    return PD_OK;
}

/* ---- volumes ---- */

/* Reads and decodes tape file 0 of the folder that was entered. */
static enum pd_status read_label(struct pd_target_disk *disk, struct pd_label *out,
                                 struct pd_error *err)
{
    const struct pd_target_disk_file *file = NULL;
    char *buf = NULL;
    size_t got = 0;
    enum pd_status status;

    status = pd_target_disk_find(&disk->folder, disk->folder_name, 0, &file, err);
    if (status == PD_MISSING)
        status = pd_target_disk_is_blank(&disk->folder)
                     ? pd_error_set(err, PD_NOT_FOUND, 0, "%s holds no label (tape file 0)",
                                    disk->folder_name)
                     : pd_error_set(err, PD_FOREIGN, 0,
                                    "%s holds no label (tape file 0), "
                                    "but other things",
                                    disk->folder_name);
    if (status == PD_OK)
        status = pd_target_disk_open_input(disk, file, err);
    if (status != PD_OK)
        return status;
    buf = pd_record_alloc(LABEL_MAX);
    if (buf == NULL)
        status = pd_error_memory(err, "a volume label");
    else
        status = pd_target_disk_read(disk, buf, LABEL_MAX, &got, err);
    if (status == PD_END_OF_FILE)
        status = pd_error_set(err, PD_FOREIGN, 0, "the label %s/%s is empty", disk->folder_name,
                              file->name);
    if (status == PD_OK)
        status = pd_label_decode(buf, got, out, err);
    free(buf);
    pd_target_disk_close_input(disk);
    return status;
}

static enum pd_status mount_folder(struct pd_target_disk *disk, const char *label,
                                   struct pd_label *out, struct pd_error *err)
{
    enum pd_status status = enter_folder(disk, label, err);

    if (status == PD_OK)
        status = pd_target_disk_scan(disk->folder_fd, disk->folder_name, &disk->folder, err);
    if (status == PD_OK)
        status = read_label(disk, out, err);
    if (status == PD_OK && strcmp(out->label, label) != 0)
        status = pd_error_set(err, PD_WRONG_VOLUME, 0,
                              "the folder %s holds volume %s; give it its own name back",
                              disk->folder_name, out->label);
    if (status != PD_OK)
        leave_volume(disk);
    return status;
}

/* Which one is meant when none is named: the only one. */
static enum pd_status choose(struct pd_target_disk *disk, char label[PD_LABEL_TEXT],
                             struct pd_error *err)
{
    struct pd_target_disk_root root;
    enum pd_status status = pd_target_disk_scan_root(disk->root, disk->dir, &root, err);

    if (status != PD_OK)
        return status;
    if (root.count == 1)
        (void)snprintf(label, PD_LABEL_TEXT, "%s", root.labels[0]);
    else if (root.count > 1)
        status = pd_error_set(
            err, PD_WRONG_VOLUME, 0, "%s holds %zu volumes (%s, %s%s); say which is meant",
            disk->dir, root.count, root.labels[0], root.labels[1], root.count > 2 ? "..." : "");
    else if (root.things)
        status =
            pd_error_set(err, PD_FOREIGN, 0, "%s holds no volume, but other things", disk->dir);
    else
        status = pd_error_set(err, PD_BLANK, 0, "%s holds no volume", disk->dir);
    pd_target_disk_root_free(&root);
    return status;
}

static enum pd_status disk_mount(void *impl, const char *label, struct pd_label *out,
                                 struct pd_error *err)
{
    struct pd_target_disk *disk = impl;
    char chosen[PD_LABEL_TEXT];
    enum pd_status status;

    if (disk->partial != NULL) {
        status = pd_target_disk_discard(disk, err);
        if (status != PD_OK)
            return status;
    }
    leave_volume(disk);
    if (label == NULL) {
        status = choose(disk, chosen, err);
        if (status != PD_OK)
            return status;
        label = chosen;
    }
    return mount_folder(disk, label, out, err);
}

static enum pd_status disk_volumes(void *impl, pd_volume_fn fn, void *arg, struct pd_error *err)
{
    struct pd_target_disk *disk = impl;
    struct pd_target_disk_root root;
    enum pd_status status = pd_target_disk_scan_root(disk->root, disk->dir, &root, err);

    if (status != PD_OK)
        return status;
    for (size_t i = 0; i < root.count && status == PD_OK; i++)
        status = fn(arg, root.labels[i], err);
    pd_target_disk_root_free(&root);
    return status;
}

/* ---- labelling ---- */

/* Refuses a place that holds other things, and a volume that is there. */
static enum pd_status may_format(struct pd_target_disk *disk, const char *label,
                                 struct pd_error *err)
{
    struct pd_target_disk_root root;
    enum pd_status status = pd_target_disk_scan_root(disk->root, disk->dir, &root, err);

    if (status != PD_OK)
        return status;
    for (size_t i = 0; i < root.count && status == PD_OK; i++)
        if (strcmp(root.labels[i], label) == 0)
            status =
                pd_error_set(err, PD_EXISTS, 0, "volume %s is in %s already", label, disk->dir);
    if (status == PD_OK && root.count == 0 && root.things)
        status =
            pd_error_set(err, PD_FOREIGN, 0,
                         "%s holds other things and no volume; give an empty folder", disk->dir);
    pd_target_disk_root_free(&root);
    return status;
}

/* The new volume's folder: ours, locked and empty. */
static enum pd_status make_folder(struct pd_target_disk *disk, const char *label,
                                  struct pd_error *err)
{
    enum pd_status status;

    if (mkdirat(disk->root, label, 0755) != 0 && errno != EEXIST)
        return pd_error_set(
            err, pd_target_disk_is_full(errno) ? PD_NO_VOLUME : pd_status_from_errno(errno), errno,
            "cannot make the folder %s/%s", disk->dir, label);
    status = enter_folder(disk, label, err);
    if (status == PD_OK)
        status = pd_target_disk_lock(disk, err);
    if (status == PD_OK)
        status = pd_target_disk_scan(disk->folder_fd, disk->folder_name, &disk->folder, err);
    if (status != PD_OK)
        return status;
    if (disk->folder.count > 0)
        return pd_error_set(err, PD_EXISTS, 0, "%s holds tape files already", disk->folder_name);
    if (disk->folder.others)
        return pd_error_set(err, PD_FOREIGN, 0, "%s holds other things; take another label",
                            disk->folder_name);
    return pd_target_disk_sweep(disk, err);
}

static enum pd_status write_readme(struct pd_target_disk *disk, const struct pd_label *label,
                                   struct pd_error *err)
{
    struct pd_buf readme = PD_BUF_INIT;
    enum pd_status status = PD_OK;

    if (pd_label_readme(label, &readme) != PD_OK)
        status = pd_error_memory(err, "a volume label");
    if (status == PD_OK)
        status = pd_target_disk_create(disk, PD_TARGET_DISK_README, err);
    if (status == PD_OK)
        status = pd_target_disk_put(disk, readme.data, readme.len, err);
    if (status == PD_OK)
        status = pd_target_disk_sync_file(disk, err);
    if (status == PD_OK)
        pd_target_disk_forget(disk);
    pd_buf_free(&readme);
    return status;
}

/* README.txt is made first but named last: what has a label is complete but for that. */
static enum pd_status write_label(struct pd_target_disk *disk, const struct pd_label *label,
                                  struct pd_error *err)
{
    struct pd_buf tar = PD_BUF_INIT;
    enum pd_status status = pd_label_encode(label, &tar, err);

    if (status == PD_OK && disk->capacity > 0 && tar.len >= disk->capacity)
        status = pd_error_set(err, PD_NO_SPACE, 0,
                              "a capacity of %" PRIu64
                              " bytes holds nothing beside the label (%zu bytes)",
                              disk->capacity, tar.len);
    if (status == PD_OK)
        status = write_readme(disk, label, err);
    if (status == PD_OK)
        status = pd_target_disk_create(disk, LABEL_FILE, err);
    if (status == PD_OK)
        status = pd_target_disk_put(disk, tar.data, tar.len, err);
    if (status == PD_OK)
        status = pd_target_disk_finish(disk, err);
    if (status == PD_OK)
        status = pd_target_disk_sync_folder(disk->root, disk->dir, err);
    if (status == PD_OK && renameat(disk->folder_fd, PD_TARGET_DISK_README PD_TARGET_DISK_PARTIAL,
                                    disk->folder_fd, PD_TARGET_DISK_README) != 0)
        status = pd_target_disk_write_failed(disk, errno, "rename the README beside", err);
    if (status == PD_OK)
        status = pd_target_disk_sync_folder(disk->folder_fd, disk->folder_name, err);
    pd_buf_free(&tar);
    return status;
}

/* After a failure: what this run made goes away, and the folder if nothing else is in it. */
static void undo_format(struct pd_target_disk *disk, const char *label)
{
    struct pd_error ignored = PD_ERROR_INIT;

    (void)!pd_target_disk_discard(disk, &ignored);
    pd_target_disk_forget(disk);
    (void)unlinkat(disk->folder_fd, PD_TARGET_DISK_README PD_TARGET_DISK_PARTIAL, 0);
    (void)unlinkat(disk->folder_fd, PD_TARGET_DISK_README, 0);
    (void)unlinkat(disk->root, label, AT_REMOVEDIR);
}

static enum pd_status disk_may_format(void *impl, const struct pd_label *label,
                                      struct pd_error *err)
{
    struct pd_target_disk *disk = impl;

    leave_volume(disk);
    return may_format(disk, label->label, err);
}

static enum pd_status disk_format(void *impl, const struct pd_label *label, struct pd_error *err)
{
    struct pd_target_disk *disk = impl;
    enum pd_status status;

    leave_volume(disk);
    status = may_format(disk, label->label, err);
    if (status == PD_OK)
        status = make_folder(disk, label->label, err);
    if (status != PD_OK)
        goto out;
    status = write_label(disk, label, err);
    if (status == PD_OK)
        status = read_folder(disk, err);
    if (status == PD_VOLUME_FULL)
        status = err->status = PD_NO_VOLUME;
    if (status == PD_OK)
        pd_target_disk_forget(disk);
    else
        undo_format(disk, label->label);
out:
    if (status != PD_OK)
        leave_volume(disk);
    disk->locked = status == PD_OK;
    return status;
}

/* ---- the rest ---- */

static enum pd_status disk_position(void *impl, struct pd_target_position *out,
                                    struct pd_error *err)
{
    struct pd_target_disk *disk = impl;
    enum pd_status status = read_folder(disk, err);

    if (status == PD_OK)
        out->file_count = (uint32_t)disk->folder.count;
    return status;
}

static enum pd_status disk_space_left(void *impl, struct pd_target_space *out, struct pd_error *err)
{
    struct pd_target_disk *disk = impl;
    struct pd_space space;
    uint64_t used = disk->folder.used + (disk->partial != NULL ? disk->written : 0);
    uint64_t left = used < disk->capacity ? disk->capacity - used : 0;
    enum pd_status status = pd_space_of(disk->dir, &space, err);

    if (status != PD_OK)
        return status;
    out->available = space.available;
    out->total = space.total;
    out->fs_id = space.fs_id;
    if (disk->capacity > 0) {
        out->available = left < space.available ? left : space.available;
        out->total = disk->capacity;
    }
    return PD_OK;
}

static enum pd_status disk_unmount(void *impl, struct pd_error *err)
{
    struct pd_target_disk *disk = impl;
    enum pd_status status = PD_OK;

    if (disk->partial != NULL)
        status = pd_target_disk_discard(disk, err);
    pd_target_disk_forget(disk);
    leave_volume(disk);
    return status;
}

static enum pd_status disk_close(void *impl, struct pd_error *err)
{
    struct pd_target_disk *disk = impl;
    enum pd_status status;

    pd_target_disk_close_input(disk);
    status = disk_unmount(disk, err);
    if (disk->root >= 0)
        (void)close(disk->root); /* only folders were made through it, and synced */
    free(disk->dir);
    free(disk);
    return status;
}

const struct pd_target_ops pd_target_disk_ops = {
    .scheme = "disk",
    .volumes = disk_volumes,
    .mount = disk_mount,
    .may_format = disk_may_format,
    .format = disk_format,
    .relabel = pd_target_disk_relabel,
    .claim = pd_target_disk_claim,
    .position = disk_position,
    .cut = pd_target_disk_cut,
    .begin = disk_begin,
    .write = disk_write,
    .end = disk_end,
    .abandon = disk_abandon,
    .patch = pd_target_disk_patch,
    .rewrite = pd_target_disk_rewrite,
    .sync = disk_sync,
    .use_reserve = disk_use_reserve,
    .open_file = disk_open_file,
    .read = pd_target_disk_read,
    .seek = pd_target_disk_seek,
    .close_file = disk_close_file,
    .space_left = disk_space_left,
    .unmount = disk_unmount,
    .drive = pd_target_disk_drive,
    .close = disk_close,
};

enum pd_status pd_target_disk_open(const struct pd_env *env, const char *dir, uint64_t capacity,
                                   const char *url, struct pd_target **out, struct pd_error *err)
{
    const struct pd_target_caps caps = {
        .parallel = true, .seeks_cheaply = true, .counts_space = true};
    struct pd_target_disk *disk = calloc(1, sizeof(*disk));

    (void)env;
    *out = NULL;
    if (disk == NULL)
        return pd_error_memory(err, "a disk target");
    disk->root = disk->folder_fd = disk->out = disk->in = -1;
    disk->capacity = capacity;
    disk->dir = strdup(dir);
    if (disk->dir == NULL) {
        free(disk);
        return pd_error_memory(err, "a disk target");
    }
    disk->root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (disk->root < 0) {
        int code = errno;
        bool absent = code == ENOENT || code == ENOTDIR;
        enum pd_status status = pd_error_set(
            err, absent ? PD_USAGE : pd_status_from_errno(code), code,
            absent ? "%s is not a folder; make or mount it first" : "cannot open %s", dir);

        pd_error_context(err, url, NULL, NULL);
        free(disk->dir);
        free(disk);
        return status;
    }
    return pd_target_new(&pd_target_disk_ops, disk, url, caps, out, err);
}
