#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../src/work/resume_book.h"
#include "pairdump/digest.h"
#include "pairdump/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char uuid[] = "11111111-0000-4000-8000-000000000000";
static const char *const volumes[] = {"22222222-0000-4000-8000-000000000001",
                                      "22222222-0000-4000-8000-000000000002"};

/* What stays from one input to the next: a state folder with a dump's book, and a catalog. */
struct bed {
    struct pd_env env;
    char dir[64], book[160], journal[176], index[176], raw[80], url[96];
    struct pd_dump_row dump;
    struct pd_catalog *catalog;
};

static void need(bool good)
{
    if (!good)
        abort();
}

static void write_file(const char *path, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    need(fd >= 0 && write(fd, len > 0 ? bytes : "", len) == (ssize_t)len && close(fd) == 0);
}

/* ---- the bed ---- */

static struct bed *the_bed(void)
{
    static struct bed bed;

    return &bed;
}

static void clean(void)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    struct bed *b = the_bed();
    char path[128];

    pd_catalog_close(b->catalog);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/catalog%s", b->dir, ends[i]);
        (void)unlink(path);
    }
    (void)unlink(b->journal);
    (void)unlink(b->index);
    (void)unlink(b->raw);
    (void)rmdir(b->book);
    (void)snprintf(path, sizeof path, "%s/dumps", b->dir);
    (void)rmdir(path);
    (void)rmdir(b->dir);
}

/* An archive's text at byte 0 of the index's file. */
static void write_index(const struct bed *b)
{
    const struct pd_toc_file file = {.path = "/a", .kind = PD_KIND_FILE, .state = PD_WHOLE,
                                     .has_digest = true, .size = 512, .length = 1024};
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf text = PD_BUF_INIT;
    struct pd_toc toc;

    pd_toc_init(&toc);
    (void)snprintf(toc.name, sizeof toc.name, "d.1");
    memcpy(toc.dump_uuid, uuid, sizeof uuid);
    toc.seq = 1;
    toc.record_size = 65536;
    need(pd_toc_add_file(&toc, &file, NULL, &err) == PD_OK &&
         pd_toc_add_record(&toc, pd_record_digest("x", 1), &err) == PD_OK);
    toc.payload_files = 1;
    toc.payload_bytes = 512;
    toc.manifest_offset = 1024;
    need(pd_index_encode(&toc, 1, &text) == PD_OK);
    write_file(b->index, text.data, text.len);
    pd_buf_free(&text);
    pd_toc_release(&toc);
}

static void fill_catalog(struct bed *b)
{
    struct pd_error err = PD_ERROR_INIT;

    b->dump = (struct pd_dump_row){.name = "d", .host = "h", .copies = 2, .state = PD_DUMP_WRITE};
    memcpy(b->dump.uuid, uuid, sizeof uuid);
    need(pd_catalog_open(&b->env, b->url, true, &b->catalog, &err) == PD_OK &&
         pd_catalog_dump_add(b->catalog, &b->dump, &err) == PD_OK);
    for (unsigned i = 0; i < 2; i++) {
        struct pd_volume_row row = {.copy = i + 1, .block_size = 65536, .tape_files = 1};
        (void)snprintf(row.label, sizeof row.label, "V%u", i + 1);
        (void)snprintf(row.uuid, sizeof row.uuid, "%s", volumes[i]);
        need(pd_catalog_volume_add(b->catalog, &row, &err) == PD_OK);
    }
}

static struct bed *start(void)
{
    static const volatile sig_atomic_t go_on = 0;
    static const struct pd_stop stop = {&go_on};
    struct bed *b = the_bed();
    char path[80];

    if (b->catalog)
        return b;
    b->env.clock = pd_clock_real();
    b->env.stop = &stop;
    (void)snprintf(b->dir, sizeof b->dir, "%s/pairdump-fuzz-journal.XXXXXX", P_tmpdir);
    need(mkdtemp(b->dir) != NULL);
    (void)snprintf(path, sizeof path, "%s/dumps", b->dir);
    (void)snprintf(b->book, sizeof b->book, "%s/%s", path, uuid);
    (void)snprintf(b->journal, sizeof b->journal, "%s/journal", b->book);
    (void)snprintf(b->index, sizeof b->index, "%s/index", b->book);
    (void)snprintf(b->raw, sizeof b->raw, "%s/raw", b->dir);
    (void)snprintf(b->url, sizeof b->url, "sqlite:%s/catalog", b->dir);
    need(mkdir(path, 0700) == 0 && mkdir(b->book, 0700) == 0);
    write_index(b);
    fill_catalog(b);
    (void)atexit(clean);
    return b;
}

/* ---- one line ---- */

static void end_line(struct pd_buf *line, size_t from)
{
    struct pd_xxh128 digest = pd_record_digest(line->data + from, line->len - from);
    char hex[PD_XXH128_TEXT];

    pd_hex_encode(digest.bytes, PD_XXH128_LEN, hex);
    need(pd_buf_append(line, hex, PD_XXH128_TEXT - 1) == PD_OK);
}

/* What is taken comes back the same when written. */
static bool decode(const char *line, size_t len)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_entry once = {0}, twice = {0};
    struct pd_entry_text text = {PD_BUF_INIT, PD_OK};
    struct pd_buf again = PD_BUF_INIT;
    bool good = pd_entry_decode(line, len, &once, &err);

    if (good) {
        for (size_t i = 0; i < once.count; i++)
            pd_entry_word(&text, once.fields[i]);
        need(text.status == PD_OK && pd_buf_printf(&again, "%llu\t%s",
                                                   (unsigned long long)once.number,
                                                   text.text.data) == PD_OK);
        end_line(&again, 0);
        need(pd_entry_decode(again.data, again.len, &twice, &err) && once.count == twice.count &&
             once.number == twice.number);
        for (size_t i = 0; i < once.count; i++)
            need(strcmp(once.fields[i], twice.fields[i]) == 0);
    }
    pd_buf_free(&text.text);
    pd_buf_free(&again);
    pd_entry_release(&once);
    pd_entry_release(&twice);
    return good;
}

/* ---- a file ---- */

/* What is taken is taken again, and then nothing is torn. */
static void open_raw(const struct bed *b, const uint8_t *data, size_t size)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_journal *journal = NULL;
    struct stat once, twice;

    write_file(b->raw, data, size);
    if (pd_journal_open(b->raw, false, &journal, &err) != PD_OK)
        return;
    uint64_t last = pd_journal_last(journal);
    pd_journal_close(journal);
    need(stat(b->raw, &once) == 0 && once.st_size <= (off_t)size &&
         pd_journal_open(b->raw, false, &journal, &err) == PD_OK &&
         pd_journal_last(journal) == last && stat(b->raw, &twice) == 0 &&
         once.st_size == twice.st_size);
    pd_journal_close(journal);
}

/* Each line of the input, with a number ('#' before it: a note) and its digest, if it is an entry. */
static uint64_t write_journal(const struct bed *b, const char *text, size_t size)
{
    struct pd_buf all = PD_BUF_INIT;
    uint64_t last = 0;

    for (size_t at = 0; at < size;) {
        const char *lf = memchr(text + at, '\n', size - at);
        size_t len = lf ? (size_t)(lf - text) - at : size - at, from = all.len;
        bool note = len > 0 && text[at] == '#';
        need(pd_buf_printf(&all, "%llu\t", note ? 0ULL : (unsigned long long)last + 1) == PD_OK &&
             pd_buf_append(&all, text + at + note, len - note) == PD_OK &&
             pd_buf_append(&all, "\t", 1) == PD_OK);
        end_line(&all, from);
        if (decode(all.data + from, all.len - from)) {
            need(pd_buf_append(&all, "\n", 1) == PD_OK);
            last += !note;
        } else {
            all.len = from;
        }
        at += len + 1;
    }
    write_file(b->journal, all.data, all.len);
    pd_buf_free(&all);
    return last;
}

struct taking {
    struct pd_dump_book *book;
    uint64_t taken;
};

/* All entries up to one that is refused; then nothing of it is kept. */
static enum pd_status take_all(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct taking *taking = arg;
    struct pd_entry entry = {0};
    uint64_t place = 0;
    bool more = true;
    enum pd_status status;

    while ((status = pd_journal_next(taking->book->journal, &place, &entry, &more, err)) == PD_OK &&
           more) {
        if (entry.number != 0)
            status = pd_book_take(catalog, taking->book, &entry, err);
        if (status != PD_OK)
            break;
        taking->taken++;
    }
    pd_entry_release(&entry);
    need(status == PD_OK || err->status == status);
    return status == PD_OK ? pd_error_set(err, PD_SKIPPED, 0, "enough") : status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bed *b = start();
    struct pd_error err = PD_ERROR_INIT;
    struct pd_dump_book book = {0};
    struct pd_story story = {0};
    struct taking taking = {&book, 0};
    uint64_t applied = 9;

    (void)decode((const char *)data, size);
    open_raw(b, data, size);
    uint64_t last = write_journal(b, (const char *)data, size);
    need(pd_book_open(&b->env, b->dir, &b->dump, false, &book, &err) == PD_OK &&
         pd_journal_last(book.journal) == last);
    book.dump_id = b->dump.id;
    enum pd_status status = pd_story_read(&book, &story, &err);
    need(status == PD_OK || (status == PD_BAD_FORMAT && err.status == status));
    pd_story_release(&story);
    pd_error_clear(&err);
    need(pd_catalog_apply(b->catalog, b->dump.id, 1, take_all, &taking, &err) != PD_OK);
    pd_error_clear(&err);
    need(pd_catalog_applied(b->catalog, b->dump.id, &applied, &err) == PD_OK && applied == 0);
    pd_book_release(&book, false);
    return 0;
}
