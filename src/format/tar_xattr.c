#include "tar_priv.h"

#include <archive.h>
#include <archive_entry.h>

/* An extended attribute as the archive has it. */
struct xattr {
    char *name;
    void *value;
    size_t len;
    bool spent;
};

/* True if long_name is name with some bytes as %XX (as libarchive writes SCHILY.xattr names). */
static bool is_encoded_form(const char *name, const char *long_name)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *name != '\0'; name++) {
        unsigned char c = (unsigned char)*name;

        if (c >= 33 && c <= 126 && c != '%' && c != '=') {
            if (*long_name++ != *name)
                return false;
        } else {
            if (long_name[0] != '%' || long_name[1] != digits[c >> 4] ||
                long_name[2] != digits[c & 15])
                return false;
            long_name += 3;
        }
    }
    return *long_name == '\0';
}

static int compare_xattrs(const void *a, const void *b)
{
    const struct xattr *x = a, *y = b;
    size_t x_len = strlen(x->name), y_len = strlen(y->name);

    if (x_len != y_len)
        return x_len < y_len ? -1 : 1;
    return strcmp(x->name, y->name);
}

/*
 * Each attribute stands in the header twice, and libarchive gives both: under its name, and under
 * its name with odd bytes as %XX. An encoded name is never shorter than the plain one, so the
 * shortest is always a plain one: keep it, drop its encoded form, and go on with the rest.
 */
static void keep_plain_xattrs(struct archive_entry *entry, struct xattr *list, size_t count)
{
    qsort(list, count, sizeof(*list), compare_xattrs);
    archive_entry_xattr_clear(entry);
    for (size_t i = 0; i < count; i++) {
        if (list[i].spent)
            continue;
        archive_entry_xattr_add_entry(entry, list[i].name, list[i].value, list[i].len);
        for (size_t k = i + 1; k < count; k++) {
            if (!list[k].spent && list[k].len == list[i].len &&
                is_encoded_form(list[i].name, list[k].name) &&
                (list[i].len == 0 || memcmp(list[k].value, list[i].value, list[i].len) == 0)) {
                list[k].spent = true;
                break;
            }
        }
    }
}

enum pd_status pd_tar_xattr_unify(struct archive_entry *entry, struct pd_error *err)
{
    int total = archive_entry_xattr_reset(entry);
    enum pd_status status = PD_OK;
    struct xattr *list;
    size_t count = 0;

    if (total <= 0)
        return PD_OK;
    list = calloc((size_t)total, sizeof(*list));
    if (list == NULL)
        return pd_error_memory(err, "extended attributes");
    while (status == PD_OK && count < (size_t)total) {
        struct xattr *item = &list[count];
        const char *name = NULL;
        const void *value = NULL;

        if (archive_entry_xattr_next(entry, &name, &value, &item->len) != ARCHIVE_OK)
            break;
        item->name = strdup(name);
        item->value = malloc(item->len + 1);
        count++;
        if (item->name == NULL || item->value == NULL)
            status = pd_error_memory(err, "extended attributes");
        else if (item->len > 0)
            memcpy(item->value, value, item->len);
    }
    if (status == PD_OK)
        keep_plain_xattrs(entry, list, count);
    for (size_t i = 0; i < count; i++) {
        free(list[i].name);
        free(list[i].value);
    }
    free(list);
    return status;
}
