#include "pairdump/rng.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* xoshiro256** by Blackman and Vigna (public domain algorithm), seeded by splitmix64. */
struct pd_rng {
    pthread_mutex_t lock;
    uint64_t s[4];
};

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = *x += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

enum pd_status pd_rng_new(const uint64_t *seed, struct pd_rng **out, struct pd_error *err)
{
    struct pd_rng *rng = calloc(1, sizeof *rng);

    if (!rng) {
        return pd_error_memory(err, "random numbers");
    }
    if (seed) {
        uint64_t x = *seed;
        for (int i = 0; i < 4; i++) {
            rng->s[i] = splitmix(&x);
        }
    } else if (getrandom(rng->s, sizeof rng->s, 0) != (ssize_t)sizeof rng->s) {
        int saved = errno;
        free(rng);
        return pd_error_set(err, PD_IO, saved, "no random numbers from the kernel");
    }
    pthread_mutex_init(&rng->lock, NULL);
    *out = rng;
    return PD_OK;
}

void pd_rng_free(struct pd_rng *rng)
{
    if (rng) {
        pthread_mutex_destroy(&rng->lock);
        free(rng);
    }
}

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t pd_rng_next(struct pd_rng *rng)
{
    pthread_mutex_lock(&rng->lock);
    uint64_t *s = rng->s;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    pthread_mutex_unlock(&rng->lock);
    return result;
}

uint64_t pd_rng_below(struct pd_rng *rng, uint64_t limit)
{
    /* values below this would make small results likelier */
    uint64_t threshold = (0 - limit) % limit;
    uint64_t value;

    do {
        value = pd_rng_next(rng);
    } while (value < threshold);
    return value % limit;
}

void pd_uuid_make(struct pd_rng *rng, char out[PD_UUID_TEXT])
{
    uint64_t high = (pd_rng_next(rng) & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    uint64_t low = (pd_rng_next(rng) & ~(UINT64_C(3) << 62)) | (UINT64_C(2) << 62);

    snprintf(out, PD_UUID_TEXT, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
             (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
             (unsigned long long)(low & UINT64_C(0xffffffffffff)));
}

_Bool pd_uuid_is_valid(const char *text)
{
    if (strlen(text) != PD_UUID_TEXT - 1) {
        return false;
    }
    for (int i = 0; i < PD_UUID_TEXT - 1; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !strchr("0123456789abcdef", text[i])) {
            return false;
        }
    }
    return true;
}
