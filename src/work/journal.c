#include "pairdump/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/digest.h"
#include "pairdump/size.h"

enum { DIGEST_LEN = PD_XXH128_TEXT - 1, READ_STEP = 65536 };

struct pd_journal {
    int fd;
    char *path;
    _Atomic uint64_t size; /* bytes of whole entries */
    _Atomic uint64_t kept; /* of these, bytes that are on the medium */
    _Atomic uint64_t last;
    bool broken; /* an append failed */
};

/* ---- one entry as text ---- */

static void put(struct pd_entry_text *entry, const char *bytes, size_t len)
{
    if (entry->status == PD_OK) {
        entry->status = pd_escape(&entry->text, bytes, len);
    }
    if (entry->status == PD_OK) {
        entry->status = pd_buf_append(&entry->text, "\t", 1);
    }
}

void pd_entry_word(struct pd_entry_text *entry, const char *field)
{
    put(entry, field, strlen(field));
}

void pd_entry_number(struct pd_entry_text *entry, int64_t field)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, field);
    pd_entry_word(entry, text);
}

void pd_entry_release(struct pd_entry *entry)
{
    free(entry->fields);
    pd_buf_free(&entry->text);
    memset(entry, 0, sizeof *entry);
}

static void digest_text(const char *bytes, size_t len, char out[PD_XXH128_TEXT])
{
    struct pd_xxh128 digest = pd_record_digest(bytes, len);

    pd_hex_encode(digest.bytes, PD_XXH128_LEN, out);
}

static enum pd_status add_field(struct pd_entry *out, char *field, struct pd_error *err)
{
    if (out->count == out->room) {
        size_t room = out->room ? out->room * 2 : 16;
        char **grown = realloc(out->fields, room * sizeof *grown);
        if (!grown) {
            return pd_error_memory(err, "a journal entry");
        }
        out->fields = grown;
        out->room = room;
    }
    out->fields[out->count++] = field;
    return PD_OK;
}

/* Unescapes a field in place: it never grows. */
static bool unescape_in_place(char *field)
{
    struct pd_buf plain = PD_BUF_INIT;
    bool good = !strchr(field, '%') || pd_unescape(field, strlen(field), &plain);

    if (plain.data) {
        memcpy(field, plain.data, plain.len + 1);
    }
    pd_buf_free(&plain);
    return good;
}

/* Splits what stands before the digest, tabs behind each field. */
static bool split(struct pd_entry *out, struct pd_error *err)
{
    char *at = out->text.data;
    char *tab;
    bool first = true, good = true;

    for (; good && (tab = strchr(at, '\t')) != NULL; at = tab + 1) {
        *tab = '\0';
        if (first) {
            good = pd_parse_u64(at, &out->number);
            first = false;
        } else {
            good = unescape_in_place(at) && add_field(out, at, err) == PD_OK;
        }
    }
    return good && !first && out->count > 0 && *at == '\0';
}

bool pd_entry_decode(const char *line, size_t len, struct pd_entry *out, struct pd_error *err)
{
    char hex[PD_XXH128_TEXT];

    out->count = 0;
    out->number = 0;
    pd_buf_clear(&out->text);
    if (len < DIGEST_LEN + 2 || memchr(line, '\0', len) || line[len - DIGEST_LEN - 1] != '\t') {
        return false;
    }
    digest_text(line, len - DIGEST_LEN, hex);
    if (memcmp(hex, line + len - DIGEST_LEN, DIGEST_LEN) != 0) {
        return false;
    }
    if (pd_buf_append(&out->text, line, len - DIGEST_LEN) != PD_OK) {
        pd_error_memory(err, "a journal entry");
        return false;
    }
    return split(out, err);
}

/* ---- the file ---- */

static enum pd_status failed(const struct pd_journal *journal, const char *what,
                             struct pd_error *err)
{
    return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot %s the journal %s", what,
                        journal->path);
}

static enum pd_status damaged(const struct pd_journal *journal, uint64_t at, struct pd_error *err)
{
    return pd_error_set(err, PD_BAD_FORMAT, 0, "the journal %s is damaged at byte %" PRIu64,
                        journal->path, at);
}

/* Reads the line at `at` into text, without its LF; *whole false when none ends before `end`. */
static enum pd_status read_line(struct pd_journal *journal, uint64_t at, uint64_t end,
                                struct pd_buf *text, bool *whole, struct pd_error *err)
{
    char bytes[READ_STEP];

    pd_buf_clear(text);
    *whole = false;
    while (!*whole && at < end) {
        size_t want = end - at < sizeof bytes ? (size_t)(end - at) : sizeof bytes;
        ssize_t n = pread(journal->fd, bytes, want, (off_t)at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return failed(journal, "read", err);
        }
        const char *lf = memchr(bytes, '\n', (size_t)n);
        size_t take = lf ? (size_t)(lf - bytes) : (size_t)n;
        if (pd_buf_append(text, bytes, take) != PD_OK) {
            return pd_error_memory(err, "a journal entry");
        }
        at += take;
        *whole = lf != NULL;
    }
    return PD_OK;
}

enum pd_status pd_journal_next(struct pd_journal *journal, uint64_t *place, struct pd_entry *entry,
                               bool *more, struct pd_error *err)
{
    struct pd_buf line = PD_BUF_INIT;
    uint64_t end = atomic_load(&journal->size);
    enum pd_status status = PD_OK;

    *more = *place < end;
    if (*more) {
        bool whole = false;
        status = read_line(journal, *place, end, &line, &whole, err);
        if (status == PD_OK &&
            (!whole || !line.data || !pd_entry_decode(line.data, line.len, entry, err))) {
            status = damaged(journal, *place, err);
        }
        *place += line.len + 1;
    }
    pd_buf_free(&line);
    return status;
}

/* One more line of the file: a good entry counts, a torn line may only be followed by such. */
static enum pd_status check_line(struct pd_journal *journal, const struct pd_buf *line, bool whole,
                                 uint64_t at, struct pd_entry *entry, struct pd_error *err)
{
    uint64_t size = atomic_load(&journal->size), last = atomic_load(&journal->last);

    if (!whole || !line->data || !pd_entry_decode(line->data, line->len, entry, err)) {
        return err->status == PD_NO_MEMORY ? PD_NO_MEMORY : PD_OK; /* that says nothing of the line */
    }
    if (at != size || (entry->number != 0 && entry->number != last + 1)) {
        return damaged(journal, size, err);
    }
    atomic_store(&journal->size, at + line->len + 1);
    atomic_store(&journal->last, entry->number != 0 ? entry->number : last);
    return PD_OK;
}

/* Takes all whole entries; a torn line behind the last one goes. */
static enum pd_status check_all(struct pd_journal *journal, uint64_t file_size,
                                struct pd_error *err)
{
    struct pd_buf line = PD_BUF_INIT;
    struct pd_entry entry = {0};
    uint64_t at = 0;
    enum pd_status status = PD_OK;

    while (status == PD_OK && at < file_size) {
        bool whole = false;
        status = read_line(journal, at, file_size, &line, &whole, err);
        if (status == PD_OK) {
            status = check_line(journal, &line, whole, at, &entry, err);
        }
        at += line.len + 1;
    }
    uint64_t size = atomic_load(&journal->size);
    if (status == PD_OK && size < file_size && ftruncate(journal->fd, (off_t)size) != 0) {
        status = failed(journal, "write", err);
    }
    pd_entry_release(&entry);
    pd_buf_free(&line);
    return status;
}

static enum pd_status lock(struct pd_journal *journal, struct pd_error *err)
{
    int result;

    do {
        result = flock(journal->fd, LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result == 0) {
        return PD_OK;
    }
    if (errno == EWOULDBLOCK) {
        return pd_error_set(err, PD_BUSY, 0, "the journal %s is in use by another run",
                            journal->path);
    }
    return failed(journal, "lock", err);
}

enum pd_status pd_journal_open(const char *path, bool create, struct pd_journal **out,
                               struct pd_error *err)
{
    struct pd_journal *journal = calloc(1, sizeof *journal);
    struct stat st;
    enum pd_status status = PD_OK;

    if (!journal || !(journal->path = strdup(path))) {
        free(journal);
        return pd_error_memory(err, "journal");
    }
    journal->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT | O_EXCL : 0), 0600);
    if (journal->fd < 0) {
        status = failed(journal, create ? "make" : "open", err);
    }
    if (status == PD_OK) {
        status = lock(journal, err);
    }
    if (status == PD_OK && fstat(journal->fd, &st) != 0) {
        status = failed(journal, "read", err);
    }
    if (status == PD_OK && st.st_size > 0) {
        status = check_all(journal, (uint64_t)st.st_size, err);
    }
    if (status != PD_OK) {
        pd_journal_close(journal);
        return status;
    }
    *out = journal;
    return PD_OK;
}

void pd_journal_close(struct pd_journal *journal)
{
    if (journal) {
        if (journal->fd >= 0) {
            close(journal->fd);
        }
        free(journal->path);
        free(journal);
    }
}

static enum pd_status write_at_end(struct pd_journal *journal, const struct pd_buf *line,
                                   bool durable, struct pd_error *err)
{
    uint64_t at = atomic_load(&journal->size);
    uint64_t end = at + line->len;
    const char *from = line->data;

    while (at < end) {
        ssize_t n = pwrite(journal->fd, from, (size_t)(end - at), (off_t)at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return failed(journal, "write", err);
        }
        at += (uint64_t)n;
        from += n;
    }
    return durable && fdatasync(journal->fd) != 0 ? failed(journal, "sync", err) : PD_OK;
}

static enum pd_status finish_line(struct pd_entry_text *entry, uint64_t number,
                                  struct pd_buf *line, struct pd_error *err)
{
    char hex[PD_XXH128_TEXT];
    enum pd_status status = entry->status;

    if (status == PD_OK) {
        status = pd_buf_printf(line, "%" PRIu64 "\t", number);
    }
    if (status == PD_OK) {
        status = pd_buf_append(line, entry->text.data, entry->text.len);
    }
    if (status == PD_OK) {
        digest_text(line->data, line->len, hex);
        status = pd_buf_printf(line, "%s\n", hex);
    }
    return status == PD_OK ? PD_OK : pd_error_memory(err, "a journal entry");
}

enum pd_status pd_journal_append(struct pd_journal *journal, struct pd_entry_text *entry,
                                 bool numbered, bool durable, uint64_t *number,
                                 struct pd_error *err)
{
    uint64_t mine = numbered ? atomic_load(&journal->last) + 1 : 0;
    struct pd_buf line = PD_BUF_INIT;
    enum pd_status status = finish_line(entry, mine, &line, err);

    if (status == PD_OK && journal->broken) {
        status = pd_error_set(err, PD_IO, 0, "the journal %s could not be written before",
                              journal->path);
    }
    if (status == PD_OK) {
        status = write_at_end(journal, &line, durable, err);
        journal->broken = status != PD_OK;
    }
    if (status == PD_OK) {
        atomic_fetch_add(&journal->size, line.len);
        if (durable) {
            atomic_store(&journal->kept, atomic_load(&journal->size));
        }
        if (numbered) {
            atomic_store(&journal->last, mine);
        }
        if (number) {
            *number = mine;
        }
    }
    pd_buf_free(&line);
    pd_buf_free(&entry->text);
    entry->status = PD_OK;
    return status;
}

enum pd_status pd_journal_keep(struct pd_journal *journal, uint64_t place, struct pd_error *err)
{
    uint64_t size = atomic_load(&journal->size);

    if (atomic_load(&journal->kept) >= place) {
        return PD_OK;
    }
    if (fdatasync(journal->fd) != 0) {
        return failed(journal, "sync", err);
    }
    atomic_store(&journal->kept, size);
    return PD_OK;
}

uint64_t pd_journal_last(struct pd_journal *journal)
{
    return atomic_load(&journal->last);
}
