#include "hardlinks.h"

#include <search.h>
#include <stdlib.h>

struct name {
    uint64_t dev, ino, value;
};

struct pd_hardlinks {
    void *root; /* of tsearch(3) */
};

static int compare(const void *a, const void *b)
{
    const struct name *x = a;
    const struct name *y = b;

    if (x->dev != y->dev) {
        return x->dev < y->dev ? -1 : 1;
    }
    return x->ino < y->ino ? -1 : x->ino > y->ino;
}

enum pd_status pd_hardlinks_new(struct pd_hardlinks **out, struct pd_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? PD_OK : pd_error_memory(err, "hard links");
}

void pd_hardlinks_free(struct pd_hardlinks *links)
{
    if (links) {
        tdestroy(links->root, free);
        free(links);
    }
}

enum pd_status pd_hardlinks_add(struct pd_hardlinks *links, uint64_t dev, uint64_t ino,
                                uint64_t value, struct pd_error *err)
{
    struct name *name = calloc(1, sizeof *name);
    struct name **found = NULL;

    if (name) {
        *name = (struct name){dev, ino, value};
        found = tsearch(name, &links->root, compare);
    }
    if (!found) {
        free(name);
        return pd_error_memory(err, "hard links");
    }
    if (*found != name) {
        (*found)->value = value;
        free(name);
    }
    return PD_OK;
}

bool pd_hardlinks_find(const struct pd_hardlinks *links, uint64_t dev, uint64_t ino,
                       uint64_t *value)
{
    struct name key = {dev, ino, 0};
    struct name **found = tfind(&key, &links->root, compare);

    if (found) {
        *value = (*found)->value;
    }
    return found != NULL;
}
