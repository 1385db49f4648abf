/*
 * audit: reading back what was longest not read, as much as a budget allows.
 *
 * Volumes with copies that count come in the order of pd_volume_row.last_verified; one that never
 * was read back as a whole, or only in the future, is the oldest. What is picked is verified by
 * check.h and recorded archive by archive: what a budget or an interrupt leaves of a volume is what
 * was read last, and comes first the next time. A volume out of reach costs nothing: the next is
 * picked in its stead, and the audit has not done what was asked of it.
 */
#ifndef PAIRDUMP_AUDIT_H
#define PAIRDUMP_AUDIT_H

#include "pairdump/check.h"

/* A volume that may be picked. */
struct pd_audit_volume {
    int64_t id;
    char label[PD_LABEL_TEXT];
    int64_t verified;               /* 0: never, or in the future */
    size_t place;                   /* volumes of one place are read one after the other */
    uint64_t archives, bytes;       /* on it that are still to be read */
    uint64_t known_bytes, known_ns; /* how fast it was read before; ns 0: not known */
    bool out;                       /* out of reach */
    uint64_t
        take; /* answer of a pick: so many bytes of it, those longest not read; 0: not picked */
    uint64_t take_archives; /* set when the archives are chosen */
};
/* What may be spent; UINT64_MAX: no limit. Each place has all the time. */
struct pd_audit_budget {
    uint64_t bytes, ns;
};
/* Sets take of each. Volumes stand in the order in which they are to be picked. Where time counts,
 * and it is not known how fast a volume is, it is picked alone, if it is the first. */
void pd_audit_pick(struct pd_audit_volume *volumes, size_t count,
                   const struct pd_audit_budget *budget);
/* Oldest first, those of one age by label. */
int pd_audit_compare(const void *a, const void *b);
/* Time that so many bytes of it take; 0 when that is not known. */
uint64_t pd_audit_estimate(const struct pd_audit_volume *volume, uint64_t bytes);

typedef enum pd_status (*pd_audit_volume_fn)(void *arg, const struct pd_audit_volume *volume,
                                             struct pd_error *err);
struct pd_audit_options {
    struct pd_audit_budget budget; /* at least one archive is read */
    uint64_t older_than_ns;        /* 0: any age */
    const char *pool;              /* NULL: all */
    bool dry_run;
    const char *const *at; /* as for check */
    size_t at_count;
    struct pd_retry retry;
    pd_audit_volume_fn on_volume;  /* each one picked, before it is read; may be NULL */
    pd_verify_result_fn on_result; /* may be NULL */
    void *arg;
};
struct pd_audit_summary {
    enum pd_status status; /* PD_OK: all that was picked is good; or nothing was to be done */
    uint64_t due;          /* volumes old enough */
    uint64_t picked;
    struct pd_check_summary check; /* of all that was read; `missing` is not asked for */
    /* after it, over all volumes that hold something, due or not: */
    uint64_t volumes, never; /* never: not read back as a whole */
    int64_t oldest;          /* of the others, 0: there is none */
    char oldest_label[PD_LABEL_TEXT];
};
/* Returns PD_OK when a summary was reached, whatever it says. PD_NOT_FOUND: no volume of that pool.
 */
PD_MUST_USE enum pd_status pd_audit_run(const struct pd_env *env, struct pd_catalog *catalog,
                                        const struct pd_audit_options *options,
                                        struct pd_audit_summary *summary, struct pd_error *err);

#endif
