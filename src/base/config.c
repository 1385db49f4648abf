#include "pairdump/config.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ini_lines.h"
#include "pairdump/size.h"
#include "pairdump/text.h"

/* A run beats every 20 s: three beats may be late. */
#define CLAIM_LIMIT_MIN_NS (UINT64_C(60) * (uint64_t)PD_NS_PER_S)

enum value_type { TEXT, SIZE, COUNT, UNSIGNED, DURATION, PREFIX, BLOCK, VERIFY, DIGEST, YES_NO };

/* The one table of keys. Ranges are inclusive; max 0: no limit. */
struct key {
    const char *name;
    enum value_type type;
    size_t offset; /* in the struct of its section */
    uint64_t min, max;
};

#define MAIN(name, type, field, min, max)                                                          \
    {                                                                                              \
        name, type, offsetof(struct pd_config, field), min, max                                    \
    }
#define POOL(name, type, field, min, max)                                                          \
    {                                                                                              \
        name, type, offsetof(struct pd_pool_config, field), min, max                               \
    }
#define RETRY(name, type, field, min, max)                                                         \
    {                                                                                              \
        name, type, offsetof(struct pd_retry, field), min, max                                     \
    }

static const struct key main_keys[] = {
    MAIN("buffer", SIZE, buffer, 1048576, 0),
    MAIN("state-dir", TEXT, state_dir, 0, 0),
    MAIN("stall-timeout", DURATION, stall_ns, 0, 0),
    MAIN("read-deadline", DURATION, read_deadline_ns, 0, 0),
    MAIN("media-wait", DURATION, media_wait_ns, 0, INT64_MAX),
    MAIN("stream-mark", UNSIGNED, stream_mark, 1, 100),
    MAIN("sync-bytes", SIZE, sync_bytes, 0, 0),
    MAIN("sync-interval", DURATION, sync_ns, 0, 0),
    MAIN("digest", DIGEST, digest, 0, 0),
    {NULL, TEXT, 0, 0, 0},
};
static const struct key catalog_keys[] = {
    MAIN("url", TEXT, catalog_url, 0, 0),
    MAIN("credentials", TEXT, credentials, 0, 0),
    MAIN("reserve", SIZE, catalog_reserve, 0, 0),
    MAIN("wait", DURATION, catalog_wait_ns, 0, INT64_MAX),
    MAIN("claim-limit", DURATION, claim_limit_ns, CLAIM_LIMIT_MIN_NS, INT64_MAX),
    {NULL, TEXT, 0, 0, 0},
};
static const struct key pool_keys[] = {
    POOL("copy1", TEXT, copies[0], 0, 0),
    POOL("copy2", TEXT, copies[1], 0, 0),
    POOL("copy3", TEXT, copies[2], 0, 0),
    POOL("copy4", TEXT, copies[3], 0, 0),
    POOL("copy5", TEXT, copies[4], 0, 0),
    POOL("copy6", TEXT, copies[5], 0, 0),
    POOL("copy7", TEXT, copies[6], 0, 0),
    POOL("copy8", TEXT, copies[7], 0, 0),
    POOL("pairs", COUNT, pairs, 1, PD_COPIES_MAX),
    POOL("changer", TEXT, changer, 0, 0),
    POOL("label-prefix", PREFIX, label_prefix, 0, 0),
    POOL("block-size", BLOCK, block_size, 65536, 4194304),
    POOL("batch-size", SIZE, batch_size, 1, 0),
    POOL("batch-files", COUNT, batch_files, 1, 0),
    POOL("capacity", SIZE, capacity, 0, 0),
    POOL("reserve", SIZE, reserve, 0, 0),
    POOL("verify", VERIFY, verify, 0, 0),
    POOL("digest", DIGEST, digest, 0, 0),
    POOL("verify-swap", YES_NO, verify_swap, 0, 0),
    {NULL, TEXT, 0, 0, 0},
};
static const struct key retry_keys[] = {
    RETRY("tries", UNSIGNED, tries, 1, 1000),
    RETRY("delay", DURATION, delay_ns, 0, 0),
    RETRY("max-delay", DURATION, max_delay_ns, 0, 0),
    RETRY("backoff", UNSIGNED, backoff_percent, 100, 10000),
    RETRY("jitter", UNSIGNED, jitter_percent, 0, 100),
    {NULL, TEXT, 0, 0, 0},
};

struct reading {
    struct pd_config *config;
    const char *name;       /* of the file */
    struct pd_buf sections; /* "\nname\n" of each section so far */
    const struct key *keys;
    void *base;
    uint32_t seen; /* bit per key of the section at hand */
};

bool pd_verify_policy_parse(const char *text, struct pd_verify_policy *out)
{
    static const char sample[] = "sample=";
    char number[8];
    uint64_t percent;

    if (strcmp(text, "full") == 0) {
        *out = (struct pd_verify_policy){PD_VERIFY_FULL, 100};
        return true;
    }
    if (strcmp(text, "none") == 0) {
        *out = (struct pd_verify_policy){PD_VERIFY_NONE, 0};
        return true;
    }
    size_t len = strlen(text);
    size_t head = sizeof sample - 1;
    if (strncmp(text, sample, head) != 0 || len < head + 2 || len - head > 4 ||
        text[len - 1] != '%') {
        return false;
    }
    snprintf(number, sizeof number, "%.*s", (int)(len - head - 1), text + head);
    if (!pd_parse_u64(number, &percent) || percent < 1 || percent > 100) {
        return false;
    }
    *out = (struct pd_verify_policy){PD_VERIFY_SAMPLE, (unsigned)percent};
    return true;
}

void pd_verify_policy_format(struct pd_verify_policy policy, char *out, size_t size)
{
    if (policy.mode == PD_VERIFY_SAMPLE) {
        snprintf(out, size, "sample=%u%%", policy.percent);
    } else {
        snprintf(out, size, "%s", policy.mode == PD_VERIFY_FULL ? "full" : "none");
    }
}

static bool set_text(void *field, const char *value)
{
    char *copy = strdup(value);

    if (copy) {
        free(*(char **)field);
        *(char **)field = copy;
    }
    return copy != NULL;
}

/* Not empty, and without what looks like a comment but is none. */
static bool text_is_valid(const char *value)
{
    return value[0] != '\0' && value[0] != '#' && !strstr(value, " #") && !strstr(value, "\t#");
}

static bool prefix_is_valid(const char *value)
{
    size_t len = strlen(value);

    return len >= 1 && len <= 2 && strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == len;
}

static bool parse_number(const struct key *key, const char *value, uint64_t *number)
{
    switch (key->type) {
    case SIZE:
    case BLOCK:
        return pd_parse_size(value, number);
    case DURATION:
        return pd_parse_duration(value, number);
    default:
        return pd_parse_u64(value, number);
    }
}

static bool set_number(const struct key *key, void *field, const char *value)
{
    uint64_t number;

    if (!parse_number(key, value, &number) || number < key->min ||
        (key->max != 0 && number > key->max) ||
        (key->type == BLOCK && (number & (number - 1)) != 0)) {
        return false;
    }
    if (key->type == UNSIGNED) {
        *(unsigned *)field = (unsigned)number;
    } else {
        *(uint64_t *)field = number;
    }
    return true;
}

static enum pd_status set_value(const struct reading *reading, const struct key *key,
                                const char *value, int line, struct pd_error *err)
{
    void *field = (char *)reading->base + key->offset;
    bool valid;

    switch (key->type) {
    case TEXT:
    case PREFIX:
        valid = key->type == TEXT ? text_is_valid(value) : prefix_is_valid(value);
        if (valid && !set_text(field, value)) {
            return pd_error_memory(err, "configuration");
        }
        break;
    case YES_NO:
        valid = strcmp(value, "yes") == 0 || strcmp(value, "no") == 0;
        *(bool *)field = strcmp(value, "yes") == 0;
        break;
    case VERIFY:
        valid = pd_verify_policy_parse(value, field);
        break;
    case DIGEST:
        valid = pd_digest_alg_find(value, field);
        break;
    default:
        valid = set_number(key, field, value);
    }
    if (!valid) {
        return pd_error_set(err, PD_CONFIG, 0, "%s:%d: \"%s\" is no good value for %s%s",
                            reading->name, line, value, key->name,
                            key->type == DIGEST ? "; give one of " PD_DIGEST_NAMES : "");
    }
    return PD_OK;
}

static enum pd_status add_pool(struct pd_config *config, const char *name, void **base,
                               struct pd_error *err)
{
    struct pd_pool_config *pools = realloc(config->pools, (config->pool_count + 1) * sizeof *pools);

    if (!pools) {
        return pd_error_memory(err, "configuration");
    }
    config->pools = pools;
    enum pd_status status = pd_pool_config_init(name, &pools[config->pool_count], err);
    if (status == PD_OK) {
        pools[config->pool_count].digest = PD_DIGEST_ALGS; /* not said */
        *base = &pools[config->pool_count++];
    }
    return status;
}

static enum pd_status add_retry(struct pd_config *config, const char *name, void **base,
                                struct pd_error *err)
{
    for (size_t i = 0; i < config->retry_count; i++) {
        if (strcmp(config->retries[i].name, name) == 0) {
            *base = &config->retries[i].retry;
            return PD_OK;
        }
    }
    struct pd_named_retry *retries =
        realloc(config->retries, (config->retry_count + 1) * sizeof *retries);
    if (!retries) {
        return pd_error_memory(err, "configuration");
    }
    config->retries = retries;
    retries[config->retry_count].name = strdup(name);
    retries[config->retry_count].retry =
        config->retry_count > 0 ? retries[0].retry : PD_RETRY_DEFAULT;
    if (!retries[config->retry_count].name) {
        return pd_error_memory(err, "configuration");
    }
    *base = &retries[config->retry_count++].retry;
    return PD_OK;
}

static bool name_is_valid(const char *name)
{
    size_t len = strlen(name);

    return len >= 1 && len <= 64 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

static enum pd_status enter_section(struct reading *reading, const char *section, int line,
                                    struct pd_error *err)
{
    const char *name = strchr(section, ' ');
    size_t start = reading->sections.len;

    if (pd_buf_printf(&reading->sections, "\n%s\n", section) != PD_OK) {
        return pd_error_memory(err, "configuration");
    }
    if (strstr(reading->sections.data, reading->sections.data + start) !=
        reading->sections.data + start) {
        return pd_error_set(err, PD_CONFIG, 0, "%s:%d: [%s] stands there twice", reading->name,
                            line, section);
    }
    reading->seen = 0;
    reading->base = reading->config;
    if (strcmp(section, "pairdump") == 0) {
        reading->keys = main_keys;
        return PD_OK;
    }
    if (strcmp(section, "catalog") == 0) {
        reading->keys = catalog_keys;
        return PD_OK;
    }
    if (name && name_is_valid(name + 1) && strncmp(section, "pool ", 5) == 0) {
        reading->keys = pool_keys;
        return add_pool(reading->config, name + 1, &reading->base, err);
    }
    if (name && name_is_valid(name + 1) && strncmp(section, "retry ", 6) == 0) {
        reading->keys = retry_keys;
        return add_retry(reading->config, name + 1, &reading->base, err);
    }
    return pd_error_set(err, PD_CONFIG, 0, "%s:%d: unknown section [%s]", reading->name, line,
                        section);
}

static enum pd_status take_pair(void *arg, const char *section, const char *name, const char *value,
                                int line, struct pd_error *err)
{
    struct reading *reading = arg;

    if (!name) {
        return enter_section(reading, section, line, err);
    }
    if (!reading->keys) {
        return pd_error_set(err, PD_CONFIG, 0, "%s:%d: %s stands before any [section]",
                            reading->name, line, name);
    }
    for (size_t k = 0; reading->keys[k].name; k++) {
        if (strcmp(reading->keys[k].name, name) != 0) {
            continue;
        }
        if (reading->seen & UINT32_C(1) << k) {
            return pd_error_set(err, PD_CONFIG, 0, "%s:%d: %s is given twice in [%s]",
                                reading->name, line, name, section);
        }
        reading->seen |= UINT32_C(1) << k;
        return set_value(reading, &reading->keys[k], value, line, err);
    }
    return pd_error_set(err, PD_CONFIG, 0, "%s:%d: unknown key %s in [%s]", reading->name, line,
                        name, section);
}

/* [retry default] is what the other [retry NAME] start from, wherever it stands. */
static enum pd_status take_default(void *arg, const char *section, const char *name,
                                   const char *value, int line, struct pd_error *err)
{
    return strcmp(section, "retry default") == 0 ? take_pair(arg, section, name, value, line, err)
                                                 : PD_OK;
}

static enum pd_status read_lines(struct pd_config *config, const char *text, size_t len,
                                 const char *name, pd_ini_fn take, struct pd_error *err)
{
    struct reading reading = {.config = config, .name = name};
    enum pd_status status = pd_ini_lines(text, len, name, PD_CONFIG, take, &reading, err);

    pd_buf_free(&reading.sections);
    return status;
}

static bool has_twins(const struct pd_pool_config *pool)
{
    for (size_t i = 1; i < pool->copy_count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(pool->copies[i], pool->copies[k]) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Copies must be numbered from 1 without gaps, and lie in different places. */
static enum pd_status count_copies(struct pd_config *config, const char *name, struct pd_error *err)
{
    for (size_t p = 0; p < config->pool_count; p++) {
        struct pd_pool_config *pool = &config->pools[p];
        size_t last = 0;
        for (size_t i = 0; i < PD_COPIES_MAX; i++) {
            pool->copy_count += pool->copies[i] != NULL;
            last = pool->copies[i] ? i + 1 : last;
        }
        if (pool->copy_count == 0 || last != pool->copy_count) {
            return pd_error_set(err, PD_CONFIG, 0,
                                "%s: [pool %s] needs copy1, copy2, ... without a gap", name,
                                pool->name);
        }
        if (pool->copy_count % pool->pairs != 0) {
            return pd_error_set(err, PD_CONFIG, 0,
                                "%s: [pool %s] has %zu copies, which do not make %" PRIu64
                                " pairs: each needs as many as the others",
                                name, pool->name, pool->copy_count, pool->pairs);
        }
        if (has_twins(pool)) {
            return pd_error_set(err, PD_CONFIG, 0, "%s: [pool %s] has two copies in the same place",
                                name, pool->name);
        }
    }
    return PD_OK;
}

/* [pairdump] may stand behind the pools. */
static void pass_down_digest(struct pd_config *config)
{
    for (size_t i = 0; i < config->pool_count; i++) {
        if (config->pools[i].digest == PD_DIGEST_ALGS) {
            config->pools[i].digest = config->digest;
        }
    }
}

static char *default_state_dir(const char *(*getenv_fn)(const char *name))
{
    struct pd_buf buf = PD_BUF_INIT;
    const char *state = getenv_fn("XDG_STATE_HOME");
    const char *home = getenv_fn("HOME");
    enum pd_status status;

    if (state && state[0] == '/') {
        status = pd_buf_printf(&buf, "%s/pairdump", state);
    } else if (geteuid() != 0 && home && home[0] == '/') {
        status = pd_buf_printf(&buf, "%s/.local/state/pairdump", home);
    } else {
        status = pd_buf_puts(&buf, "/var/lib/pairdump");
    }
    if (status != PD_OK) {
        pd_buf_free(&buf);
    }
    return buf.data;
}

static enum pd_status make_defaults(const char *(*getenv_fn)(const char *name),
                                    struct pd_config **out, struct pd_error *err)
{
    struct pd_config *config = calloc(1, sizeof *config);
    void *ignored;

    *out = config;
    if (!config) {
        return pd_error_memory(err, "configuration");
    }
    config->buffer = UINT64_C(64) << 20;
    config->stall_ns = UINT64_C(900) * (uint64_t)PD_NS_PER_S;
    config->read_deadline_ns = UINT64_C(30) * (uint64_t)PD_NS_PER_S;
    config->stream_mark = 90;
    config->sync_bytes = UINT64_C(32) << 30;
    config->sync_ns = UINT64_C(300) * (uint64_t)PD_NS_PER_S;
    config->catalog_wait_ns = UINT64_C(30) * (uint64_t)PD_NS_PER_S;
    config->claim_limit_ns = UINT64_C(600) * (uint64_t)PD_NS_PER_S;
    config->catalog_reserve = UINT64_C(16) << 20;
    config->state_dir = default_state_dir(getenv_fn);
    if (!config->state_dir) {
        return pd_error_memory(err, "configuration");
    }
    return add_retry(config, "default", &ignored, err);
}

enum pd_status pd_config_parse(const char *text, size_t len, const char *name,
                               const char *(*getenv_fn)(const char *name), struct pd_config **out,
                               struct pd_error *err)
{
    enum pd_status status = make_defaults(getenv_fn, out, err);

    if (status == PD_OK) {
        status = read_lines(*out, text, len, name, take_default, err);
    }
    if (status == PD_OK) {
        status = read_lines(*out, text, len, name, take_pair, err);
    }
    if (status == PD_OK) {
        pass_down_digest(*out);
        status = count_copies(*out, name, err);
    }
    if (status == PD_OK && (*out)->state_dir[0] != '/') {
        status = pd_error_set(err, PD_CONFIG, 0, "%s: state-dir must be an absolute path", name);
    }
    if (status != PD_OK) {
        pd_config_free(*out);
        *out = NULL;
    }
    return status;
}

void pd_config_free(struct pd_config *config)
{
    if (!config) {
        return;
    }
    for (size_t i = 0; i < config->pool_count; i++) {
        pd_pool_config_release(&config->pools[i]);
    }
    for (size_t i = 0; i < config->retry_count; i++) {
        free(config->retries[i].name);
    }
    free(config->pools);
    free(config->retries);
    free(config->path);
    free(config->catalog_url);
    free(config->credentials);
    free(config->state_dir);
    free(config);
}

const struct pd_pool_config *pd_config_pool(const struct pd_config *config, const char *name)
{
    for (size_t i = 0; i < config->pool_count; i++) {
        if (strcmp(config->pools[i].name, name) == 0) {
            return &config->pools[i];
        }
    }
    return NULL;
}

struct pd_retry pd_config_retry(const struct pd_config *config, const char *activity)
{
    for (size_t i = 1; i < config->retry_count; i++) {
        if (strcmp(config->retries[i].name, activity) == 0) {
            return config->retries[i].retry;
        }
    }
    return config->retries[0].retry;
}

enum pd_status pd_pool_config_init(const char *name, struct pd_pool_config *pool,
                                   struct pd_error *err)
{
    *pool = (struct pd_pool_config){.name = strdup(name),
                                    .label_prefix = strdup("PD"),
                                    .pairs = 1,
                                    .block_size = UINT64_C(512) << 10,
                                    .batch_size = UINT64_C(4) << 30,
                                    .batch_files = 25000,
                                    .reserve = UINT64_C(64) << 20,
                                    .verify = {PD_VERIFY_FULL, 100}};
    if (!pool->name || !pool->label_prefix) {
        pd_pool_config_release(pool);
        return pd_error_memory(err, "configuration");
    }
    return PD_OK;
}

void pd_pool_config_release(struct pd_pool_config *pool)
{
    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        free(pool->copies[i]);
    }
    free(pool->name);
    free(pool->label_prefix);
    free(pool->changer);
    memset(pool, 0, sizeof *pool);
}
