#include "pairdump/digest_alg.h"

#include <string.h>

static const struct pd_digest_info algs[PD_DIGEST_ALGS] = {
    [PD_DIGEST_SHA256] = {"sha256", "SHA-256", "sha256", 32},
    [PD_DIGEST_SHA512] = {"sha512", "SHA-512", "sha512", 64},
    [PD_DIGEST_SHA3_256] = {"sha3-256", "SHA3-256", "sha3256", 32},
    [PD_DIGEST_BLAKE2B512] = {"blake2b512", "BLAKE2b-512", "blake2b512", 64},
};

const struct pd_digest_info *pd_digest_alg_info(enum pd_digest_alg alg)
{
    return &algs[alg];
}

bool pd_digest_alg_find(const char *name, enum pd_digest_alg *alg)
{
    for (unsigned i = 0; i < PD_DIGEST_ALGS; i++) {
        if (strcmp(algs[i].name, name) == 0) {
            *alg = (enum pd_digest_alg)i;
            return true;
        }
    }
    return false;
}
