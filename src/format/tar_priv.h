/*
 * What the parts of tar share.
 */
#ifndef PAIRDUMP_TAR_PRIV_H
#define PAIRDUMP_TAR_PRIV_H

#include "pairdump/tar.h"

/* Leaves each extended attribute of an entry just read once, under its real name. */
PD_MUST_USE enum pd_status pd_tar_xattr_unify(struct archive_entry *entry, struct pd_error *err);

/* Puts ACL numbers that libarchive would lose where they survive, and back after reading. */
PD_MUST_USE enum pd_status pd_tar_acl_narrow(struct archive_entry *entry, struct pd_error *err);
PD_MUST_USE enum pd_status pd_tar_acl_widen(struct archive_entry *entry, struct pd_error *err);

#endif
