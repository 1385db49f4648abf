/*
 * hardlinks: (device, inode) to the first name of a file with several, for one archive.
 */
#ifndef PAIRDUMP_STREAM_HARDLINKS_H
#define PAIRDUMP_STREAM_HARDLINKS_H

#include <stdint.h>

#include "pairdump/error.h"

struct pd_hardlinks;
PD_MUST_USE enum pd_status pd_hardlinks_new(struct pd_hardlinks **out, struct pd_error *err);
void pd_hardlinks_free(struct pd_hardlinks *links);
/* value: place in the toc. A second add of the same file wins. */
PD_MUST_USE enum pd_status pd_hardlinks_add(struct pd_hardlinks *links, uint64_t dev, uint64_t ino,
                                            uint64_t value, struct pd_error *err);
bool pd_hardlinks_find(const struct pd_hardlinks *links, uint64_t dev, uint64_t ino,
                       uint64_t *value);

#endif
