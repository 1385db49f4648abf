#include "pairdump/space.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "pairdump/size.h"

enum pd_status pd_space_of(const char *path, struct pd_space *out, struct pd_error *err)
{
    struct statvfs vfs;
    struct stat st;
    int result;

    do
        result = statvfs(path, &vfs);
    while (result != 0 && errno == EINTR);
    if (result != 0 || stat(path, &st) != 0) {
        int code = errno;

        return pd_error_set(err, pd_status_from_errno(code), code,
                            "cannot ask for the free space at %s", path);
    }
    out->available = pd_mul_sat(vfs.f_bavail, vfs.f_frsize);
    out->total = pd_mul_sat(vfs.f_blocks, vfs.f_frsize);
    /* Btrfs and others that make inodes as they go count none at all. */
    out->inodes = vfs.f_files == 0 ? UINT64_MAX : vfs.f_favail;
    out->fs_id = st.st_dev;
    return PD_OK;
}

enum pd_status pd_space_check(const char *path, uint64_t need, uint64_t reserve,
                              struct pd_error *err)
{
    struct pd_space space;
    char missing[24], wanted[24], kept[24], available[24];
    uint64_t whole = pd_add_sat(need, reserve);
    enum pd_status status = pd_space_of(path, &space, err);

    if (status != PD_OK || space.available >= whole)
        return status;
    pd_format_size(whole - space.available, missing, sizeof(missing));
    pd_format_size(need, wanted, sizeof(wanted));
    pd_format_size(reserve, kept, sizeof(kept));
    pd_format_size(space.available, available, sizeof(available));
    return pd_error_set(err, PD_NO_SPACE, 0,
                        "%s lacks %s (%" PRIu64 " bytes): %s needed and %s kept in reserve, "
                        "%s available",
                        path, missing, whole - space.available, wanted, kept, available);
}
