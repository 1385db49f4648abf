#include "pairdump/drive_mock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drive_mock_priv.h"
#include "pairdump/size.h"
#include "pairdump/text.h"

#define LOCK_FILE      "lock"
#define LOADED_FILE    "loaded"
#define IMAGE_END      ".tap"
#define BARCODE_TEXT   9
#define CAPACITY       (UINT64_C(1) << 40)
#define EARLY          (UINT64_C(4) << 20)
#define SLOTS          1000
#define IMAGE_NAME_MAX (BARCODE_TEXT + sizeof(IMAGE_END))

struct mock {
    char *dir;
    int dir_fd;
    int lock_fd;
    struct pd_drive_mock_options options;
    struct pd_drive_mock_image image; /* fd -1: the drive is empty */
    char barcode[BARCODE_TEXT];
    uint64_t pos; /* number of the object that is next */
};

static enum pd_status need_medium(const struct mock *mock, struct pd_error *err)
{
    if (mock->image.fd >= 0)
        return PD_OK;
    return pd_error_set(err, PD_NO_MEDIUM, 0, "the drive in %s is empty", mock->dir);
}

/* Adds which cartridge it was. */
static enum pd_status at_cartridge(const struct mock *mock, enum pd_status status,
                                   struct pd_error *err)
{
    pd_error_context(err, mock->barcode, NULL, NULL);
    return status;
}

/* ---- cartridges in the folder ---- */

static bool barcode_of(const char *name, char out[BARCODE_TEXT])
{
    size_t len = strlen(name), end = strlen(IMAGE_END);

    if (len <= end || len - end >= BARCODE_TEXT || strcmp(name + len - end, IMAGE_END) != 0)
        return false;
    memcpy(out, name, len - end);
    out[len - end] = '\0';
    return pd_label_is_valid(out);
}

static int is_image(const struct dirent *entry)
{
    char barcode[BARCODE_TEXT];

    return barcode_of(entry->d_name, barcode);
}

static enum pd_status list_images(const char *dir, struct dirent ***out, int *count,
                                  struct pd_error *err)
{
    *count = scandir(dir, out, is_image, alphasort);
    if (*count < 0)
        return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot list %s", dir);
    return PD_OK;
}

static void free_list(struct dirent **list, int count)
{
    for (int i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

enum pd_status pd_drive_mock_media(void *dir,
                                   enum pd_status (*fn)(void *arg, const char *medium,
                                                        struct pd_error *err),
                                   void *arg, struct pd_error *err)
{
    struct dirent **list = NULL;
    int count = 0;
    enum pd_status status = list_images(dir, &list, &count, err);

    if (status != PD_OK)
        return status;
    for (int i = 0; i < count && status == PD_OK; i++) {
        char barcode[BARCODE_TEXT];

        if (barcode_of(list[i]->d_name, barcode))
            status = fn(arg, barcode, err);
    }
    free_list(list, count);
    return status;
}

static int restart_openat(int fd, const char *name, int flags)
{
    int result;

    do
        result = openat(fd, name, flags | O_CLOEXEC | O_NOFOLLOW, 0644);
    while (result < 0 && errno == EINTR);
    return result;
}

/* What DIR/loaded names; "" when nothing sensible. */
static void read_loaded(const struct mock *mock, char out[BARCODE_TEXT])
{
    int fd = restart_openat(mock->dir_fd, LOADED_FILE, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, out, BARCODE_TEXT - 1);

    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    if (!pd_label_is_valid(out))
        out[0] = '\0';
    if (fd >= 0)
        (void)close(fd); /* only read */
}

static enum pd_status write_loaded(const struct mock *mock, const char *barcode,
                                   struct pd_error *err)
{
    int fd = restart_openat(mock->dir_fd, LOADED_FILE, O_WRONLY | O_CREAT | O_TRUNC);
    bool ok = fd >= 0 && dprintf(fd, "%s\n", barcode) > 0;
    int code = errno;

    if (fd >= 0 && close(fd) != 0 && ok) {
        code = errno;
        ok = false;
    }
    return ok ? PD_OK
              : pd_error_set(err, pd_status_from_errno(code), code,
                             "cannot note in %s/" LOADED_FILE " what is loaded", mock->dir);
}

/* ---- loading ---- */

/* A blank cartridge, while there is a slot for it. */
static enum pd_status new_cartridge(struct mock *mock, const char *barcode, const char *name,
                                    int *fd, struct pd_error *err)
{
    struct dirent **list = NULL;
    int count = 0, code;
    enum pd_status status = list_images(mock->dir, &list, &count, err);

    if (status != PD_OK)
        return status;
    free_list(list, count);
    if ((uint64_t)count >= mock->options.slots)
        return pd_error_set(err, PD_NO_VOLUME, 0,
                            "no cartridge %s, and all %" PRIu64 " slots of %s are taken", barcode,
                            mock->options.slots, mock->dir);
    *fd = restart_openat(mock->dir_fd, name, O_RDWR | O_CREAT | O_EXCL);
    if (*fd >= 0 && (fsync(mock->dir_fd) == 0 || errno == EINVAL))
        return PD_OK;
    code = errno;
    if (*fd >= 0)
        (void)close(*fd); /* still empty */
    *fd = -1;
    return pd_error_set(
        err, code == ENOSPC || code == EDQUOT ? PD_NO_VOLUME : pd_status_from_errno(code), code,
        "cannot make the cartridge %s/%s", mock->dir, name);
}

static enum pd_status open_cartridge(struct mock *mock, const char *barcode,
                                     struct pd_drive_mock_image *out, struct pd_error *err)
{
    char name[IMAGE_NAME_MAX];
    struct stat st;
    bool read_only = false;
    int fd;
    enum pd_status status = PD_OK;

    (void)snprintf(name, sizeof(name), "%s" IMAGE_END, barcode);
    fd = restart_openat(mock->dir_fd, name, O_RDWR);
    if (fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM)) {
        fd = restart_openat(mock->dir_fd, name, O_RDONLY);
        read_only = true;
    }
    if (fd < 0 && errno == ENOENT)
        status = new_cartridge(mock, barcode, name, &fd, err);
    else if (fd < 0)
        status = pd_error_set(err, pd_status_from_errno(errno), errno, "cannot open %s/%s",
                              mock->dir, name);
    if (status != PD_OK)
        return status;
    /* root may write everything, but the tab on the cartridge counts for root as well */
    if (fstat(fd, &st) == 0 && (st.st_mode & 0222) == 0)
        read_only = true;
    status = pd_drive_mock_image_open(out, fd, name, err);
    out->read_only = read_only;
    return status;
}

/* With nothing named and nothing loaded, an only cartridge is meant. */
static enum pd_status choose(struct mock *mock, char barcode[BARCODE_TEXT], struct pd_error *err)
{
    struct dirent **list = NULL;
    int count = 0;
    enum pd_status status;
    char name[IMAGE_NAME_MAX];

    read_loaded(mock, barcode);
    (void)snprintf(name, sizeof(name), "%s" IMAGE_END, barcode);
    if (barcode[0] != '\0' && faccessat(mock->dir_fd, name, F_OK, 0) == 0)
        return PD_OK;
    status = list_images(mock->dir, &list, &count, err);
    if (status != PD_OK)
        return status;
    if (count != 1 || !barcode_of(list[0]->d_name, barcode))
        status =
            pd_error_set(err, PD_NO_MEDIUM, 0, "no cartridge is loaded, and %d lie in %s; name one",
                         count, mock->dir);
    free_list(list, count);
    return status;
}

static enum pd_status mock_load(void *impl, const char *medium, struct pd_error *err)
{
    struct mock *mock = impl;
    struct pd_drive_mock_image image = PD_DRIVE_MOCK_IMAGE_NONE;
    struct pd_error late = PD_ERROR_INIT;
    char barcode[BARCODE_TEXT];
    enum pd_status status = PD_OK;

    if (mock->image.fd >= 0 && (medium == NULL || strcmp(medium, mock->barcode) == 0)) {
        mock->pos = 0;
        pd_drive_mock_image_drop_cache(&mock->image);
        return PD_OK;
    }
    if (medium == NULL)
        status = choose(mock, barcode, err);
    else if (!pd_label_is_valid(medium))
        status =
            pd_error_set(err, PD_USAGE, 0, "\"%s\" is no barcode (1 to 8 of A-Z 0-9 - _)", medium);
    else
        (void)snprintf(barcode, sizeof(barcode), "%.*s", BARCODE_TEXT - 1, medium);
    if (status == PD_OK)
        status = open_cartridge(mock, barcode, &image, err);
    if (status != PD_OK)
        return status;
    status = pd_drive_mock_image_close(&mock->image, err);
    if (status == PD_OK)
        status = write_loaded(mock, barcode, err);
    if (status != PD_OK) {
        (void)!pd_drive_mock_image_close(&image, &late);
        return status;
    }
    mock->image = image;
    mock->pos = 0;
    memcpy(mock->barcode, barcode, sizeof(barcode));
    return PD_OK;
}

static enum pd_status mock_unload(void *impl, struct pd_error *err)
{
    struct mock *mock = impl;
    enum pd_status status = pd_drive_mock_image_close(&mock->image, err);

    if (status != PD_OK)
        return at_cartridge(mock, status, err);
    if (unlinkat(mock->dir_fd, LOADED_FILE, 0) != 0 && errno != ENOENT)
        status = pd_error_set(err, pd_status_from_errno(errno), errno,
                              "cannot remove %s/" LOADED_FILE, mock->dir);
    return status;
}

/* ---- reading, writing, moving ---- */

static enum pd_status mock_tell(void *impl, struct pd_drive_pos *out, struct pd_error *err)
{
    struct mock *mock = impl;
    const struct pd_drive_mock_image *image = &mock->image;
    bool inside = mock->pos < image->count;
    enum pd_status status = need_medium(mock, err);

    if (status != PD_OK)
        return status;
    out->known = true;
    out->object = mock->pos;
    out->file = inside ? image->objects[mock->pos].file : image->end_file;
    out->record = mock->pos - (inside ? image->objects[mock->pos].base : image->end_base);
    return PD_OK;
}

static enum pd_status mock_status(void *impl, struct pd_drive_status *out, struct pd_error *err)
{
    struct mock *mock = impl;

    out->max_record = PD_SIMH_RECORD_MAX;
    if (mock->image.fd < 0)
        return PD_OK;
    out->loaded = true;
    out->write_protected = mock->image.read_only;
    out->at_start = mock->pos == 0;
    out->early_warning = pd_drive_mock_image_data(&mock->image, mock->pos) > mock->options.capacity;
    out->capacity = mock->options.capacity;
    out->used = mock->image.end_data;
    out->seen = true;
    (void)snprintf(out->medium, sizeof(out->medium), "%s", mock->barcode);
    return mock_tell(mock, &out->pos, err);
}

/* What is met behind the last object. */
static enum pd_status met_end(const struct mock *mock, struct pd_error *err)
{
    if (mock->image.damaged)
        return pd_error_set(err, PD_BAD_FORMAT, 0,
                            "cartridge %s: the image is damaged at byte %" PRIu64, mock->barcode,
                            mock->image.end_at);
    return pd_error_set(err, PD_END_OF_DATA, 0, "cartridge %s: end of the recorded data",
                        mock->barcode);
}

static enum pd_status mock_read(void *impl, void *buf, size_t size, size_t *got,
                                struct pd_error *err)
{
    struct mock *mock = impl;
    const struct pd_drive_mock_object *object;
    enum pd_status status = need_medium(mock, err);

    if (status != PD_OK)
        return status;
    if (mock->pos >= mock->image.count)
        return met_end(mock, err);
    object = &mock->image.objects[mock->pos++];
    if (object->kind == PD_SIMH_MARK)
        return pd_error_set(err, PD_END_OF_FILE, 0, "cartridge %s: a filemark", mock->barcode);
    if (object->kind == PD_SIMH_BAD_RECORD)
        return pd_error_set(err, PD_IO, EIO, "cartridge %s: object %" PRIu64 " cannot be read",
                            mock->barcode, mock->pos - 1);
    if (object->len > size)
        return pd_error_set(err, PD_BAD_FORMAT, 0,
                            "cartridge %s: object %" PRIu64 " is a record of %" PRIu32
                            " bytes, longer than the %zu expected",
                            mock->barcode, mock->pos - 1, object->len, size);
    status = pd_drive_mock_image_read(&mock->image, mock->pos - 1, buf, err);
    if (status != PD_OK)
        return at_cartridge(mock, status, err);
    *got = object->len;
    return PD_OK;
}

static enum pd_status may_write(const struct mock *mock, struct pd_error *err)
{
    enum pd_status status = need_medium(mock, err);

    if (status == PD_OK && mock->image.read_only)
        status = pd_error_set(err, PD_WRITE_PROTECTED, 0, "cartridge %s is write protected",
                              mock->barcode);
    if (status == PD_OK && mock->pos >= mock->image.count && mock->image.damaged)
        status = met_end(mock, err);
    return status;
}

static enum pd_status mock_write(void *impl, const void *buf, size_t len, bool *early_warning,
                                 struct pd_error *err)
{
    struct mock *mock = impl;
    uint64_t whole, end = pd_add_sat(mock->options.capacity, mock->options.early);
    enum pd_status status = may_write(mock, err);

    if (status != PD_OK)
        return status;
    if (len > PD_SIMH_RECORD_MAX)
        return pd_error_set(err, PD_UNSUPPORTED, 0,
                            "a record of %zu bytes; the drive takes %" PRIu32, len,
                            PD_SIMH_RECORD_MAX);
    whole = pd_add_sat(pd_drive_mock_image_data(&mock->image, mock->pos), len);
    if (whole > end) {
        *early_warning = true;
        return pd_error_set(err, PD_VOLUME_FULL, 0, "cartridge %s: end of the medium",
                            mock->barcode);
    }
    status = pd_drive_mock_image_write(&mock->image, mock->pos, buf, (uint32_t)len, err);
    if (status != PD_OK)
        return at_cartridge(mock, status, err);
    mock->pos++;
    *early_warning = whole > mock->options.capacity;
    return PD_OK;
}

static enum pd_status mock_marks(void *impl, unsigned count, bool immediate, struct pd_error *err)
{
    struct mock *mock = impl;
    enum pd_status status = count > 0 ? may_write(mock, err) : need_medium(mock, err);

    for (unsigned i = 0; i < count && status == PD_OK; i++) {
        status = pd_drive_mock_image_write(&mock->image, mock->pos, NULL, 0, err);
        if (status == PD_OK)
            mock->pos++;
    }
    if (status == PD_OK && !immediate)
        status = pd_drive_mock_image_sync(&mock->image, err);
    return status == PD_OK ? PD_OK : at_cartridge(mock, status, err);
}

/* One object on; *passed says whether it was one of the kind that is counted. */
static enum pd_status step_on(struct mock *mock, enum pd_space_kind kind, bool *passed,
                              struct pd_error *err)
{
    bool mark;

    if (mock->pos >= mock->image.count)
        return met_end(mock, err);
    mark = mock->image.objects[mock->pos].kind == PD_SIMH_MARK;
    mock->pos++;
    *passed = mark == (kind == PD_SPACE_FILES);
    if (mark && kind == PD_SPACE_RECORDS)
        return pd_error_set(err, PD_END_OF_FILE, 0, "cartridge %s: met a filemark", mock->barcode);
    return PD_OK;
}

static enum pd_status step_back(struct mock *mock, enum pd_space_kind kind, bool *passed,
                                struct pd_error *err)
{
    bool mark;

    if (mock->pos == 0)
        return pd_error_set(err, PD_IO, 0, "cartridge %s: met the beginning of the tape",
                            mock->barcode);
    mock->pos--;
    mark = mock->image.objects[mock->pos].kind == PD_SIMH_MARK;
    *passed = mark == (kind == PD_SPACE_FILES);
    if (mark && kind == PD_SPACE_RECORDS)
        return pd_error_set(err, PD_END_OF_FILE, 0, "cartridge %s: met a filemark", mock->barcode);
    return PD_OK;
}

static enum pd_status mock_space(void *impl, enum pd_space_kind kind, int64_t count,
                                 struct pd_error *err)
{
    struct mock *mock = impl;
    uint64_t left = (uint64_t)(count < 0 ? -count : count);
    enum pd_status status = need_medium(mock, err);

    while (status == PD_OK && left > 0) {
        bool passed = false;

        status =
            count < 0 ? step_back(mock, kind, &passed, err) : step_on(mock, kind, &passed, err);
        left -= passed;
    }
    return status;
}

static enum pd_status mock_rewind(void *impl, struct pd_error *err)
{
    struct mock *mock = impl;
    enum pd_status status = need_medium(mock, err);

    if (status != PD_OK)
        return status;
    mock->pos = 0;
    pd_drive_mock_image_drop_cache(&mock->image);
    return PD_OK;
}

static enum pd_status mock_end(void *impl, struct pd_error *err)
{
    struct mock *mock = impl;
    enum pd_status status = need_medium(mock, err);

    if (status != PD_OK)
        return status;
    mock->pos = mock->image.count;
    return mock->image.damaged ? met_end(mock, err) : PD_OK;
}

static enum pd_status mock_locate(void *impl, uint64_t object, struct pd_error *err)
{
    struct mock *mock = impl;
    enum pd_status status = need_medium(mock, err);

    if (status != PD_OK)
        return status;
    mock->pos = object < mock->image.count ? object : mock->image.count;
    return object > mock->image.count ? met_end(mock, err) : PD_OK;
}

static enum pd_status mock_close(void *impl, struct pd_error *err)
{
    struct mock *mock = impl;
    enum pd_status status = pd_drive_mock_image_close(&mock->image, err);

    if (status != PD_OK)
        (void)at_cartridge(mock, status, err);
    if (mock->lock_fd >= 0)
        (void)close(mock->lock_fd); /* never written; drops the lock */
    if (mock->dir_fd >= 0)
        (void)close(mock->dir_fd); /* synced when a cartridge was made */
    free(mock->dir);
    free(mock);
    return status;
}

const struct pd_drive_ops pd_drive_mock_ops = {
    .name = "mock",
    .load = mock_load,
    .unload = mock_unload,
    .status = mock_status,
    .read = mock_read,
    .write = mock_write,
    .marks = mock_marks,
    .space = mock_space,
    .rewind = mock_rewind,
    .end = mock_end,
    .tell = mock_tell,
    .locate = mock_locate,
    .close = mock_close,
};

/* ---- opening ---- */

static enum pd_status open_folder(struct mock *mock, struct pd_error *err)
{
    int result;

    mock->dir_fd = open(mock->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (mock->dir_fd < 0) {
        bool absent = errno == ENOENT || errno == ENOTDIR;

        return pd_error_set(err, absent ? PD_USAGE : pd_status_from_errno(errno), errno,
                            absent ? "%s is not a folder; make it first" : "cannot open %s",
                            mock->dir);
    }
    mock->lock_fd = restart_openat(mock->dir_fd, LOCK_FILE, O_RDWR | O_CREAT);
    if (mock->lock_fd < 0)
        return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot open %s/" LOCK_FILE,
                            mock->dir);
    do
        result = flock(mock->lock_fd, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return PD_OK;
    if (errno == EWOULDBLOCK)
        return pd_error_set(err, PD_BUSY, 0, "the drive in %s is used by another run", mock->dir);
    return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot lock %s/" LOCK_FILE,
                        mock->dir);
}

enum pd_status pd_drive_mock_open(const char *dir, const struct pd_drive_mock_options *options,
                                  struct pd_drive **out, struct pd_error *err)
{
    struct mock *mock = calloc(1, sizeof(*mock));
    struct pd_error ignored = PD_ERROR_INIT;
    enum pd_status status;

    *out = NULL;
    if (mock == NULL)
        return pd_error_memory(err, "a drive");
    mock->dir_fd = mock->lock_fd = -1;
    mock->image.fd = -1;
    if (options != NULL)
        mock->options = *options;
    if (mock->options.capacity == 0)
        mock->options.capacity = CAPACITY;
    if (mock->options.early == 0)
        mock->options.early = EARLY;
    if (mock->options.slots == 0)
        mock->options.slots = SLOTS;
    mock->dir = strdup(dir);
    status = mock->dir == NULL ? pd_error_memory(err, "a drive") : open_folder(mock, err);
    if (status != PD_OK) {
        (void)!mock_close(mock, &ignored);
        return status;
    }
    return pd_drive_new(&pd_drive_mock_ops, mock, out, err);
}
