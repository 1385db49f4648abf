#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "pairdump/space.h"
#include "pairdump/text.h"
#include "restore_priv.h"

#define SPOOL_BYTES ((uint64_t)1 << 30)

enum { OUT_BYTES = 1 << 18, IN_BYTES = 1 << 18 };

struct pd_restore_stream {
    const struct pd_env *env;
    struct pd_tar_writer *writer;
    int fd;
    uint8_t *out; /* OUT_BYTES on their way */
    size_t out_len;
    uint8_t *in;        /* IN_BYTES from the temporary file */
    const char *folder; /* of the temporary file; borrowed */
    int temp;           /* -1: not made yet */
    uint64_t spool;
    struct archive_entry **dirs; /* as they are to be in the end */
    size_t dir_count, dir_cap;
    bool broken;
};

/* ---- out ---- */

static enum pd_status send_all(struct pd_restore_stream *stream, const uint8_t *bytes, size_t len,
                               struct pd_error *err)
{
    while (len > 0) {
        enum pd_status status = pd_env_check(stream->env, err); /* who reads may never go on */
        ssize_t done = status == PD_OK ? write(stream->fd, bytes, len) : 0;

        if (status != PD_OK) {
            stream->broken = true;
            return status;
        }
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            int sys_errno = done == 0 ? EIO : errno;

            stream->broken = true;
            if (sys_errno == EPIPE)
                return pd_error_set(err, PD_RESTORE, sys_errno,
                                    "nobody reads the tar stream any more; it is not whole");
            return pd_error_set(err, pd_status_from_errno(sys_errno), sys_errno,
                                "cannot write the tar stream");
        }
        bytes += done;
        len -= (size_t)done;
    }
    return PD_OK;
}

static enum pd_status flush(struct pd_restore_stream *stream, struct pd_error *err)
{
    enum pd_status status = send_all(stream, stream->out, stream->out_len, err);

    stream->out_len = 0;
    return status;
}

static enum pd_status sink(void *arg, const void *bytes, size_t len, struct pd_error *err)
{
    struct pd_restore_stream *stream = arg;
    enum pd_status status = PD_OK;

    if (stream->broken)
        return pd_error_set(err, PD_RESTORE, 0, "the tar stream has ended before");
    if (len > OUT_BYTES - stream->out_len)
        status = flush(stream, err);
    if (status == PD_OK && len >= OUT_BYTES)
        return send_all(stream, bytes, len, err);
    if (status == PD_OK) {
        memcpy(stream->out + stream->out_len, bytes, len);
        stream->out_len += len;
    }
    return status;
}

/* ---- life ---- */

enum pd_status pd_restore_stream_open(const struct pd_env *env,
                                      const struct pd_restore_options *options,
                                      struct pd_restore_stream **out, struct pd_error *err)
{
    struct pd_restore_stream *stream = calloc(1, sizeof(*stream));
    enum pd_status status;

    *out = NULL;
    if (stream == NULL)
        return pd_error_memory(err, "the tar stream");
    stream->env = env;
    stream->fd = options->stream_fd;
    stream->temp = -1;
    stream->folder = options->temp != NULL && options->temp[0] != '\0' ? options->temp : "/tmp";
    stream->spool = options->spool > 0 ? options->spool : SPOOL_BYTES;
    stream->out = malloc(OUT_BYTES);
    stream->in = malloc(IN_BYTES);
    status = stream->out == NULL || stream->in == NULL
                 ? pd_error_memory(err, "the tar stream")
                 : pd_tar_writer_new(sink, stream, &stream->writer, err);
    if (status == PD_OK)
        *out = stream;
    else
        pd_restore_stream_free(stream);
    return status;
}

void pd_restore_stream_free(struct pd_restore_stream *stream)
{
    if (stream == NULL)
        return;
    pd_tar_writer_free(stream->writer);
    for (size_t i = 0; i < stream->dir_count; i++)
        archive_entry_free(stream->dirs[i]);
    free(stream->dirs);
    if (stream->temp >= 0)
        (void)close(stream->temp); /* it has no name, and is not needed any more */
    free(stream->out);
    free(stream->in);
    free(stream);
}

bool pd_restore_stream_broken(const struct pd_restore_stream *stream)
{
    return stream->broken;
}

/* ---- names ---- */

static enum pd_status check_name(const char *rel, struct pd_error *err)
{
    if (rel[0] != '\0' && !pd_path_is_safe(rel, strlen(rel)))
        return pd_error_set(err, PD_UNSAFE_PATH, 0, "refused: the path may lead elsewhere");
    return PD_OK;
}

/* The entry under its name in the stream; NULL: no memory. */
static struct archive_entry *named(struct archive_entry *entry, const char *rel)
{
    struct archive_entry *copy = archive_entry_clone(entry);

    if (copy != NULL)
        archive_entry_copy_pathname(copy, rel[0] == '\0' ? "." : rel);
    return copy;
}

/* ---- data ---- */

static enum pd_status open_temp(struct pd_restore_stream *stream, struct pd_error *err)
{
    char *name = NULL;

    if (stream->temp >= 0)
        return PD_OK;
    stream->temp = open(stream->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (stream->temp >= 0)
        return PD_OK;
    if (asprintf(&name, "%s/pairdump-XXXXXX", stream->folder) < 0)
        return pd_error_memory(err, "a temporary file");
    stream->temp = mkostemp(name, O_CLOEXEC); /* where files without a name cannot be */
    if (stream->temp < 0 || unlink(name) != 0) {
        int sys_errno = errno;

        free(name);
        return pd_error_set(err, pd_status_from_errno(sys_errno), sys_errno,
                            "cannot make a temporary file in %s; TMPDIR names another folder",
                            stream->folder);
    }
    free(name);
    return PD_OK;
}

bool pd_restore_stream_fits(const struct pd_restore_stream *stream, const struct pd_toc_file *file)
{
    struct pd_error ignored = PD_ERROR_INIT;

    return file->size <= stream->spool &&
           pd_space_check(stream->folder, file->size, 0, &ignored) == PD_OK;
}

static enum pd_status spool(void *arg, const void *bytes, size_t len, uint64_t offset,
                            struct pd_error *err)
{
    const struct pd_restore_stream *stream = arg;
    const char *next = bytes;

    while (len > 0) {
        ssize_t done = pwrite(stream->temp, next, len, (off_t)offset);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return pd_error_set(err, pd_status_from_errno(done == 0 ? EIO : errno),
                                done == 0 ? EIO : errno, "cannot write a temporary file in %s",
                                stream->folder);
        next += done;
        offset += (uint64_t)done;
        len -= (size_t)done;
    }
    return PD_OK;
}

static enum pd_status drop(void *arg, const void *bytes, size_t len, uint64_t offset,
                           struct pd_error *err)
{
    (void)arg;
    (void)bytes;
    (void)len;
    (void)offset;
    (void)err;
    return PD_OK;
}

enum pd_status pd_restore_stream_prove(struct pd_tar_reader *reader,
                                       const struct pd_toc_file *expect, struct pd_error *err)
{
    bool place = false;

    return pd_restore_data(reader, expect, drop, NULL, &place, err);
}

/* From the temporary file, whose bytes were proved on their way in. */
static enum pd_status send_spooled(struct pd_restore_stream *stream, uint64_t size,
                                   struct pd_error *err)
{
    enum pd_status status = PD_OK;
    uint64_t at = 0;

    while (at < size && status == PD_OK) {
        size_t step = size - at < IN_BYTES ? (size_t)(size - at) : IN_BYTES;
        ssize_t got = pread(stream->temp, stream->in, step, (off_t)at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return pd_error_set(err, PD_IO, got < 0 ? errno : EIO,
                                "cannot read a temporary file in %s back", stream->folder);
        status = pd_tar_data(stream->writer, stream->in, (size_t)got, err);
        at += (uint64_t)got;
    }
    return status;
}

/* The last byte of the data waits until the digest is known to be right, so that no whole file can
 * come of a bad one. */
struct sending {
    struct pd_tar_writer *writer;
    uint64_t done; /* logical bytes that were sent */
    bool waits;
    uint8_t last;
};

static enum pd_status send_last(struct sending *sending, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    if (sending->waits) {
        status = pd_tar_data(sending->writer, &sending->last, 1, err);
        sending->done++;
    }
    sending->waits = false;
    return status;
}

static enum pd_status send_block(void *arg, const void *bytes, size_t len, uint64_t offset,
                                 struct pd_error *err)
{
    struct sending *sending = arg;
    enum pd_status status = send_last(sending, err);

    if (status == PD_OK)
        status = pd_tar_zeros(sending->writer, offset - sending->done, err);
    if (status == PD_OK)
        status = pd_tar_data(sending->writer, bytes, len - 1, err);
    sending->done = offset + len - 1;
    sending->last = ((const uint8_t *)bytes)[len - 1];
    sending->waits = true;
    return status;
}

/* Straight from the reader. */
static enum pd_status send_proved(struct pd_restore_stream *stream, struct pd_tar_reader *reader,
                                  const struct pd_toc_file *expect, struct pd_error *err)
{
    struct sending sending = {.writer = stream->writer};
    bool place = false;
    enum pd_status status = pd_restore_data(reader, expect, send_block, &sending, &place, err);

    if (status == PD_OK)
        status = send_last(&sending, err);
    return status == PD_OK ? pd_tar_zeros(stream->writer, expect->size - sending.done, err)
                           : status;
}

/* ---- entries ---- */

static enum pd_status fill_temp(struct pd_restore_stream *stream, struct pd_tar_reader *reader,
                                const struct pd_toc_file *expect, bool *place, struct pd_error *err)
{
    enum pd_status status = open_temp(stream, err);

    if (status == PD_OK && ftruncate(stream->temp, 0) != 0)
        status = pd_error_set(err, pd_status_from_errno(errno), errno,
                              "cannot empty a temporary file in %s", stream->folder);
    *place = status != PD_OK;
    if (status == PD_OK)
        status = pd_restore_data(reader, expect, spool, stream, place, err);
    if (status == PD_OK && ftruncate(stream->temp, (off_t)expect->size) != 0) {
        *place = true;
        status = pd_error_set(err, pd_status_from_errno(errno), errno,
                              "cannot write a temporary file in %s", stream->folder);
    }
    return status;
}

/* Once the header is out, the entry is sent whole, or the stream ends with it. */
static enum pd_status send_regular(struct pd_restore_stream *stream, struct pd_tar_reader *reader,
                                   struct archive_entry *entry, const struct pd_toc_file *expect,
                                   bool proved, bool *place, struct pd_error *err)
{
    enum pd_status status = proved ? PD_OK : fill_temp(stream, reader, expect, place, err);

    if (status != PD_OK)
        return status;
    *place = true;
    archive_entry_set_size(entry, (la_int64_t)expect->size);
    status = pd_tar_header(stream->writer, entry, err);
    if (status == PD_UNSUPPORTED)
        return status; /* nothing was written of it */
    if (status == PD_OK)
        status = proved ? send_proved(stream, reader, expect, err)
                        : send_spooled(stream, expect->size, err);
    if (status == PD_OK)
        status = pd_tar_end_entry(stream->writer, err);
    if (status != PD_OK)
        stream->broken = true;
    return status;
}

static enum pd_status send_plain(struct pd_restore_stream *stream, struct archive_entry *entry,
                                 struct pd_error *err)
{
    enum pd_status status = pd_tar_header(stream->writer, entry, err);

    if (status == PD_UNSUPPORTED)
        return status;
    if (status == PD_OK)
        status = pd_tar_end_entry(stream->writer, err);
    if (status != PD_OK)
        stream->broken = true;
    return status;
}

/* Takes entry over, for the end. */
static enum pd_status keep_dir(struct pd_restore_stream *stream, struct archive_entry *entry,
                               struct pd_error *err)
{
    if (stream->dir_count == stream->dir_cap) {
        size_t cap = stream->dir_cap == 0 ? 64 : stream->dir_cap * 2;
        struct archive_entry **bigger = realloc(stream->dirs, cap * sizeof(*bigger));

        if (bigger == NULL) {
            archive_entry_free(entry);
            return pd_error_memory(err, "a folder");
        }
        stream->dirs = bigger;
        stream->dir_cap = cap;
    }
    stream->dirs[stream->dir_count++] = entry;
    return PD_OK;
}

/* So that it can be filled, and nobody looks into it meanwhile. */
static enum pd_status send_dir(struct pd_restore_stream *stream, struct archive_entry *entry,
                               struct pd_error *err)
{
    struct archive_entry *early = archive_entry_clone(entry);
    enum pd_status status;

    if (early == NULL) {
        archive_entry_free(entry);
        return pd_error_memory(err, "a folder");
    }
    archive_entry_acl_clear(early);
    archive_entry_xattr_clear(early);
    archive_entry_set_perm(early, 0700);
    status = send_plain(stream, early, err);
    archive_entry_free(early);
    if (status != PD_OK) {
        archive_entry_free(entry);
        return status;
    }
    return keep_dir(stream, entry, err);
}

enum pd_status pd_restore_stream_file(struct pd_restore_stream *stream,
                                      struct pd_tar_reader *reader, struct archive_entry *entry,
                                      const struct pd_toc_file *expect, const char *rel,
                                      bool proved, struct pd_restore_outcome *outcome,
                                      struct pd_error *err)
{
    enum pd_status status = check_name(rel, err);
    struct archive_entry *own;

    outcome->back = false;
    outcome->place = true;
    if (status != PD_OK)
        return status;
    own = named(entry, rel);
    if (own == NULL)
        return pd_error_memory(err, "a tar header");
    if (expect->kind == PD_KIND_DIR) {
        status = send_dir(stream, own, err);
    } else {
        outcome->place = false;
        status = expect->kind == PD_KIND_FILE
                     ? send_regular(stream, reader, own, expect, proved, &outcome->place, err)
                     : send_plain(stream, own, err);
        outcome->place = outcome->place || expect->kind != PD_KIND_FILE;
        archive_entry_free(own);
    }
    outcome->back = status == PD_OK;
    return status;
}

enum pd_status pd_restore_stream_link(struct pd_restore_stream *stream,
                                      const struct pd_toc_file *file, const char *from,
                                      const char *rel, struct pd_error *err)
{
    enum pd_status status = check_name(rel, err);
    struct archive_entry *entry;

    if (status == PD_OK)
        status = check_name(from, err);
    if (status != PD_OK)
        return status;
    entry = archive_entry_new();
    if (entry == NULL)
        return pd_error_memory(err, "a tar header");
    archive_entry_copy_pathname(entry, rel);
    archive_entry_set_mode(entry, (mode_t)(S_IFREG | file->mode));
    archive_entry_set_uid(entry, (la_int64_t)file->uid);
    archive_entry_set_gid(entry, (la_int64_t)file->gid);
    archive_entry_set_mtime(entry, file->mtime, (long)file->mtime_ns);
    archive_entry_set_size(entry, 0);
    archive_entry_copy_hardlink(entry, from);
    status = send_plain(stream, entry, err);
    archive_entry_free(entry);
    return status;
}

/* What lies in a folder comes before it: nothing is changed in it any more when it gets its times
 * and its mode. */
static int from_below(const void *a, const void *b)
{
    return -strcmp(archive_entry_pathname(*(struct archive_entry *const *)a),
                   archive_entry_pathname(*(struct archive_entry *const *)b));
}

/* What was sent to a file is on its medium; a pipe has none. */
static enum pd_status settle(const struct pd_restore_stream *stream, struct pd_error *err)
{
    struct stat st;

    if (fstat(stream->fd, &st) != 0 || !S_ISREG(st.st_mode) || fsync(stream->fd) == 0)
        return PD_OK;
    return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot write the tar stream");
}

enum pd_status pd_restore_stream_finish(struct pd_restore_stream *stream, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    if (stream->dir_count > 1)
        qsort(stream->dirs, stream->dir_count, sizeof(struct archive_entry *), from_below);
    for (size_t i = 0; i < stream->dir_count && status == PD_OK; i++)
        status = send_plain(stream, stream->dirs[i], err);
    if (status == PD_OK)
        status = pd_tar_finish(stream->writer, err);
    if (status == PD_OK)
        status = flush(stream, err);
    return status == PD_OK ? settle(stream, err) : status;
}
