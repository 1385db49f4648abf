#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/size.h"
#include "pairdump/text.h"
#include "target_disk_priv.h"

#define TAR_END    ".tar"
#define DIGITS_MIN 4
#define DIGITS_MAX 10
#define FIRST_ROOM 16

static bool ends_with(const char *name, size_t len, const char *end)
{
    size_t end_len = strlen(end);

    return len > end_len && memcmp(name + len - end_len, end, end_len) == 0;
}

/* "NNNN-<name>.tar" of len bytes. Numbers are written one way only: 4 digits, more if needed. */
static bool parse_tape_name(const char *name, size_t len, uint32_t *number)
{
    size_t digits = strspn(name, "0123456789");
    char text[DIGITS_MAX + 1];
    uint64_t value;

    if (digits < DIGITS_MIN || digits > DIGITS_MAX || (digits > DIGITS_MIN && name[0] == '0') ||
        name[digits] != '-' || !ends_with(name, len, TAR_END) ||
        len <= digits + 1 + strlen(TAR_END))
        return false;
    memcpy(text, name, digits);
    text[digits] = '\0';
    if (!pd_parse_u64(text, &value) || value > UINT32_MAX)
        return false;
    *number = (uint32_t)value;
    return true;
}

static bool is_partial(const char *name)
{
    size_t len = strlen(name);
    uint32_t number;

    if (!ends_with(name, len, PD_TARGET_DISK_PARTIAL))
        return false;
    len -= strlen(PD_TARGET_DISK_PARTIAL);
    return parse_tape_name(name, len, &number) ||
           (len == strlen(PD_TARGET_DISK_README) && memcmp(name, PD_TARGET_DISK_README, len) == 0);
}

/* Makes room for one more element of an array. */
static bool grow(void *array, size_t size, size_t count, size_t *room)
{
    size_t wanted = *room == 0 ? FIRST_ROOM : *room * 2;
    void *old, *new;

    if (count < *room)
        return true;
    memcpy(&old, array, sizeof(old));
    new = reallocarray(old, wanted, size);
    if (new == NULL)
        return false;
    memcpy(array, &new, sizeof(new));
    *room = wanted;
    return true;
}

static enum pd_status open_list(int fd, const char *name, DIR **out, struct pd_error *err)
{
    /* A description of its own: the position in the folder is not shared. */
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = errno;

    *out = own < 0 ? NULL : fdopendir(own);
    if (*out != NULL)
        return PD_OK;
    if (own >= 0) {
        code = errno;
        (void)close(own);
    }
    return pd_error_set(err, pd_status_from_errno(code), code, "cannot list the folder %s", name);
}

/* The next entry but "." and ".."; *out NULL at the end. */
static enum pd_status next_entry(DIR *list, const char *name, const struct dirent **out,
                                 struct pd_error *err)
{
    do {
        errno = 0;
        *out = readdir(list);
    } while (*out != NULL &&
             (strcmp((*out)->d_name, ".") == 0 || strcmp((*out)->d_name, "..") == 0));
    if (*out == NULL && errno != 0)
        return pd_error_set(err, PD_IO, errno, "cannot list the folder %s", name);
    return PD_OK;
}

static bool add_partial(struct pd_target_disk_folder *folder, const char *name)
{
    if (!grow(&folder->partials, sizeof(*folder->partials), folder->partial_count,
              &folder->partial_room))
        return false;
    folder->partials[folder->partial_count] = strdup(name);
    if (folder->partials[folder->partial_count] == NULL)
        return false;
    folder->partial_count++;
    return true;
}

enum pd_status pd_target_disk_add(struct pd_target_disk_folder *folder, uint32_t number,
                                  uint64_t size, const char *name, struct pd_error *err)
{
    struct pd_target_disk_file *file;

    if (!grow(&folder->files, sizeof(*folder->files), folder->count, &folder->room))
        return pd_error_memory(err, "the list of a volume's tape files");
    file = &folder->files[folder->count];
    file->name = strdup(name);
    if (file->name == NULL)
        return pd_error_memory(err, "the list of a volume's tape files");
    file->number = number;
    file->size = size;
    folder->count++;
    folder->used = pd_add_sat(folder->used, size);
    return PD_OK;
}

static enum pd_status take_entry(int fd, const char *name, struct pd_target_disk_folder *folder,
                                 struct pd_error *err)
{
    struct stat st;
    uint32_t number = 0;

    if (strcmp(name, PD_TARGET_DISK_README) == 0)
        return PD_OK;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        /* Renamed or given up by its writer since the listing. */
        if (errno == ENOENT)
            return PD_OK;
        return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot look at %s", name);
    }
    if (S_ISREG(st.st_mode) && parse_tape_name(name, strlen(name), &number))
        return pd_target_disk_add(folder, number, (uint64_t)st.st_size, name, err);
    if (S_ISREG(st.st_mode) && is_partial(name))
        return add_partial(folder, name)
                   ? PD_OK
                   : pd_error_memory(err, "the list of a volume's unfinished files");
    folder->others = true;
    return PD_OK;
}

static int by_number(const void *a, const void *b)
{
    const struct pd_target_disk_file *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

enum pd_status pd_target_disk_scan(int fd, const char *name, struct pd_target_disk_folder *folder,
                                   struct pd_error *err)
{
    const struct dirent *entry = NULL;
    DIR *list = NULL;
    enum pd_status status;

    pd_target_disk_folder_free(folder);
    status = open_list(fd, name, &list, err);
    while (status == PD_OK) {
        status = next_entry(list, name, &entry, err);
        if (status != PD_OK || entry == NULL)
            break;
        status = take_entry(fd, entry->d_name, folder, err);
    }
    if (list != NULL)
        (void)closedir(list);
    if (status != PD_OK)
        pd_target_disk_folder_free(folder);
    else if (folder->count > 0)
        qsort(folder->files, folder->count, sizeof(*folder->files), by_number);
    return status;
}

void pd_target_disk_folder_free(struct pd_target_disk_folder *folder)
{
    for (size_t i = 0; i < folder->count; i++)
        free(folder->files[i].name);
    for (size_t i = 0; i < folder->partial_count; i++)
        free(folder->partials[i]);
    free(folder->files);
    free(folder->partials);
    memset(folder, 0, sizeof(*folder));
}

enum pd_status pd_target_disk_check(const struct pd_target_disk_folder *folder, const char *name,
                                    struct pd_error *err)
{
    for (size_t i = 0; i < folder->count; i++) {
        if (i > 0 && folder->files[i].number == folder->files[i - 1].number)
            return pd_error_set(
                err, PD_BAD_FORMAT, 0, "%s holds two tape files of number %" PRIu32 ": %s and %s",
                name, folder->files[i].number, folder->files[i - 1].name, folder->files[i].name);
        if (folder->files[i].number != i)
            return pd_error_set(err, PD_BAD_FORMAT, 0,
                                "tape file %zu is missing in %s, but %s is there", i, name,
                                folder->files[i].name);
    }
    if (folder->count == 0)
        return pd_error_set(err, PD_BAD_FORMAT, 0, "%s no longer holds its label (tape file 0)",
                            name);
    return PD_OK;
}

enum pd_status pd_target_disk_find(const struct pd_target_disk_folder *folder, const char *name,
                                   uint32_t number, const struct pd_target_disk_file **out,
                                   struct pd_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < folder->count; i++) {
        if (folder->files[i].number != number)
            continue;
        if (*out != NULL)
            return pd_error_set(err, PD_BAD_FORMAT, 0,
                                "%s holds two tape files of number %" PRIu32 ": %s and %s", name,
                                number, (*out)->name, folder->files[i].name);
        *out = &folder->files[i];
    }
    if (*out == NULL)
        return pd_error_set(err, PD_MISSING, 0, "%s holds no tape file %" PRIu32, name, number);
    return PD_OK;
}

bool pd_target_disk_is_blank(const struct pd_target_disk_folder *folder)
{
    return folder->count == 0 && !folder->others;
}

/* ---- the root ---- */

static enum pd_status take_label(int fd, const char *name, struct pd_target_disk_root *root,
                                 struct pd_error *err)
{
    struct pd_target_disk_folder folder = {0};
    int own = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    enum pd_status status;

    if (own < 0) {
        root->things = true;
        return PD_OK;
    }
    status = pd_target_disk_scan(own, name, &folder, err);
    if (status == PD_OK && folder.count > 0 && folder.files[0].number == 0) {
        if (!grow(&root->labels, sizeof(*root->labels), root->count, &root->room))
            status = pd_error_memory(err, "the list of volumes");
        else
            memcpy(root->labels[root->count++], name,
                   strlen(name) + 1); /* a valid label: it fits */
    } else if (status == PD_OK && !pd_target_disk_is_blank(&folder)) {
        root->things = true;
    }
    pd_target_disk_folder_free(&folder);
    (void)close(own);
    return status;
}

enum pd_status pd_target_disk_scan_root(int fd, const char *dir, struct pd_target_disk_root *root,
                                        struct pd_error *err)
{
    const struct dirent *entry = NULL;
    DIR *list = NULL;
    enum pd_status status;

    memset(root, 0, sizeof(*root));
    status = open_list(fd, dir, &list, err);
    while (status == PD_OK) {
        status = next_entry(list, dir, &entry, err);
        if (status != PD_OK || entry == NULL)
            break;
        if (pd_label_is_valid(entry->d_name))
            status = take_label(fd, entry->d_name, root, err);
        else if (strcmp(entry->d_name, "lost+found") != 0)
            root->things = true;
    }
    if (list != NULL)
        (void)closedir(list);
    if (status != PD_OK)
        pd_target_disk_root_free(root);
    return status;
}

void pd_target_disk_root_free(struct pd_target_disk_root *root)
{
    free(root->labels);
    memset(root, 0, sizeof(*root));
}
