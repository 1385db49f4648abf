#include <search.h>

#include "restore_priv.h"

/* ---- across archives ---- */

struct linked {
    int64_t dump_id; /* inodes are used again between dumps */
    uint64_t dev, ino, size;
    int64_t mtime;
    uint32_t mtime_ns;
    uint8_t digest[PD_DIGEST_MAX];
    char kind;
    char rel[];
};

static int compare_linked(const void *a, const void *b)
{
    const struct linked *x = a, *y = b;

    if (x->dump_id != y->dump_id)
        return x->dump_id < y->dump_id ? -1 : 1;
    if (x->dev != y->dev)
        return x->dev < y->dev ? -1 : 1;
    return x->ino < y->ino ? -1 : x->ino > y->ino;
}

const char *pd_restore_linked_before(const struct pd_restore_run *run, int64_t dump_id,
                                     const struct pd_toc_file *file)
{
    struct linked key = {.dump_id = dump_id, .dev = file->dev, .ino = file->ino};
    void *found;
    const struct linked *linked;

    if (file->dev == 0 || file->kind == PD_KIND_DIR)
        return NULL;
    found = tfind(&key, &run->links, compare_linked);
    if (found == NULL)
        return NULL;
    linked = *(struct linked *const *)found;
    if (linked->kind != file->kind || linked->size != file->size || linked->mtime != file->mtime ||
        linked->mtime_ns != file->mtime_ns ||
        memcmp(linked->digest, file->digest, sizeof(linked->digest)) != 0)
        return NULL;
    return linked->rel;
}

enum pd_status pd_restore_linked_remember(struct pd_restore_run *run, int64_t dump_id,
                                          const struct pd_toc_file *file, const char *rel,
                                          struct pd_error *err)
{
    struct linked *linked;
    size_t len = strlen(rel) + 1;
    void *found;

    if (file->dev == 0 || file->kind == PD_KIND_DIR)
        return PD_OK;
    linked = malloc(sizeof(*linked) + len);
    if (linked == NULL)
        return pd_error_memory(err, "hard links");
    linked->dump_id = dump_id;
    linked->dev = file->dev;
    linked->ino = file->ino;
    linked->size = file->size;
    linked->mtime = file->mtime;
    linked->mtime_ns = file->mtime_ns;
    memcpy(linked->digest, file->digest, sizeof(linked->digest));
    linked->kind = file->kind;
    memcpy(linked->rel, rel, len);
    found = tsearch(linked, &run->links, compare_linked);
    if (found == NULL) {
        free(linked);
        return pd_error_memory(err, "hard links");
    }
    if (*(struct linked **)found != linked)
        free(linked); /* changed between two archives: the earlier one stays */
    return PD_OK;
}

void pd_restore_linked_free(void *links)
{
    tdestroy(links, free);
}

/* ---- within one archive ---- */

static int compare_paths(const void *a, const void *b, void *arg)
{
    const struct pd_toc_file *files = arg;

    return strcmp(files[*(const uint64_t *)a].path, files[*(const uint64_t *)b].path);
}

static uint64_t find_path(const struct pd_toc *toc, const uint64_t *order, uint64_t count,
                          const char *path)
{
    uint64_t low = 0, high = count;

    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        int order_of = strcmp(toc->files[order[mid]].path, path);

        if (order_of == 0)
            return order[mid];
        if (order_of < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return PD_RESTORE_NONE;
}

enum pd_status pd_restore_first_names(const struct pd_toc *toc, const struct pd_restore_part *part,
                                      uint64_t *firsts, struct pd_error *err)
{
    uint64_t *order = NULL, count = 0;
    bool any = false;

    for (uint64_t i = 0; i < toc->file_count; i++) {
        firsts[i] = PD_RESTORE_NONE;
        any = any || (pd_restore_part_wants(part, i) && toc->files[i].kind == PD_KIND_HARDLINK);
    }
    if (!any)
        return PD_OK;
    order = calloc(toc->file_count, sizeof(*order));
    if (order == NULL)
        return pd_error_memory(err, "hard links");
    for (uint64_t i = 0; i < toc->file_count; i++)
        if (toc->files[i].kind != PD_KIND_HARDLINK)
            order[count++] = i;
    qsort_r(order, count, sizeof(*order), compare_paths, toc->files);
    for (uint64_t i = 0; i < toc->file_count; i++) {
        const struct pd_toc_file *file = &toc->files[i];

        if (pd_restore_part_wants(part, i) && file->kind == PD_KIND_HARDLINK && file->link != NULL)
            firsts[i] = find_path(toc, order, count, file->link);
    }
    free(order);
    return PD_OK;
}
