/*
 * digest_alg: the algorithms that files are hashed with, and their names: one table.
 *
 * All files of an archive have digests of one of them. SHA-256 is what is meant where nothing is
 * said: in a structure of zeros, and in what was written before there was a choice.
 */
#ifndef PAIRDUMP_DIGEST_ALG_H
#define PAIRDUMP_DIGEST_ALG_H

#include <stdbool.h>
#include <stddef.h>

enum pd_digest_alg {
    PD_DIGEST_SHA256 = 0,
    PD_DIGEST_SHA512,
    PD_DIGEST_SHA3_256,
    PD_DIGEST_BLAKE2B512,
    PD_DIGEST_ALGS /* how many there are */
};

#define PD_DIGEST_MAX   64  /* bytes of the longest */
#define PD_DIGEST_TEXT  129 /* its hex and NUL */
#define PD_DIGEST_NAMES "sha256, sha512, sha3-256, blake2b512"

struct pd_digest_info {
    const char *name;  /* in configuration, catalog and index, and OpenSSL's: "sha3-256" */
    const char *title; /* for people: "SHA3-256" */
    const char *bagit; /* in names of manifests (RFC 8493, 2.4): "sha3256" */
    size_t len;        /* bytes of a digest, up to PD_DIGEST_MAX */
};

/* Never NULL: what comes from outside becomes an algorithm by pd_digest_alg_find only. */
const struct pd_digest_info *pd_digest_alg_info(enum pd_digest_alg alg);
/* false, and *alg untouched, when there is none of that name; case counts. */
bool pd_digest_alg_find(const char *name, enum pd_digest_alg *alg);

#endif
