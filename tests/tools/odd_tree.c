/*
 * odd_tree DIR: fills an empty folder with every odd thing that a file system allows. Prints one line
 * "skipped: ..." per thing that this file system or user cannot have (devices and foreign owners
 * need root). Exit code 0 unless something that should work failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static int failures;

/* result: of a system call. True if it worked; a thing that may be missing is only told. */
static int worked(int result, int may_fail, const char *what)
{
    if (result >= 0)
        return 1;
    if (may_fail) {
        printf("skipped: %s: %s\n", what, strerror(errno));
    } else {
        fprintf(stderr, "odd_tree: %s: %s\n", what, strerror(errno));
        failures++;
    }
    return 0;
}

static void put(const char *name, const void *bytes, size_t len, mode_t mode)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (!worked(fd, 0, name))
        return;
    if (write(fd, bytes, len) != (ssize_t)len)
        worked(-1, 0, name);
    worked(fchmod(fd, mode), 0, name);
    worked(close(fd), 0, name);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text), 0644);
}

static void folder(const char *name)
{
    worked(mkdir(name, 0755), 0, name);
}

static void set_time(const char *name, int64_t sec, long nsec)
{
    const struct timespec times[2] = {{(time_t)sec, nsec}, {(time_t)sec, nsec}};

    worked(utimensat(AT_FDCWD, name, times, AT_SYMLINK_NOFOLLOW), 0, name);
}

/* ---- names ---- */

/* A path of about 1,600 bytes: six folders of 250 bytes, and a file. */
static void deep_path(void)
{
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char name[251];

    if (!worked(here, 0, "deep path"))
        return;
    for (int level = 0; level < 6; level++) {
        memset(name, 'a' + level, 250);
        name[250] = '\0';
        folder(name);
        worked(chdir(name), 0, "deep path");
    }
    put_text("the file at the end of a path of some sixteen hundred bytes", "deep\n");
    worked(fchdir(here), 0, "deep path");
    worked(close(here), 0, "deep path");
}

/* Two hundred folders in one another. */
static void deep_nest(void)
{
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (!worked(here, 0, "nested folders"))
        return;
    for (int level = 0; level < 200; level++) {
        folder("n");
        worked(chdir("n"), 0, "nested folders");
    }
    put_text("bottom", "bottom\n");
    worked(fchdir(here), 0, "nested folders");
    worked(close(here), 0, "nested folders");
}

static void names(void)
{
    static const char *const odd[] = {
        "newline\nin name", "\n", "carriage\rreturn", "tab\there", " ", "  leading", "trailing ",
        "-rf", "--", "*", "?", "[a]", "back\\slash", "\"quoted\"", "'single'", "$HOME", "`id`",
        "%41 percent", "%", "a%0Ab", "semi;colon", "per:colon", "~", "...", ".hidden", "..x",
        "\xff\xfe raw bytes \x80", "\xc3\x28 bad utf-8", "latin1-\xe4\xf6\xfc", "Gr\xc3\xbc\xc3\x9f",
        "e\xcc\x81 combining", "\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x93\xbc", "\x01\x02\x1b[31m",
        "\x7f", "data", "bagit.txt", "manifest-sha256.txt", "PaxHeaders.0", "PaxHeader", "a=b",
        "GNUSparseFile.0", "trailing.dot.", "nul", ".pairdump-0123456789abcdef.part",
    };
    char longest[256], prefix[160];

    folder("names");
    worked(chdir("names"), 0, "names");
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        put_text(odd[i], odd[i]);
    memset(longest, 'x', 255);
    longest[255] = '\0';
    put_text(longest, "255 bytes\n");
    memset(longest, 0xe9, 255); /* no UTF-8 at all */
    put_text(longest, "255 raw bytes\n");
    for (size_t i = 0; i < 255; i++)
        longest[i] = i % 3 == 0 ? (char)0xe6 : i % 3 == 1 ? (char)0x97 : (char)0xa5;
    put_text(longest, "85 characters of three bytes\n");
    /* around the 100 and 155 bytes of the old tar header */
    for (size_t len = 97; len <= 103; len++) {
        memset(prefix, 'p', len);
        prefix[len] = '\0';
        put_text(prefix, "at the limit\n");
    }
    folder("\n dir \xff");
    put_text("\n dir \xff/\n", "below\n");
    worked(chdir(".."), 0, "names");
}

/* ---- links ---- */

static void links(void)
{
    char target[4096];

    folder("links");
    worked(chdir("links"), 0, "links");
    put_text("first", "one file, four names\n");
    folder("elsewhere");
    worked(link("first", "second"), 0, "hard link");
    worked(link("first", "elsewhere/third"), 0, "hard link");
    worked(link("first", "0 sorts before"), 0, "hard link");
    worked(symlink("nowhere", "dangling"), 0, "symlink");
    worked(symlink("first", "to-file"), 0, "symlink");
    worked(symlink("elsewhere", "to-folder"), 0, "symlink");
    worked(symlink("../..", "up"), 0, "symlink");
    worked(symlink("/etc/passwd", "absolute"), 0, "symlink");
    worked(symlink("self", "self"), 0, "symlink");
    worked(symlink("raw \xff\n bytes", "raw-target"), 0, "symlink");
    memset(target, 't', 4000);
    target[4000] = '\0';
    worked(symlink(target, "long-target"), 1, "symlink to 4,000 bytes");
    set_time("dangling", -5, 999999999);
    worked(chdir(".."), 0, "links");
}

/* ---- content ---- */

static void sparse(const char *name, off_t size, const off_t *data, size_t count)
{
    static const char text[] = "data in a sea of nothing";
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (!worked(fd, 0, name))
        return;
    for (size_t i = 0; i < count; i++)
        if (pwrite(fd, text, sizeof(text), data[i]) != (ssize_t)sizeof(text))
            worked(-1, 0, name);
    worked(ftruncate(fd, size), 0, name);
    worked(close(fd), 0, name);
}

static void content(void)
{
    const off_t mib = 1 << 20;
    const off_t middle[] = {7 * mib + 1, 30 * mib}, start[] = {0}, last[] = {50 * mib - 25};
    char block[4096];

    folder("content");
    worked(chdir("content"), 0, "content");
    put("empty", "", 0, 0644);
    put("one-byte", "x", 1, 0644);
    memset(block, 'b', sizeof(block));
    put("511", block, 511, 0644);
    put("512", block, 512, 0644);
    put("513", block, 513, 0644);
    memset(block, 0, sizeof(block));
    put("zeros-not-sparse", block, sizeof(block), 0644);
    sparse("sparse-50M", 50 * mib, middle, 2);
    sparse("sparse-hole-at-end", 50 * mib, start, 1);
    sparse("sparse-hole-at-start", 50 * mib, last, 1);
    sparse("sparse-all-hole", 50 * mib, NULL, 0);
    sparse("sparse-odd-size", 5 * mib + 333, middle, 0);
    worked(chdir(".."), 0, "content");
}

/* ---- metadata ---- */

static void times(void)
{
    static const struct {
        const char *name;
        int64_t sec;
        long nsec;
    } list[] = {
        {"epoch", 0, 0},
        {"before-epoch", -1, 1},
        {"negative", -2000000000, 123456789},
        {"y2038", INT64_C(2147483648), 999999999},
        {"y2106", INT64_C(4294967296), 5},
        {"far-future", INT64_C(15032385535), 7}, /* year 2446, the last that ext4 holds */
        {"one-ns", 1000000000, 1},
    };

    folder("times");
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        char path[64];

        snprintf(path, sizeof(path), "times/%s", list[i].name);
        put_text(path, list[i].name);
        set_time(path, list[i].sec, list[i].nsec);
    }
    folder("times/old-folder");
    put_text("times/old-folder/new-file", "new\n");
    set_time("times/old-folder", -86400 * 365, 1);
}

static void owners(void)
{
    folder("owners");
    put_text("owners/over-2G", "x");
    worked(chown("owners/over-2G", 3000000000U, 4000000000U), 1, "owner over 2^31");
    put_text("owners/largest", "x");
    worked(chown("owners/largest", 4294967294U, 4294967294U), 1, "owner 2^32 - 2");
    put_text("owners/octal-limit", "x");
    worked(chown("owners/octal-limit", 2097152, 2097152), 1, "owner 2^21");
    put_text("owners/setuid-foreign", "x");
    if (worked(chown("owners/setuid-foreign", 12345, 54321), 1, "foreign owner"))
        worked(chmod("owners/setuid-foreign", 06755), 0, "setuid");
    worked(symlink("x", "owners/link"), 0, "symlink");
    worked(lchown("owners/link", 77777, 88888), 1, "owner of a symbolic link");
    folder("owners/folder");
    worked(chown("owners/folder", 12345, 3000000001U), 1, "owner of a folder");
}

static void modes(void)
{
    folder("modes");
    if (geteuid() == 0)
        put("modes/0000", "secret", 6, 0);
    else
        printf("skipped: a file of mode 0000: only root can read it\n");
    put("modes/0444", "x", 1, 0444);
    put("modes/0777", "x", 1, 0777);
    put("modes/setuid", "x", 1, 04755);
    put("modes/setgid", "x", 1, 02755);
    put("modes/sticky", "x", 1, 01644);
    folder("modes/empty");
    folder("modes/sticky-folder");
    worked(chmod("modes/sticky-folder", 01777), 0, "sticky folder");
    folder("modes/setgid-folder");
    worked(chmod("modes/setgid-folder", 02775), 0, "setgid folder");
    put_text("modes/setgid-folder/f", "x");
    folder("modes/read-only");
    put_text("modes/read-only/inside", "x");
    folder("modes/read-only/deeper");
    put_text("modes/read-only/deeper/inside", "x");
    worked(chmod("modes/read-only/deeper", 0555), 0, "read-only folder");
    worked(chmod("modes/read-only", 0555), 0, "read-only folder");
    if (geteuid() == 0) {
        folder("modes/closed");
        put_text("modes/closed/inside", "x");
        worked(chmod("modes/closed", 0), 0, "closed folder");
    }
}

static void nodes(void)
{
    folder("nodes");
    worked(mkfifo("nodes/fifo", 0640), 0, "fifo");
    worked(mknod("nodes/null", S_IFCHR | 0666, makedev(1, 3)), 1, "character device");
    worked(mknod("nodes/loop", S_IFBLK | 0660, makedev(7, 0)), 1, "block device");
    worked(mknod("nodes/large-numbers", S_IFCHR | 0600, makedev(4000, 1000000)), 1,
           "device with large numbers");
    set_time("nodes/fifo", 1111111111, 222222222);
}

static void attribute(const char *path, const char *name, const void *value, size_t len)
{
    worked(lsetxattr(path, name, value, len, 0), 1, name);
}

static void xattrs(void)
{
    char value[3000];

    folder("xattrs");
    put_text("xattrs/many", "x");
    attribute("xattrs/many", "user.text", "value", 5);
    attribute("xattrs/many", "user.empty", "", 0);
    attribute("xattrs/many", "user.binary", "\0\1\n=%\xff", 6);
    attribute("xattrs/many", "user.sp ace", "x", 1);
    attribute("xattrs/many", "user.per%41cent=equals", "y", 1);
    attribute("xattrs/many", "user.raw-\xff\xfe", "z", 1);
    put_text("xattrs/large", "x");
    memset(value, 'v', sizeof(value));
    attribute("xattrs/large", "user.large", value, sizeof(value));
    folder("xattrs/folder");
    attribute("xattrs/folder", "user.of-folder", "d", 1);
    put_text("xattrs/trusted", "x");
    attribute("xattrs/trusted", "trusted.secret", "t", 1);
    worked(symlink("many", "xattrs/link"), 0, "symlink");
    attribute("xattrs/link", "trusted.of-link", "l", 1);
    /* cap_net_bind_service=ep, revision 2 (linux/capability.h) */
    put_text("xattrs/capable", "x");
    attribute("xattrs/capable", "security.capability",
              "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
              20);
}

/* An ACL as the kernel takes it (linux/posix_acl_xattr.h): version 2, then tag, rights, id. */
#define ACL_ENTRY(tag, perm, id)                                                                   \
    (tag), 0, (perm), 0, (uint8_t)((id)&255), (uint8_t)((id) >> 8 & 255),                          \
        (uint8_t)((id) >> 16 & 255), (uint8_t)((id) >> 24 & 255)
#define ACL_NO_ID 0xffffffffU

static void acls(void)
{
    static const uint8_t acl[] = {
        2, 0, 0, 0,
        ACL_ENTRY(0x01, 7, ACL_NO_ID), /* user::rwx */
        ACL_ENTRY(0x02, 4, 1234U),     /* user:1234:r-- */
        ACL_ENTRY(0x02, 7, 70000U),    /* user:70000:rwx */
        ACL_ENTRY(0x04, 0, ACL_NO_ID), /* group::--- */
        ACL_ENTRY(0x08, 6, 5678U),     /* group:5678:rw- */
        ACL_ENTRY(0x10, 5, ACL_NO_ID), /* mask::r-x */
        ACL_ENTRY(0x20, 0, ACL_NO_ID), /* other::--- */
    };
    static const uint8_t large_id[] = {
        2, 0, 0, 0,
        ACL_ENTRY(0x01, 6, ACL_NO_ID), ACL_ENTRY(0x02, 4, 3000000000U),
        ACL_ENTRY(0x04, 4, ACL_NO_ID), ACL_ENTRY(0x10, 4, ACL_NO_ID),
        ACL_ENTRY(0x20, 4, ACL_NO_ID),
    };

    folder("acls");
    put_text("acls/file", "x");
    attribute("acls/file", "system.posix_acl_access", acl, sizeof(acl));
    put_text("acls/large-id", "x");
    attribute("acls/large-id", "system.posix_acl_access", large_id, sizeof(large_id));
    folder("acls/folder");
    put_text("acls/folder/made-before", "x");
    attribute("acls/folder", "system.posix_acl_access", acl, sizeof(acl));
    attribute("acls/folder", "system.posix_acl_default", acl, sizeof(acl));
    put_text("acls/folder/inherits", "x");
    folder("acls/folder/inherits-too");
}

static void folders(void)
{
    folder("empty");
    folder("empty-nested");
    folder("empty-nested/empty");
    deep_path();
    deep_nest();
}

int main(int argc, char **argv)
{
    static void (*const parts[])(void) = {names, links, content, times, owners,
                                          modes, nodes, xattrs,  acls,  folders};

    if (argc != 2) {
        fprintf(stderr, "usage: odd_tree DIR\n");
        return 2;
    }
    umask(022);
    if (chdir(argv[1]) != 0) {
        fprintf(stderr, "odd_tree: %s: %s\n", argv[1], strerror(errno));
        return 2;
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        parts[i]();
    return fflush(stdout) != 0 || failures > 0 ? 1 : 0;
}
