/*
 * What does libarchive say when an entry gets other bytes than its header declared? An entry with too
 * few is filled with zeros and everything is ARCHIVE_OK; bytes too many are dropped, seen only in the
 * short return. And where does the data of a file that ends in a hole end? The last block may end
 * before the entry's size does. Result: src/stream/encode.c and src/format/tar.c count bytes
 * themselves; readers take the blocks, and the entry's size for the end.
 */
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <string.h>

static char memory[1 << 20];
static size_t used;

static void write_one(la_int64_t declared, size_t given, int sparse)
{
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();
    char bytes[8192];

    memset(bytes, 'x', sizeof bytes);
    archive_write_set_format_pax(a);
    archive_write_add_filter_none(a);
    archive_write_open_memory(a, memory, sizeof memory, &used);
    archive_entry_set_pathname(e, "file");
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_size(e, declared);
    if (sparse) {
        archive_entry_sparse_add_entry(e, 0, 4096); /* the rest is a hole */
    }
    int header = archive_write_header(a, e);
    la_ssize_t wrote = archive_write_data(a, bytes, given);
    int finish = archive_write_finish_entry(a);
    printf("  declared %lld, given %zu: header %d, data returned %lld, finish %d, close %d\n",
           (long long)declared, given, header, (long long)wrote, finish, archive_write_close(a));
    archive_entry_free(e);
    archive_write_free(a);
}

/* Where the last block that is not empty ends. */
static void read_blocks(void)
{
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    const void *block;
    size_t len;
    la_int64_t at, end = 0, bytes = 0;

    archive_read_support_format_tar(a);
    archive_read_open_memory(a, memory, used);
    if (archive_read_next_header(a, &e) == ARCHIVE_OK) {
        while (archive_read_data_block(a, &block, &len, &at) == ARCHIVE_OK) {
            end = len > 0 ? at + (la_int64_t)len : end;
            bytes += (la_int64_t)len;
        }
    }
    printf("  by blocks: %lld bytes, the last ends at %lld\n", (long long)bytes, (long long)end);
    archive_read_free(a);
}

static void read_one(void)
{
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    char bytes[65536];
    la_ssize_t n, total = 0;

    archive_read_support_format_tar(a);
    archive_read_open_memory(a, memory, used);
    if (archive_read_next_header(a, &e) != ARCHIVE_OK) {
        printf("  cannot be read: %s\n", archive_error_string(a));
    } else {
        la_int64_t size = archive_entry_size(e);
        while ((n = archive_read_data(a, bytes, sizeof bytes)) > 0) {
            total += n;
        }
        printf("  reads back: size %lld, archive_read_data gave %lld, last return %lld\n",
               (long long)size, (long long)total, (long long)n);
    }
    archive_read_free(a);
    read_blocks();
}

int main(void)
{
    printf("%s\n", archive_version_string());
    puts("too few bytes:");
    write_one(8192, 100, 0);
    read_one();
    puts("too many bytes:");
    write_one(100, 8192, 0);
    read_one();
    puts("4 KiB of data, then a hole up to 1 MiB:");
    write_one(1 << 20, 4096, 1);
    read_one();
    return 0;
}
