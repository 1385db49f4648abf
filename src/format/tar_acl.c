#include "tar_priv.h"

#include <archive.h>
#include <archive_entry.h>

#include "pairdump/size.h"

#define POSIX_ACL (ARCHIVE_ENTRY_ACL_TYPE_ACCESS | ARCHIVE_ENTRY_ACL_TYPE_DEFAULT)

/*
 * libarchive keeps the user or group of an ACL entry as an int and writes a negative one as 0: a
 * number over 2^31 would become root's. As a name, in digits, it survives; what follows puts it
 * there before writing and takes it from there after reading.
 */
struct ace {
    int type, permset, tag, id;
    char name[256];
    bool named;
};

/* Numbers in an int's clothes: -1 is none, what is below stands for 2^31 and more. */
static bool is_wide(int id)
{
    return id < -1;
}

static bool to_name(struct ace *ace)
{
    if (!is_wide(ace->id) || ace->named)
        return false;
    (void)snprintf(ace->name, sizeof(ace->name), "%u", (unsigned)ace->id);
    ace->named = true;
    ace->id = -1;
    return true;
}

static bool from_name(struct ace *ace)
{
    uint64_t number;

    if (!ace->named || !pd_parse_u64(ace->name, &number) || number <= INT32_MAX ||
        number >= UINT32_MAX)
        return false;
    ace->id = (int)(int32_t)(uint32_t)number;
    return true;
}

/* The next entry as a struct; false at the end. */
static bool next(struct archive_entry *entry, struct ace *out)
{
    const char *name = NULL;

    if (archive_entry_acl_next(entry, POSIX_ACL, &out->type, &out->permset, &out->tag, &out->id,
                               &name) != ARCHIVE_OK)
        return false;
    out->named = name != NULL && name[0] != '\0';
    (void)snprintf(out->name, sizeof(out->name), "%s", out->named ? name : "");
    return true;
}

/* Puts every entry through change; the list is made anew only if one did change. */
static enum pd_status rewrite(struct archive_entry *entry, bool (*change)(struct ace *),
                              struct pd_error *err)
{
    mode_t mode = archive_entry_perm(entry);
    size_t count = 0, cap;
    bool changed = false;
    struct ace *list;
    int total;

    if (archive_entry_acl_types(entry) == 0)
        return PD_OK;
    total = archive_entry_acl_reset(entry, POSIX_ACL);
    cap = total > 0 ? (size_t)total : 0;
    list = calloc(cap + 1, sizeof(*list));
    if (list == NULL)
        return pd_error_memory(err, "an access control list");
    while (count < cap && next(entry, &list[count])) {
        if (change(&list[count]))
            changed = true;
        count++;
    }
    if (changed) {
        archive_entry_acl_clear(entry);
        for (size_t i = 0; i < count; i++)
            (void)archive_entry_acl_add_entry(entry, list[i].type, list[i].permset, list[i].tag,
                                              list[i].id, list[i].named ? list[i].name : NULL);
        archive_entry_set_perm(entry, mode);
    }
    free(list);
    return PD_OK;
}

enum pd_status pd_tar_acl_narrow(struct archive_entry *entry, struct pd_error *err)
{
    return rewrite(entry, to_name, err);
}

enum pd_status pd_tar_acl_widen(struct archive_entry *entry, struct pd_error *err)
{
    return rewrite(entry, from_name, err);
}
