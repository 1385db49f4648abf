/*
 * clock: time as an argument. Real time for programs, a fake one for tests.
 *
 * UTC is nanoseconds since 1970-01-01T00:00:00Z (negative before), monotonic is nanoseconds since
 * an unknown start. All calls are thread-safe.
 */
#ifndef PAIRDUMP_CLOCK_H
#define PAIRDUMP_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "pairdump/status.h"

#define PD_NS_PER_S INT64_C(1000000000)

struct pd_clock {
    int64_t (*utc)(void *self);
    uint64_t (*monotonic)(void *self);
    void (*sleep)(void *self, uint64_t ns); /* returns early on a signal */
    void *self;
};

const struct pd_clock *pd_clock_real(void);

int64_t pd_clock_utc(const struct pd_clock *clock);
uint64_t pd_clock_monotonic(const struct pd_clock *clock);
void pd_clock_sleep(const struct pd_clock *clock, uint64_t ns);

/* For pthread_cond_timedwait on CLOCK_MONOTONIC: a time of the real clock, and ns from now. */
struct timespec pd_clock_timespec(uint64_t monotonic_ns);
struct timespec pd_clock_deadline(uint64_t ns);

/* RFC 3339 in UTC, to the second: "2026-11-20T22:26:00Z". out takes at least 21 bytes (more for
 * years past 9999). */
void pd_time_format(int64_t utc_ns, char *out, size_t size);
/* The same text back, with optional fraction and offset; false if it is not RFC 3339. Also takes
 * a bare date "2026-11-20" as midnight UTC. */
bool pd_time_parse(const char *text, int64_t *utc_ns);

#endif
