/*
 * index: what one dump put on one volume, as a tar of plain text at its end.
 *
 * Top folder "<dump-name>.index": "index-info.txt" ("Label: value": format version, dump name and
 * UUID, volume label and UUID, archives, digest algorithm, created, software, and what else a
 * catalog made anew from volumes is to know of the dump; older ones lack the latter), then for each
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

/* What a dump says of itself, in index-info.txt and in bag-info.txt. Empty or 0: it does not say.
 */
struct pd_index_facts {
    char host[256];
    char roots[1024]; /* percent-escaped, space-separated, cut with "..." */
    char pool[PD_POOL_TEXT];
    char policy[32];
    int64_t started; /* UTC ns */
    unsigned copies; /* that each archive was to have */
    bool incremental;
};

struct pd_index_info {
    char dump_name[128];
    char dump_uuid[PD_UUID_TEXT];
    char label[PD_LABEL_TEXT];
    char volume_uuid[PD_UUID_TEXT];
    uint64_t archives;
    enum pd_digest_alg alg; /* of all its archives */
    int64_t created;        /* UTC ns */
    uint64_t pair;   /* number of the volume's pair; 0: none, or not told */
    uint64_t skipped, problems; /* of the dump, so far */
    struct pd_index_facts facts;
    const char *lines; /* for encoding: more lines, as of problems; NULL: none */
};

/* Something that was wrong with a source file. */
struct pd_index_problem {
    const char *path, *message;
    enum pd_status status;
    int sys_errno;
    bool archived;
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

/* Lines "<prefix>Host: ..." of a "Label: value" text; what is not known gets none. And back, as far
 * as the lines are there and sound. */
PD_MUST_USE enum pd_status
pd_index_facts_encode(const char *prefix, const struct pd_index_facts *facts, struct pd_buf *out);
void pd_index_facts_decode(const char *prefix, const char *text, size_t len,
                           struct pd_index_facts *out);
/* "Problem: <status> <errno> kept|- <path><TAB><message>", and all such lines of a text; lines that
 * are not sound are left out. */
typedef enum pd_status (*pd_index_problem_fn)(void *arg, const struct pd_index_problem *problem,
                                              struct pd_error *err);
PD_MUST_USE enum pd_status pd_index_problem_encode(const struct pd_index_problem *problem,
                                                   struct pd_buf *out);
PD_MUST_USE enum pd_status pd_index_problems(const char *text, size_t len, pd_index_problem_fn fn,
                                             void *arg, struct pd_error *err);

#endif
