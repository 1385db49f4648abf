/* What libarchive says when an entry gets fewer, or more, bytes than its header declares. */
#include <archive.h>
#include <archive_entry.h>

int main(void)
{
    static char out[65536];
    size_t used = 0;
    struct archive *a = archive_write_new();
    struct archive_entry *entry = archive_entry_new();

    archive_write_set_format_pax(a);
    archive_write_open_memory(a, out, sizeof out, &used);
    archive_entry_set_pathname(entry, "short");
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_size(entry, 100);
    archive_write_header(a, entry);
    archive_write_data(a, "only ten b", 10);
    printf("%s\nfewer bytes: finish_entry says %d (ARCHIVE_OK is 0): the rest is zeros\n",
           archive_version_string(), archive_write_finish_entry(a));
    archive_entry_set_pathname(entry, "long");
    archive_entry_set_size(entry, 4);
    archive_write_header(a, entry);
    printf("more bytes: write_data of 10 into 4 says %zd: only the count tells\n",
           (ssize_t)archive_write_data(a, "ten bytes!", 10));
    archive_write_free(a);
    archive_entry_free(entry);
    return 0;
}
