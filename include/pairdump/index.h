/*
 * index: what one dump put on one volume, as a tar of plain text at its end.
 *
 * Top folder "<dump-name>.index": "index-info.txt" ("Label: value": format version, dump name and
 * UUID, volume label and UUID, archives, digest algorithm, created, software), then for each
 * archive
 * "<archive-name>.txt". Its grammar, fields split by one tab, lines ended by LF, paths
 * percent-escaped (text.h):
 *
 *     archive <name> <seq> <tape-file> <record-size> <records> <files> <payload-bytes>
 *             <payload-files> <manifest-offset> [<digest>]
 *     record  <no from 0> <xxh3-128 hex>
 *     file    <kind> <state> <mode octal> <uid> <gid> <size> <mtime s.ns> <ctime s.ns> <dev>:<ino>
 *             <offset> <length> <digest hex or -> <path> [<link>]
 *     end     <records> <files>
 *
 * <digest> is the name of the algorithm of the files' digests (digest_alg.h). For SHA-256 it is
 * left out, and the index is of format 1 as it was before there were others; with any other of
 * format 2.
 *
 * Decoding keeps no more than one archive's table in memory.
 */
#ifndef PAIRDUMP_INDEX_H
#define PAIRDUMP_INDEX_H

#include "pairdump/label.h"
#include "pairdump/toc.h"

#define PD_INDEX_FORMAT 2 /* the highest that is known here */

struct pd_index_info {
    char dump_name[128];
    char dump_uuid[PD_UUID_TEXT];
    char label[PD_LABEL_TEXT];
    char volume_uuid[PD_UUID_TEXT];
    uint64_t archives;
    enum pd_digest_alg alg; /* of all its archives */
    int64_t created;        /* UTC ns */
};

/* One archive's text; appends to out. */
PD_MUST_USE enum pd_status pd_index_encode(const struct pd_toc *toc, uint32_t tape_file,
                                           struct pd_buf *out);
/* And back; toc is initialized by the call and released by the caller. Fuzzed. Paths are checked:
 * absolute, clean. */
PD_MUST_USE enum pd_status pd_index_decode(const char *text, size_t len, struct pd_toc *toc,
                                           uint32_t *tape_file, struct pd_error *err);
PD_MUST_USE enum pd_status pd_index_info_encode(const struct pd_index_info *info,
                                                struct pd_buf *out);
PD_MUST_USE enum pd_status pd_index_info_decode(const char *text, size_t len,
                                                struct pd_index_info *out, struct pd_error *err);

#endif
