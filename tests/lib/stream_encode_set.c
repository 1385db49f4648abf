#include "stream_encode_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <xxhash.h>

#include "stream_lib.h"

/* ---- the source ---- */

struct pd_source_file {
    struct es_file *fake;
};

static enum pd_status no_roots(void *impl, pd_root_fn fn, void *arg, struct pd_error *err)
{
    (void)impl;
    (void)fn;
    (void)arg;
    return pd_error_set(err, PD_UNSUPPORTED, 0, "not in this test");
}

static enum pd_status no_next(void *impl, struct pd_item *out, struct pd_error *err)
{
    (void)impl;
    (void)out;
    return pd_error_set(err, PD_END_OF_DATA, 0, "no more");
}

static enum pd_status fake_open(void *impl, const struct pd_item *item,
                                struct archive_entry *entry, struct pd_source_file **out,
                                struct pd_error *err)
{
    struct encode_set *b = impl;
    struct es_file *f = &b->fakes[item->ino % ES_PLACES];
    mode_t type = f->kind == PD_KIND_DIR       ? AE_IFDIR
                  : f->kind == PD_KIND_SYMLINK ? AE_IFLNK
                  : f->kind == PD_KIND_FIFO    ? AE_IFIFO
                                               : AE_IFREG;

    if (f->open != PD_OK)
        return pd_error_set(err, f->open, 0, "as told");
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, 04751);
    archive_entry_set_uid(entry, 1234567);
    archive_entry_set_gid(entry, 89);
    archive_entry_set_mtime(entry, 1700000000, 123456789);
    archive_entry_set_ctime(entry, 1700000001 + f->ctime, 5);
    archive_entry_set_size(entry, f->kind == PD_KIND_FILE ? (la_int64_t)f->size : 0);
    archive_entry_set_nlink(entry, (unsigned)f->nlink);
    archive_entry_set_dev(entry, 7);
    archive_entry_set_ino64(entry, (la_int64_t)f->ino);
    if (f->link != NULL)
        archive_entry_set_symlink(entry, f->link);
    for (size_t i = 0; f->sparse && (i == 0 || (i < 4 && f->data[i] != 0)); i += 2)
        archive_entry_sparse_add_entry(entry, (la_int64_t)f->data[i], (la_int64_t)f->data[i + 1]);
    *out = malloc(sizeof(**out));
    assert_non_null(*out);
    (*out)->fake = f;
    b->open++;
    return PD_OK;
}

static enum pd_status fake_read(void *impl, struct pd_source_file *file, void *buf, size_t size,
                                uint64_t offset, size_t *got, struct pd_error *err)
{
    struct encode_set *b = impl;
    struct es_file *f = file->fake;

    b->e.stopped = b->e.stopped || f->stops;
    f->reads_too_many += f->ended;
    if (offset + size > f->fail_at) {
        f->ended = true;
        memset(buf, 0xee, size);
        return pd_error_set(err, PD_SOURCE_UNREADABLE, 5, "as told");
    }
    *got = offset >= f->have ? 0 : size;
    *got = offset + *got > f->have ? (size_t)(f->have - offset) : *got;
    f->ended = *got < size;
    memset(buf, 0xee, size);
    sl_fill(buf, f->seed + offset, *got);
    return PD_OK;
}

static enum pd_status fake_close_file(void *impl, struct pd_source_file *file,
                                      struct pd_error *err)
{
    struct encode_set *b = impl;
    enum pd_status status = file->fake->close;

    b->open--;
    free(file);
    return status == PD_OK ? PD_OK : pd_error_set(err, status, 0, "as told");
}

static void fake_close(void *impl)
{
    (void)impl;
}

static enum pd_status note(void *arg, const struct pd_problem *problem, struct pd_error *err)
{
    struct encode_set *b = arg;

    b->problems[b->problem_count].path = problem->path;
    b->problems[b->problem_count].status = problem->status;
    b->problems[b->problem_count++].archived = problem->archived;
    return b->on_problem == PD_OK ? PD_OK : pd_error_set(err, b->on_problem, 0, "as told");
}

/* ---- running it ---- */

int es_start(void **state)
{
    static const struct pd_source_ops ops = {"fake",    no_roots, no_next,         fake_open,
                                             fake_read, fake_close_file, fake_close};
    struct encode_set *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    restore_lib_env_start(&b->e);
    pd_toc_init(&b->toc);
    b->batch.seq = 1;
    b->batch.items = b->items;
    b->abort_at = ES_NEVER;
    b->slots = 8;
    b->job = (struct pd_encode_job){.env = &b->e.env,
                                    .batch = &b->batch,
                                    .dump_name = "d",
                                    .dump_uuid = "123e4567-e89b-42d3-a456-426614174000",
                                    .host = "here",
                                    .roots = "/a /b",
                                    .record_size = SL_RECORD,
                                    .on_problem = note,
                                    .problem_arg = b};
    assert_int_equal(pd_source_new(&ops, b, &b->job.source, &b->err), PD_OK);
    *state = b;
    return 0;
}

int es_end(void **state)
{
    struct encode_set *b = *state;

    assert_int_equal(b->open, 0);
    pd_source_close(b->job.source);
    pd_toc_release(&b->toc);
    pd_buf_free(&b->bytes);
    restore_lib_env_end(&b->e);
    free(b);
    return 0;
}

struct es_file *es_add(struct encode_set *b, const char *path, char kind, uint64_t size)
{
    struct es_file *f = &b->fakes[b->batch.count];

    *f = (struct es_file){.path = path, .kind = kind, .size = size, .have = size};
    f->fail_at = ES_NEVER;
    f->seed = b->batch.count * 1000000;
    f->ino = 100 + b->batch.count;
    f->nlink = 1;
    b->items[b->batch.count] = (struct pd_item){.path = path,
                                                .path_len = strlen(path),
                                                .kind = kind,
                                                .size = size,
                                                .ino = b->batch.count};
    b->batch.count++;
    return f;
}

static void *read_ring(void *arg)
{
    struct encode_set *b = arg;
    struct pd_error err = PD_ERROR_INIT;
    const uint8_t *record = NULL;

    while ((b->read = pd_ring_record(b->ring, 1, &record, &err)) == PD_OK && record) {
        b->read = pd_buf_append(&b->bytes, record, b->job.record_size);
        pd_ring_next(b->ring, 1);
        if (b->bytes.len >= b->abort_at)
            pd_ring_abort(b->ring);
    }
    pd_ring_detach(b->ring, 1, false);
    return NULL;
}

enum pd_status es_run(struct encode_set *b)
{
    enum pd_status status;
    pthread_t reader;

    assert_int_equal(pd_ring_new(b->slots * b->job.record_size, b->job.record_size, 2, &b->ring,
                                 &b->err),
                     PD_OK);
    assert_int_equal(pthread_create(&reader, NULL, read_ring, b), 0);
    status = pd_encode(&b->job, b->ring, 0, &b->toc, &b->err);
    assert_int_equal(pthread_join(reader, NULL), 0);
    pd_ring_release(b->ring);
    assert_int_equal(b->err.status, status);
    assert_int_equal(b->read, status == PD_OK ? PD_OK : PD_INTERRUPTED);
    return status;
}

/* ---- looking at what came out, with libarchive itself ---- */

bool es_view_next(struct es_view *v)
{
    la_ssize_t got;

    free(v->data);
    v->data = NULL;
    if (archive_read_next_header(v->archive, &v->entry) != ARCHIVE_OK)
        return false;
    v->len = (size_t)archive_entry_size(v->entry);
    v->data = calloc(1, v->len + 1);
    assert_non_null(v->data);
    got = archive_read_data(v->archive, v->data, v->len);
    assert_true(got >= 0); /* fewer where a hole is at the end */
    return true;
}

void es_view_from(const struct encode_set *b, struct es_view *v, uint64_t offset)
{
    memset(v, 0, sizeof(*v));
    assert_true(offset + 512 <= b->bytes.len);
    v->archive = archive_read_new();
    assert_int_equal(archive_read_support_format_tar(v->archive), ARCHIVE_OK);
    assert_int_equal(archive_read_open_memory(v->archive, b->bytes.data + offset,
                                              b->bytes.len - (size_t)offset),
                     ARCHIVE_OK);
}

void es_view_end(struct es_view *v)
{
    free(v->data);
    archive_read_free(v->archive);
}

void es_view_at(const struct encode_set *b, struct es_view *v, uint64_t offset, const char *name)
{
    es_view_from(b, v, offset);
    assert_memory_equal(b->bytes.data + offset + 257, "ustar", 5);
    assert_true(es_view_next(v));
    assert_string_equal(archive_entry_pathname(v->entry), name);
}

char *es_text_of(const struct encode_set *b, const char *name)
{
    struct es_view v;
    char *text = NULL;

    es_view_from(b, &v, 0);
    while (!text && es_view_next(&v))
        if (strcmp(archive_entry_pathname(v.entry), name) == 0)
            text = strdup((const char *)v.data);
    es_view_end(&v);
    return text;
}

void es_expect_text(const struct encode_set *b, const char *name, const char *wanted)
{
    char *text = es_text_of(b, name);

    assert_non_null(text);
    if (!strstr(text, wanted))
        fail_msg("%s lacks \"%s\":\n%s", name, wanted, text);
    free(text);
}

void es_expect_names(const struct encode_set *b, const char *wanted)
{
    struct pd_buf names = PD_BUF_INIT;
    struct es_view v;

    es_view_from(b, &v, 0);
    while (es_view_next(&v))
        assert_int_equal(pd_buf_printf(&names, "%s ", archive_entry_pathname(v.entry)), PD_OK);
    assert_int_equal(archive_errno(v.archive), 0);
    es_view_end(&v);
    assert_string_equal(names.data, wanted);
    pd_buf_free(&names);
}

static void check_records(const struct encode_set *b)
{
    uint64_t size = b->job.record_size;

    assert_int_equal(b->toc.record_size, size);
    assert_int_equal(b->toc.record_count * size, b->bytes.len);
    for (uint64_t i = 0; i < b->toc.record_count; i++) {
        XXH128_canonical_t wanted;

        XXH128_canonicalFromHash(&wanted, XXH3_128bits(b->bytes.data + i * size, size));
        assert_memory_equal(b->toc.records[i].bytes, wanted.digest, 16);
    }
}

static const char *manifest_of(const struct encode_set *b)
{
    static const char *const names[] = {"d.0001/manifest-sha256.txt", "d.0001/manifest-sha512.txt",
                                        "d.0001/manifest-sha3256.txt",
                                        "d.0001/manifest-blake2b512.txt"};

    return names[b->job.alg];
}

static void check_data(const struct encode_set *b, const struct pd_toc_file *file,
                       const struct es_view *v)
{
    static const EVP_MD *(*const algs[])(void) = {EVP_sha256, EVP_sha512, EVP_sha3_256,
                                                  EVP_blake2b512};
    uint8_t wanted[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    char hex[2 * EVP_MAX_MD_SIZE + 1], line[256];

    assert_int_equal(v->len, file->size);
    assert_true(file->has_digest);
    assert_int_equal(EVP_Digest(v->data, v->len, wanted, &len, algs[b->job.alg](), NULL), 1);
    assert_memory_equal(file->digest, wanted, len);
    pd_hex_encode(wanted, len, hex);
    (void)snprintf(line, sizeof(line), "%s  data%s\n", hex, file->path);
    es_expect_text(b, manifest_of(b), line);
}

static void check(const struct encode_set *b)
{
    struct es_view v;
    uint64_t at = 0, files = 0, bytes = 0;

    check_records(b);
    for (uint64_t i = 0; i < b->toc.file_count; i++) {
        const struct pd_toc_file *file = &b->toc.files[i];
        char name[256];

        (void)snprintf(name, sizeof(name), "d.0001/data%s%s", file->path,
                       file->kind == PD_KIND_DIR ? "/" : "");
        es_view_at(b, &v, file->offset, name);
        if (at > 0)
            assert_int_equal(file->offset, at);
        at = file->offset + file->length;
        if (file->kind == PD_KIND_FILE)
            check_data(b, file, &v);
        files += file->kind == PD_KIND_FILE || file->kind == PD_KIND_HARDLINK;
        bytes += file->size;
        es_view_end(&v);
    }
    if (at > 0)
        assert_int_equal(b->toc.manifest_offset, at);
    es_view_at(b, &v, b->toc.manifest_offset, manifest_of(b));
    es_view_end(&v);
    assert_int_equal(b->toc.payload_files, files);
    assert_int_equal(b->toc.payload_bytes, bytes);
}

void es_encode(struct encode_set *b)
{
    enum pd_status status = es_run(b);

    if (status != PD_OK)
        fail_msg("%s: %s", pd_status_name(status), b->err.message);
    check(b);
}

uint64_t es_right_bytes(const struct encode_set *b, size_t i)
{
    const struct es_file *f = &b->fakes[i];
    struct es_view v;
    char name[256];
    uint64_t right = 0;

    (void)snprintf(name, sizeof(name), "d.0001/data%s", f->path);
    for (uint64_t k = 0; k < b->toc.file_count; k++) {
        if (strcmp(b->toc.files[k].path, f->path) != 0)
            continue;
        es_view_at(b, &v, b->toc.files[k].offset, name);
        while (right < v.len && v.data[right] == sl_byte(f->seed + right))
            right++;
        for (uint64_t at = right; at < v.len; at++)
            assert_int_equal(v.data[at], 0);
        es_view_end(&v);
    }
    return right;
}
