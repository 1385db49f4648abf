#include "work_restore_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/registry.h"
#include "pairdump/sample.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct pd_error ok_err = PD_ERROR_INIT, *err = &ok_err;                                    \
        if ((call) != PD_OK)                                                                       \
            fail_msg("%s: %s", #call, err->message);                                               \
    } while (0)

static enum pd_status to_buf(void *arg, const void *bytes, size_t len, struct pd_error *err)
{
    return pd_buf_append(arg, bytes, len) == PD_OK ? PD_OK : pd_error_memory(err, "a test");
}

static void add_volume(struct restore_set *set, size_t i)
{
    struct pd_volume_row *row = &set->volumes[i];
    struct pd_label label = {.format = PD_FORMAT_VERSION,
                             .pool = "test",
                             .copy = (unsigned)i + 1,
                             .block_size = RESTORE_SET_RECORD,
                             .software = "pairdump test"};
    char url[100];

    snprintf(set->disk[i], sizeof(set->disk[i]), "%s/disk%zu", set->root, i + 1);
    assert_int_equal(mkdir(set->disk[i], 0755), 0);
    snprintf(url, sizeof(url), "disk:%s", set->disk[i]);
    snprintf(label.label, sizeof(label.label), "RS%zu00001", i + 1);
    pd_uuid_make(set->e.env.rng, label.uuid);
    OK(pd_target_open(&set->e.env, url, &set->targets[i], err));
    OK(pd_target_format(set->targets[i], &label, err));
    memset(row, 0, sizeof(*row));
    snprintf(row->label, sizeof(row->label), "%s", label.label);
    snprintf(row->uuid, sizeof(row->uuid), "%s", label.uuid);
    snprintf(row->pool, sizeof(row->pool), "test");
    snprintf(row->location, sizeof(row->location), "%s", url);
    row->copy = (unsigned)i + 1;
    row->pair = 1;
    row->state = PD_VOLUME_APPENDABLE;
    row->block_size = RESTORE_SET_RECORD;
    row->tape_files = 1;
    row->created = pd_clock_utc(set->e.env.clock);
    OK(pd_catalog_volume_add(set->catalog, row, err));
}

void restore_set_dump(struct restore_set *set, const char *name)
{
    memset(&set->dump, 0, sizeof(set->dump));
    pd_uuid_make(set->e.env.rng, set->dump.uuid);
    snprintf(set->dump.name, sizeof(set->dump.name), "%s", name);
    snprintf(set->dump.host, sizeof(set->dump.host), "host");
    snprintf(set->dump.roots, sizeof(set->dump.roots), "/src");
    snprintf(set->dump.policy, sizeof(set->dump.policy), "full");
    set->dump.copies = 2;
    set->dump.state = PD_DUMP_WRITE;
    set->dump.started = pd_clock_utc(set->e.env.clock);
    OK(pd_catalog_dump_add(set->catalog, &set->dump, err));
}

void restore_set_start(struct restore_set *set)
{
    char url[100];

    memset(set, 0, sizeof(*set));
    restore_lib_env_start(&set->e);
    snprintf(set->root, sizeof(set->root), "/tmp/pairdump-restore-XXXXXX");
    assert_non_null(mkdtemp(set->root));
    snprintf(set->to, sizeof(set->to), "%s/to", set->root);
    snprintf(url, sizeof(url), "sqlite:%s/catalog.db", set->root);
    OK(pd_catalog_open(&set->e.env, url, true, &set->catalog, err));
    for (size_t i = 0; i < 2; i++)
        add_volume(set, i);
    restore_set_dump(set, "test");
    pd_toc_init(&set->toc);
}

void restore_set_end(struct restore_set *set)
{
    for (size_t i = 0; i < 2; i++)
        OK(pd_target_close(set->targets[i], err));
    pd_catalog_close(set->catalog);
    pd_tar_writer_free(set->writer);
    pd_buf_free(&set->bytes);
    pd_toc_release(&set->toc);
    OK(pd_sample_remove(set->root, err));
    restore_lib_env_end(&set->e);
}

void restore_set_archive(struct restore_set *set)
{
    pd_toc_release(&set->toc);
    pd_buf_clear(&set->bytes);
    set->seq++;
    snprintf(set->toc.name, sizeof(set->toc.name), "test.%04llu", (unsigned long long)set->seq);
    snprintf(set->toc.dump_uuid, sizeof(set->toc.dump_uuid), "%s", set->dump.uuid);
    set->toc.seq = set->seq;
    set->toc.record_size = RESTORE_SET_RECORD;
    OK(pd_tar_writer_new(to_buf, &set->bytes, &set->writer, err));
    char name[200];
    snprintf(name, sizeof(name), "%s/bagit.txt", set->toc.name);
    OK(pd_tar_file(set->writer, name, "BagIt-Version: 1.0\n", 19, 1, err));
}

static char made_byte(unsigned seed, size_t i)
{
    return (char)(i * 31 + i / 251 + seed * 17);
}

static mode_t type_of(char kind)
{
    switch (kind) {
    case PD_KIND_DIR:
        return S_IFDIR;
    case PD_KIND_SYMLINK:
        return S_IFLNK;
    case PD_KIND_FIFO:
        return S_IFIFO;
    case PD_KIND_CHAR:
        return S_IFCHR;
    case PD_KIND_BLOCK:
        return S_IFBLK;
    default:
        return S_IFREG;
    }
}

static void fill_tar_entry(const struct restore_set *set, const struct restore_set_entry *e,
                           const struct pd_toc_file *file, struct archive_entry *entry)
{
    const char *link = e->tar_link != NULL ? e->tar_link : e->link;
    char kind = e->tar_kind != 0 ? e->tar_kind : e->kind;
    char name[8192];

    snprintf(name, sizeof(name), "%s/data%s", set->toc.name, e->path);
    archive_entry_copy_pathname(entry, e->tar_name != NULL ? e->tar_name : name);
    archive_entry_set_mode(entry, type_of(kind) | file->mode);
    archive_entry_set_uid(entry, (la_int64_t)file->uid);
    archive_entry_set_gid(entry, (la_int64_t)file->gid);
    archive_entry_set_mtime(entry, file->mtime, file->mtime_ns);
    archive_entry_set_size(entry, (la_int64_t)file->size);
    if (e->xattr != NULL)
        archive_entry_xattr_add_entry(entry, "user.test", e->xattr, strlen(e->xattr));
    if (kind == PD_KIND_SYMLINK)
        archive_entry_copy_symlink(entry, link);
    if (kind == PD_KIND_HARDLINK) {
        snprintf(name, sizeof(name), "%s/data%s", set->toc.name, link);
        archive_entry_copy_hardlink(entry, name);
    }
}

static void hash(struct pd_toc_file *file, const char *data, size_t len)
{
    struct pd_digest *digest;

    OK(pd_digest_new("sha256", &digest, err));
    OK(pd_digest_update(digest, data, len, err));
    OK(pd_digest_final(digest, file->digest, err));
    pd_digest_free(digest);
    file->has_digest = true;
}

void restore_set_add(struct restore_set *set, const struct restore_set_entry *e)
{
    struct archive_entry *entry = archive_entry_new();
    struct pd_toc_file file = {.path = e->path,
                               .link = e->link,
                               .kind = e->kind,
                               .state = e->state == 0 ? PD_WHOLE : e->state,
                               .mode = e->mode,
                               .mtime = e->mtime == 0 ? 1000000000 : e->mtime,
                               .mtime_ns = 123,
                               .uid = geteuid(),
                               .gid = getegid(),
                               .dev = e->ino == 0 ? 0 : 1,
                               .ino = e->ino,
                               .offset = set->bytes.len};
    size_t len = e->data != NULL ? strlen(e->data) : e->len;
    char *data = malloc(len + 1);

    assert_non_null(entry);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = e->data != NULL ? e->data[i] : made_byte(e->seed, i);
    if (file.mode == 0)
        file.mode = e->kind == PD_KIND_DIR ? 0755 : 0644;
    if (e->kind == PD_KIND_FILE) {
        file.size = len;
        hash(&file, data, len);
    }
    if (e->kind == PD_KIND_HARDLINK)
        for (uint64_t i = 0; i < set->toc.file_count; i++)
            if (strcmp(set->toc.files[i].path, e->link) == 0) {
                memcpy(file.digest, set->toc.files[i].digest, sizeof(file.digest));
                file.has_digest = true;
            }
    if (e->wrong_sha256)
        file.digest[0] ^= 1;
    fill_tar_entry(set, e, &file, entry);
    OK(pd_tar_header(set->writer, entry, err));
    if (file.size > 0 && (e->tar_kind == 0 || e->tar_kind == PD_KIND_FILE))
        OK(pd_tar_data(set->writer, data, len, err));
    OK(pd_tar_end_entry(set->writer, err));
    file.length = set->bytes.len - file.offset;
    OK(pd_toc_add_file(&set->toc, &file, NULL, err));
    archive_entry_free(entry);
    free(data);
}

static void write_copy(struct restore_set *set, size_t i, struct pd_copy_row *copy)
{
    struct pd_target *target = set->targets[i];
    void *record = pd_record_alloc(RESTORE_SET_RECORD);

    assert_non_null(record);
    OK(pd_target_begin(target, set->toc.name, &copy->tape_file, err));
    for (uint64_t no = 0; no < set->toc.record_count; no++) {
        memcpy(record, set->bytes.data + no * RESTORE_SET_RECORD, RESTORE_SET_RECORD);
        OK(pd_target_write(target, record, RESTORE_SET_RECORD, err));
    }
    OK(pd_target_end(target, true, err));
    copy->state = PD_COPY_WRITTEN;
    copy->changed = pd_clock_utc(set->e.env.clock);
    free(record);
}

void restore_set_write(struct restore_set *set)
{
    static const char zeros[RESTORE_SET_RECORD];
    struct pd_archive_row archive = {.dump_id = set->dump.id, .seq = set->seq};
    struct pd_copy_row *copies = calloc(2, sizeof(*copies));
    size_t rest;

    assert_non_null(copies);
    OK(pd_tar_finish(set->writer, err));
    pd_tar_writer_free(set->writer);
    set->writer = NULL;
    rest = set->bytes.len % RESTORE_SET_RECORD;
    if (rest > 0)
        OK(pd_buf_append(&set->bytes, zeros, RESTORE_SET_RECORD - rest));
    for (size_t at = 0; at < set->bytes.len; at += RESTORE_SET_RECORD)
        OK(pd_toc_add_record(
            &set->toc, pd_record_digest(set->bytes.data + at, RESTORE_SET_RECORD), err));
    snprintf(archive.name, sizeof(archive.name), "%s", set->toc.name);
    archive.record_size = RESTORE_SET_RECORD;
    for (size_t i = 0; i < 2; i++) {
        copies[i].volume_id = set->volumes[i].id;
        copies[i].copy = (unsigned)i + 1;
        copies[i].changed = pd_clock_utc(set->e.env.clock);
    }
    OK(pd_catalog_archive_begin(set->catalog, &archive, copies, 2, err));
    for (size_t i = 0; i < 2; i++)
        write_copy(set, i, &copies[i]);
    OK(pd_catalog_archive_written(set->catalog, archive.id, &set->toc, copies, 2, err));
    for (size_t i = 0; i < 2; i++)
        set->copy_ids[i] = copies[i].id;
    set->tape_file = copies[0].tape_file;
    free(copies);
}

void restore_set_flip(const struct restore_set *set, size_t copy, uint64_t seq, uint64_t offset)
{
    char path[300], byte;
    int fd;

    snprintf(path, sizeof(path), "%s/%s/%04llu-test.%04llu.tar", set->disk[copy],
             set->volumes[copy].label, (unsigned long long)seq, (unsigned long long)seq);
    assert_int_equal(chmod(path, 0644), 0);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte = (char)(byte ^ 16);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(close(fd), 0);
}

/* The whole of root/to/<rel>; the caller frees it. */
static char *read_back(const struct restore_set *set, const char *rel, size_t *len)
{
    char path[8192], *data;
    struct stat st;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", set->to, rel);
    fd = open(path, O_RDONLY | O_NOFOLLOW);
    if (fd < 0)
        fail_msg("%s is not back", rel);
    assert_int_equal(fstat(fd, &st), 0);
    data = malloc((size_t)st.st_size + 1);
    assert_non_null(data);
    assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
    assert_int_equal(close(fd), 0);
    *len = (size_t)st.st_size;
    return data;
}

void restore_set_expect(const struct restore_set *set, const char *rel, const char *data)
{
    size_t len;
    char *back = read_back(set, rel, &len);

    if (len != strlen(data) || memcmp(back, data, len) != 0)
        fail_msg("%s has other content: %.*s", rel, (int)len, back);
    free(back);
}

void restore_set_expect_made(const struct restore_set *set, const char *rel, unsigned seed,
                             size_t len)
{
    size_t got;
    char *back = read_back(set, rel, &got);

    assert_int_equal(got, len);
    for (size_t i = 0; i < len; i++)
        if (back[i] != made_byte(seed, i))
            fail_msg("%s: byte %zu differs", rel, i);
    free(back);
}

bool restore_set_there(const struct restore_set *set, const char *rel)
{
    struct stat st;
    char path[8192];

    snprintf(path, sizeof(path), "%s/%s", set->to, rel);
    return lstat(path, &st) == 0;
}
