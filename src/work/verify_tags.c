#include <archive_entry.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "pairdump/bag.h"
#include "verify_priv.h"

#define BAG_INFO_MAX ((size_t)64 << 20)

static bool is_tag(const struct pd_verify_walk *walk, const char *name)
{
    return walk->entry != NULL &&
           strncmp(walk->name, walk->top.data, walk->top.len) == 0 &&
           strcmp(walk->name + walk->top.len, name) == 0 &&
           archive_entry_filetype(walk->entry) == S_IFREG &&
           archive_entry_hardlink(walk->entry) == NULL && archive_entry_size(walk->entry) >= 0;
}

/* The entry at hand must be this one. */
static enum pd_status need_tag(const struct pd_verify_walk *walk, const char *name,
                               struct pd_error *err)
{
    if (is_tag(walk, name))
        return PD_OK;
    if (walk->entry == NULL)
        return pd_error_set(err, PD_BAD_FORMAT, 0, "ends before its %s", name);
    return pd_error_set(err, PD_BAD_FORMAT, 0, "%s where %s should be", walk->name, name);
}

static void note_tag(struct pd_verify_walk *walk, const char *name, const char *what)
{
    struct pd_error error = PD_ERROR_INIT;

    (void)pd_error_set(&error, PD_BAD_FILE, 0, "%s", what);
    pd_error_context(&error, NULL, NULL, name);
    pd_verify_note(walk->findings, &error);
}

/* ---- comparing a text as it goes by ---- */

struct compare {
    struct pd_verify_walk *walk;
    const char *name;          /* of the tag file */
    const struct pd_buf *text; /* as it must be; NULL: not known */
    struct pd_buf *keep;       /* gets the text; may be NULL */
    bool lists;                /* it is a manifest: lines that differ name files */
    bool differs;
    size_t told; /* lines that end at or before this are done */
};

/* A line of a manifest differs: the file it is about is bad. Where a table of contents is known the
 * files are checked against that. */
static void note_line(struct compare *compare, size_t at)
{
    const char *text = compare->text->data;
    const size_t head = 2 * pd_digest_len(compare->walk->digest) + 2; /* hex and two spaces */
    size_t start = at, end = at;
    struct pd_buf path = PD_BUF_INIT;
    struct pd_error error = PD_ERROR_INIT;

    while (start > 0 && text[start - 1] != '\n')
        start--;
    while (end < compare->text->len && text[end] != '\n')
        end++;
    compare->told = end + 1;
    if (end - start <= head || !pd_unescape(text + start + head, end - start - head, &path))
        goto out;
    (void)pd_error_set(&error, PD_BAD_FILE, 0, "does not match %s", compare->name);
    if (strncmp(path.data, "data/", 5) != 0) {
        pd_error_context(&error, NULL, NULL, path.data);
        pd_verify_note(compare->walk->findings, &error);
    } else if (compare->walk->job->expect == NULL) {
        pd_verify_note_path(compare->walk->findings, path.data + 4, &error);
    }
out:
    pd_buf_free(&path);
}

static void compare_block(struct compare *compare, const char *bytes, size_t len, uint64_t offset)
{
    const struct pd_buf *text = compare->text;
    size_t at = (size_t)offset;

    if (offset > text->len || len > text->len - offset) {
        compare->differs = true;
        len = offset > text->len ? 0 : text->len - at;
    }
    if (len == 0 || memcmp(bytes, text->data + at, len) == 0)
        return;
    compare->differs = true;
    for (size_t i = 0; i < len && compare->lists; i++)
        if (bytes[i] != text->data[at + i] && at + i >= compare->told)
            note_line(compare, at + i);
}

static enum pd_status take_block(struct compare *compare, const void *bytes, size_t len,
                                 uint64_t offset, struct pd_error *err)
{
    enum pd_status status = pd_digest_update(compare->walk->digest, bytes, len, err);

    if (status == PD_OK && compare->keep != NULL &&
        pd_buf_append(compare->keep, bytes, len) != PD_OK)
        status = pd_error_memory(err, "a tag file");
    if (status == PD_OK && compare->text != NULL)
        compare_block(compare, bytes, len, offset);
    return status;
}

/* Reads the entry at hand, and gives its digest. */
static enum pd_status read_blocks(struct compare *compare, uint64_t size, uint8_t *digest,
                                  struct pd_error *err)
{
    struct pd_verify_walk *walk = compare->walk;
    uint64_t offset = 0, at = 0;
    const uint8_t *end = NULL;
    const void *bytes = NULL;
    size_t len = 0;
    enum pd_status status;

    while ((status = pd_tar_block(walk->reader, &bytes, &len, &offset, err)) == PD_OK && len > 0) {
        if (offset != at || len > size - at)
            return pd_error_set(err, PD_BAD_FORMAT, 0, "%s has holes or is longer than its size",
                                compare->name);
        at += len;
        end = (const uint8_t *)bytes + len;
        status = take_block(compare, bytes, len, offset, err);
        if (status != PD_OK)
            return status;
    }
    if (status == PD_OK && at != size)
        status = pd_error_set(err, PD_BAD_FORMAT, 0, "%s is shorter than its size", compare->name);
    if (status == PD_OK && end != NULL && !pd_verify_records_padded(walk->records, end))
        status = pd_error_set(err, PD_BAD_FORMAT, 0, "the padding of %s is not zeros",
                              compare->name);
    return status == PD_OK ? pd_digest_final(walk->digest, digest, err) : status;
}

/* Reads the entry at hand, gives its digest, and compares it with the text, if there is one. */
static enum pd_status read_tag(struct pd_verify_walk *walk, const char *name,
                               const struct pd_buf *text, bool lists, struct pd_buf *keep,
                               uint8_t *digest, struct pd_error *err)
{
    struct compare compare = {.walk = walk, .name = name, .text = text, .keep = keep};
    uint64_t size = (uint64_t)archive_entry_size(walk->entry);
    enum pd_status status;

    compare.differs = text != NULL && size != text->len;
    compare.lists = lists && !compare.differs; /* lines of another length do not line up */
    status = read_blocks(&compare, size, digest, err);
    if (status == PD_OK && compare.differs)
        note_tag(walk, name,
                 walk->job->expect != NULL ? "does not agree with what was recorded"
                                           : "does not agree with the archive");
    return status;
}

static enum pd_status list_tag(struct pd_verify_walk *walk, const char *name, const uint8_t *digest,
                               struct pd_error *err)
{
    char hex[PD_DIGEST_TEXT];

    pd_hex_encode(digest, pd_digest_len(walk->digest), hex);
    return pd_bag_manifest_line(&walk->tags, hex, name, strlen(name)) == PD_OK
               ? PD_OK
               : pd_error_memory(err, "the tag manifest");
}

/* A tag file that the tag manifest lists; text NULL: any content. */
static enum pd_status check_tag(struct pd_verify_walk *walk, const char *name,
                                const struct pd_buf *text, bool lists, struct pd_buf *keep,
                                struct pd_error *err)
{
    uint8_t digest[PD_DIGEST_MAX];
    enum pd_status status = need_tag(walk, name, err);

    if (status == PD_OK)
        status = read_tag(walk, name, text, lists, keep, digest, err);
    if (status == PD_OK)
        status = list_tag(walk, name, digest, err);
    return status;
}

enum pd_status pd_verify_tag_bagit(struct pd_verify_walk *walk, struct pd_error *err)
{
    struct pd_buf text = PD_BUF_INIT;
    enum pd_status status = pd_buf_puts(&text, pd_bagit_txt());

    if (status != PD_OK)
        return pd_error_memory(err, "bagit.txt");
    status = check_tag(walk, "bagit.txt", &text, false, NULL, err);
    pd_buf_free(&text);
    return status;
}

/* ---- the manifest ---- */

static int compare_files(const void *a, const void *b)
{
    const struct pd_toc_file *const *x = a, *const *y = b;

    return strcmp((*x)->path, (*y)->path);
}

/* Hard links have the digest of their first name. */
static enum pd_status resolve_links(struct pd_verify_walk *walk, struct pd_error *err)
{
    struct pd_toc *toc = &walk->own;
    struct pd_toc_file key = {0};
    const struct pd_toc_file *wanted = &key, **order, **found;
    struct pd_error error = PD_ERROR_INIT;
    size_t count = 0;

    order = calloc((size_t)toc->file_count + 1, sizeof(*order));
    if (order == NULL)
        return pd_error_memory(err, "hard links");
    for (uint64_t i = 0; i < toc->file_count; i++)
        if (toc->files[i].kind == PD_KIND_FILE)
            order[count++] = &toc->files[i];
    qsort(order, count, sizeof(*order), compare_files);
    for (uint64_t i = 0; i < toc->file_count; i++) {
        struct pd_toc_file *file = &toc->files[i];

        if (file->kind != PD_KIND_HARDLINK)
            continue;
        key.path = file->link;
        found = bsearch(&wanted, order, count, sizeof(*order), compare_files);
        if (found == NULL) {
            (void)pd_error_set(&error, PD_BAD_FILE, 0, "is a link to a file that is not there");
            pd_verify_note_path(walk->findings, file->path, &error);
            continue;
        }
        file->size = (*found)->size;
        pd_toc_set_digest(file, (*found)->digest);
    }
    free(order);
    return PD_OK;
}

static enum pd_status sum_up(struct pd_verify_walk *walk, struct pd_error *err)
{
    struct pd_toc *toc = &walk->own;
    bool links = false;
    enum pd_status status = PD_OK;

    for (uint64_t i = 0; i < toc->file_count && !links; i++)
        links = toc->files[i].kind == PD_KIND_HARDLINK;
    if (links)
        status = resolve_links(walk, err);
    for (uint64_t i = 0; i < toc->file_count; i++) {
        if (toc->files[i].kind != PD_KIND_FILE && toc->files[i].kind != PD_KIND_HARDLINK)
            continue;
        toc->payload_files++;
        toc->payload_bytes += toc->files[i].size;
    }
    return status;
}

/* What stands where the manifest should: is it one of another algorithm? What it is when a table of
 * contents is known was recorded; else it is as good. */
static enum pd_status look_for_other(struct pd_verify_walk *walk, struct pd_error *err)
{
    enum pd_digest_alg found = walk->alg;

    if (walk->job->expect != NULL || walk->entry == NULL ||
        strncmp(walk->name, walk->top.data, walk->top.len) != 0 ||
        !pd_bag_is_manifest(walk->name + walk->top.len, &found) || found == walk->alg)
        return PD_OK;
    if (found == PD_DIGEST_ALGS)
        return pd_error_set(
            err, PD_UNSUPPORTED, 0,
            "its files cannot be checked by %s, this pairdump knows " PD_DIGEST_NAMES
            "; use a newer one",
            walk->name);
    walk->other = found;
    return pd_error_set(err, PD_BAD_FORMAT, 0, "%s is of another algorithm", walk->name);
}

static enum pd_status check_manifest(struct pd_verify_walk *walk, struct pd_error *err)
{
    struct pd_buf text = PD_BUF_INIT;
    char name[PD_BAG_MANIFEST_TEXT];
    enum pd_status status = look_for_other(walk, err);

    pd_bag_manifest_name(walk->alg, false, name);
    if (status == PD_OK && walk->job->expect == NULL)
        status = sum_up(walk, err);
    if (status == PD_OK && pd_bag_manifest(&text, walk->toc) != PD_OK)
        status = pd_error_memory(err, "the manifest");
    if (status == PD_OK && walk->job->expect != NULL && walk->entry != NULL &&
        pd_tar_entry_offset(walk->reader) != walk->toc->manifest_offset)
        note_tag(walk, name, "does not stand where it was recorded");
    if (status == PD_OK)
        status = check_tag(walk, name, &text, true, NULL, err);
    pd_buf_free(&text);
    return status;
}

/* ---- bag-info.txt ---- */

static void need_text(struct pd_verify_walk *walk, const char *text, size_t len, const char *label,
                      const char *expected)
{
    char value[256], what[320];

    if (pd_bag_info_text(text, len, label, value, sizeof(value)) && strcmp(value, expected) == 0)
        return;
    (void)snprintf(what, sizeof(what), "%s is not %s", label, expected);
    note_tag(walk, "bag-info.txt", what);
}

static void check_bag_info_text(struct pd_verify_walk *walk, const char *text, size_t len)
{
    const struct pd_toc *toc = walk->toc;
    char value[64];
    uint64_t number = 0;

    (void)snprintf(value, sizeof(value), "%" PRIu64 ".%" PRIu64, toc->payload_bytes,
                   toc->payload_files);
    need_text(walk, text, len, "Payload-Oxum", value);
    need_text(walk, text, len, "External-Identifier", walk->findings->result->archive);
    (void)snprintf(value, sizeof(value), "%zu", walk->records->size);
    need_text(walk, text, len, "Pairdump-Record-Size", value);
    if (walk->job->expect != NULL) {
        need_text(walk, text, len, "Pairdump-Dump-UUID", toc->dump_uuid);
        (void)snprintf(value, sizeof(value), "%" PRIu64, toc->seq);
        need_text(walk, text, len, "Pairdump-Archive-Number", value);
        return;
    }
    if (!pd_bag_info_text(text, len, "Pairdump-Dump-UUID", value, sizeof(value)) ||
        !pd_uuid_is_valid(value))
        note_tag(walk, "bag-info.txt", "Pairdump-Dump-UUID is missing or wrong");
    if (!pd_bag_info_u64(text, len, "Pairdump-Archive-Number", UINT64_MAX, &number) || number == 0)
        note_tag(walk, "bag-info.txt", "Pairdump-Archive-Number is missing or wrong");
}

static enum pd_status check_bag_info(struct pd_verify_walk *walk, struct pd_error *err)
{
    uint8_t digest[PD_DIGEST_MAX];
    struct pd_buf text = PD_BUF_INIT;
    enum pd_status status = need_tag(walk, "bag-info.txt", err);

    if (status == PD_OK && (uint64_t)archive_entry_size(walk->entry) > BAG_INFO_MAX)
        status = pd_error_set(err, PD_BAD_FORMAT, 0, "bag-info.txt is larger than any can be");
    if (status == PD_OK)
        status = read_tag(walk, "bag-info.txt", NULL, false, &text, digest, err);
    if (status == PD_OK)
        status = list_tag(walk, "bag-info.txt", digest, err);
    if (status == PD_OK)
        check_bag_info_text(walk, text.len > 0 ? text.data : "", text.len);
    if (walk->job->learned != NULL) {
        walk->job->learned->bag_info = text;
        return status;
    }
    pd_buf_free(&text);
    return status;
}

/* ---- not-whole.txt and the tag manifest ---- */

static enum pd_status check_not_whole(struct pd_verify_walk *walk, struct pd_error *err)
{
    bool there = is_tag(walk, "not-whole.txt");
    struct pd_buf text = PD_BUF_INIT;
    enum pd_status status = PD_OK;

    if (walk->job->expect != NULL && pd_bag_not_whole(&text, walk->toc) != PD_OK)
        status = pd_error_memory(err, "not-whole.txt");
    if (status == PD_OK && walk->job->expect != NULL && there != (text.len > 0))
        note_tag(walk, "not-whole.txt",
                 there ? "is there, though every file was recorded as whole"
                       : "is missing, though some files were recorded as not whole");
    if (status == PD_OK && there)
        status = check_tag(walk, "not-whole.txt", walk->job->expect != NULL ? &text : NULL, false,
                           walk->job->learned != NULL ? &walk->job->learned->not_whole : NULL, err);
    if (status == PD_OK && there)
        status = pd_verify_walk_step(walk, err);
    pd_buf_free(&text);
    return status;
}

enum pd_status pd_verify_tags(struct pd_verify_walk *walk, struct pd_error *err)
{
    uint8_t digest[PD_DIGEST_MAX];
    char name[PD_BAG_MANIFEST_TEXT];
    enum pd_status status = check_manifest(walk, err);

    pd_bag_manifest_name(walk->alg, true, name);
    if (status == PD_OK)
        status = pd_verify_walk_step(walk, err);
    if (status == PD_OK)
        status = check_bag_info(walk, err);
    if (status == PD_OK)
        status = pd_verify_walk_step(walk, err);
    if (status == PD_OK)
        status = check_not_whole(walk, err);
    if (status == PD_OK)
        status = need_tag(walk, name, err);
    if (status == PD_OK)
        status = read_tag(walk, name, &walk->tags, true, NULL, digest, err);
    return status;
}
