#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include "pairdump/tar.h"

#include "../../lib/format_lib.h"

/* ---- writer ---- */

static struct archive_entry *file_entry(const char *path, int64_t size)
{
    struct archive_entry *entry = archive_entry_new();

    assert_non_null(entry);
    archive_entry_copy_pathname(entry, path);
    archive_entry_set_mode(entry, S_IFREG | 0644);
    archive_entry_set_size(entry, size);
    return entry;
}

struct pointers {
    const void *wanted;
    size_t wanted_len;
    unsigned hits;
    uint64_t total;
    enum pd_status refuse;
    uint64_t refuse_after;
};

static enum pd_status watch(void *arg, const void *bytes, size_t len, struct pd_error *err)
{
    struct pointers *seen = arg;

    if (bytes == seen->wanted && len == seen->wanted_len)
        seen->hits++;
    if (seen->refuse != PD_OK && seen->total >= seen->refuse_after)
        return pd_error_set(err, seen->refuse, 0, "as told");
    seen->total += len;
    return PD_OK;
}

static void data_reaches_the_sink_by_the_same_pointer(void **state)
{
    static char data[1 << 20];
    struct pd_error err = PD_ERROR_INIT;
    struct pointers seen = {.wanted = data, .wanted_len = sizeof(data)};
    struct archive_entry *entry = file_entry("big", sizeof(data));
    struct pd_tar_writer *writer;

    (void)state;
    assert_int_equal(pd_tar_writer_new(watch, &seen, &writer, &err), PD_OK);
    assert_int_equal(seen.total, 0);
    assert_int_equal(pd_tar_header(writer, entry, &err), PD_OK);
    assert_int_equal(seen.total, 512); /* headers are out before the data */
    assert_int_equal(pd_tar_data(writer, data, sizeof(data), &err), PD_OK);
    assert_int_equal(seen.hits, 1);
    assert_int_equal(seen.total, 512 + sizeof(data));
    assert_int_equal(pd_tar_end_entry(writer, &err), PD_OK);
    assert_int_equal(pd_tar_finish(writer, &err), PD_OK);
    assert_int_equal(seen.total, 512 + sizeof(data) + 1024);
    pd_tar_writer_free(writer);
    assert_int_equal(seen.total, 512 + sizeof(data) + 1024);
    archive_entry_free(entry);
}

static void padding_comes_with_the_end_of_the_entry(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf out = PD_BUF_INIT;
    struct pd_tar_writer *writer;
    struct archive_entry *entry = file_entry("small", 5);

    (void)state;
    assert_int_equal(pd_tar_writer_new(format_to_buf, &out, &writer, &err), PD_OK);
    assert_int_equal(pd_tar_header(writer, entry, &err), PD_OK);
    assert_int_equal(pd_tar_data(writer, "he", 2, &err), PD_OK);
    assert_int_equal(pd_tar_data(writer, NULL, 0, &err), PD_OK);
    assert_int_equal(pd_tar_data(writer, "llo", 3, &err), PD_OK);
    assert_int_equal(out.len, 512 + 5);
    assert_int_equal(pd_tar_end_entry(writer, &err), PD_OK);
    assert_int_equal(out.len, 1024);
    assert_memory_equal(out.data + 512, "hello\0", 6);
    pd_tar_writer_free(writer);
    assert_int_equal(out.len, 1024); /* freeing writes nothing */
    archive_entry_free(entry);
    pd_buf_free(&out);
}

static void bytes_are_counted(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf out = PD_BUF_INIT;
    struct pd_tar_writer *writer;
    struct archive_entry *entry = file_entry("five", 5);
    size_t before;

    (void)state;
    assert_int_equal(pd_tar_writer_new(format_to_buf, &out, &writer, &err), PD_OK);
    assert_int_equal(pd_tar_header(writer, entry, &err), PD_OK);
    assert_int_equal(pd_tar_data(writer, "four", 4, &err), PD_OK);
    before = out.len;
    assert_int_equal(pd_tar_end_entry(writer, &err), PD_INTERNAL);
    assert_int_equal(out.len, before); /* no silent padding */
    assert_int_equal(pd_tar_end_entry(writer, &err), PD_INTERNAL);
    assert_int_equal(pd_tar_finish(writer, &err), PD_INTERNAL);
    pd_tar_writer_free(writer);

    assert_int_equal(pd_tar_writer_new(format_to_buf, &out, &writer, &err), PD_OK);
    assert_int_equal(pd_tar_header(writer, entry, &err), PD_OK);
    before = out.len;
    assert_int_equal(pd_tar_data(writer, "sixsix", 6, &err), PD_INTERNAL);
    assert_int_equal(out.len, before);
    assert_int_equal(pd_tar_data(writer, "five5", 5, &err), PD_INTERNAL);
    pd_tar_writer_free(writer);
    archive_entry_free(entry);
    pd_buf_free(&out);
}

static void calls_out_of_order_are_refused(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf out = PD_BUF_INIT;
    struct pd_tar_writer *writer;
    struct archive_entry *entry = file_entry("a", 0);
    struct archive_entry *sizeless = file_entry("b", 0);
    struct archive_entry *nameless = file_entry("", 0);

    (void)state;
    archive_entry_unset_size(sizeless);
    assert_int_equal(pd_tar_writer_new(format_to_buf, &out, &writer, &err), PD_OK);
    assert_int_equal(pd_tar_data(writer, "x", 1, &err), PD_INTERNAL);
    assert_int_equal(pd_tar_end_entry(writer, &err), PD_INTERNAL);
    assert_int_equal(pd_tar_header(writer, sizeless, &err), PD_INTERNAL);
    assert_int_equal(pd_tar_header(writer, nameless, &err), PD_INTERNAL);
    assert_int_equal(pd_tar_header(writer, entry, &err), PD_OK);
    assert_int_equal(pd_tar_header(writer, entry, &err), PD_INTERNAL);
    assert_int_equal(pd_tar_finish(writer, &err), PD_INTERNAL);
    assert_int_equal(pd_tar_end_entry(writer, &err), PD_OK);
    assert_int_equal(pd_tar_finish(writer, &err), PD_OK);
    assert_int_equal(pd_tar_finish(writer, &err), PD_INTERNAL);
    assert_int_equal(pd_tar_header(writer, entry, &err), PD_INTERNAL);
    assert_int_equal(out.len, 512 + 1024);
    pd_tar_writer_free(writer);
    pd_tar_writer_free(NULL);
    archive_entry_free(entry);
    archive_entry_free(sizeless);
    archive_entry_free(nameless);
    pd_buf_free(&out);
}

static void what_tar_cannot_hold_leaves_the_writer_alive(void **state)
{
    static char value[65536];
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf out = PD_BUF_INIT;
    struct pd_tar_writer *writer;
    struct archive_entry *socket = file_entry("socket", 0);
    struct archive_entry *fat = file_entry("fat", 0);

    (void)state;
    archive_entry_set_filetype(socket, AE_IFSOCK);
    for (int i = 0; i < 8; i++) { /* 512 KiB of values, more than 1 MiB of header */
        char name[16];

        (void)snprintf(name, sizeof(name), "user.%d", i);
        archive_entry_xattr_add_entry(fat, name, value, sizeof(value));
    }
    assert_int_equal(pd_tar_writer_new(format_to_buf, &out, &writer, &err), PD_OK);
    assert_int_equal(pd_tar_header(writer, socket, &err), PD_UNSUPPORTED);
    assert_int_equal(pd_tar_header(writer, fat, &err), PD_UNSUPPORTED);
    assert_int_equal(out.len, 0);
    assert_int_equal(pd_tar_file(writer, "a", "b", 1, 0, &err), PD_OK);
    assert_int_equal(pd_tar_finish(writer, &err), PD_OK);
    assert_int_equal(out.len, 512 + 512 + 1024);
    pd_tar_writer_free(writer);
    archive_entry_free(socket);
    archive_entry_free(fat);
    pd_buf_free(&out);
}

/* Writes a small archive; the sink refuses after so many bytes. */
static enum pd_status write_some(struct pointers *seen)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_tar_writer *writer;
    enum pd_status status;

    assert_int_equal(pd_tar_writer_new(watch, seen, &writer, &err), PD_OK);
    status = pd_tar_file(writer, "plain", "some text", 9, -5, &err);
    if (status == PD_OK)
        status = pd_tar_file(writer, "b\xff", "more", 4, 5, &err);
    if (status == PD_OK)
        status = pd_tar_finish(writer, &err);
    assert_int_equal(err.status, status);
    if (status != PD_OK)
        assert_int_equal(pd_tar_finish(writer, &err), status);
    pd_tar_writer_free(writer);
    return status;
}

static void a_sink_that_refuses_ends_it_with_its_status(void **state)
{
    struct pointers all = {0};

    (void)state;
    assert_int_equal(write_some(&all), PD_OK);
    for (uint64_t after = 0; after < all.total; after += 64) {
        struct pointers seen = {.refuse = PD_VOLUME_FULL, .refuse_after = after};

        enum pd_status status = write_some(&seen);

        assert_int_equal(status, seen.total < all.total ? PD_VOLUME_FULL : PD_OK);
    }
}

/* ---- reader ---- */

static void make_archive(struct pd_buf *out)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_tar_writer *writer;
    char data[1500];

    memset(data, 'd', sizeof(data));
    assert_int_equal(pd_tar_writer_new(format_to_buf, out, &writer, &err), PD_OK);
    assert_int_equal(pd_tar_file(writer, "one", data, sizeof(data), 1000, &err), PD_OK);
    assert_int_equal(pd_tar_file(writer, "two", "", 0, 1000, &err), PD_OK);
    assert_int_equal(pd_tar_file(writer, "thr\xff\xff", data, 512, -1000, &err), PD_OK);
    assert_int_equal(pd_tar_finish(writer, &err), PD_OK);
    pd_tar_writer_free(writer);
}

struct result {
    enum pd_status status;
    unsigned entries;
    uint64_t bytes;
    uint64_t offsets[8];
};

static struct result read_all(struct format_memory *memory, bool data)
{
    struct result result = {PD_OK, 0, 0, {0}};
    struct pd_error err = PD_ERROR_INIT;
    struct pd_tar_reader *reader;
    struct archive_entry *entry;

    assert_int_equal(pd_tar_reader_new(format_from_memory, memory, &reader, &err), PD_OK);
    while ((result.status = pd_tar_next(reader, &entry, &err)) == PD_OK && entry != NULL) {
        const void *bytes;
        uint64_t offset;
        size_t len;

        if (result.entries < 8)
            result.offsets[result.entries] = pd_tar_entry_offset(reader);
        result.entries++;
        while (data &&
               (result.status = pd_tar_block(reader, &bytes, &len, &offset, &err)) == PD_OK &&
               len > 0)
            result.bytes += len;
        if (result.status != PD_OK)
            break;
    }
    assert_int_equal(err.status, result.status);
    if (result.status != PD_OK) {
        assert_int_equal(pd_tar_next(reader, &entry, &err), result.status); /* for good */
        assert_null(entry);
    } else {
        assert_int_equal(pd_tar_next(reader, &entry, &err), PD_OK);
        assert_null(entry);
    }
    pd_tar_reader_free(reader);
    return result;
}

static void entries_come_back_whatever_the_steps(void **state)
{
    static const size_t steps[] = {0, 1, 7, 511, 512, 513, 4096};
    struct pd_buf out = PD_BUF_INIT;

    (void)state;
    make_archive(&out);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct format_memory memory = {.bytes = out.data, .len = out.len, .step = steps[i]};
        struct result result = read_all(&memory, true);

        assert_int_equal(result.bytes, 2012);
        if (i % 2 == 0) { /* the same without looking at the data */
            memory.at = 0;
            result = read_all(&memory, false);
        }
        assert_int_equal(result.status, PD_OK);
        assert_int_equal(result.entries, 3);
        assert_int_equal(result.offsets[0], 0);
        assert_int_equal(result.offsets[1], 512 + 1536);
        assert_int_equal(result.offsets[2], 512 + 1536 + 512);
    }
    pd_buf_free(&out);
}

static void every_truncation_is_seen(void **state)
{
    struct pd_buf out = PD_BUF_INIT;

    (void)state;
    make_archive(&out);
    for (size_t len = 0; len < out.len; len += len % 512 == 511 || len % 512 == 0 ? 1 : 17) {
        for (int data = 0; data < 2; data++) {
            struct format_memory memory = {.bytes = out.data, .len = len};

            assert_int_equal(read_all(&memory, data != 0).status, PD_TRUNCATED);
        }
    }
    pd_buf_free(&out);
}

static void zeros_after_the_end_are_fine(void **state)
{
    static char zeros[100000];
    struct format_memory only = {.bytes = zeros, .len = sizeof(zeros), .step = 512};
    struct format_memory lone = {.bytes = zeros, .len = 512};
    struct pd_buf out = PD_BUF_INIT;
    struct format_memory memory = {.step = 4096};
    struct result result;

    (void)state;
    make_archive(&out);
    assert_int_equal(pd_buf_append(&out, zeros, sizeof(zeros)), PD_OK);
    memory.bytes = out.data;
    memory.len = out.len;
    assert_int_equal(read_all(&memory, true).status, PD_OK);
    result = read_all(&only, true);
    assert_int_equal(result.status, PD_OK);
    assert_int_equal(result.entries, 0);
    assert_int_equal(read_all(&lone, true).status, PD_TRUNCATED);
    pd_buf_free(&out);
}

static void a_header_turned_to_zeros_is_not_the_end(void **state)
{
    struct pd_buf out = PD_BUF_INIT;
    struct format_memory memory = {0};
    struct result result;

    (void)state;
    make_archive(&out);
    memset(out.data + 512 + 1536, 0, 512); /* the header of "two" */
    memory.bytes = out.data;
    memory.len = out.len;
    result = read_all(&memory, false);
    assert_int_equal(result.status, PD_BAD_FORMAT);
    assert_int_equal(result.entries, 1);
    pd_buf_free(&out);
}

static void garbage_is_no_archive(void **state)
{
    char garbage[4096];
    struct format_memory memory = {.bytes = garbage, .len = sizeof(garbage)};
    struct pd_buf out = PD_BUF_INIT;

    (void)state;
    memset(garbage, 'g', sizeof(garbage));
    assert_int_equal(read_all(&memory, false).status, PD_BAD_FORMAT);
    make_archive(&out);
    out.data[512 + 1536 + 3] ^= 1; /* in the header of "two": its checksum is wrong now */
    memory = (struct format_memory){.bytes = out.data, .len = out.len};
    assert_int_equal(read_all(&memory, false).status, PD_BAD_FORMAT);
    pd_buf_free(&out);
}

static void the_sources_status_comes_through(void **state)
{
    struct pd_buf out = PD_BUF_INIT;

    (void)state;
    make_archive(&out);
    for (size_t at = 0; at < out.len; at += 512) {
        struct format_memory memory = {
            .bytes = out.data, .len = out.len, .step = 512, .fail_at = at, .fail = PD_BAD_RECORD};

        assert_int_equal(read_all(&memory, at % 1024 == 0).status, PD_BAD_RECORD);
    }
    pd_buf_free(&out);
}

static void slurp_takes_small_entries_whole(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf out = PD_BUF_INIT;
    struct format_memory memory = {.step = 100};
    struct pd_tar_reader *reader;
    struct archive_entry *entry;
    const void *bytes;
    uint64_t offset;
    size_t len;
    char *text;

    (void)state;
    make_archive(&out);
    memory.bytes = out.data;
    memory.len = out.len;
    assert_int_equal(pd_tar_reader_new(format_from_memory, &memory, &reader, &err), PD_OK);
    assert_int_equal(pd_tar_block(reader, &bytes, &len, &offset, &err), PD_INTERNAL);
    assert_int_equal(pd_tar_next(reader, &entry, &err), PD_OK);
    assert_int_equal(pd_tar_slurp(reader, entry, 1499, &text, &len, &err), PD_BAD_FORMAT);
    assert_null(text);
    assert_int_equal(pd_tar_slurp(reader, entry, 1500, &text, &len, &err), PD_OK);
    assert_int_equal(len, 1500);
    assert_int_equal(strlen(text), 1500);
    free(text);
    assert_int_equal(pd_tar_next(reader, &entry, &err), PD_OK);
    assert_int_equal(pd_tar_slurp(reader, entry, 0, &text, &len, &err), PD_OK);
    assert_int_equal(len, 0);
    assert_string_equal(text, "");
    free(text);
    pd_tar_reader_free(reader);
    pd_tar_reader_free(NULL);
    pd_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_reaches_the_sink_by_the_same_pointer),
        cmocka_unit_test(padding_comes_with_the_end_of_the_entry),
        cmocka_unit_test(bytes_are_counted),
        cmocka_unit_test(calls_out_of_order_are_refused),
        cmocka_unit_test(what_tar_cannot_hold_leaves_the_writer_alive),
        cmocka_unit_test(a_sink_that_refuses_ends_it_with_its_status),
        cmocka_unit_test(entries_come_back_whatever_the_steps),
        cmocka_unit_test(every_truncation_is_seen),
        cmocka_unit_test(zeros_after_the_end_are_fine),
        cmocka_unit_test(a_header_turned_to_zeros_is_not_the_end),
        cmocka_unit_test(garbage_is_no_archive),
        cmocka_unit_test(the_sources_status_comes_through),
        cmocka_unit_test(slurp_takes_small_entries_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
