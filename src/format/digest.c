#include "pairdump/digest.h"

#include <openssl/evp.h>
#include <xxhash.h>

/* Chooses the widest vectors of the processor at run time; xxhash.h takes those that all x86 have. */
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#endif

_Static_assert(sizeof(XXH128_canonical_t) == PD_XXH128_LEN, "canonical form of XXH3-128");

struct pd_digest {
    EVP_MD *md; /* fetched once: a look-up by name costs more than hashing a small file */
    EVP_MD_CTX *ctx;
    size_t len;
};

struct pd_xxh128 pd_record_digest(const void *record, size_t len)
{
    XXH128_canonical_t canonical;
    struct pd_xxh128 out;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits(record, len));
    memcpy(out.bytes, canonical.digest, sizeof(out.bytes));
    return out;
}

bool pd_xxh128_equal(const struct pd_xxh128 *a, const struct pd_xxh128 *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static enum pd_status digest_failed(struct pd_error *err, const char *what)
{
    return pd_error_set(err, PD_INTERNAL, 0, "digest: OpenSSL refused to %s", what);
}

enum pd_status pd_digest_new(const char *name, struct pd_digest **out, struct pd_error *err)
{
    struct pd_digest *digest = NULL;
    enum pd_status status = PD_OK;

    *out = NULL;
    digest = calloc(1, sizeof(*digest));
    if (digest == NULL) {
        status = pd_error_memory(err, "a digest");
        goto out;
    }
    digest->md = EVP_MD_fetch(NULL, name, NULL);
    if (digest->md == NULL) {
        status = pd_error_set(err, PD_UNSUPPORTED, 0, "OpenSSL here has no digest \"%s\"", name);
        goto out;
    }
    digest->ctx = EVP_MD_CTX_new();
    if (digest->ctx == NULL) {
        status = pd_error_memory(err, "a digest");
        goto out;
    }
    digest->len = (size_t)EVP_MD_get_size(digest->md);
    if (EVP_DigestInit_ex2(digest->ctx, digest->md, NULL) != 1) {
        status = digest_failed(err, "start a digest");
        goto out;
    }
    *out = digest;
    digest = NULL;
out:
    pd_digest_free(digest);
    return status;
}

void pd_digest_free(struct pd_digest *digest)
{
    if (digest == NULL)
        return;
    EVP_MD_CTX_free(digest->ctx);
    EVP_MD_free(digest->md);
    free(digest);
}

size_t pd_digest_len(const struct pd_digest *digest)
{
    return digest->len;
}

enum pd_status pd_digest_update(struct pd_digest *digest, const void *data, size_t len,
                                struct pd_error *err)
{
    if (len == 0)
        return PD_OK;
    if (EVP_DigestUpdate(digest->ctx, data, len) != 1)
        return digest_failed(err, "take data");
    return PD_OK;
}

enum pd_status pd_digest_zeros(struct pd_digest *digest, uint64_t n, struct pd_error *err)
{
    static const uint8_t zeros[65536];
    enum pd_status status = PD_OK;

    while (n > 0 && status == PD_OK) {
        size_t step = n < sizeof(zeros) ? (size_t)n : sizeof(zeros);

        status = pd_digest_update(digest, zeros, step, err);
        n -= step;
    }
    return status;
}

enum pd_status pd_digest_final(struct pd_digest *digest, uint8_t *out, struct pd_error *err)
{
    if (EVP_DigestFinal_ex(digest->ctx, out, NULL) != 1)
        return digest_failed(err, "finish a digest");
    if (EVP_DigestInit_ex2(digest->ctx, digest->md, NULL) != 1)
        return digest_failed(err, "start a digest");
    return PD_OK;
}
