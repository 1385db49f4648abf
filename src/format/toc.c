#include "pairdump/toc.h"

/* Strings live in chunks that never move, so that paths stay valid while the toc grows. */
struct chunk {
    struct chunk *next;
    size_t used, cap;
    char data[];
};

#define CHUNK_BYTES ((size_t)256 << 10)

void pd_toc_init(struct pd_toc *toc)
{
    memset(toc, 0, sizeof(*toc));
}

void pd_toc_release(struct pd_toc *toc)
{
    struct chunk *chunk = toc->arena;

    while (chunk != NULL) {
        struct chunk *next = chunk->next;

        free(chunk);
        chunk = next;
    }
    free(toc->files);
    free(toc->records);
    pd_toc_init(toc);
}

/* Room for len bytes at a place that never moves; NULL when memory is short. */
static char *arena_take(struct pd_toc *toc, size_t len)
{
    struct chunk *chunk = toc->arena;
    char *place;

    if (chunk == NULL || chunk->cap - chunk->used < len) {
        size_t cap = len > CHUNK_BYTES ? len : CHUNK_BYTES;

        chunk = malloc(sizeof(*chunk) + cap);
        if (chunk == NULL)
            return NULL;
        chunk->next = toc->arena;
        chunk->used = 0;
        chunk->cap = cap;
        toc->arena = chunk;
    }
    place = chunk->data + chunk->used;
    chunk->used += len;
    return place;
}

/* Doubles an array that is full; false when memory is short. */
static bool grow(void **array, uint64_t *cap, uint64_t count, size_t item)
{
    uint64_t wanted = *cap == 0 ? 256 : *cap * 2;
    void *bigger;

    if (count < *cap)
        return true;
    if (wanted > SIZE_MAX / item / 2)
        return false;
    bigger = realloc(*array, (size_t)wanted * item);
    if (bigger == NULL)
        return false;
    *array = bigger;
    *cap = wanted;
    return true;
}

enum pd_status pd_toc_add_file(struct pd_toc *toc, const struct pd_toc_file *file, uint64_t *index,
                               struct pd_error *err)
{
    size_t path_size = strlen(file->path) + 1;
    size_t link_size = file->link == NULL ? 0 : strlen(file->link) + 1;
    void *files = toc->files;
    struct pd_toc_file *entry;
    char *text;

    if (!grow(&files, &toc->file_cap, toc->file_count, sizeof(*toc->files)))
        return pd_error_memory(err, "the table of contents");
    toc->files = files;
    text = arena_take(toc, path_size + link_size);
    if (text == NULL)
        return pd_error_memory(err, "the table of contents");
    entry = &toc->files[toc->file_count];
    *entry = *file;
    entry->alg = (uint8_t)toc->alg;
    entry->path = memcpy(text, file->path, path_size);
    entry->link = link_size == 0 ? NULL : memcpy(text + path_size, file->link, link_size);
    if (index != NULL)
        *index = toc->file_count;
    toc->file_count++;
    return PD_OK;
}

enum pd_status pd_toc_add_record(struct pd_toc *toc, struct pd_xxh128 digest, struct pd_error *err)
{
    void *records = toc->records;

    if (!grow(&records, &toc->record_cap, toc->record_count, sizeof(*toc->records)))
        return pd_error_memory(err, "the record digests");
    toc->records = records;
    toc->records[toc->record_count++] = digest;
    return PD_OK;
}

void pd_toc_set_digest(struct pd_toc_file *file, const void *digest)
{
    memset(file->digest, 0, sizeof(file->digest));
    memcpy(file->digest, digest, pd_digest_alg_info(file->alg)->len);
    file->has_digest = true;
}

bool pd_toc_same_digest(const struct pd_toc_file *a, const struct pd_toc_file *b)
{
    return a->has_digest && b->has_digest && a->alg == b->alg &&
           memcmp(a->digest, b->digest, pd_digest_alg_info(a->alg)->len) == 0;
}

uint64_t pd_toc_memory(const struct pd_toc *toc)
{
    uint64_t bytes =
        toc->file_count * sizeof(*toc->files) + toc->record_count * sizeof(*toc->records);

    for (const struct chunk *chunk = toc->arena; chunk != NULL; chunk = chunk->next)
        bytes += chunk->used;
    return bytes;
}

/* Place of the first file whose bytes end after, or (starts) start at or after, a position. */
static uint64_t first_after(const struct pd_toc *toc, uint64_t position, bool starts)
{
    uint64_t low = 0, high = toc->file_count;

    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        const struct pd_toc_file *file = &toc->files[mid];
        bool before = starts ? file->offset < position
                             : file->offset <= position && file->length <= position - file->offset;

        if (before)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void pd_toc_files_of_record(const struct pd_toc *toc, uint64_t record_no, uint64_t *first,
                            uint64_t *count)
{
    uint64_t start, end, past;

    *first = 0;
    *count = 0;
    if (toc->record_size == 0 || record_no >= UINT64_MAX / toc->record_size)
        return;
    start = record_no * toc->record_size;
    end = start + toc->record_size;
    *first = first_after(toc, start, false);
    past = first_after(toc, end, true);
    *count = past > *first ? past - *first : 0;
}
