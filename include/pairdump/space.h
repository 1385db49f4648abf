/*
 * space: free bytes of a file system, for the user who runs this (statvfs(3): f_bavail * f_frsize).
 */
#ifndef PAIRDUMP_SPACE_H
#define PAIRDUMP_SPACE_H

#include <stdint.h>

#include "pairdump/error.h"

struct pd_space {
    uint64_t available; /* to this user, not the blocks kept for root */
    uint64_t total;
    uint64_t inodes; /* free to this user; UINT64_MAX where the file system does not count them */
    uint64_t fs_id;  /* st_dev */
};

/* path: any existing file or folder of the file system. */
PD_MUST_USE enum pd_status pd_space_of(const char *path, struct pd_space *out,
                                       struct pd_error *err);
/* PD_NO_SPACE naming path and the missing bytes unless available >= need + reserve. */
PD_MUST_USE enum pd_status pd_space_check(const char *path, uint64_t need, uint64_t reserve,
                                          struct pd_error *err);

#endif
