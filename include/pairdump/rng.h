/*
 * rng: randomness as an argument. From the kernel for programs, seeded for tests and test data.
 *
 * Thread-safe. Not for keys: a seeded generator is predictable by design.
 */
#ifndef PAIRDUMP_RNG_H
#define PAIRDUMP_RNG_H

#include <stddef.h>
#include <stdint.h>

#include "pairdump/error.h"

struct pd_rng;

/* seed NULL: from getrandom(2). The caller frees it with pd_rng_free. */
PD_MUST_USE enum pd_status pd_rng_new(const uint64_t *seed, struct pd_rng **out,
                                      struct pd_error *err);
void pd_rng_free(struct pd_rng *rng);
uint64_t pd_rng_next(struct pd_rng *rng);                  /* 64 uniform bits */
uint64_t pd_rng_below(struct pd_rng *rng, uint64_t limit); /* 0 <= x < limit; limit > 0 */

#define PD_UUID_TEXT 37 /* "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx" and NUL */

/* A version 4 UUID (RFC 9562) as lower-case text. */
void pd_uuid_make(struct pd_rng *rng, char out[PD_UUID_TEXT]);
_Bool pd_uuid_is_valid(const char *text);

#endif
