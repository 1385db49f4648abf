#include "pairdump/digest.h"

#ifdef PD_IPSEC_MB
#include <intel-ipsec-mb.h>

#define LANE_MAX 65534 /* longer messages are refused (1.3) */
#endif

/*
 * One message leaves the SHA-256 unit of a processor half idle, as each round waits for the one before;
 * two of them interleaved take hardly longer than one. OpenSSL has no call for that.
 */
struct pd_digest_many {
#ifdef PD_IPSEC_MB
    IMB_MGR *lanes; /* NULL: not on this processor */
#endif
    struct pd_digest *single;
};

static enum pd_status hash_one(struct pd_digest_many *many, struct pd_digest_item *item,
                               struct pd_error *err)
{
    enum pd_status status = pd_digest_update(many->single, item->bytes, item->len, err);

    return status == PD_OK ? pd_digest_final(many->single, item->sha256, err) : status;
}

#ifdef PD_IPSEC_MB

static void open_lanes(struct pd_digest_many *many)
{
    many->lanes = alloc_mb_mgr(0);
    if (many->lanes == NULL)
        return;
    init_mb_mgr_auto(many->lanes, NULL);
    if (imb_get_errno(many->lanes) != 0) {
        free_mb_mgr(many->lanes);
        many->lanes = NULL;
    }
}

static void close_lanes(struct pd_digest_many *many)
{
    if (many->lanes != NULL)
        free_mb_mgr(many->lanes);
}

static bool fits_lane(const struct pd_digest_many *many, const struct pd_digest_item *item)
{
    return many->lanes != NULL && item->len <= LANE_MAX;
}

static IMB_JOB *submit(struct pd_digest_many *many, struct pd_digest_item *item)
{
    IMB_JOB *job = IMB_GET_NEXT_JOB(many->lanes);

    memset(job, 0, sizeof(*job));
    job->cipher_mode = IMB_CIPHER_NULL;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->chain_order = IMB_ORDER_HASH_CIPHER;
    job->hash_alg = IMB_AUTH_SHA_256;
    job->src = item->bytes;
    job->msg_len_to_hash_in_bytes = item->len;
    job->auth_tag_output = item->sha256;
    job->auth_tag_output_len_in_bytes = PD_SHA256_LEN;
    return IMB_SUBMIT_JOB(many->lanes);
}

/* The jobs that were completed, from this one on. */
static size_t count_good(struct pd_digest_many *many, IMB_JOB *job)
{
    size_t good = 0;

    for (; job != NULL; job = IMB_GET_COMPLETED_JOB(many->lanes))
        good += job->status == IMB_STATUS_COMPLETED;
    return good;
}

static enum pd_status hash_in_lanes(struct pd_digest_many *many, struct pd_digest_item *items,
                                    size_t count, struct pd_error *err)
{
    size_t wanted = 0, good = 0;
    IMB_JOB *job;

    for (size_t i = 0; i < count; i++) {
        if (!fits_lane(many, &items[i]))
            continue;
        wanted++;
        good += count_good(many, submit(many, &items[i]));
    }
    while (wanted > 0 && (job = IMB_FLUSH_JOB(many->lanes)) != NULL)
        good += count_good(many, job);
    return good == wanted ? PD_OK
                          : pd_error_set(err, PD_INTERNAL, 0, "digest: intel-ipsec-mb failed");
}

#else

static void open_lanes(struct pd_digest_many *many)
{
    (void)many;
}

static void close_lanes(struct pd_digest_many *many)
{
    (void)many;
}

static bool fits_lane(const struct pd_digest_many *many, const struct pd_digest_item *item)
{
    (void)many;
    (void)item;
    return false;
}

static enum pd_status hash_in_lanes(struct pd_digest_many *many, struct pd_digest_item *items,
                                    size_t count, struct pd_error *err)
{
    (void)many;
    (void)items;
    (void)count;
    (void)err;
    return PD_OK;
}

#endif

enum pd_status pd_digest_many_new(struct pd_digest_many **out, struct pd_error *err)
{
    struct pd_digest_many *many = calloc(1, sizeof(*many));
    enum pd_status status;

    *out = NULL;
    if (many == NULL)
        return pd_error_memory(err, "digests");
    status = pd_digest_new("sha256", &many->single, err);
    if (status != PD_OK) {
        free(many);
        return status;
    }
    open_lanes(many);
    *out = many;
    return PD_OK;
}

void pd_digest_many_free(struct pd_digest_many *many)
{
    if (many == NULL)
        return;
    close_lanes(many);
    pd_digest_free(many->single);
    free(many);
}

enum pd_status pd_digest_many(struct pd_digest_many *many, struct pd_digest_item *items,
                              size_t count, struct pd_error *err)
{
    enum pd_status status = hash_in_lanes(many, items, count, err);

    for (size_t i = 0; i < count && status == PD_OK; i++)
        if (!fits_lane(many, &items[i]))
            status = hash_one(many, &items[i], err);
    return status;
}
