#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dump_priv.h"
#include "pairdump/size.h"

/* ---- what the book keeps ---- */

static enum pd_status save_words(struct pd_dumping *d, const char *key, const char *const *words,
                                 size_t count, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < count && status == PD_OK; i++) {
        status = pd_book_option(&d->book, key, words[i], err);
    }
    return status;
}

static enum pd_status save_number(struct pd_dumping *d, const char *key, uint64_t value,
                                  struct pd_error *err)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, value);
    return pd_book_option(&d->book, key, text, err);
}

static enum pd_status save_source(struct pd_dumping *d, struct pd_error *err)
{
    const struct pd_source_path_options *s = &d->options->source;
    enum pd_status status = save_words(d, "path", s->paths, s->path_count, err);

    if (status == PD_OK) {
        status = save_words(d, "root", (const char *const *)d->roots, d->root_count, err);
    }
    if (status == PD_OK) {
        status = save_words(d, "exclude", s->excludes, s->exclude_count, err);
    }
    if (status == PD_OK && s->list_file) {
        status = pd_book_option(&d->book, "list-file", s->list_file, err);
    }
    if (status == PD_OK) {
        status = pd_book_option(&d->book, "cwd", s->cwd, err);
    }
    if (status == PD_OK) {
        status = save_number(d, "list-nul", s->list_nul, err);
    }
    if (status == PD_OK) {
        status = save_number(d, "list-recurse", s->list_recurse, err);
    }
    return status == PD_OK ? save_number(d, "one-file-system", s->one_file_system, err) : status;
}

enum pd_status pd_plan_save(struct pd_dumping *d, struct pd_error *err)
{
    const struct pd_pool_config *pool = pd_pool_config(d->lanes[0].pool);
    char policy[32];
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        {"incremental", d->options->incremental},
        {"block-size", pool->block_size},
        {"batch-size", pool->batch_size},
        {"batch-files", pool->batch_files},
        {"capacity", pool->capacity},
        {"reserve", pool->reserve},
        {"verify-swap", pool->verify_swap},
        {"pairs", d->lane_count},
    };
    enum pd_status status = save_source(d, err);

    pd_verify_policy_format(pool->verify, policy, sizeof policy);
    for (size_t i = 0; i < d->lane_count * pool->copy_count && status == PD_OK; i++) {
        const struct pd_dump_lane *l = &d->lanes[i / pool->copy_count];
        status =
            pd_book_option(&d->book, "to", pd_pool_location(l->pool, i % pool->copy_count), err);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && status == PD_OK; i++) {
        status = save_number(d, numbers[i].key, numbers[i].value, err);
    }
    if (status == PD_OK) {
        status = pd_book_option(&d->book, "pool", pool->name, err);
    }
    if (status == PD_OK) {
        status = pd_book_option(&d->book, "label-prefix", pool->label_prefix, err);
    }
    if (status == PD_OK) {
        status = pd_book_option(&d->book, "digest", pd_digest_alg_info(pool->digest)->name, err);
    }
    d->book.alg = pool->digest;
    return status == PD_OK ? pd_book_option(&d->book, "verify", policy, err) : status;
}

/* ---- and back ---- */

static enum pd_status add_word(struct pd_dump_plan *plan, const char *value, const char **out,
                               struct pd_error *err)
{
    char **grown = realloc(plan->words, (plan->word_count + 1) * sizeof *grown);

    if (!grown) {
        return pd_error_memory(err, "the plan");
    }
    plan->words = grown;
    grown[plan->word_count] = strdup(value);
    *out = grown[plan->word_count];
    plan->word_count += *out != NULL;
    return *out ? PD_OK : pd_error_memory(err, "the plan");
}

static enum pd_status add_to_list(struct pd_dump_plan *plan, const char ***list, size_t *count,
                                  const char *value, struct pd_error *err)
{
    const char **grown = realloc(*list, (*count + 1) * sizeof *grown);

    if (!grown) {
        return pd_error_memory(err, "the plan");
    }
    *list = grown;
    enum pd_status status = add_word(plan, value, &grown[*count], err);
    *count += status == PD_OK;
    return status;
}

static enum pd_status replace(char **field, const char *value, struct pd_error *err)
{
    free(*field);
    *field = strdup(value);
    return *field ? PD_OK : pd_error_memory(err, "the plan");
}

static enum pd_status take_number(struct pd_dump_plan *plan, const char *key, const char *value,
                                  struct pd_error *err)
{
    struct pd_pool_config *pool = &plan->pool;
    struct pd_source_path_options *source = &plan->options.source;
    const struct {
        const char *key;
        uint64_t *number;
        bool *flag;
    } fields[] = {
        {"incremental", NULL, &plan->options.incremental},
        {"list-nul", NULL, &source->list_nul},
        {"list-recurse", NULL, &source->list_recurse},
        {"one-file-system", NULL, &source->one_file_system},
        {"block-size", &pool->block_size, NULL},
        {"batch-size", &pool->batch_size, NULL},
        {"batch-files", &pool->batch_files, NULL},
        {"capacity", &pool->capacity, NULL},
        {"reserve", &pool->reserve, NULL},
        {"verify-swap", NULL, &pool->verify_swap},
        {"pairs", &pool->pairs, NULL},
    };
    uint64_t number = 0;

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(fields[i].key, key) != 0) {
            continue;
        }
        if (!pd_parse_u64(value, &number)) {
            break;
        }
        if (fields[i].flag) {
            *fields[i].flag = number != 0;
        } else {
            *fields[i].number = number;
        }
        return PD_OK;
    }
    return pd_error_set(err, PD_BAD_FORMAT, 0, "the dump's journal has an option %s=%s", key, value);
}

enum pd_status pd_plan_take(struct pd_dump_plan *plan, const char *key, const char *value,
                            struct pd_error *err)
{
    struct pd_pool_config *pool = &plan->pool;
    struct pd_source_path_options *source = &plan->options.source;

    if (strcmp(key, "path") == 0) {
        return add_to_list(plan, &plan->paths, &source->path_count, value, err);
    }
    if (strcmp(key, "root") == 0) {
        return add_to_list(plan, &plan->roots, &plan->root_count, value, err);
    }
    if (strcmp(key, "exclude") == 0) {
        return add_to_list(plan, &plan->excludes, &source->exclude_count, value, err);
    }
    if (strcmp(key, "list-file") == 0) {
        return add_word(plan, value, &source->list_file, err);
    }
    if (strcmp(key, "cwd") == 0) {
        return add_word(plan, value, &source->cwd, err);
    }
    if (strcmp(key, "pool") == 0) {
        return replace(&pool->name, value, err);
    }
    if (strcmp(key, "label-prefix") == 0) {
        return replace(&pool->label_prefix, value, err);
    }
    if (strcmp(key, "to") == 0 && pool->copy_count < PD_COPIES_MAX) {
        return replace(&pool->copies[pool->copy_count++], value, err);
    }
    if (strcmp(key, "verify") == 0 && pd_verify_policy_parse(value, &pool->verify)) {
        return PD_OK;
    }
    if (strcmp(key, "digest") == 0 && pd_digest_alg_find(value, &pool->digest)) {
        return PD_OK;
    }
    return take_number(plan, key, value, err);
}

enum pd_status pd_plan_start(struct pd_dump_plan *plan, struct pd_error *err)
{
    memset(plan, 0, sizeof *plan);
    return pd_pool_config_init("default", &plan->pool, err);
}

void pd_plan_release(struct pd_dump_plan *plan)
{
    for (size_t i = 0; i < plan->word_count; i++) {
        free(plan->words[i]);
    }
    free(plan->words);
    free(plan->paths);
    free(plan->excludes);
    free(plan->roots);
    pd_pool_config_release(&plan->pool);
}
