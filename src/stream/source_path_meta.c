#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <acl/libacl.h>
#include <sys/acl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "source_path_priv.h"

enum { NAMES_MAX = 65536, VALUE_MAX = 65536 }; /* the kernel's limits, xattr(7) */
enum { ROW_MAX = 16 << 20 };                   /* of a group with very many members */
enum { MAP_LINE = 24 };                        /* about what an extent takes in a sparse map */

/* The name of a user or group; buffer grows until the row fits (a group's row has all members). */
static void look_up(uint64_t id, bool group, char *out, size_t size)
{
    size_t room = 4096;
    char *buffer = NULL;
    const char *name = NULL;
    int failed = ERANGE;

    while (failed == ERANGE && room <= ROW_MAX) {
        free(buffer);
        buffer = malloc(room);
        if (!buffer) {
            break;
        }
        if (group) {
            struct group row, *found = NULL;
            failed = getgrgid_r((gid_t)id, &row, buffer, room, &found);
            name = found ? found->gr_name : NULL;
        } else {
            struct passwd row, *found = NULL;
            failed = getpwuid_r((uid_t)id, &row, buffer, room, &found);
            name = found ? found->pw_name : NULL;
        }
        room *= 4;
    }
    /* a name cut short would be another's name: then the number alone counts */
    snprintf(out, size, "%s", name && strlen(name) < size ? name : "");
    free(buffer);
}

static const char *cached_name(struct pd_path_name_cache *cache, uint64_t id, bool group)
{
    struct pd_path_name_cache *slot = &cache[id % 16];

    if (!slot->valid || slot->id != id) {
        look_up(id, group, slot->name, sizeof slot->name);
        slot->valid = true;
        slot->id = id;
    }
    return slot->name;
}

static ssize_t list_names(int fd, const char *path, char *names, size_t size)
{
    return fd >= 0 ? flistxattr(fd, names, size) : llistxattr(path, names, size);
}

static ssize_t get_value(int fd, const char *path, const char *name, void *value, size_t size)
{
    return fd >= 0 ? fgetxattr(fd, name, value, size) : lgetxattr(path, name, value, size);
}

/* One entry of an ACL into libarchive's form. */
static bool add_acl_entry(struct archive_entry *entry, acl_entry_t e, int type)
{
    static const struct {
        acl_tag_t tag;
        int ae;
    } tags[] = {
        {ACL_USER_OBJ, ARCHIVE_ENTRY_ACL_USER_OBJ},   {ACL_USER, ARCHIVE_ENTRY_ACL_USER},
        {ACL_GROUP_OBJ, ARCHIVE_ENTRY_ACL_GROUP_OBJ}, {ACL_GROUP, ARCHIVE_ENTRY_ACL_GROUP},
        {ACL_MASK, ARCHIVE_ENTRY_ACL_MASK},           {ACL_OTHER, ARCHIVE_ENTRY_ACL_OTHER},
    };
    static const struct {
        acl_perm_t perm;
        int ae;
    } perms[] = {
        {ACL_READ, ARCHIVE_ENTRY_ACL_READ},
        {ACL_WRITE, ARCHIVE_ENTRY_ACL_WRITE},
        {ACL_EXECUTE, ARCHIVE_ENTRY_ACL_EXECUTE},
    };
    acl_tag_t tag;
    acl_permset_t set;
    int ae_tag = 0, ae_perm = 0, id = -1;

    if (acl_get_tag_type(e, &tag) != 0 || acl_get_permset(e, &set) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        ae_tag = tags[i].tag == tag ? tags[i].ae : ae_tag;
    }
    for (size_t i = 0; i < sizeof perms / sizeof perms[0]; i++) {
        ae_perm |= acl_get_perm(set, perms[i].perm) == 1 ? perms[i].ae : 0;
    }
    if (tag == ACL_USER || tag == ACL_GROUP) {
        id_t *who = acl_get_qualifier(e);
        if (!who) {
            return false;
        }
        id = (int)*who;
        acl_free(who);
    }
    return archive_entry_acl_add_entry(entry, type, ae_perm, ae_tag, id, NULL) == ARCHIVE_OK;
}

static bool add_acl(int fd, const char *path, acl_type_t type, int ae_type,
                    struct archive_entry *entry)
{
    acl_t acl = fd >= 0 && type == ACL_TYPE_ACCESS ? acl_get_fd(fd) : acl_get_file(path, type);
    acl_entry_t e;
    bool good = acl != NULL;

    for (int which = ACL_FIRST_ENTRY; good && acl_get_entry(acl, which, &e) == 1;
         which = ACL_NEXT_ENTRY) {
        good = add_acl_entry(entry, e, ae_type);
    }
    acl_free(acl);
    return good;
}

/* One attribute by name: an ACL, or a value kept as it is. */
static enum pd_status add_attribute(int fd, const char *path, const char *name, char *value,
                                    struct archive_entry *entry, struct pd_error *err)
{
    bool good;

    if (strcmp(name, "system.posix_acl_access") == 0) {
        good = add_acl(fd, path, ACL_TYPE_ACCESS, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, entry);
    } else if (strcmp(name, "system.posix_acl_default") == 0) {
        good = add_acl(-1, path, ACL_TYPE_DEFAULT, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, entry);
    } else if (strncmp(name, "system.", 7) == 0) {
        return PD_OK; /* computed by the file system */
    } else {
        ssize_t got = get_value(fd, path, name, value, VALUE_MAX);
        good = got >= 0 || errno == ENODATA;
        if (got >= 0) {
            archive_entry_xattr_add_entry(entry, name, value, (size_t)got);
        }
    }
    if (!good) {
        return pd_error_set(err, PD_SOURCE_UNREADABLE, errno, "cannot read the attribute %s",
                            name);
    }
    return PD_OK;
}

static enum pd_status add_attributes(int fd, const char *path, struct archive_entry *entry,
                                     struct pd_error *err)
{
    char few[512];
    char *names = few;
    char *value = NULL;
    enum pd_status status = PD_OK;
    ssize_t len = list_names(fd, path, few, sizeof few);

    if (len == 0 || (len < 0 && errno == ENOTSUP)) {
        return PD_OK;
    }
    if (len < 0 && errno == ERANGE) {
        names = malloc(NAMES_MAX);
        len = names ? list_names(fd, path, names, NAMES_MAX) : -1;
    }
    value = malloc(VALUE_MAX);
    if (!names || !value) {
        status = pd_error_memory(err, "attributes");
    } else if (len < 0) {
        status = pd_error_set(err, PD_SOURCE_UNREADABLE, errno, "cannot list its attributes");
    }
    for (ssize_t at = 0; status == PD_OK && at < len; at += (ssize_t)strlen(names + at) + 1) {
        status = add_attribute(fd, path, names + at, value, entry, err);
    }
    free(value);
    if (names != few) {
        free(names);
    }
    return status;
}

/* Next data extent at or behind *at, by SEEK_DATA and SEEK_HOLE, lseek(2): 1, moving *at to its end; 0
 * behind the last; -1 when the file system cannot tell. */
static int next_extent(int fd, off_t size, off_t *at, off_t *start)
{
    if (*at >= size) {
        return 0;
    }
    *start = lseek(fd, *at, SEEK_DATA);
    if (*start < 0) {
        return errno == ENXIO ? 0 : -1;
    }
    if (*start >= size) {
        return 0;
    }
    off_t end = lseek(fd, *start, SEEK_HOLE);
    if (end <= *start) {
        return -1;
    }
    *at = end < size ? end : size;
    return 1;
}

/* The map of a file with holes; none when they cannot be found: then all of it is stored. */
static void add_sparse(int fd, off_t size, struct archive_entry *entry)
{
    off_t at = 0, start = 0;
    int found;

    while ((found = next_extent(fd, size, &at, &start)) > 0) {
        archive_entry_sparse_add_entry(entry, start, at - start);
    }
    if (found < 0) {
        archive_entry_sparse_clear(entry);
    } else if (at == 0) {
        archive_entry_sparse_add_entry(entry, size, 0); /* nothing but a hole */
    }
}

uint64_t pd_source_path_stored(const char *path, uint64_t size)
{
    int fd = pd_source_path_open_file(path);
    off_t at = 0, start = 0;
    uint64_t stored = 0;
    int found = -1;

    while (fd >= 0 && (found = next_extent(fd, (off_t)size, &at, &start)) > 0) {
        stored += (uint64_t)(at - start) + MAP_LINE;
    }
    if (fd >= 0) {
        close(fd);
    }
    return found < 0 || stored > size ? size : stored;
}

static enum pd_status add_link(const char *path, struct archive_entry *entry,
                               struct pd_error *err)
{
    char target[PATH_MAX];
    ssize_t len = readlink(path, target, sizeof target - 1);

    if (len < 0) {
        bool gone = errno == ENOENT || errno == EINVAL;
        return pd_error_set(err, gone ? PD_SOURCE_VANISHED : PD_SOURCE_UNREADABLE, errno,
                            "cannot read the link");
    }
    target[len] = '\0';
    archive_entry_set_symlink(entry, target);
    return PD_OK;
}

enum pd_status pd_source_path_meta(struct pd_source_path *source, int fd, const char *path,
                                   const struct stat *st, struct archive_entry *entry,
                                   struct pd_error *lack, struct pd_error *err)
{
    const char *user = cached_name(source->users, st->st_uid, false);
    const char *group = cached_name(source->groups, st->st_gid, true);
    enum pd_status status = PD_OK;

    archive_entry_copy_stat(entry, st);
    if (user[0]) {
        archive_entry_copy_uname(entry, user);
    }
    if (group[0]) {
        archive_entry_copy_gname(entry, group);
    }
    if (S_ISLNK(st->st_mode)) {
        status = add_link(path, entry, err);
    }
    if (!S_ISREG(st->st_mode)) {
        archive_entry_set_size(entry, 0);
    }
    if (status == PD_OK && add_attributes(fd, path, entry, lack) == PD_NO_MEMORY) {
        *err = *lack;
        status = PD_NO_MEMORY;
    }
    if (status == PD_OK && S_ISREG(st->st_mode) && st->st_size > 0 &&
        (uint64_t)st->st_blocks * 512 < (uint64_t)st->st_size) {
        add_sparse(fd, st->st_size, entry);
    }
    return status;
}
