/*
 * digest: digests of files (OpenSSL EVP; pd_digest_many) and XXH3-128 of records (libxxhash).
 *
 * The files of an archive have digests of one algorithm, which catalog, index and manifest name. A
 * struct pd_digest is a reusable hashing context for one thread. Record digests are values: 16
 * bytes in the canonical big-endian order that xxh128sum prints (xxHash spec, XXH128 canonical
 * form).
 */
#ifndef PAIRDUMP_DIGEST_H
#define PAIRDUMP_DIGEST_H

#include <stdint.h>

#include "pairdump/digest_alg.h"
#include "pairdump/error.h"

#define PD_SHA256_LEN  32
#define PD_SHA256_TEXT 65 /* hex and NUL */
#define PD_XXH128_LEN  16
#define PD_XXH128_TEXT 33

struct pd_xxh128 {
    uint8_t bytes[PD_XXH128_LEN];
};

struct pd_xxh128 pd_record_digest(const void *record, size_t len);
bool pd_xxh128_equal(const struct pd_xxh128 *a, const struct pd_xxh128 *b);

struct pd_digest;
/* name: of an algorithm, as pd_digest_alg_info has it. Starts ready for update. Free with
 * pd_digest_free. */
PD_MUST_USE enum pd_status pd_digest_new(const char *name, struct pd_digest **out,
                                         struct pd_error *err);
void pd_digest_free(struct pd_digest *digest);
size_t pd_digest_len(const struct pd_digest *digest); /* bytes of a result */
PD_MUST_USE enum pd_status pd_digest_update(struct pd_digest *digest, const void *data, size_t len,
                                            struct pd_error *err);
/* Hashes n zero bytes (a hole). */
PD_MUST_USE enum pd_status pd_digest_zeros(struct pd_digest *digest, uint64_t n,
                                           struct pd_error *err);
/* Gives the result and starts anew. out holds pd_digest_len bytes. */
PD_MUST_USE enum pd_status pd_digest_final(struct pd_digest *digest, uint8_t *out,
                                           struct pd_error *err);

/*
 * Many whole messages at once: SHA-256 of what lies in memory, several messages interleaved where the
 * processor and the library at hand (intel-ipsec-mb) can, one after the other where not.
 */
#define PD_DIGEST_BATCH 64

struct pd_digest_item {
    const void *bytes;
    size_t len;      /* not 0 */
    uint64_t number; /* the caller's */
    uint8_t sha256[PD_SHA256_LEN]; /* the result */
};

struct pd_digest_many;
PD_MUST_USE enum pd_status pd_digest_many_new(struct pd_digest_many **out, struct pd_error *err);
void pd_digest_many_free(struct pd_digest_many *many);
/* Fills in the results of up to PD_DIGEST_BATCH items. */
PD_MUST_USE enum pd_status pd_digest_many(struct pd_digest_many *many,
                                          struct pd_digest_item *items, size_t count,
                                          struct pd_error *err);

#endif
