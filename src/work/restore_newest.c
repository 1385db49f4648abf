#include "restore_priv.h"

/* Paths are known by their XXH3-128: 128 bits tell records from one another, too. Folders above a
 * known path are known. */
struct entry {
    struct pd_xxh128 key;
    uint32_t dump;
    bool used;
    bool hides;   /* it is no folder */
    bool implied; /* a folder, since something lies in it; itself it may come from an older dump */
};

struct pd_restore_newest {
    struct entry *entries;
    size_t cap, count; /* cap is a power of two */
};

enum { FIRST_CAP = 1024 };

enum pd_status pd_restore_newest_new(struct pd_restore_newest **out, struct pd_error *err)
{
    struct pd_restore_newest *newest = calloc(1, sizeof(*newest));

    *out = NULL;
    if (newest != NULL) {
        newest->cap = FIRST_CAP;
        newest->entries = calloc(newest->cap, sizeof(*newest->entries));
    }
    if (newest == NULL || newest->entries == NULL) {
        free(newest);
        return pd_error_memory(err, "the paths of several dumps");
    }
    *out = newest;
    return PD_OK;
}

void pd_restore_newest_free(struct pd_restore_newest *newest)
{
    if (newest == NULL)
        return;
    free(newest->entries);
    free(newest);
}

/* Where the key stands, or is to stand. */
static struct entry *find(const struct entry *entries, size_t cap, const struct pd_xxh128 *key)
{
    uint64_t at;

    memcpy(&at, key->bytes, sizeof(at));
    for (at &= cap - 1; entries[at].used; at = (at + 1) & (cap - 1))
        if (pd_xxh128_equal(&entries[at].key, key))
            break;
    return (struct entry *)&entries[at];
}

static enum pd_status grow(struct pd_restore_newest *newest, struct pd_error *err)
{
    size_t cap = newest->cap * 2;
    struct entry *bigger = calloc(cap, sizeof(*bigger));

    if (bigger == NULL)
        return pd_error_memory(err, "the paths of several dumps");
    for (size_t i = 0; i < newest->cap; i++)
        if (newest->entries[i].used)
            *find(bigger, cap, &newest->entries[i].key) = newest->entries[i];
    free(newest->entries);
    newest->entries = bigger;
    newest->cap = cap;
    return PD_OK;
}

/* Does a newer dump have something else than a folder above the path? */
static bool is_hidden(const struct pd_restore_newest *newest, uint32_t dump, const char *path)
{
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        struct pd_xxh128 key = pd_record_digest(path, (size_t)(slash - path));
        const struct entry *entry = find(newest->entries, newest->cap, &key);

        if (entry->used && entry->hides && entry->dump < dump)
            return true;
    }
    return false;
}

static enum pd_status put(struct pd_restore_newest *newest, const struct entry *entry,
                          struct pd_error *err)
{
    struct entry *place;

    if (newest->count * 4 >= newest->cap * 3) {
        enum pd_status status = grow(newest, err);

        if (status != PD_OK)
            return status;
    }
    place = find(newest->entries, newest->cap, &entry->key);
    newest->count += !place->used;
    *place = *entry;
    return PD_OK;
}

/* From below: above one that is known all are. */
static enum pd_status put_folders(struct pd_restore_newest *newest, uint32_t dump, const char *path,
                                  size_t len, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    while (status == PD_OK) {
        struct entry folder = {.dump = dump, .used = true, .implied = true};

        while (len > 0 && path[len - 1] != '/')
            len--;
        while (len > 0 && path[len - 1] == '/')
            len--;
        folder.key = pd_record_digest(path, len);
        if (len == 0 || find(newest->entries, newest->cap, &folder.key)->used)
            break;
        status = put(newest, &folder, err);
    }
    return status;
}

enum pd_status pd_restore_newest_take(struct pd_restore_newest *newest, uint32_t dump,
                                      const struct pd_toc_file *file, bool *taken,
                                      struct pd_error *err)
{
    size_t len = strlen(file->path);
    struct entry own = {.dump = dump, .used = true, .hides = file->kind != PD_KIND_DIR};
    const struct entry *known;
    enum pd_status status;

    while (len > 1 && file->path[len - 1] == '/')
        len--;
    own.key = pd_record_digest(file->path, len);
    *taken = false;
    known = find(newest->entries, newest->cap, &own.key);
    if (known->used && known->dump != dump && (own.hides || !known->implied))
        return PD_OK;
    if (file->path[0] != '\0' && is_hidden(newest, dump, file->path))
        return PD_OK;
    status = put(newest, &own, err);
    if (status == PD_OK)
        status = put_folders(newest, dump, file->path, len, err);
    *taken = status == PD_OK;
    return status;
}
