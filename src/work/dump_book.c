#include "dump_book.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/folder.h"
#include "pairdump/index.h"

/* ---- the folder ---- */

static enum pd_status folder_name(const char *state_dir, const char *uuid, struct pd_buf *out,
                                  struct pd_error *err)
{
    return pd_buf_printf(out, "%s/dumps/%s", state_dir, uuid) == PD_OK
               ? PD_OK
               : pd_error_memory(err, "a folder name");
}

bool pd_book_exists(const char *state_dir, const char *uuid)
{
    struct pd_buf path = PD_BUF_INIT;
    bool exists = pd_buf_printf(&path, "%s/dumps/%s/journal", state_dir, uuid) == PD_OK &&
                  access(path.data, F_OK) == 0;

    pd_buf_free(&path);
    return exists;
}

enum pd_status pd_book_path(const struct pd_dump_book *book, const char *name, char **out,
                            struct pd_error *err)
{
    return asprintf(out, "%s/%s", book->dir, name) < 0 ? pd_error_memory(err, "a file name")
                                                       : PD_OK;
}

static enum pd_status make_folders(const char *state_dir, const char *dir, struct pd_error *err)
{
    struct pd_buf parent = PD_BUF_INIT;
    enum pd_status status = PD_OK;

    if (pd_buf_printf(&parent, "%s/dumps", state_dir) != PD_OK) {
        return pd_error_memory(err, "a folder name");
    }
    struct pd_error why = PD_ERROR_INIT;
    status = pd_folder_make(parent.data, 0700, true, &why);
    if (status == PD_OK) {
        status = pd_folder_make(dir, 0700, false, &why);
    }
    if (status != PD_OK) {
        status = pd_error_set(err, pd_status_from_errno(why.sys_errno), why.sys_errno,
                              "cannot make the folder %s of the dump's journal", dir);
    }
    pd_buf_free(&parent);
    return status;
}

static enum pd_status open_index(struct pd_dump_book *book, bool create, struct pd_error *err)
{
    char *path = NULL;
    enum pd_status status = pd_book_path(book, "index", &path, err);
    struct stat st = {0};

    if (status == PD_OK) {
        book->index = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT | O_EXCL : 0),
                           0600);
        if (book->index < 0 || fstat(book->index, &st) != 0) {
            status = pd_error_set(err, pd_status_from_errno(errno), errno,
                                  "cannot make or open the index's file %s", path);
        }
    }
    book->index_size = (uint64_t)st.st_size;
    free(path);
    return status;
}

enum pd_status pd_book_open(const struct pd_env *env, const char *state_dir,
                            const struct pd_dump_row *row, bool create, struct pd_dump_book *book,
                            struct pd_error *err)
{
    struct pd_buf dir = PD_BUF_INIT;
    char *path = NULL;
    enum pd_status status = folder_name(state_dir, row->uuid, &dir, err);

    book->env = env;
    book->index = -1;
    memcpy(book->dump_uuid, row->uuid, sizeof book->dump_uuid);
    pthread_mutex_init(&book->lock, NULL);
    pthread_mutex_init(&book->writing, NULL);
    book->dir = dir.data;
    if (status == PD_OK && create) {
        status = make_folders(state_dir, book->dir, err);
    }
    if (status == PD_OK) {
        status = pd_book_path(book, "journal", &path, err);
    }
    if (status == PD_OK) {
        status = pd_journal_open(path, create, &book->journal, err);
    }
    if (status == PD_OK) {
        status = open_index(book, create, err);
    }
    if (status == PD_OK && create) {
        status = pd_folder_sync(book->dir, err);
    }
    free(path);
    return status;
}

enum pd_status pd_book_start(struct pd_dump_book *book, struct pd_catalog *catalog,
                             int64_t dump_id, int64_t run_id, struct pd_error *err)
{
    book->dump_id = dump_id;
    struct pd_ledger_job job = {.env = book->env,
                                .catalog = catalog,
                                .journal = book->journal,
                                .dump_id = dump_id,
                                .run_id = run_id,
                                .take = pd_book_take,
                                .arg = book};

    return pd_ledger_start(&job, &book->ledger, err);
}

void pd_book_remove_folder(const char *dir)
{
    static const char *const names[] = {"list", "index", "journal"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct pd_buf path = PD_BUF_INIT;
        if (pd_buf_printf(&path, "%s/%s", dir, names[i]) == PD_OK) {
            (void)!unlink(path.data);
        }
        pd_buf_free(&path);
    }
    (void)!rmdir(dir);
}

/* Under another name it is no book any more; killed from here on, it is swept away by the next run. */
static void remove_book(const struct pd_dump_book *book)
{
    struct pd_buf gone = PD_BUF_INIT;

    if (pd_buf_printf(&gone, "%s" PD_BOOK_GONE, book->dir) == PD_OK &&
        rename(book->dir, gone.data) == 0) {
        pd_book_remove_folder(gone.data);
    } else {
        pd_log_line(book->env->log, PD_LOG_WARN, "cannot remove %s: %s", book->dir,
                    strerror(errno));
    }
    pd_buf_free(&gone);
}

void pd_book_release(struct pd_dump_book *book, bool remove)
{
    if (!book->dir) {
        return;
    }
    pd_ledger_free(book->ledger);
    book->ledger = NULL;
    for (size_t i = 0; i < PD_BOOK_HELD; i++) {
        pd_expect_release(book->held[i].expect);
        book->held[i].expect = NULL;
    }
    if (book->index >= 0) {
        close(book->index);
    }
    pd_journal_close(book->journal);
    if (remove) {
        remove_book(book);
    }
    pthread_mutex_destroy(&book->writing);
    pthread_mutex_destroy(&book->lock);
    free(book->dir);
    memset(book, 0, sizeof *book);
}

/* ---- entries ---- */

static enum pd_status append(struct pd_dump_book *book, struct pd_entry_text *entry, bool numbered,
                             bool durable, struct pd_error *err)
{
    pthread_mutex_lock(&book->writing);
    enum pd_status status =
        pd_journal_append(book->journal, entry, numbered, durable, NULL, err);
    pthread_mutex_unlock(&book->writing);

    if (status == PD_OK && numbered && book->ledger) {
        pd_ledger_wake(book->ledger);
    }
    return status;
}

static struct pd_entry_text entry_of(const char *kind)
{
    struct pd_entry_text entry = {PD_BUF_INIT, PD_OK};

    pd_entry_word(&entry, kind);
    return entry;
}

static void put_u64(struct pd_entry_text *entry, uint64_t value)
{
    pd_entry_number(entry, (int64_t)value);
}

static void put_lane(struct pd_entry_text *entry, size_t lane)
{
    if (lane > 0) {
        put_u64(entry, lane);
    }
}

static void put_problems(struct pd_entry_text *entry, const struct pd_dump_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct pd_dump_problem *one = &problems->list[i];
        pd_entry_word(entry, one->path);
        pd_entry_word(entry, pd_status_name(one->status));
        pd_entry_number(entry, one->sys_errno);
        pd_entry_number(entry, one->archived);
        pd_entry_word(entry, one->message);
    }
}

enum pd_status pd_book_option(struct pd_dump_book *book, const char *key, const char *value,
                              struct pd_error *err)
{
    struct pd_entry_text entry = entry_of("option");

    pd_entry_word(&entry, key);
    pd_entry_word(&entry, value);
    return append(book, &entry, false, false, err);
}

/* The list counts from the moment that the problems which its making met are noted too. */
enum pd_status pd_book_listed(struct pd_dump_book *book, struct pd_list *list, uint64_t skipped,
                              const struct pd_dump_problems *problems, struct pd_error *err)
{
    const struct pd_list_totals *totals = pd_list_totals(list);
    struct pd_entry_text entry = entry_of("list");
    uint64_t size = 0;
    enum pd_status status = pd_list_keep(list, &size, err);

    put_u64(&entry, PD_LIST_LAYOUT);
    put_u64(&entry, size);
    put_u64(&entry, totals->items);
    put_u64(&entry, totals->files);
    put_u64(&entry, totals->bytes);
    put_u64(&entry, totals->archive_bytes);
    put_u64(&entry, totals->largest);
    pd_entry_word(&entry, totals->largest_path);
    if (status == PD_OK) {
        status = append(book, &entry, false, false, err);
    }
    entry = entry_of("listed");
    put_u64(&entry, skipped);
    put_problems(&entry, problems);
    return status == PD_OK ? append(book, &entry, true, true, err) : status;
}

enum pd_status pd_book_begin(struct pd_dump_book *book, const struct pd_archive_row *archive,
                             const struct pd_copy_row *copies, const char *const *uuids,
                             size_t count, size_t lane, struct pd_error *err)
{
    struct pd_entry_text entry = entry_of("begin");

    put_u64(&entry, archive->seq);
    pd_entry_word(&entry, archive->name);
    put_u64(&entry, archive->record_size);
    for (size_t i = 0; i < count; i++) {
        put_u64(&entry, copies[i].copy);
        pd_entry_word(&entry, uuids[i]);
        put_u64(&entry, copies[i].tape_file);
    }
    if (lane > 0) {
        pd_entry_word(&entry, PD_BOOK_LANE);
    }
    put_lane(&entry, lane);
    return append(book, &entry, true, false, err);
}

static enum pd_status spool_locked(struct pd_dump_book *book, const struct pd_buf *text,
                                   struct pd_error *err)
{
    for (size_t at = 0; at < text->len;) {
        ssize_t n = pwrite(book->index, text->data + at, text->len - at,
                           (off_t)(book->index_size + at));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return pd_error_set(err, pd_status_from_errno(errno), errno,
                                "cannot write the index's file; the state folder needs space");
        }
        at += (size_t)n;
    }
    book->index_size += text->len;
    return fdatasync(book->index) == 0
               ? PD_OK
               : pd_error_set(err, pd_status_from_errno(errno), errno,
                              "cannot write the index's file; the state folder needs space");
}

static enum pd_status spool(struct pd_dump_book *book, const struct pd_buf *text, uint64_t *offset,
                            struct pd_error *err)
{
    pthread_mutex_lock(&book->writing);
    *offset = book->index_size;
    enum pd_status status = spool_locked(book, text, err);
    pthread_mutex_unlock(&book->writing);
    return status;
}

/* Keeps the table for the ledger, if there is room: it is bounded. */
static void hold(struct pd_dump_book *book, uint64_t seq, struct pd_expect *expect)
{
    pthread_mutex_lock(&book->lock);
    for (size_t i = 0; i < PD_BOOK_HELD; i++) {
        if (!book->held[i].expect) {
            book->held[i].seq = seq;
            book->held[i].expect = pd_expect_hold(expect);
            break;
        }
    }
    pthread_mutex_unlock(&book->lock);
}

enum pd_status pd_book_written(struct pd_dump_book *book, const struct pd_archive_row *archive,
                               struct pd_expect *expect, const struct pd_copy_row *copies,
                               size_t count, const struct pd_dump_problems *problems,
                               uint64_t *offset, uint64_t *len, uint32_t *tape_file,
                               struct pd_error *err)
{
    struct pd_entry_text entry = entry_of("written");
    struct pd_buf text = PD_BUF_INIT;
    enum pd_status status;

    *tape_file = 0;
    for (size_t i = count; i > 0; i--) {
        *tape_file = copies[i - 1].state == PD_COPY_WRITTEN ? copies[i - 1].tape_file : *tape_file;
    }
    status = pd_index_encode(pd_expect_toc(expect), *tape_file, &text) == PD_OK
                 ? PD_OK
                 : pd_error_memory(err, "index");
    *offset = 0;
    *len = text.len;
    if (status == PD_OK) {
        status = spool(book, &text, offset, err);
    }
    pd_buf_free(&text);
    put_u64(&entry, archive->seq);
    put_u64(&entry, *offset);
    put_u64(&entry, *len);
    put_u64(&entry, *tape_file);
    put_u64(&entry, count);
    for (size_t i = 0; i < count; i++) {
        put_u64(&entry, copies[i].copy);
        pd_entry_word(&entry, pd_copy_state_name(copies[i].state));
        pd_entry_word(&entry, pd_status_name(copies[i].reason));
        put_u64(&entry, copies[i].tape_file);
        pd_entry_word(&entry, copies[i].message);
    }
    put_problems(&entry, problems);
    if (status == PD_OK) {
        hold(book, archive->seq, expect);
        return append(book, &entry, true, true, err);
    }
    pd_buf_free(&entry.text);
    return status;
}

enum pd_status pd_book_abandon(struct pd_dump_book *book, uint64_t seq, struct pd_error *err)
{
    struct pd_entry_text entry = entry_of("abandon");

    put_u64(&entry, seq);
    return append(book, &entry, true, false, err);
}

enum pd_status pd_book_verified(struct pd_dump_book *book, uint64_t seq, unsigned copy,
                                const struct pd_verify_result *result, struct pd_error *err)
{
    struct pd_entry_text entry = entry_of("verified");

    put_u64(&entry, seq);
    put_u64(&entry, copy);
    pd_entry_number(&entry, result->started);
    pd_entry_number(&entry, result->finished);
    pd_entry_word(&entry, pd_status_name(result->status));
    put_u64(&entry, result->records);
    put_u64(&entry, result->bad_records);
    put_u64(&entry, result->files);
    put_u64(&entry, result->bad_files);
    pd_entry_word(&entry, result->error.message);
    for (size_t i = 0; i < result->damage_count; i++) {
        const struct pd_damage *one = &result->damage[i];
        if (one->has_record) {
            put_u64(&entry, one->record);
        } else {
            pd_entry_word(&entry, "-");
        }
        pd_entry_word(&entry, one->path ? one->path : "-");
        pd_entry_word(&entry, pd_status_name(one->status));
    }
    return append(book, &entry, true, false, err);
}

enum pd_status pd_book_labelling(struct pd_dump_book *book, const char *volume_uuid,
                                 struct pd_error *err)
{
    struct pd_entry_text entry = entry_of("labelling");

    pd_entry_word(&entry, volume_uuid);
    return append(book, &entry, false, true, err);
}

enum pd_status pd_book_labelled(struct pd_dump_book *book, const char *volume_uuid,
                                struct pd_error *err)
{
    struct pd_entry_text entry = entry_of("labelled");

    pd_entry_word(&entry, volume_uuid);
    return append(book, &entry, true, true, err);
}

enum pd_status pd_book_volume(struct pd_dump_book *book, const struct pd_volume_row *volume,
                              struct pd_error *err)
{
    struct pd_entry_text entry = entry_of("volume");

    pd_entry_word(&entry, volume->uuid);
    pd_entry_word(&entry, pd_volume_state_name(volume->state));
    put_u64(&entry, volume->tape_files);
    put_u64(&entry, volume->used);
    pd_entry_number(&entry, volume->last_written);
    return append(book, &entry, true, false, err);
}

enum pd_status pd_book_report(struct pd_dump_book *book, const char *volume_uuid,
                              const struct pd_drive_report *report, struct pd_error *err)
{
    struct pd_entry_text entry = entry_of("report");

    pd_entry_word(&entry, volume_uuid);
    pd_entry_word(&entry, report->drive);
    pd_entry_number(&entry, report->taken);
    pd_entry_word(&entry, report->source);
    pd_entry_word(&entry, report->alerts);
    put_u64(&entry, report->write_corrected);
    put_u64(&entry, report->write_uncorrected);
    put_u64(&entry, report->read_corrected);
    put_u64(&entry, report->read_uncorrected);
    return append(book, &entry, true, false, err);
}

enum pd_status pd_book_state(struct pd_dump_book *book, const struct pd_dump_row *row,
                             struct pd_error *err)
{
    struct pd_entry_text entry = entry_of("state");

    pd_entry_word(&entry, pd_dump_state_name(row->state));
    pd_entry_word(&entry, pd_status_name(row->status));
    pd_entry_number(&entry, row->finished);
    put_u64(&entry, row->archives);
    put_u64(&entry, row->files);
    put_u64(&entry, row->bytes);
    put_u64(&entry, row->problems);
    put_u64(&entry, row->skipped);
    return append(book, &entry, true, true, err);
}

enum pd_status pd_book_indexed(struct pd_dump_book *book, unsigned copy, uint32_t tape_file,
                               const char *volume_uuid, size_t lane, struct pd_error *err)
{
    struct pd_entry_text entry = entry_of("indexed");

    put_u64(&entry, copy);
    put_u64(&entry, tape_file);
    pd_entry_word(&entry, volume_uuid);
    put_lane(&entry, lane);
    return append(book, &entry, false, true, err);
}

enum pd_status pd_book_dropped(struct pd_dump_book *book, size_t lane, struct pd_error *err)
{
    struct pd_entry_text entry = entry_of("dropped");

    pd_entry_word(&entry, "index");
    put_lane(&entry, lane);
    return append(book, &entry, false, false, err);
}

/* ---- texts of the index ---- */

enum pd_status pd_book_text(struct pd_dump_book *book, uint64_t offset, uint64_t len,
                            struct pd_buf *out, struct pd_error *err)
{
    struct stat st = {0};
    size_t at = 0;

    if (fstat(book->index, &st) != 0 || offset > (uint64_t)st.st_size ||
        len > (uint64_t)st.st_size - offset) {
        return pd_error_set(err, PD_BAD_FORMAT, 0, "the index's file in %s is cut", book->dir);
    }
    out->data = malloc(len + 1);
    if (!out->data) {
        return pd_error_memory(err, "index");
    }
    out->cap = len + 1;
    while (at < len) {
        ssize_t n = pread(book->index, out->data + at, len - at, (off_t)(offset + at));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return pd_error_set(err, PD_IO, n < 0 ? errno : 0,
                                "cannot read the index's file back");
        }
        at += (size_t)n;
    }
    out->len = len;
    out->data[len] = '\0';
    return PD_OK;
}

enum pd_status pd_book_toc(struct pd_dump_book *book, uint64_t offset, uint64_t len,
                           struct pd_toc *toc, struct pd_error *err)
{
    struct pd_buf text = PD_BUF_INIT;
    uint32_t tape_file = 0;
    enum pd_status status = pd_book_text(book, offset, len, &text, err);

    pd_toc_init(toc);
    if (status == PD_OK) {
        status = pd_index_decode(text.data, text.len, toc, &tape_file, err);
    }
    memcpy(toc->dump_uuid, book->dump_uuid, sizeof toc->dump_uuid);
    pd_buf_free(&text);
    return status;
}
