/*
 * label: tape file 0 of a volume: volume-info.txt and README.txt in one pax tar.
 *
 * volume-info.txt holds "Label: value" lines (as bag-info.txt of RFC 8493): Pairdump-Format,
 * Volume-Label, Volume-UUID, Pool, Copy-Number, Partner (repeated: "<copy> <label> <uuid>"),
 * Block-Size, Created, Software. README.txt tells how to restore with mt, dd, tar and sha256sum (or
 * what makes the digests at hand). The tar is padded with zeros to whole records of the block size.
 * Unknown lines are skipped; a format version above ours is PD_UNSUPPORTED.
 */
#ifndef PAIRDUMP_LABEL_H
#define PAIRDUMP_LABEL_H

#include "pairdump/progress.h"
#include "pairdump/rng.h"
#include "pairdump/text.h"

#define PD_FORMAT_VERSION 1
#define PD_LABEL_TEXT     9 /* 8 characters and NUL */
#define PD_POOL_TEXT      65

struct pd_partner {
    unsigned copy; /* its copy number */
    char label[PD_LABEL_TEXT];
    char uuid[PD_UUID_TEXT];
};

struct pd_label {
    unsigned format;
    char label[PD_LABEL_TEXT];
    char uuid[PD_UUID_TEXT];
    char pool[PD_POOL_TEXT];
    unsigned copy;         /* 1..8 */
    struct pd_partner partners[PD_COPIES_MAX - 1];
    size_t partner_count;
    uint64_t block_size;   /* 64 KiB..4 MiB */
    int64_t created;       /* UTC ns, whole seconds */
    char software[64];     /* "pairdump 0.1.0" */
};

/* The whole tape file, padded to block_size. Appends to out. */
PD_MUST_USE enum pd_status pd_label_encode(const struct pd_label *label, struct pd_buf *out,
                                           struct pd_error *err);
/* bytes: the tape file, or at least its first record. Not a tar, or a tar without volume-info.txt
 * first: PD_FOREIGN; ours but broken: PD_BAD_FORMAT. Fuzzed. */
PD_MUST_USE enum pd_status pd_label_decode(const void *bytes, size_t len, struct pd_label *out,
                                           struct pd_error *err);
/* The text of README.txt (also put on disk beside the label); appends to out. */
PD_MUST_USE enum pd_status pd_label_readme(const struct pd_label *label, struct pd_buf *out);

#endif
