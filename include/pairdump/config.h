/*
 * config: the INI file as one struct of checked values.
 *
 * One table names every key with its section, type, range and default; an unknown section or key,
 * a bad value, or a duplicate is PD_CONFIG naming file and line. Sections: [pairdump], [catalog],
 * [pool NAME] (repeated), [retry NAME] (an activity kind, or "default", from which the others
 * take what they leave out). Everything has a default, so that no file is needed. Comments stand
 * on lines of their own; what looks like one behind a value is refused, and so is a line over 197
 * bytes. The struct and all strings in it belong to the caller and are
 * released by pd_config_free.
 */
#ifndef PAIRDUMP_CONFIG_H
#define PAIRDUMP_CONFIG_H

#include "pairdump/activity.h"
#include "pairdump/digest_alg.h"
#include "pairdump/progress.h"

enum pd_verify_mode { PD_VERIFY_FULL, PD_VERIFY_SAMPLE, PD_VERIFY_NONE };

struct pd_verify_policy {
    enum pd_verify_mode mode;
    unsigned percent; /* 1..100, of the archives, for PD_VERIFY_SAMPLE */
};

/* "full", "none", "sample=25%" */
bool pd_verify_policy_parse(const char *text, struct pd_verify_policy *out);
void pd_verify_policy_format(struct pd_verify_policy policy, char *out, size_t size);

struct pd_pool_config {
    char *name;                 /* "default" for the pool made of --to targets */
    char *copies[PD_COPIES_MAX]; /* target URLs, copy 1 first */
    size_t copy_count;
    uint64_t pairs; /* sets of drives that work side by side, each with copy_count / pairs of the
                       targets in their order; default 1 */
    char *changer; /* URL of the changer that serves the drives (changer.h), or NULL: drive N-1 of
                      it is that of copyN, unless the target's URL says otherwise */
    char *label_prefix;  /* 1..2 of A-Z 0-9; default "PD" */
    uint64_t block_size; /* default 512 KiB; power of two, 64 KiB .. 4 MiB */
    uint64_t batch_size; /* default 4 GiB */
    uint64_t batch_files; /* default 25000 */
    uint64_t capacity;   /* bytes one volume may hold; 0: what the medium says */
    uint64_t reserve;    /* bytes kept free on each disk; default 64 MiB */
    struct pd_verify_policy verify; /* default full */
    enum pd_digest_alg digest;      /* of the files; default: that of [pairdump] */
    bool verify_swap;               /* tapes change drives before they are verified; default no */
};

struct pd_named_retry {
    char *name; /* activity kind */
    struct pd_retry retry;
};

struct pd_config {
    char *path;            /* file it came from; NULL when none was found */
    char *catalog_url;     /* default NULL: sqlite:catalog.db in the state folder */
    char *credentials;     /* path of a MySQL option file, or NULL */
    char *state_dir;       /* default: $XDG_STATE_HOME/pairdump, ~/.local/state/pairdump, or
                              /var/lib/pairdump for root */
    uint64_t buffer;       /* bytes of the block ring; default 64 MiB */
    enum pd_digest_alg digest; /* for pools that say nothing; default SHA-256 */
    uint64_t stall_ns;     /* default 15 min */
    uint64_t read_deadline_ns; /* of one copy, while another can be read; default 30 s */
    uint64_t media_wait_ns;   /* how long a volume is asked of the operator for; default 0: not */
    unsigned stream_mark; /* percent of the ring that are filled before a tape starts; default 90 */
    uint64_t sync_bytes;  /* of archives of which tape drives are not asked yet; default 32 GiB */
    uint64_t sync_ns;     /* for how long they are not; default 5 min */
    uint64_t catalog_wait_ns; /* how long the end of a dump waits for a catalog that cannot be
                                 reached; default 30 s */
    uint64_t claim_limit_ns;  /* age of a heartbeat at which its run counts as gone; default 10 min */
    uint64_t catalog_reserve; /* bytes kept free beside the catalog; default 16 MiB */
    struct pd_pool_config *pools;
    size_t pool_count;
    struct pd_named_retry *retries; /* always holds "default" */
    size_t retry_count;
};

/* file: path from -c, or NULL to look at $PAIRDUMP_CONF, ~/.config/pairdump/pairdump.conf and
 * /etc/pairdump/pairdump.conf in turn (none found: defaults). A named file that is missing is
 * PD_CONFIG. getenv_fn is passed in so that tests need no environment. */
PD_MUST_USE enum pd_status pd_config_load(const char *file,
                                          const char *(*getenv_fn)(const char *name),
                                          struct pd_config **out, struct pd_error *err);
/* The same from memory; name stands for the file in messages. Fuzzed. */
PD_MUST_USE enum pd_status pd_config_parse(const char *text, size_t len, const char *name,
                                           const char *(*getenv_fn)(const char *name),
                                           struct pd_config **out, struct pd_error *err);
void pd_config_free(struct pd_config *config);

const struct pd_pool_config *pd_config_pool(const struct pd_config *config, const char *name);
/* The policy for an activity kind, else that of "default". */
struct pd_retry pd_config_retry(const struct pd_config *config, const char *activity);
/* Fills a pool with the defaults; strings are NULL but label_prefix and name. Owned by the caller,
 * released with pd_pool_config_release. */
PD_MUST_USE enum pd_status pd_pool_config_init(const char *name, struct pd_pool_config *pool,
                                               struct pd_error *err);
void pd_pool_config_release(struct pd_pool_config *pool);

#endif
