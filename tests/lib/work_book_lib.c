#include "work_book_lib.h"

#include <stdlib.h>
#include <string.h>

#include "format_lib.h"

int bl_start(void **state)
{
    struct bl_bed *b = calloc(1, sizeof *b);

    assert_non_null(b);
    (void)cat_setup((void **)&b->c);
    format_dir_make(b->dir, sizeof b->dir);
    (void)cat_dump(b->c, "d", 2, 1);
    (void)cat_volume(b->c, "V1");
    (void)cat_volume(b->c, "V2");
    cat_ok(b->c, pd_catalog_dump_find(b->c->catalog, "d", &b->dump, &b->c->err));
    cat_ok(b->c, pd_catalog_volume_find(b->c->catalog, "V1", &b->volumes[0], &b->c->err));
    cat_ok(b->c, pd_catalog_volume_find(b->c->catalog, "V2", &b->volumes[1], &b->c->err));
    cat_ok(b->c, pd_book_open(&b->c->env, b->dir, &b->dump, true, &b->book, &b->c->err));
    b->book.dump_id = b->dump.id;
    *state = b;
    return 0;
}

int bl_end(void **state)
{
    struct bl_bed *b = *state;

    free(b->before);
    pd_entry_release(&b->entry);
    pd_book_release(&b->book, true);
    format_dir_remove(b->dir);
    int left = cat_teardown((void **)&b->c);
    free(b);
    return left;
}

/* ---- taking ---- */

char *bl_catalog_text(struct bl_bed *b)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    cat_ok(b->c, pd_catalog_export(b->c->catalog, out, &b->c->err));
    assert_int_equal(fclose(out), 0);
    return text;
}

static enum pd_status take(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct bl_bed *b = arg;
    enum pd_status status = pd_book_take(catalog, &b->book, &b->entry, err);

    if (status == PD_OK && b->fail_first > 0) {
        b->fail_first--;
        status = pd_error_set(err, PD_CATALOG_BUSY, 0, "as the test wants");
    }
    return status;
}

enum pd_status bl_apply(struct bl_bed *b)
{
    pd_error_clear(&b->c->err);
    return pd_catalog_apply(b->c->catalog, b->dump.id, b->entry.number, take, b, &b->c->err);
}

void bl_next(struct bl_bed *b, const char *kind)
{
    bool more = true;

    do {
        cat_ok(b->c, pd_journal_next(b->book.journal, &b->place, &b->entry, &more, &b->c->err));
        assert_true(more);
    } while (b->entry.number == 0);
    assert_string_equal(b->entry.fields[0], kind);
}

void bl_take_next(struct bl_bed *b, const char *kind)
{
    bl_next(b, kind);
    cat_ok(b->c, bl_apply(b));
    char *once = bl_catalog_text(b);
    cat_ok(b->c, bl_apply(b));
    char *twice = bl_catalog_text(b);
    assert_string_equal(once, twice);
    free(once);
    free(twice);
}

/* ---- rows ---- */

int64_t bl_number(struct bl_bed *b, const char *what, const char *from)
{
    char sql[512];

    (void)snprintf(sql, sizeof sql, "SELECT %s FROM %s", what, from);
    return cat_number(b->c, sql);
}

struct pd_archive_row bl_archive_row(uint64_t seq)
{
    struct pd_archive_row row = {.seq = seq, .record_size = 65536};

    (void)snprintf(row.name, sizeof row.name, "d.%d", (int)seq);
    return row;
}

void bl_copy_rows(struct pd_copy_row copies[2], uint32_t tape_file)
{
    memset(copies, 0, 2 * sizeof *copies);
    for (unsigned i = 0; i < 2; i++) {
        copies[i].copy = i + 1;
        copies[i].tape_file = tape_file;
    }
}

void bl_begin(struct bl_bed *b, uint64_t seq)
{
    const struct pd_archive_row row = bl_archive_row(seq);
    const char *const uuids[] = {b->volumes[0].uuid, b->volumes[1].uuid};
    struct pd_copy_row copies[2];

    bl_copy_rows(copies, (uint32_t)seq);
    cat_ok(b->c, pd_book_begin(&b->book, &row, copies, uuids, 2, 0, &b->c->err));
}

struct pd_expect *bl_expect_of(struct bl_bed *b, uint64_t seq, unsigned files)
{
    struct pd_expect *expect = NULL;
    struct pd_toc toc;
    char text[64];

    (void)snprintf(text, sizeof text, "d.%d", (int)seq);
    cat_toc_start(&toc, text);
    toc.seq = seq;
    memcpy(toc.dump_uuid, b->dump.uuid, sizeof toc.dump_uuid);
    for (unsigned i = 0; i < files; i++) {
        (void)snprintf(text, sizeof text, "/a%d/\xff\n%%%u", (int)seq, i);
        cat_toc_add(b->c, &toc, text);
    }
    cat_toc_end(b->c, &toc);
    cat_ok(b->c, pd_expect_new(&toc, &expect, &b->c->err));
    return expect;
}

struct bl_told bl_written(struct bl_bed *b, uint64_t seq, unsigned files,
                           const struct pd_copy_row copies[2])
{
    const struct pd_archive_row row = bl_archive_row(seq);
    const struct pd_dump_problems none = {.count = 0};
    struct pd_expect *expect = bl_expect_of(b, seq, files);
    struct bl_told told;

    cat_ok(b->c, pd_book_written(&b->book, &row, expect, copies, 2, &none, &told.offset, &told.len,
                                 &told.tape_file, &b->c->err));
    pd_expect_release(expect);
    return told;
}

struct bl_told bl_written_well(struct bl_bed *b, uint64_t seq, unsigned files)
{
    struct pd_copy_row copies[2];

    bl_copy_rows(copies, (uint32_t)seq);
    copies[0].state = copies[1].state = PD_COPY_WRITTEN;
    return bl_written(b, seq, files, copies);
}

void bl_has_files(struct bl_bed *b, uint64_t seq, unsigned files)
{
    struct pd_archive_row row;
    struct pd_toc toc;
    bool found = false;
    char path[64];

    cat_ok(b->c, pd_catalog_archive_find(b->c->catalog, b->dump.id, seq, &row, &found, &b->c->err));
    assert_true(found);
    cat_ok(b->c, pd_catalog_toc(b->c->catalog, row.id, &toc, &b->c->err));
    assert_int_equal(toc.file_count, files);
    assert_int_equal(toc.record_count, files * 1024 / 65536 + 1);
    assert_int_equal(toc.payload_bytes, files * 512);
    assert_int_equal(toc.manifest_offset, files * 1024);
    for (unsigned i = 0; i < files; i++) {
        (void)snprintf(path, sizeof path, "/a%d/\xff\n%%%u", (int)seq, i);
        assert_string_equal(toc.files[i].path, path);
        assert_int_equal(toc.files[i].offset, i * 1024);
        assert_int_equal(toc.files[i].digest[3], i);
    }
    pd_toc_release(&toc);
}
