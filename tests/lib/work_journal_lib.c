#include "work_journal_lib.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "format_lib.h"
#include "pairdump/digest.h"

int jl_start(void **state)
{
    struct jl_bed *b = calloc(1, sizeof *b);

    assert_non_null(b);
    format_dir_make(b->dir, sizeof b->dir);
    (void)snprintf(b->path, sizeof b->path, "%s/journal", b->dir);
    *state = b;
    return 0;
}

int jl_end(void **state)
{
    struct jl_bed *b = *state;

    pd_journal_close(b->journal);
    pd_entry_release(&b->entry);
    format_dir_remove(b->dir);
    free(b);
    return 0;
}

void jl_open_as(struct jl_bed *b, bool create, enum pd_status want)
{
    pd_journal_close(b->journal);
    b->journal = NULL;
    b->place = 0;
    pd_error_clear(&b->err);
    assert_int_equal(pd_journal_open(b->path, create, &b->journal, &b->err), want);
    assert_int_equal(b->err.status, want);
}

void jl_put(struct jl_bed *b, bool numbered, const char *a, const char *z)
{
    struct pd_entry_text text = {PD_BUF_INIT, PD_OK};

    pd_entry_word(&text, a);
    pd_entry_word(&text, z);
    assert_int_equal(pd_journal_append(b->journal, &text, numbered, false, NULL, &b->err), PD_OK);
    assert_null(text.text.data);
}

/* The next entry is that one. */
void jl_get(struct jl_bed *b, uint64_t number, const char *a, const char *z)
{
    bool more = false;

    assert_int_equal(pd_journal_next(b->journal, &b->place, &b->entry, &more, &b->err), PD_OK);
    assert_true(more);
    assert_int_equal(b->entry.number, number);
    assert_int_equal(b->entry.count, 2);
    assert_string_equal(b->entry.fields[0], a);
    assert_string_equal(b->entry.fields[1], z);
}

void jl_get_end(struct jl_bed *b)
{
    bool more = true;

    assert_int_equal(pd_journal_next(b->journal, &b->place, &b->entry, &more, &b->err), PD_OK);
    assert_false(more);
}

uint64_t jl_file_size(const struct jl_bed *b)
{
    struct stat st;

    assert_int_equal(stat(b->path, &st), 0);
    return (uint64_t)st.st_size;
}

void jl_line(struct pd_buf *out, const char *text)
{
    struct pd_xxh128 digest = pd_record_digest(text, strlen(text));
    char hex[PD_XXH128_TEXT];

    pd_hex_encode(digest.bytes, PD_XXH128_LEN, hex);
    assert_int_equal(pd_buf_printf(out, "%s%s\n", text, hex), PD_OK);
}
