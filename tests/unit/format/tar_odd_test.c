#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "pairdump/tar.h"

#include "../../lib/format_lib.h"

/*
 * Everything a file system allows goes through the writer and the reader unchanged; and GNU tar,
 * which knows nothing of us, reads the same.
 */

static struct archive_entry *make(const char *path, unsigned mode)
{
    struct archive_entry *entry = archive_entry_new();

    assert_non_null(entry);
    archive_entry_copy_pathname(entry, path);
    archive_entry_set_mode(entry, (mode_t)mode);
    archive_entry_set_size(entry, 0);
    archive_entry_set_mtime(entry, 1700000000, 123456789);
    archive_entry_set_ctime(entry, 1700000001, 5);
    return entry;
}

static void put(struct pd_tar_writer *writer, struct archive_entry *entry, const char *data)
{
    struct pd_error err = PD_ERROR_INIT;

    if (data != NULL)
        archive_entry_set_size(entry, (la_int64_t)strlen(data));
    assert_int_equal(pd_tar_header(writer, entry, &err), PD_OK);
    if (data != NULL)
        assert_int_equal(pd_tar_data(writer, data, strlen(data), &err), PD_OK);
    assert_int_equal(pd_tar_end_entry(writer, &err), PD_OK);
}

static struct pd_tar_writer *start(struct pd_buf *out)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_tar_writer *writer;

    assert_int_equal(pd_tar_writer_new(format_to_buf, out, &writer, &err), PD_OK);
    return writer;
}

static void end(struct pd_tar_writer *writer)
{
    struct pd_error err = PD_ERROR_INIT;

    assert_int_equal(pd_tar_finish(writer, &err), PD_OK);
    pd_tar_writer_free(writer);
}

static void assert_text(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        assert_ptr_equal(a, b);
    else
        assert_string_equal(a, b);
}

static void assert_same_xattrs(struct archive_entry *a, struct archive_entry *b)
{
    int count = archive_entry_xattr_reset(a);

    assert_int_equal(archive_entry_xattr_count(b), count);
    while (count-- > 0) {
        const char *name, *other;
        const void *value, *other_value;
        size_t len, other_len = 0;
        int rest = archive_entry_xattr_reset(b);
        bool found = false;

        assert_int_equal(archive_entry_xattr_next(a, &name, &value, &len), ARCHIVE_OK);
        while (rest-- > 0 && !found) {
            assert_int_equal(archive_entry_xattr_next(b, &other, &other_value, &other_len),
                             ARCHIVE_OK);
            found = strcmp(name, other) == 0 && len == other_len &&
                    (len == 0 || memcmp(value, other_value, len) == 0);
        }
        assert_true(found);
    }
}

static void assert_same(struct archive_entry *a, struct archive_entry *b)
{
    assert_text(archive_entry_pathname(a), archive_entry_pathname(b));
    assert_text(archive_entry_hardlink(a), archive_entry_hardlink(b));
    assert_text(archive_entry_symlink(a), archive_entry_symlink(b));
    if (archive_entry_hardlink(a) == NULL)
        assert_int_equal(archive_entry_filetype(a), archive_entry_filetype(b));
    assert_int_equal(archive_entry_perm(a), archive_entry_perm(b));
    assert_int_equal(archive_entry_uid(a), archive_entry_uid(b));
    assert_int_equal(archive_entry_gid(a), archive_entry_gid(b));
    assert_int_equal(archive_entry_mtime(a), archive_entry_mtime(b));
    assert_int_equal(archive_entry_mtime_nsec(a), archive_entry_mtime_nsec(b));
    assert_int_equal(archive_entry_ctime(a), archive_entry_ctime(b));
    assert_int_equal(archive_entry_ctime_nsec(a), archive_entry_ctime_nsec(b));
    assert_int_equal(archive_entry_size(a), archive_entry_size(b));
    assert_int_equal(archive_entry_rdev(a), archive_entry_rdev(b));
    assert_same_xattrs(a, b);
    if (archive_entry_uname(a) != NULL)
        assert_text(archive_entry_uname(a), archive_entry_uname(b));
    if (archive_entry_gname(a) != NULL)
        assert_text(archive_entry_gname(a), archive_entry_gname(b));
}

/* Writes one entry, reads it back, compares; frees it. */
static void round_trip(struct archive_entry *entry, const char *data)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf out = PD_BUF_INIT;
    struct format_memory memory = {.step = 1000};
    struct pd_tar_writer *writer = start(&out);
    struct pd_tar_reader *reader;
    struct archive_entry *back;
    char *text;
    size_t len;

    put(writer, entry, data);
    end(writer);
    memory.bytes = out.data;
    memory.len = out.len;
    assert_int_equal(pd_tar_reader_new(format_from_memory, &memory, &reader, &err), PD_OK);
    assert_int_equal(pd_tar_next(reader, &back, &err), PD_OK);
    assert_non_null(back);
    if (archive_entry_filetype(entry) == AE_IFDIR) {
        char path[4096];

        (void)snprintf(path, sizeof(path), "%s", archive_entry_pathname(back));
        if (path[strlen(path) - 1] == '/')
            path[strlen(path) - 1] = '\0';
        archive_entry_copy_pathname(back, path);
        (void)snprintf(path, sizeof(path), "%s", archive_entry_pathname(entry));
        if (path[strlen(path) - 1] == '/')
            path[strlen(path) - 1] = '\0';
        archive_entry_copy_pathname(entry, path);
    }
    assert_same(entry, back);
    assert_int_equal(pd_tar_slurp(reader, back, 1 << 20, &text, &len, &err), PD_OK);
    assert_string_equal(text, data == NULL ? "" : data);
    free(text);
    assert_int_equal(pd_tar_next(reader, &back, &err), PD_OK);
    assert_null(back);
    pd_tar_reader_free(reader);
    pd_buf_free(&out);
    archive_entry_free(entry);
}

static void fill(char *out, size_t len, char c)
{
    memset(out, c, len);
    out[len] = '\0';
}

static void long_path(char *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = i % 200 == 199 ? '/' : (char)('a' + i % 26);
    if (out[len - 1] == '/')
        out[len - 1] = 'x';
    out[len] = '\0';
}

static void names_of_any_bytes_survive(void **state)
{
    static const char *const names[] = {
        "plain",           "a\nb",        "\n",           "caf\xc3\xa9",  "raw\xff\xfe\x80",
        "\xed\xa0\x80",    "dir/\xe9/a",  " lead trail ", "a=b",          "tab\tnew\r\x01\x7f",
        "././@LongLink",   "a\\b",        "\xe6\x97\xa5", "cafe\xcc\x81", "%41",
        "GNUSparseFile.0", "PaxHeader/x", "-rf",          "*?[]",
    };
    char name[2000];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct archive_entry *link = make("link", S_IFLNK | 0777);
        struct archive_entry *hard = make("hard", S_IFREG | 0600);

        round_trip(make(names[i], S_IFREG | 0600), "data");
        archive_entry_copy_symlink(link, names[i]);
        round_trip(link, NULL);
        archive_entry_copy_hardlink(hard, names[i]);
        round_trip(hard, NULL);
    }
    for (size_t len = 90; len < 270; len++) {
        fill(name, len, 'n');
        round_trip(make(name, S_IFREG | 0600), "data");
        fill(name, len, '\xfe');
        round_trip(make(name, S_IFREG | 0600), "data");
        long_path(name, len);
        round_trip(make(name, S_IFREG | 0600), "data");
        round_trip(make(name, S_IFDIR | 0700), NULL);
    }
    long_path(name, 1600);
    round_trip(make(name, S_IFREG | 0600), "data");
    name[1000] = '\xff';
    round_trip(make(name, S_IFREG | 0600), "data");
}

static void names_of_owners_survive(void **state)
{
    static const char *const names[] = {"root", "caf\xc3\xa9", "\xff",
                                        "a-name-of-more-than-thirty-one-bytes-indeed"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct archive_entry *entry = make("owned", S_IFREG | 0600);

        archive_entry_copy_uname(entry, names[i]);
        archive_entry_copy_gname(entry, names[i]);
        round_trip(entry, "data");
    }
}

static void the_locale_plays_no_part(void **state)
{
    if (setlocale(LC_ALL, "C.UTF-8") == NULL)
        skip();
    names_of_any_bytes_survive(state);
    names_of_owners_survive(state);
    (void)setlocale(LC_ALL, "C");
}

static void links_may_be_long(void **state)
{
    char name[2000];

    (void)state;
    for (size_t len = 98; len < 2000; len += len < 104 ? 1 : 631) {
        for (int odd = 0; odd < 2; odd++) {
            struct archive_entry *link = make("link", S_IFLNK | 0777);
            struct archive_entry *hard = make("hard", S_IFREG | 0600);

            long_path(name, len);
            if (odd)
                name[len / 2] = '\xff';
            archive_entry_copy_symlink(link, name);
            archive_entry_copy_hardlink(hard, name);
            round_trip(link, NULL);
            round_trip(hard, NULL);
        }
    }
}

static void times_before_and_far_after_survive(void **state)
{
    static const int64_t times[] = {
        0,           -1,          -2,           -2208988800,  0x7fffffff,   0x80000000,
        0x100000000, 0x200000000, 253402300800, -62167219200, 0x3ffffffffff};
    static const long parts[] = {0, 1, 999999999, 500000000, 120};

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++) {
            struct archive_entry *entry = make("time", S_IFREG | 0600);

            archive_entry_set_mtime(entry, times[i], parts[k]);
            archive_entry_set_ctime(entry, times[i], parts[k]);
            round_trip(entry, NULL);
        }
}

static void ids_modes_and_devices_survive(void **state)
{
    static const int64_t ids[] = {0,       65534,      (1 << 18) - 1, 1 << 18,
                                  2097152, 0x7fffffff, 0x80000000,    0xfffffffe};
    struct archive_entry *entry;

    (void)state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        entry = make("id", S_IFREG | 07777);
        archive_entry_set_uid(entry, ids[i]);
        archive_entry_set_gid(entry, ids[i]);
        round_trip(entry, NULL);
    }
    round_trip(make("fifo", S_IFIFO | 0622), NULL);
    round_trip(make("dir", S_IFDIR | 01777), NULL);
    for (unsigned major_no = 1; major_no < 1 << 12; major_no *= 7)
        for (unsigned minor_no = 0; minor_no < 1 << 20; minor_no = minor_no * 5 + 3) {
            entry = make("char", S_IFCHR | 0600);
            archive_entry_set_rdev(entry, makedev(major_no, minor_no));
            round_trip(entry, NULL);
            entry = make("block", S_IFBLK | 0600);
            archive_entry_set_rdev(entry, makedev(major_no, minor_no));
            round_trip(entry, NULL);
        }
}

static void extended_attributes_come_back_once(void **state)
{
    static const char *const names[] = {
        "user.a", "user.a=b", "user.a%3Db", "user.a%253Db",        "user.caf\xc3\xa9",
        "user. ", "user.%",   "user.\xff",  "security.capability", "user.\n"};
    static char big[65536];
    struct archive_entry *all = make("all", S_IFREG | 0600);

    (void)state;
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 7);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct archive_entry *entry = make("one", S_IFREG | 0600);

        archive_entry_xattr_add_entry(entry, names[i], "\0bin\n=", 6);
        round_trip(entry, "data");
        entry = make("empty", S_IFDIR | 0700);
        archive_entry_xattr_add_entry(entry, names[i], "", 0);
        round_trip(entry, NULL);
        archive_entry_xattr_add_entry(all, names[i], "same", 4);
    }
    archive_entry_xattr_add_entry(all, "user.big", big, sizeof(big));
    archive_entry_xattr_add_entry(all, "user.big2", big, sizeof(big));
    archive_entry_xattr_add_entry(all, "user.big3", big, sizeof(big));
    round_trip(all, "data");
}

/* The reader gives the number as name where there was none, so names are not compared. */
static void assert_same_acl(struct archive_entry *a, struct archive_entry *b, int type, int count)
{
    assert_int_equal(archive_entry_acl_reset(a, type), count);
    assert_int_equal(archive_entry_acl_reset(b, type), count);
    while (count-- > 0) {
        int types[2], permset[2], tag[2], qual[2];
        const char *name;

        assert_int_equal(
            archive_entry_acl_next(a, type, &types[0], &permset[0], &tag[0], &qual[0], &name),
            ARCHIVE_OK);
        assert_int_equal(
            archive_entry_acl_next(b, type, &types[1], &permset[1], &tag[1], &qual[1], &name),
            ARCHIVE_OK);
        assert_int_equal(permset[0], permset[1]);
        assert_int_equal(tag[0], tag[1]);
        assert_int_equal(qual[0], qual[1]);
    }
}

static void acls_survive(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf out = PD_BUF_INIT;
    struct format_memory memory = {0};
    struct pd_tar_writer *writer = start(&out);
    struct archive_entry *entry = make("acl", S_IFDIR | 0750), *back, *expected;
    struct pd_tar_reader *reader;

    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        int type = kind ? ARCHIVE_ENTRY_ACL_TYPE_DEFAULT : ARCHIVE_ENTRY_ACL_TYPE_ACCESS;

        archive_entry_acl_add_entry(entry, type, 7, ARCHIVE_ENTRY_ACL_USER_OBJ, -1, NULL);
        archive_entry_acl_add_entry(entry, type, 5, ARCHIVE_ENTRY_ACL_USER, 1000, NULL);
        archive_entry_acl_add_entry(entry, type, 4, ARCHIVE_ENTRY_ACL_USER, 0x7ffffff0, NULL);
        archive_entry_acl_add_entry(entry, type, 6, ARCHIVE_ENTRY_ACL_USER, (int)3000000000u, NULL);
        archive_entry_acl_add_entry(entry, type, 5, ARCHIVE_ENTRY_ACL_GROUP_OBJ, -1, NULL);
        archive_entry_acl_add_entry(entry, type, 1, ARCHIVE_ENTRY_ACL_GROUP, 50, "staff");
        archive_entry_acl_add_entry(entry, type, 5, ARCHIVE_ENTRY_ACL_MASK, -1, NULL);
        archive_entry_acl_add_entry(entry, type, 0, ARCHIVE_ENTRY_ACL_OTHER, -1, NULL);
    }
    expected = archive_entry_clone(entry);
    assert_non_null(expected);
    put(writer, entry, NULL);
    end(writer);
    archive_entry_free(entry);
    assert_non_null(memmem(out.data, out.len, "user:3000000000:rw-", 19));
    entry = expected;
    memory.bytes = out.data;
    memory.len = out.len;
    assert_int_equal(pd_tar_reader_new(format_from_memory, &memory, &reader, &err), PD_OK);
    assert_int_equal(pd_tar_next(reader, &back, &err), PD_OK);
    assert_int_equal(archive_entry_perm(back), 0750);
    assert_same_acl(entry, back, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, 8);
    assert_same_acl(entry, back, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, 8);
    pd_tar_reader_free(reader);
    archive_entry_free(entry);
    pd_buf_free(&out);
}

/* ---- sparse files ---- */

struct extent {
    int64_t offset, length;
};

/* A file of `size` with data ('d') in the extents only, written with or without pd_tar_zeros. */
static struct archive_entry *put_sparse(struct pd_tar_writer *writer, const char *path,
                                        const struct extent *extents, size_t count, int64_t size)
{
    struct archive_entry *entry = make(path, S_IFREG | 0600);
    struct pd_error err = PD_ERROR_INIT;
    int64_t at = 0;

    archive_entry_set_size(entry, size);
    for (size_t i = 0; i < count; i++)
        archive_entry_sparse_add_entry(entry, extents[i].offset, extents[i].length);
    assert_int_equal(pd_tar_header(writer, entry, &err), PD_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pd_tar_zeros(writer, (uint64_t)(extents[i].offset - at), &err), PD_OK);
        at = extents[i].offset;
        for (int64_t k = 0; k < extents[i].length; k++)
            assert_int_equal(pd_tar_data(writer, "d", 1, &err), PD_OK);
        at += extents[i].length;
    }
    assert_int_equal(pd_tar_zeros(writer, (uint64_t)(size - at), &err), PD_OK);
    assert_int_equal(pd_tar_end_entry(writer, &err), PD_OK);
    return entry;
}

static const struct extent middle[] = {{1 << 20, 4096}, {(1 << 20) + 8192, 100}};
static const struct extent edges[] = {{0, 4096}, {(50 << 20) - 512, 512}};
static const struct extent lead[] = {{0, 512}};
static const struct extent hole[] = {{10 << 20, 0}};
static const struct extent hole_too[] = {{0, 0}};

static const struct {
    const char *path;
    const struct extent *extents;
    size_t count;
    int64_t size;
} sparse[] = {
    {"middle", middle, 2, 5 << 20}, {"edg\xff\n", edges, 2, 50 << 20},   {"lead", lead, 1, 3 << 20},
    {"hole", hole, 1, 10 << 20},    {"hole too", hole_too, 1, 10 << 20},
};

#define SPARSE_COUNT (sizeof(sparse) / sizeof(sparse[0]))

static void holes_stay_holes(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf out = PD_BUF_INIT;
    struct format_memory memory = {.step = 700};
    struct pd_tar_writer *writer = start(&out);
    struct pd_tar_reader *reader;
    struct archive_entry *back;

    (void)state;
    for (size_t i = 0; i < SPARSE_COUNT; i++)
        archive_entry_free(
            put_sparse(writer, sparse[i].path, sparse[i].extents, sparse[i].count, sparse[i].size));
    end(writer);
    assert_true(out.len < 32768);
    memory.bytes = out.data;
    memory.len = out.len;
    assert_int_equal(pd_tar_reader_new(format_from_memory, &memory, &reader, &err), PD_OK);
    for (size_t i = 0; i < SPARSE_COUNT; i++) {
        uint64_t offset, sum = 0, wanted = 0;
        const void *bytes;
        size_t len;

        assert_int_equal(pd_tar_next(reader, &back, &err), PD_OK);
        assert_string_equal(archive_entry_pathname(back), sparse[i].path);
        assert_int_equal(archive_entry_size(back), sparse[i].size);
        for (size_t k = 0; k < sparse[i].count; k++)
            wanted += (uint64_t)sparse[i].extents[k].length;
        while (pd_tar_block(reader, &bytes, &len, &offset, &err) == PD_OK && len > 0) {
            bool inside = false;

            for (size_t k = 0; k < sparse[i].count; k++)
                inside |= offset >= (uint64_t)sparse[i].extents[k].offset &&
                          offset + len <=
                              (uint64_t)(sparse[i].extents[k].offset + sparse[i].extents[k].length);
            assert_true(inside);
            assert_int_equal(((const char *)bytes)[len - 1], 'd');
            sum += len;
        }
        assert_int_equal(sum, wanted);
        if (i == 0)
            assert_true(archive_entry_sparse_reset(back) >= 2);
    }
    pd_tar_reader_free(reader);
    pd_buf_free(&out);
}

static void a_fragmented_file_keeps_its_map(void **state)
{
    enum { EXTENTS = 20000 };
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf out = PD_BUF_INIT;
    struct format_memory memory = {0};
    struct pd_tar_writer *writer = start(&out);
    struct pd_tar_reader *reader;
    struct archive_entry *back;
    struct extent *extents = calloc(EXTENTS, sizeof(*extents));
    uint64_t offset, sum = 0;
    const void *bytes;
    size_t len;

    (void)state;
    assert_non_null(extents);
    for (int i = 0; i < EXTENTS; i++)
        extents[i] = (struct extent){(int64_t)i * 8192, 3};
    archive_entry_free(put_sparse(writer, "fragments", extents, EXTENTS, EXTENTS * 8192LL));
    end(writer);
    memory.bytes = out.data;
    memory.len = out.len;
    assert_int_equal(pd_tar_reader_new(format_from_memory, &memory, &reader, &err), PD_OK);
    assert_int_equal(pd_tar_next(reader, &back, &err), PD_OK);
    while (pd_tar_block(reader, &bytes, &len, &offset, &err) == PD_OK && len > 0) {
        assert_true(offset % 8192 < 3);
        sum += len;
    }
    assert_int_equal(sum, EXTENTS * 3);
    pd_tar_reader_free(reader);
    pd_buf_free(&out);
    free(extents);
}

/* ---- GNU tar reads the same ---- */

static void gnu_tar_lists_times_and_ids(void **state)
{
    struct pd_buf out = PD_BUF_INIT;
    struct pd_tar_writer *writer = start(&out);
    struct archive_entry *entry;
    char dir[256];

    (void)state;
    entry = make("old", S_IFREG | 0640);
    archive_entry_set_mtime(entry, -86400, 0);
    archive_entry_set_uid(entry, 3000000000);
    archive_entry_set_gid(entry, 3000000001);
    put(writer, entry, "x");
    archive_entry_free(entry);
    entry = make("far", S_IFREG | 0640);
    archive_entry_set_mtime(entry, 32503680000, 123456789); /* the year 3000 */
    put(writer, entry, "x");
    archive_entry_free(entry);
    entry = make("null", S_IFCHR | 0666);
    archive_entry_set_rdev(entry, makedev(1, 3));
    put(writer, entry, NULL);
    archive_entry_free(entry);
    end(writer);
    format_dir_make(dir, sizeof(dir));
    format_file_write(dir, "t.tar", out.data, out.len);
    assert_int_equal(format_sh(dir, "tar -tvf t.tar --full-time --numeric-owner >list 2>err\n"
                                    "test ! -s err\n" /* not one warning */
                                    "grep '3000000000/3000000001 .*1969-12-31 00:00:00 old' list\n"
                                    "grep '3000-01-01 00:00:00.123456789 far' list\n"
                                    "grep '^crw-rw-rw- .* 1,3 ' list\n"),
                     0);
    format_dir_remove(dir);
    pd_buf_free(&out);
}

static void gnu_tar_extracts_odd_names(void **state)
{
    static const char *const names[] = {"a\nb", "raw\xff\xfe\x80", "caf\xc3\xa9", "a\\b", " s "};
    struct pd_buf out = PD_BUF_INIT;
    struct pd_tar_writer *writer = start(&out);
    struct archive_entry *entry;
    char dir[256], name[2000];

    (void)state;
    format_dir_make(dir, sizeof(dir));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(name, sizeof(name), "top/%s", names[i]);
        entry = make(name, S_IFREG | 0600);
        put(writer, entry, names[i]);
        archive_entry_free(entry);
        (void)snprintf(name, sizeof(name), "top/sym-%s", names[i]);
        entry = make(name, S_IFLNK | 0777);
        archive_entry_copy_symlink(entry, names[i]);
        put(writer, entry, NULL);
        archive_entry_free(entry);
        (void)snprintf(name, sizeof(name), "top/hard-%s", names[i]);
        entry = make(name, S_IFREG | 0600);
        (void)snprintf(name, sizeof(name), "top/%s", names[i]);
        archive_entry_copy_hardlink(entry, name);
        put(writer, entry, NULL);
        archive_entry_free(entry);
    }
    long_path(name, 1600);
    memcpy(name, "top/", 4);
    entry = make(name, S_IFREG | 0600);
    put(writer, entry, "long");
    archive_entry_free(entry);
    end(writer);
    format_file_write(dir, "t.tar", out.data, out.len);
    assert_int_equal(format_sh(dir, "tar -xpf t.tar --warning=no-unknown-keyword >x 2>&1\n"
                                    "test ! -s x\n"),
                     0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        for (size_t k = 0; k < 3; k++) {
            char *text;

            (void)snprintf(name, sizeof(name), "top/%s%s",
                           k == 0   ? ""
                           : k == 1 ? "sym-"
                                    : "hard-",
                           names[i]);
            text = format_file_read(dir, name, NULL);
            assert_string_equal(text, names[i]);
            free(text);
        }
    }
    assert_int_equal(format_sh(dir, "test $(find top -type f -links 1 -printf x) = x\n"
                                    "test $(find top -type l -printf x) = xxxxx\n"
                                    "mkdir b\n" /* hard links follow --strip-components */
                                    "tar -xf t.tar --warning=no-unknown-keyword "
                                    "--strip-components=1 -C b top\n"
                                    "test $(find b -type f -links 2 -printf x) = xxxxxxxxxx\n"
                                    "diff -r --no-dereference top b\n"),
                     0);
    format_dir_remove(dir);
    pd_buf_free(&out);
}

static void gnu_tar_extracts_sparse_files(void **state)
{
    struct pd_buf out = PD_BUF_INIT;
    struct pd_tar_writer *writer = start(&out);
    char dir[256];

    (void)state;
    for (size_t i = 0; i < SPARSE_COUNT; i++)
        archive_entry_free(
            put_sparse(writer, sparse[i].path, sparse[i].extents, sparse[i].count, sparse[i].size));
    end(writer);
    format_dir_make(dir, sizeof(dir));
    format_file_write(dir, "t.tar", out.data, out.len);
    assert_int_equal(format_sh(dir, "tar -xf t.tar --warning=no-unknown-keyword\n"
                                    "test $(du -k . | tail -n 1 | cut -f1) -lt 1024\n"),
                     0);
    for (size_t i = 0; i < SPARSE_COUNT; i++) {
        size_t len;
        char *text = format_file_read(dir, sparse[i].path, &len);

        assert_int_equal(len, sparse[i].size);
        for (size_t k = 0; k < sparse[i].count; k++)
            for (int64_t b = 0; b < sparse[i].extents[k].length; b++)
                assert_int_equal(text[sparse[i].extents[k].offset + b], 'd');
        for (size_t at = 0, wrong = 0; at < len; at++) {
            bool data = false;

            if (text[at] == '\0')
                continue;
            for (size_t k = 0; k < sparse[i].count; k++)
                data |= (int64_t)at >= sparse[i].extents[k].offset &&
                        (int64_t)at < sparse[i].extents[k].offset + sparse[i].extents[k].length;
            wrong += !data;
            assert_int_equal(wrong, 0);
        }
        free(text);
    }
    format_dir_remove(dir);
    pd_buf_free(&out);
}

static void gnu_tar_restores_attributes(void **state)
{
    struct pd_buf out = PD_BUF_INIT;
    struct pd_tar_writer *writer = start(&out);
    struct archive_entry *entry = make("file", S_IFREG | 0640);
    int type = ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
    char dir[256];

    (void)state;
    format_dir_make(dir, sizeof(dir));
    if (format_sh(dir, "touch f; setfattr -n user.a -v b f; setfacl -m u:1000:r f") != 0) {
        format_dir_remove(dir);
        archive_entry_free(entry);
        pd_tar_writer_free(writer);
        skip();
    }
    archive_entry_xattr_add_entry(entry, "user.a", "one\ntwo", 7);
    archive_entry_xattr_add_entry(entry, "user.c=d", "three", 5);
    archive_entry_acl_add_entry(entry, type, 6, ARCHIVE_ENTRY_ACL_USER_OBJ, -1, NULL);
    archive_entry_acl_add_entry(entry, type, 5, ARCHIVE_ENTRY_ACL_USER, 54321, NULL);
    archive_entry_acl_add_entry(entry, type, 4, ARCHIVE_ENTRY_ACL_GROUP_OBJ, -1, NULL);
    archive_entry_acl_add_entry(entry, type, 5, ARCHIVE_ENTRY_ACL_MASK, -1, NULL);
    archive_entry_acl_add_entry(entry, type, 0, ARCHIVE_ENTRY_ACL_OTHER, -1, NULL);
    put(writer, entry, "x");
    archive_entry_free(entry);
    end(writer);
    format_file_write(dir, "t.tar", out.data, out.len);
    assert_int_equal(
        format_sh(dir,
                  "tar -xp --acls --xattrs --xattrs-include='*' -f t.tar "
                  "--warning=no-unknown-keyword 2>err\n"
                  "test ! -s err\n"
                  "getfattr -d -e hex file\n"
                  "test \"$(getfattr --only-values -n user.a file)\" = \"$(printf 'one\\ntwo')\"\n"
                  "test \"$(getfattr --only-values -n user.c=d file)\" = three\n"
                  "getfacl -n file | grep '^user:54321:r-x'\n"),
        0);
    format_dir_remove(dir);
    pd_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_any_bytes_survive),
        cmocka_unit_test(the_locale_plays_no_part),
        cmocka_unit_test(links_may_be_long),
        cmocka_unit_test(times_before_and_far_after_survive),
        cmocka_unit_test(ids_modes_and_devices_survive),
        cmocka_unit_test(names_of_owners_survive),
        cmocka_unit_test(extended_attributes_come_back_once),
        cmocka_unit_test(acls_survive),
        cmocka_unit_test(holes_stay_holes),
        cmocka_unit_test(a_fragmented_file_keeps_its_map),
        cmocka_unit_test(gnu_tar_lists_times_and_ids),
        cmocka_unit_test(gnu_tar_extracts_odd_names),
        cmocka_unit_test(gnu_tar_extracts_sparse_files),
        cmocka_unit_test(gnu_tar_restores_attributes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
