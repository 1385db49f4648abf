#include "pairdump/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *no_env(const char *name)
{
    (void)name;
    return NULL;
}

static bool pool_is_sound(const struct pd_pool_config *pool)
{
    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        if ((pool->copies[i] != NULL) != (i < pool->copy_count)) {
            return false;
        }
        for (size_t k = 0; k < i && pool->copies[i]; k++) {
            if (strcmp(pool->copies[i], pool->copies[k]) == 0) {
                return false;
            }
        }
    }
    return pool->copy_count >= 1 && pool->block_size >= 65536 && pool->block_size <= 4194304 &&
           (pool->block_size & (pool->block_size - 1)) == 0 && pool->batch_size > 0 &&
           pool->batch_files > 0 && strlen(pool->label_prefix) <= 2 && pool->label_prefix[0] &&
           strlen(pool->name) <= 44 &&
           (pool->verify.mode != PD_VERIFY_SAMPLE ||
            (pool->verify.percent >= 1 && pool->verify.percent <= 100));
}

static bool retry_is_sound(const struct pd_retry *retry)
{
    return retry->tries >= 1 && retry->tries <= 1000 && retry->backoff_percent >= 100 &&
           retry->backoff_percent <= 10000 && retry->jitter_percent <= 100;
}

/* Any bytes: no crash; a refusal names the file, and what is taken keeps every promise of the
 * header. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_config *config = NULL;
    enum pd_status status =
        pd_config_parse((const char *)data, size, "fuzz.conf", no_env, &config, &err);

    if (status != PD_OK) {
        if (status != PD_CONFIG || err.status != PD_CONFIG || config ||
            strncmp(err.message, "fuzz.conf:", 10) != 0 || strpbrk(err.message, "\n\r\033")) {
            abort();
        }
        return 0;
    }
    if (config->buffer < 1048576 || config->state_dir[0] != '/' || config->retry_count == 0 ||
        strcmp(config->retries[0].name, "default") != 0) {
        abort();
    }
    for (size_t i = 0; i < config->pool_count; i++) {
        if (!pool_is_sound(&config->pools[i]) ||
            pd_config_pool(config, config->pools[i].name) != &config->pools[i]) {
            abort();
        }
    }
    for (size_t i = 0; i < config->retry_count; i++) {
        if (!retry_is_sound(&config->retries[i].retry)) {
            abort();
        }
    }
    pd_config_free(config);
    return 0;
}
