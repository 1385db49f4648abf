#include "pairdump/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include "tar_priv.h"

/* libarchive's reader refuses an extended header over 1 MiB (3.6.2, read_body_to_string), so none
 * is written: what cannot be read back must not be called stored. */
#define PAX_HEADER_MAX ((size_t)1 << 20)

/* Two blocks of zeros (IEEE Std 1003.1, pax). */
#define END_MARK_BYTES 1024

/* ---- writer ---- */

/*
 * Two encoders share the sink. Names that are not plain ASCII go through the binary one, whose
 * headers say hdrcharset=BINARY, so that any bytes survive in any locale. The others do without:
 * GNU tar prints a line for each keyword it does not know, and a million such lines hide a real
 * one. Entries do not depend on one another, so the two may alternate.
 */
struct pd_tar_writer {
    pd_tar_sink sink;
    void *arg;
    struct archive *plain, *binary;
    struct archive *open; /* the encoder whose entry is open, or NULL */
    uint64_t size, given; /* logical bytes of the open entry: declared, handed over */
    bool muted;           /* being freed: nothing may reach the sink */
    bool finished;
    enum pd_status dead; /* what ended it; PD_OK while it lives */
    enum pd_status sink_status;
    struct pd_error *err; /* of the call under way, for the sink */
};

static la_ssize_t write_out(struct archive *a, void *data, const void *bytes, size_t len)
{
    struct pd_tar_writer *writer = data;

    if (writer->muted)
        return (la_ssize_t)len;
    writer->sink_status = writer->sink(writer->arg, bytes, len, writer->err);
    if (writer->sink_status == PD_OK)
        return (la_ssize_t)len;
    archive_set_error(a, EIO, "the sink refused");
    return -1;
}

static enum pd_status encoder_new(struct pd_tar_writer *writer, bool binary, struct archive **out,
                                  struct pd_error *err)
{
    struct archive *a = archive_write_new();
    bool good;

    *out = NULL;
    if (a == NULL)
        return pd_error_memory(err, "a tar writer");
    good = archive_write_set_format_pax(a) == ARCHIVE_OK &&
           archive_write_set_bytes_per_block(a, 0) == ARCHIVE_OK &&
           archive_write_set_bytes_in_last_block(a, 1) == ARCHIVE_OK &&
           (!binary ||
            archive_write_set_format_option(a, "pax", "hdrcharset", "BINARY") == ARCHIVE_OK) &&
           archive_write_open2(a, writer, NULL, write_out, NULL, NULL) == ARCHIVE_OK;
    if (good) {
        *out = a;
        return PD_OK;
    }
    (void)pd_error_set(err, PD_INTERNAL, 0, "libarchive cannot write pax archives here: %s",
                       archive_error_string(a) == NULL ? "?" : archive_error_string(a));
    (void)archive_write_free(a);
    return PD_INTERNAL;
}

enum pd_status pd_tar_writer_new(pd_tar_sink sink, void *arg, struct pd_tar_writer **out,
                                 struct pd_error *err)
{
    struct pd_tar_writer *writer = calloc(1, sizeof(*writer));
    enum pd_status status;

    *out = NULL;
    if (writer == NULL)
        return pd_error_memory(err, "a tar writer");
    writer->sink = sink;
    writer->arg = arg;
    writer->muted = true;
    status = encoder_new(writer, false, &writer->plain, err);
    if (status == PD_OK)
        status = encoder_new(writer, true, &writer->binary, err);
    writer->muted = false;
    if (status == PD_OK)
        *out = writer;
    else
        pd_tar_writer_free(writer);
    return status;
}

/* Closed by hand, as libarchive leaks when it frees an encoder that has failed. */
static void encoder_free(struct archive *a)
{
    if (a == NULL)
        return;
    (void)archive_write_close(a);
    (void)archive_write_free(a);
}

void pd_tar_writer_free(struct pd_tar_writer *writer)
{
    if (writer == NULL)
        return;
    writer->muted = true; /* closing writes */
    encoder_free(writer->plain);
    encoder_free(writer->binary);
    free(writer);
}

/* Checks what every call needs, and remembers where the sink is to put its error. */
static enum pd_status writer_ready(struct pd_tar_writer *writer, bool entry_open,
                                   struct pd_error *err)
{
    if (writer->dead != PD_OK)
        return pd_error_set(err, writer->dead, 0, "this archive has failed before");
    if (writer->finished)
        return pd_error_set(err, PD_INTERNAL, 0, "tar: the archive is finished already");
    if (entry_open != (writer->open != NULL))
        return pd_error_set(err, PD_INTERNAL, 0,
                            entry_open ? "tar: no entry is open" : "tar: an entry is still open");
    writer->err = err;
    writer->sink_status = PD_OK;
    return PD_OK;
}

/* The encoder failed: the sink's own status if that was why. Ends the writer. */
static enum pd_status writer_failed(struct pd_tar_writer *writer, struct archive *a,
                                    const char *what, struct pd_error *err)
{
    const char *text = archive_error_string(a);

    if (writer->sink_status != PD_OK)
        writer->dead = writer->sink_status;
    else if (archive_errno(a) == ENOMEM)
        writer->dead = pd_error_memory(err, "a tar header");
    else
        writer->dead = pd_error_set(err, PD_INTERNAL, 0, "tar: %s: %s", what,
                                    text == NULL ? "no reason given" : text);
    return writer->dead;
}

static bool is_ascii(const char *text)
{
    if (text == NULL)
        return true;
    for (; *text != '\0'; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

static size_t text_len(const char *text)
{
    return text == NULL ? 0 : strlen(text);
}

/* No less than the extended header takes: each attribute goes in twice, as SCHILY.xattr in plain
 * bytes and as LIBARCHIVE.xattr in base64, names with up to three bytes for one. */
static size_t pax_header_bound(struct archive_entry *entry)
{
    size_t bound = 4096 + text_len(archive_entry_pathname(entry)) * 2 +
                   text_len(archive_entry_hardlink(entry)) +
                   text_len(archive_entry_symlink(entry)) + text_len(archive_entry_uname(entry)) +
                   text_len(archive_entry_gname(entry));
    int count = archive_entry_xattr_reset(entry);

    while (count-- > 0) {
        const char *name = NULL;
        const void *value = NULL;
        size_t len = 0;

        if (archive_entry_xattr_next(entry, &name, &value, &len) != ARCHIVE_OK)
            break;
        if (len > PAX_HEADER_MAX)
            return SIZE_MAX;
        bound += 80 + 6 * text_len(name) + len + (len + 2) / 3 * 4;
    }
    /* An ACL entry takes a tag, a name, permissions and a number: under 64 bytes and the name. */
    bound += 96 * (size_t)archive_entry_acl_reset(entry, ARCHIVE_ENTRY_ACL_TYPE_POSIX1E);
    return bound;
}

/* What no encoder may be asked for; has_data: the entry is followed by its size in bytes. */
static enum pd_status check_entry(struct archive_entry *entry, bool has_data, struct pd_error *err)
{
    if (text_len(archive_entry_pathname(entry)) == 0)
        return pd_error_set(err, PD_INTERNAL, 0, "tar: entry without a name");
    if (has_data && (!archive_entry_size_is_set(entry) || archive_entry_size(entry) < 0))
        return pd_error_set(err, PD_INTERNAL, 0, "tar: entry without a size");
    if (pax_header_bound(entry) > PAX_HEADER_MAX)
        return pd_error_set(err, PD_UNSUPPORTED, 0,
                            "names and extended attributes take more than 1 MiB, which tar "
                            "readers refuse");
    return PD_OK;
}

static bool has_ascii_names(struct archive_entry *entry)
{
    return is_ascii(archive_entry_pathname(entry)) && is_ascii(archive_entry_hardlink(entry)) &&
           is_ascii(archive_entry_symlink(entry)) && is_ascii(archive_entry_uname(entry)) &&
           is_ascii(archive_entry_gname(entry));
}

enum pd_status pd_tar_header(struct pd_tar_writer *writer, struct archive_entry *entry,
                             struct pd_error *err)
{
    bool has_data =
        archive_entry_filetype(entry) == AE_IFREG && archive_entry_hardlink(entry) == NULL;
    enum pd_status status = writer_ready(writer, false, err);
    struct archive *a;
    int result;

    if (status == PD_OK)
        status = check_entry(entry, has_data, err);
    if (status == PD_OK)
        status = pd_tar_acl_narrow(entry, err);
    if (status != PD_OK)
        return status;
    a = has_ascii_names(entry) ? writer->plain : writer->binary;
    writer->size = has_data ? (uint64_t)archive_entry_size(entry) : 0;
    writer->given = 0;
    result = archive_write_header(a, entry);
    if (result == ARCHIVE_FAILED) /* a socket, say; nothing was written */
        return pd_error_set(err, PD_UNSUPPORTED, 0, "tar cannot hold this: %s",
                            archive_error_string(a) == NULL ? "?" : archive_error_string(a));
    if (result != ARCHIVE_OK)
        return writer_failed(writer, a, "header", err);
    /* libarchive keeps the map of a sparse file back until the first data. It must be out before
     * the caller reads data into the sink's memory, where the map would fall onto it. */
    if (has_data && archive_write_data(a, "", 0) < 0)
        return writer_failed(writer, a, "sparse map", err);
    writer->open = a;
    return PD_OK;
}

enum pd_status pd_tar_data(struct pd_tar_writer *writer, const void *bytes, size_t len,
                           struct pd_error *err)
{
    const char *next = bytes;
    enum pd_status status = writer_ready(writer, true, err);

    if (status != PD_OK)
        return status;
    if (len > writer->size - writer->given) {
        writer->dead = pd_error_set(err, PD_INTERNAL, 0, "tar: more bytes than the entry's size");
        return writer->dead;
    }
    while (len > 0) {
        size_t step = len < INT_MAX ? len : INT_MAX;
        la_ssize_t taken = archive_write_data(writer->open, next, step);

        if (taken < 0 || (size_t)taken != step)
            return writer_failed(writer, writer->open, "data", err);
        writer->given += step;
        next += step;
        len -= step;
    }
    return PD_OK;
}

enum pd_status pd_tar_zeros(struct pd_tar_writer *writer, uint64_t n, struct pd_error *err)
{
    static const char zeros[65536];
    enum pd_status status = PD_OK;

    while (n > 0 && status == PD_OK) {
        size_t step = n < sizeof(zeros) ? (size_t)n : sizeof(zeros);

        status = pd_tar_data(writer, zeros, step, err);
        n -= step;
    }
    return status;
}

enum pd_status pd_tar_end_entry(struct pd_tar_writer *writer, struct pd_error *err)
{
    enum pd_status status = writer_ready(writer, true, err);

    if (status != PD_OK)
        return status;
    if (writer->given != writer->size) {
        writer->dead = pd_error_set(err, PD_INTERNAL, 0, "tar: fewer bytes than the entry's size");
        return writer->dead;
    }
    if (archive_write_finish_entry(writer->open) != ARCHIVE_OK)
        return writer_failed(writer, writer->open, "end of entry", err);
    writer->open = NULL;
    return PD_OK;
}

enum pd_status pd_tar_file(struct pd_tar_writer *writer, const char *path, const void *bytes,
                           size_t len, int64_t mtime, struct pd_error *err)
{
    struct archive_entry *entry = archive_entry_new();
    enum pd_status status;

    if (entry == NULL)
        return pd_error_memory(err, "a tar entry");
    archive_entry_copy_pathname(entry, path);
    archive_entry_set_mode(entry, S_IFREG | 0644);
    archive_entry_set_uid(entry, 0);
    archive_entry_set_gid(entry, 0);
    archive_entry_copy_uname(entry, "root");
    archive_entry_copy_gname(entry, "root");
    archive_entry_set_mtime(entry, mtime, 0);
    archive_entry_set_size(entry, (la_int64_t)len);
    status = pd_tar_header(writer, entry, err);
    if (status == PD_OK)
        status = pd_tar_data(writer, bytes, len, err);
    if (status == PD_OK)
        status = pd_tar_end_entry(writer, err);
    archive_entry_free(entry);
    return status;
}

enum pd_status pd_tar_finish(struct pd_tar_writer *writer, struct pd_error *err)
{
    enum pd_status status = writer_ready(writer, false, err);

    if (status != PD_OK)
        return status;
    if (archive_write_close(writer->plain) != ARCHIVE_OK)
        return writer_failed(writer, writer->plain, "end of archive", err);
    writer->finished = true;
    return PD_OK;
}

/* ---- reader ---- */

struct pd_tar_reader {
    pd_tar_source source;
    void *arg;
    struct archive *archive;
    bool opened;      /* the first bytes were asked for */
    bool ended;       /* the end of the archive was seen */
    bool source_ends; /* the source has no more, and more was asked for */
    bool in_entry;
    uint64_t next_offset; /* data blocks may not lie before this */
    enum pd_status dead;  /* what ended it; PD_OK while it lives */
    enum pd_status source_status;
    struct pd_error *err; /* of the call under way, for the source */
};

static la_ssize_t read_in(struct archive *a, void *data, const void **bytes)
{
    struct pd_tar_reader *reader = data;
    size_t len = 0;

    *bytes = NULL;
    if (reader->source_ends)
        return 0;
    reader->source_status = reader->source(reader->arg, bytes, &len, reader->err);
    if (reader->source_status != PD_OK) {
        archive_set_error(a, EIO, "the source failed");
        return -1;
    }
    if (len == 0)
        reader->source_ends = true;
    return (la_ssize_t)len;
}

enum pd_status pd_tar_reader_new(pd_tar_source source, void *arg, struct pd_tar_reader **out,
                                 struct pd_error *err)
{
    struct pd_tar_reader *reader = calloc(1, sizeof(*reader));

    *out = NULL;
    if (reader == NULL)
        return pd_error_memory(err, "a tar reader");
    reader->source = source;
    reader->arg = arg;
    reader->archive = archive_read_new();
    if (reader->archive == NULL || archive_read_support_format_tar(reader->archive) != ARCHIVE_OK) {
        pd_tar_reader_free(reader);
        return pd_error_memory(err, "a tar reader");
    }
    *out = reader;
    return PD_OK;
}

void pd_tar_reader_free(struct pd_tar_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->archive != NULL)
        (void)archive_read_free(reader->archive);
    free(reader);
}

static enum pd_status reader_failed(struct pd_tar_reader *reader, struct pd_error *err)
{
    const char *text = archive_error_string(reader->archive);

    if (reader->source_status != PD_OK)
        reader->dead = reader->source_status;
    else if (archive_errno(reader->archive) == ENOMEM)
        reader->dead = pd_error_memory(err, "a tar entry");
    else if (reader->source_ends)
        reader->dead = pd_error_set(err, PD_TRUNCATED, 0, "the tar archive ends too early");
    else
        reader->dead = pd_error_set(err, PD_BAD_FORMAT, 0, "not a sound tar archive: %s",
                                    text == NULL ? "no reason given" : text);
    return reader->dead;
}

static enum pd_status reader_ready(struct pd_tar_reader *reader, struct pd_error *err)
{
    if (reader->dead != PD_OK)
        return pd_error_set(err, reader->dead, 0, "reading this archive has failed before");
    reader->err = err;
    return PD_OK;
}

/*
 * libarchive calls it the end of the archive when the stream ends between two entries, or at one
 * block of zeros, as a damaged sector would leave it. Only two blocks of zeros are the end.
 */
static enum pd_status reader_end(struct pd_tar_reader *reader, struct pd_error *err)
{
    la_int64_t mark =
        archive_filter_bytes(reader->archive, 0) - archive_read_header_position(reader->archive);

    if (reader->source_status != PD_OK)
        return reader_failed(reader, err);
    if (mark == END_MARK_BYTES) {
        reader->ended = true;
        return PD_OK;
    }
    if (reader->source_ends)
        reader->dead = pd_error_set(err, PD_TRUNCATED, 0,
                                    "the tar archive ends without an end-of-archive mark");
    else
        reader->dead = pd_error_set(err, PD_BAD_FORMAT, 0,
                                    "a single block of zeros where a tar header should be");
    return reader->dead;
}

enum pd_status pd_tar_next(struct pd_tar_reader *reader, struct archive_entry **entry,
                           struct pd_error *err)
{
    enum pd_status status = reader_ready(reader, err);
    struct archive_entry *found = NULL;
    int result;

    *entry = NULL;
    if (status != PD_OK || reader->ended)
        return status;
    reader->in_entry = false;
    if (!reader->opened) {
        reader->opened = true;
        if (archive_read_open(reader->archive, reader, NULL, read_in, NULL) != ARCHIVE_OK)
            return reader_failed(reader, err);
    }
    result = archive_read_next_header(reader->archive, &found);
    if (result == ARCHIVE_EOF)
        return reader_end(reader, err);
    if (result != ARCHIVE_OK)
        return reader_failed(reader, err);
    if (archive_entry_pathname(found) == NULL) {
        reader->dead = pd_error_set(err, PD_BAD_FORMAT, 0, "a tar entry without a name");
        return reader->dead;
    }
    status = pd_tar_xattr_unify(found, err);
    if (status == PD_OK)
        status = pd_tar_acl_widen(found, err);
    if (status != PD_OK) {
        reader->dead = status;
        return status;
    }
    reader->in_entry = true;
    reader->next_offset = 0;
    *entry = found;
    return PD_OK;
}

uint64_t pd_tar_entry_offset(const struct pd_tar_reader *reader)
{
    return reader->opened ? (uint64_t)archive_read_header_position(reader->archive) : 0;
}

enum pd_status pd_tar_block(struct pd_tar_reader *reader, const void **bytes, size_t *len,
                            uint64_t *offset, struct pd_error *err)
{
    enum pd_status status = reader_ready(reader, err);
    la_int64_t place = 0;
    int result;

    *bytes = NULL;
    *len = 0;
    *offset = 0;
    if (status != PD_OK)
        return status;
    if (!reader->in_entry)
        return pd_error_set(err, PD_INTERNAL, 0, "tar: no entry is open");
    do {
        result = archive_read_data_block(reader->archive, bytes, len, &place);
    } while (result == ARCHIVE_OK && *len == 0);
    if (result == ARCHIVE_EOF && reader->source_status == PD_OK) {
        *len = 0;
        return PD_OK;
    }
    if (result != ARCHIVE_OK) {
        *len = 0;
        return reader_failed(reader, err);
    }
    if (place < 0 || (uint64_t)place < reader->next_offset) {
        *len = 0;
        reader->dead = pd_error_set(err, PD_BAD_FORMAT, 0, "a sparse map that runs backwards");
        return reader->dead;
    }
    *offset = (uint64_t)place;
    reader->next_offset = *offset + *len;
    return PD_OK;
}

enum pd_status pd_tar_slurp(struct pd_tar_reader *reader, struct archive_entry *entry, size_t limit,
                            char **out, size_t *len, struct pd_error *err)
{
    la_int64_t size = archive_entry_size(entry);
    const void *bytes = NULL;
    size_t got = 0;
    uint64_t offset = 0;
    enum pd_status status;
    char *text;

    *out = NULL;
    *len = 0;
    if (size < 0 || (uint64_t)size > limit)
        return pd_error_set(err, PD_BAD_FORMAT, 0,
                            "a tar entry of %lld bytes where at most %zu "
                            "are expected",
                            (long long)size, limit);
    text = calloc(1, (size_t)size + 1);
    if (text == NULL)
        return pd_error_memory(err, "a tar entry");
    while ((status = pd_tar_block(reader, &bytes, &got, &offset, err)) == PD_OK && got > 0) {
        if (offset > (uint64_t)size || got > (uint64_t)size - offset) {
            status = pd_error_set(err, PD_BAD_FORMAT, 0, "a tar entry longer than its size");
            break;
        }
        memcpy(text + offset, bytes, got);
    }
    if (status != PD_OK) {
        free(text);
        return status;
    }
    *out = text;
    *len = (size_t)size;
    return PD_OK;
}
