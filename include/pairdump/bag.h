/*
 * bag: the tag files of a BagIt bag (RFC 8493) as text, built line by line and parsed back.
 *
 * Paths here are relative to the bag's top folder ("data/usr/share/..."). A manifest line is
 * "<hex>  <path>\n" with two spaces, as sha256sum prints, CR, LF and '%' of the path escaped.
 */
#ifndef PAIRDUMP_BAG_H
#define PAIRDUMP_BAG_H

#include "pairdump/digest.h"
#include "pairdump/text.h"
#include "pairdump/toc.h"

/* "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n" */
const char *pd_bagit_txt(void);

/* path need not be NUL-terminated. */
PD_MUST_USE enum pd_status pd_bag_manifest_line(struct pd_buf *out, const char *hex,
                                                const char *path, size_t len);
/* "Label: value\n", long values not folded; CR and LF in the value become spaces. */
PD_MUST_USE enum pd_status pd_bag_info_line(struct pd_buf *out, const char *label,
                                            const char *fmt, ...) PD_PRINTF(3, 4);

/* "manifest-sha256.txt", or with tags "tagmanifest-sha256.txt" (RFC 8493, 2.4). */
#define PD_BAG_MANIFEST_TEXT 32
void pd_bag_manifest_name(enum pd_digest_alg alg, bool tags, char out[PD_BAG_MANIFEST_TEXT]);
/* Is this the name of a manifest of the payload? *alg: PD_DIGEST_ALGS when it is of an algorithm
 * that is not known here. */
bool pd_bag_is_manifest(const char *name, enum pd_digest_alg *alg);
/* The whole manifest of a toc's payload: regular files and hard links, in order. */
PD_MUST_USE enum pd_status pd_bag_manifest(struct pd_buf *out, const struct pd_toc *toc);
/* Tag file "not-whole.txt": one line "<state> <escaped path>" for each file that is not PD_WHOLE;
 * empty buffer if all are. */
PD_MUST_USE enum pd_status pd_bag_not_whole(struct pd_buf *out, const struct pd_toc *toc);

/* Walks a manifest of any origin. Called per line with the decoded path (no NUL inside, checked
 * with pd_path_is_safe; a line that fails any check is PD_BAD_FORMAT naming its number). */
typedef enum pd_status (*pd_bag_line_fn)(void *arg, const uint8_t *digest, const char *path,
                                         size_t len, struct pd_error *err);
PD_MUST_USE enum pd_status pd_bag_manifest_parse(const char *text, size_t len, size_t digest_len,
                                                 pd_bag_line_fn fn, void *arg,
                                                 struct pd_error *err);
/* "Label: value" lines, values with continuation lines folded to one. Labels match regardless of
 * case. false when absent; out always NUL-terminated. */
bool pd_bag_info_get(const char *text, size_t len, const char *label, char *out, size_t size);
/* The same, but false too when the value does not fit whole, or is no number up to max. */
bool pd_bag_info_text(const char *text, size_t len, const char *label, char *out, size_t size);
bool pd_bag_info_u64(const char *text, size_t len, const char *label, uint64_t max, uint64_t *out);

#endif
