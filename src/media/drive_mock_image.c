#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "drive_mock_priv.h"

#define WORD       4
#define FIRST_ROOM 1024

/* len bytes at an offset; 0, or errno, or -1 when the file ends before. */
static int read_at(int fd, void *buf, size_t len, uint64_t at)
{
    char *to = buf;

    while (len > 0) {
        ssize_t n = pread(fd, to, len, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? -1 : errno;
        to += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* Another object at the end of the map. */
static bool append(struct pd_drive_mock_image *image, enum pd_simh_kind kind, uint32_t len,
                   uint64_t disk_size)
{
    if (image->count == image->room) {
        uint64_t room = image->room == 0 ? FIRST_ROOM : image->room * 2;
        void *objects = reallocarray(image->objects, room, sizeof(*image->objects));

        if (objects == NULL)
            return false;
        image->objects = objects;
        image->room = room;
    }
    image->objects[image->count++] = (struct pd_drive_mock_object){
        .at = image->end_at,
        .data = image->end_data,
        .file = image->end_file,
        .base = image->end_base,
        .len = len,
        .kind = kind,
    };
    image->end_at += disk_size;
    image->end_data += len;
    if (kind == PD_SIMH_MARK) {
        image->end_file++;
        image->end_base = image->count;
    }
    return true;
}

/* The object at end_at; *more false where the recorded data ends. */
static enum pd_status map_next(struct pd_drive_mock_image *image, bool *more, struct pd_error *err)
{
    uint64_t left = image->size - image->end_at;
    struct pd_error ignored = PD_ERROR_INIT;
    struct pd_simh_object object;
    uint8_t head[WORD], tail[WORD];
    int code;

    *more = false;
    if (left < WORD)
        return PD_OK;
    code = read_at(image->fd, head, WORD, image->end_at);
    if (code == 0 && pd_simh_decode(head, &object, &ignored) != PD_OK) {
        image->damaged = true;
        return PD_OK;
    }
    if (code == 0 && (object.kind == PD_SIMH_END || object.disk_size > left))
        return PD_OK;
    if (code == 0 && object.len > 0) {
        code = read_at(image->fd, tail, WORD, image->end_at + object.disk_size - WORD);
        image->damaged = code == 0 && memcmp(head, tail, WORD) != 0;
    }
    if (code != 0)
        return pd_error_set(err, PD_IO, code > 0 ? code : 0, "cannot read at byte %" PRIu64,
                            image->end_at);
    *more = !image->damaged;
    if (*more && !append(image, object.kind, object.len, object.disk_size))
        return pd_error_memory(err, "the map of a cartridge");
    return PD_OK;
}

enum pd_status pd_drive_mock_image_open(struct pd_drive_mock_image *image, int fd, const char *name,
                                        struct pd_error *err)
{
    struct pd_error ignored = PD_ERROR_INIT;
    struct stat st;
    bool more = true;
    enum pd_status status = PD_OK;

    *image = (struct pd_drive_mock_image)PD_DRIVE_MOCK_IMAGE_NONE;
    image->fd = fd;
    if (fstat(fd, &st) != 0)
        status = pd_error_set(err, PD_IO, errno, "cannot look at it");
    else if (!S_ISREG(st.st_mode))
        status = pd_error_set(err, PD_BAD_FORMAT, 0, "not a regular file");
    else
        image->size = (uint64_t)st.st_size;
    pd_drive_mock_image_drop_cache(image);
    while (status == PD_OK && more)
        status = map_next(image, &more, err);
    if (status == PD_OK)
        return PD_OK;
    pd_error_context(err, NULL, NULL, name);
    (void)!pd_drive_mock_image_close(image, &ignored);
    return status;
}

uint64_t pd_drive_mock_image_data(const struct pd_drive_mock_image *image, uint64_t pos)
{
    return pos < image->count ? image->objects[pos].data : image->end_data;
}

enum pd_status pd_drive_mock_image_read(struct pd_drive_mock_image *image, uint64_t pos, void *buf,
                                        struct pd_error *err)
{
    const struct pd_drive_mock_object *object = &image->objects[pos];
    int code;

    if (image->cached)
        pd_drive_mock_image_drop_cache(image);
    code = read_at(image->fd, buf, object->len, object->at + WORD);
    if (code != 0)
        return pd_error_set(err, PD_IO, code > 0 ? code : 0, "cannot read object %" PRIu64, pos);
    return PD_OK;
}

/* Ends the map before object number pos. */
static void cut_map(struct pd_drive_mock_image *image, uint64_t pos)
{
    if (pos >= image->count)
        return;
    image->end_at = image->objects[pos].at;
    image->end_data = image->objects[pos].data;
    image->end_file = image->objects[pos].file;
    image->end_base = image->objects[pos].base;
    image->count = pos;
    image->damaged = false;
}

static int cut_file(struct pd_drive_mock_image *image)
{
    int result;

    if (image->size == image->end_at)
        return 0;
    do
        result = ftruncate(image->fd, (off_t)image->end_at);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        image->size = image->end_at;
    return result;
}

/* All of the parts at end_at; 0 or errno. */
static int write_parts(struct pd_drive_mock_image *image, struct iovec *parts, int count)
{
    while (count > 0) {
        ssize_t n = pwritev(image->fd, parts, count, (off_t)image->size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? EIO : errno;
        image->size += (uint64_t)n;
        for (size_t done = (size_t)n; count > 0 && done > 0;) {
            size_t step = done < parts->iov_len ? done : parts->iov_len;

            parts->iov_base = (char *)parts->iov_base + step;
            parts->iov_len -= step;
            done -= step;
            if (parts->iov_len == 0) {
                parts++;
                count--;
            }
        }
    }
    return 0;
}

enum pd_status pd_drive_mock_image_write(struct pd_drive_mock_image *image, uint64_t pos,
                                         const void *data, uint32_t len, struct pd_error *err)
{
    uint8_t head[WORD], tail[1 + WORD] = {0};
    size_t pad = len & 1;
    struct iovec parts[] = {{head, WORD}, {(void *)(uintptr_t)data, len}, {tail, pad + WORD}};
    int count = data == NULL ? 1 : 3, code;

    pd_simh_word(data == NULL ? 0 : len, head);
    memcpy(tail + pad, head, WORD);
    cut_map(image, pos);
    image->dirty = image->cached = true;
    if (cut_file(image) != 0)
        return pd_error_set(err, PD_IO, errno, "cannot cut the image");
    code = write_parts(image, parts, count);
    if (code == 0) {
        if (append(image, data == NULL ? PD_SIMH_MARK : PD_SIMH_RECORD, data == NULL ? 0 : len,
                   data == NULL ? WORD : pd_simh_size(len)))
            return PD_OK;
        (void)!cut_file(image);
        return pd_error_memory(err, "the map of a cartridge");
    }
    (void)!cut_file(image);
    if (code == ENOSPC || code == EDQUOT)
        return pd_error_set(err, PD_VOLUME_FULL, code, "the image cannot grow");
    return pd_error_set(err, PD_IO, code, "cannot write object %" PRIu64, pos);
}

enum pd_status pd_drive_mock_image_sync(struct pd_drive_mock_image *image, struct pd_error *err)
{
    if (image->sync_failed)
        return pd_error_set(err, PD_IO, 0, "what was written before was lost by a failed sync");
    if (!image->dirty)
        return PD_OK;
    if (fsync(image->fd) != 0) {
        image->sync_failed = true;
        return pd_error_set(err, PD_IO, errno, "cannot sync the image");
    }
    image->dirty = false;
    return PD_OK;
}

void pd_drive_mock_image_drop_cache(struct pd_drive_mock_image *image)
{
    (void)posix_fadvise(image->fd, 0, 0, POSIX_FADV_DONTNEED);
    image->cached = false;
}

enum pd_status pd_drive_mock_image_close(struct pd_drive_mock_image *image, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    if (image->fd >= 0) {
        if (image->dirty)
            status = pd_drive_mock_image_sync(image, err);
        if (close(image->fd) != 0 && errno != EINTR && status == PD_OK)
            status = pd_error_set(err, PD_IO, errno, "cannot close the image");
    }
    free(image->objects);
    *image = (struct pd_drive_mock_image)PD_DRIVE_MOCK_IMAGE_NONE;
    return status;
}
