#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "restore_priv.h"

#define ACL_ACCESS  "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

/* Tags of POSIX.1e entries as the kernel has them (linux/posix_acl.h is not for programs). */
enum acl_tag {
    TAG_USER_OBJ = 0x01,
    TAG_USER = 0x02,
    TAG_GROUP_OBJ = 0x04,
    TAG_GROUP = 0x08,
    TAG_MASK = 0x10,
    TAG_OTHER = 0x20,
};

/* In the order in which the kernel wants them. */
static const struct {
    int libarchive;
    enum acl_tag kernel;
    bool has_id;
} acl_tags[] = {
    {ARCHIVE_ENTRY_ACL_USER_OBJ, TAG_USER_OBJ, false},
    {ARCHIVE_ENTRY_ACL_USER, TAG_USER, true},
    {ARCHIVE_ENTRY_ACL_GROUP_OBJ, TAG_GROUP_OBJ, false},
    {ARCHIVE_ENTRY_ACL_GROUP, TAG_GROUP, true},
    {ARCHIVE_ENTRY_ACL_MASK, TAG_MASK, false},
    {ARCHIVE_ENTRY_ACL_OTHER, TAG_OTHER, false},
};
#define ACL_TAGS (sizeof(acl_tags) / sizeof(acl_tags[0]))

static void put_le(uint8_t *out, uint32_t value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

/* Appends the entries of one tag; returns the new length. */
static size_t put_tag(struct archive_entry *entry, int type, size_t which, uint8_t *out, size_t at,
                      size_t cap)
{
    int found_type, permset, tag, id;
    const char *name;

    if (archive_entry_acl_reset(entry, type) <= 0)
        return at;
    while (archive_entry_acl_next(entry, type, &found_type, &permset, &tag, &id, &name) == 0) {
        if (tag != acl_tags[which].libarchive || at + sizeof(struct posix_acl_xattr_entry) > cap)
            continue;
        put_le(out + at, (uint32_t)acl_tags[which].kernel, 2);
        put_le(out + at + 2, (uint32_t)permset & 7, 2);
        put_le(out + at + 4, acl_tags[which].has_id ? (uint32_t)id : UINT32_MAX, 4);
        at += sizeof(struct posix_acl_xattr_entry);
    }
    return at;
}

static bool is_acl_name(const char *key)
{
    return strcmp(key, ACL_ACCESS) == 0 || strcmp(key, ACL_DEFAULT) == 0;
}

/* An ACL that an archive of another origin has among the extended attributes. */
static enum pd_status take_acl_xattr(struct archive_entry *entry, const char *wanted, void **out,
                                     size_t *len, struct pd_error *err)
{
    const char *key;
    const void *value;

    if (archive_entry_xattr_reset(entry) <= 0)
        return PD_OK;
    while (archive_entry_xattr_next(entry, &key, &value, len) == ARCHIVE_OK) {
        if (strcmp(key, wanted) != 0)
            continue;
        *out = malloc(*len + 1);
        if (*out == NULL)
            return pd_error_memory(err, "an ACL");
        memcpy(*out, value, *len);
        return PD_OK;
    }
    return PD_OK;
}

/* The ACL of a type as the kernel takes it; *out NULL if there is none. */
static enum pd_status take_acl(struct archive_entry *entry, int type, void **out, size_t *len,
                               struct pd_error *err)
{
    int count = archive_entry_acl_reset(entry, type);
    size_t cap, at = sizeof(struct posix_acl_xattr_header);
    uint8_t *acl;

    *out = NULL;
    *len = 0;
    if (count <= 0)
        return take_acl_xattr(entry,
                              type == ARCHIVE_ENTRY_ACL_TYPE_ACCESS ? ACL_ACCESS : ACL_DEFAULT, out,
                              len, err);
    cap = at + (size_t)count * sizeof(struct posix_acl_xattr_entry);
    acl = malloc(cap);
    if (acl == NULL)
        return pd_error_memory(err, "an ACL");
    put_le(acl, POSIX_ACL_XATTR_VERSION, 4);
    for (size_t i = 0; i < ACL_TAGS; i++)
        at = put_tag(entry, type, i, acl, at, cap);
    *out = acl;
    *len = at;
    return PD_OK;
}

enum pd_status pd_restore_meta_take(struct archive_entry *entry, struct pd_restore_meta *out,
                                    struct pd_error *err)
{
    enum pd_status status;

    memset(out, 0, sizeof(*out));
    out->mode = (uint32_t)archive_entry_mode(entry) & 07777;
    out->uid = (uint64_t)archive_entry_uid(entry);
    out->gid = (uint64_t)archive_entry_gid(entry);
    out->times[0].tv_nsec = UTIME_OMIT;
    if (archive_entry_atime_is_set(entry)) {
        out->times[0].tv_sec = archive_entry_atime(entry);
        out->times[0].tv_nsec = archive_entry_atime_nsec(entry);
    }
    out->times[1].tv_nsec = UTIME_OMIT;
    if (archive_entry_mtime_is_set(entry)) {
        out->times[1].tv_sec = archive_entry_mtime(entry);
        out->times[1].tv_nsec = archive_entry_mtime_nsec(entry);
    }
    status = take_acl(entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, &out->acl, &out->acl_len, err);
    if (status == PD_OK)
        status = take_acl(entry, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, &out->default_acl,
                          &out->default_acl_len, err);
    if (status != PD_OK)
        pd_restore_meta_release(out);
    return status;
}

void pd_restore_meta_release(struct pd_restore_meta *meta)
{
    free(meta->acl);
    free(meta->default_acl);
    memset(meta, 0, sizeof(*meta));
}

/* Names an O_PATH descriptor for calls that take only paths: they reach the object itself. */
struct object_name {
    char text[32];
};

static const char *name_of(const struct pd_restore_object *object, struct object_name *name)
{
    snprintf(name->text, sizeof(name->text), "/proc/self/fd/%d", object->fd);
    return name->text;
}

static int set_xattr(const struct pd_restore_object *object, const char *key, const void *value,
                     size_t len)
{
    struct object_name name;

    if (object->path_only)
        return setxattr(name_of(object, &name), key, value, len, 0);
    return fsetxattr(object->fd, key, value, len, 0);
}

static int remove_xattr(const struct pd_restore_object *object, const char *key)
{
    struct object_name name;

    if (object->path_only)
        return removexattr(name_of(object, &name), key);
    return fremovexattr(object->fd, key);
}

/* Keeps the first thing that could not be set. */
static void note(enum pd_status *status, struct pd_error *err, const char *what, int sys_errno)
{
    if (*status == PD_OK)
        *status = pd_error_set(err, PD_RESTORE, sys_errno, "cannot set %s", what);
}

/* Attributes that only the superuser may set are left out for others, as the owner is. */
static bool is_privileged_name(const char *key)
{
    return strncmp(key, "trusted.", 8) == 0 || strncmp(key, "security.", 9) == 0;
}

enum pd_status pd_restore_meta_xattrs(const struct pd_restore_object *object,
                                      struct archive_entry *entry, struct pd_error *err)
{
    enum pd_status status = PD_OK;
    const char *key;
    const void *value;
    size_t len;

    if (archive_entry_xattr_reset(entry) <= 0)
        return PD_OK;
    while (archive_entry_xattr_next(entry, &key, &value, &len) == ARCHIVE_OK) {
        char what[300];

        if (is_acl_name(key) || set_xattr(object, key, value, len) == 0 ||
            (errno == EPERM && geteuid() != 0 && is_privileged_name(key)))
            continue;
        snprintf(what, sizeof(what), "extended attribute %s", key);
        note(&status, err, what, errno);
    }
    return status;
}

/* Without an ACL in the archive, one that a new file got from its folder must go. */
static void set_acl(const struct pd_restore_object *object, const char *key, const void *acl,
                    size_t len, enum pd_status *status, struct pd_error *err)
{
    if (acl != NULL) {
        if (set_xattr(object, key, acl, len) != 0)
            note(status, err, "the ACL", errno);
    } else if (remove_xattr(object, key) != 0 && errno != ENODATA && errno != EOPNOTSUPP) {
        note(status, err, "the ACL", errno);
    }
}

static void set_owner(const struct pd_restore_object *object, const struct pd_restore_meta *meta,
                      enum pd_status *status, struct pd_error *err)
{
    if (geteuid() != 0)
        return;
    if (meta->uid >= UINT32_MAX || meta->gid >= UINT32_MAX)
        note(status, err, "an owner or group number over 32 bits", EOVERFLOW);
    else if (fchownat(object->fd, "", (uid_t)meta->uid, (gid_t)meta->gid, AT_EMPTY_PATH) != 0)
        note(status, err, "owner and group", errno);
}

/* Set-id bits would lend the rights of whoever restores: only with the owner that they were for. */
static uint32_t fitting_mode(const struct pd_restore_object *object,
                             const struct pd_restore_meta *meta)
{
    uint32_t mode = meta->mode;
    struct stat st;

    if ((mode & (S_ISUID | S_ISGID)) == 0)
        return mode;
    if (fstat(object->fd, &st) != 0 || st.st_uid != meta->uid)
        mode &= ~(uint32_t)S_ISUID;
    if (fstat(object->fd, &st) != 0 || st.st_gid != meta->gid)
        mode &= ~(uint32_t)S_ISGID;
    return mode;
}

static void set_mode(const struct pd_restore_object *object, const struct pd_restore_meta *meta,
                     enum pd_status *status, struct pd_error *err)
{
    uint32_t mode = fitting_mode(object, meta);
    struct object_name name;
    int result = object->path_only ? chmod(name_of(object, &name), (mode_t)mode)
                                   : fchmod(object->fd, (mode_t)mode);

    if (result != 0)
        note(status, err, "the mode", errno);
}

static void set_times(const struct pd_restore_object *object, const struct pd_restore_meta *meta,
                      enum pd_status *status, struct pd_error *err)
{
    struct object_name name;
    int result = object->path_only ? utimensat(AT_FDCWD, name_of(object, &name), meta->times, 0)
                                   : futimens(object->fd, meta->times);

    if (result != 0)
        note(status, err, "the times", errno);
}

/* The order matters: a new owner clears set-id bits and capabilities, a new mode changes the ACL's
 * mask, and anything may change the times. */
enum pd_status pd_restore_meta_apply(const struct pd_restore_object *object,
                                     const struct pd_restore_meta *meta,
                                     struct archive_entry *xattrs, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    set_owner(object, meta, &status, err);
    if (object->kind != PD_KIND_SYMLINK) {
        set_acl(object, ACL_ACCESS, NULL, 0, &status, err);
        set_mode(object, meta, &status, err);
    }
    if (xattrs != NULL) {
        struct pd_error trouble = PD_ERROR_INIT;
        enum pd_status set = pd_restore_meta_xattrs(object, xattrs, &trouble);

        if (status == PD_OK && set != PD_OK) {
            status = set;
            *err = trouble;
        }
    }
    if (object->kind != PD_KIND_SYMLINK && meta->acl != NULL)
        set_acl(object, ACL_ACCESS, meta->acl, meta->acl_len, &status, err);
    if (object->kind == PD_KIND_DIR)
        set_acl(object, ACL_DEFAULT, meta->default_acl, meta->default_acl_len, &status, err);
    set_times(object, meta, &status, err);
    return status;
}
