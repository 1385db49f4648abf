#include <inttypes.h>

#include "command.h"
#include "pairdump/folder.h"
#include "pairdump/size.h"
#include "pairdump/text.h"

/* Makes every missing folder of path, mode 0700. */
static enum pd_status make_folders(const char *path, struct pd_error *err)
{
    struct pd_buf buf = PD_BUF_INIT;
    enum pd_status status = pd_buf_puts(&buf, path);

    if (status != PD_OK) {
        return pd_error_memory(err, "folder name");
    }
    for (size_t i = 1; i <= buf.len && status == PD_OK; i++) {
        if (buf.data[i] != '/' && buf.data[i] != '\0') {
            continue;
        }
        char kept = buf.data[i];
        buf.data[i] = '\0';
        struct pd_error why = PD_ERROR_INIT;
        if (pd_folder_make(buf.data, 0700, true, &why) != PD_OK) {
            status = pd_error_set(err, PD_CONFIG, why.sys_errno,
                                  "cannot make the state folder %s; set state-dir", buf.data);
        }
        buf.data[i] = kept;
    }
    pd_buf_free(&buf);
    return status;
}

enum pd_status pd_face_state_dir(struct pd_face *face, struct pd_error *err)
{
    return make_folders(face->config->state_dir, err);
}

/* The credentials file for "mysql:": from the command line, the configuration, or the home folder. */
static enum pd_status server_url(const struct pd_face *face, struct pd_buf *out,
                                 struct pd_error *err)
{
    const char *path = face->credentials ? face->credentials : face->config->credentials;
    const char *home = getenv("HOME");
    enum pd_status status = pd_buf_puts(out, "mysql:");

    if (status == PD_OK && path) {
        status = pd_buf_puts(out, path);
    } else if (status == PD_OK && home && home[0]) {
        status = pd_buf_printf(out, "%s/.my.pairdump.cnf", home);
    } else if (status == PD_OK) {
        return pd_error_set(err, PD_CREDENTIALS, 0,
                            "mysql: needs a credentials file; give --credentials FILE");
    }
    return status == PD_OK ? PD_OK : pd_error_memory(err, "catalog URL");
}

static enum pd_status default_url(struct pd_face *face, bool create, struct pd_buf *out,
                                  struct pd_error *err)
{
    enum pd_status status = create ? pd_face_state_dir(face, err) : PD_OK;

    if (status == PD_OK &&
        pd_buf_printf(out, "sqlite:%s/catalog.db", face->config->state_dir) != PD_OK) {
        status = pd_error_memory(err, "catalog URL");
    }
    return status;
}

enum pd_status pd_face_catalog(struct pd_face *face, bool create, struct pd_catalog **out,
                               struct pd_error *err)
{
    const char *url = face->catalog_url ? face->catalog_url : face->config->catalog_url;
    struct pd_buf made = PD_BUF_INIT;
    enum pd_status status = PD_OK;

    if (!url) {
        status = default_url(face, create, &made, err);
        url = made.data;
    } else if (strcmp(url, "mysql:") == 0) {
        status = server_url(face, &made, err);
        url = made.data;
    }
    if (status == PD_OK) {
        status = pd_catalog_open(&face->env, url, create, out, err);
    }
    pd_buf_free(&made);
    return status;
}

/* A deep copy, so that command-line options can be laid over a configured pool. */
static enum pd_status copy_pool(const struct pd_pool_config *from, struct pd_pool_config *pool,
                                struct pd_error *err)
{
    enum pd_status status = pd_pool_config_init(from->name, pool, err);

    if (status != PD_OK) {
        return status;
    }
    char *name = pool->name;
    char *old_prefix = pool->label_prefix;
    *pool = *from;
    pool->name = name;
    pool->label_prefix = strdup(from->label_prefix);
    free(old_prefix);
    pool->changer = from->changer ? strdup(from->changer) : NULL;
    memset(pool->copies, 0, sizeof pool->copies);
    bool whole = pool->label_prefix && (pool->changer || !from->changer);
    for (size_t i = 0; i < from->copy_count; i++) {
        pool->copies[i] = strdup(from->copies[i]);
        whole = whole && pool->copies[i];
    }
    return whole ? PD_OK : pd_error_memory(err, "pool");
}

static enum pd_status take_targets(const char *const *urls, size_t count,
                                   struct pd_pool_config *pool, struct pd_error *err)
{
    if (count > PD_COPIES_MAX) {
        return pd_error_set(err, PD_USAGE, 0, "--to can be given %d times at most",
                            PD_COPIES_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        pool->copies[i] = strdup(urls[i]);
        if (!pool->copies[i]) {
            return pd_error_memory(err, "targets");
        }
    }
    pool->copy_count = count;
    return PD_OK;
}

static enum pd_status lay_pairs(const struct pd_args *args, struct pd_pool_config *pool,
                                struct pd_error *err)
{
    enum pd_status status = pd_args_u64(args, "pairs", &pool->pairs, err);

    if (status == PD_OK && (pool->pairs == 0 || pool->copy_count % pool->pairs != 0)) {
        status = pd_error_set(err, PD_USAGE, 0,
                              "%zu targets do not make %" PRIu64 " pairs: each needs as many as the"
                              " others",
                              pool->copy_count, pool->pairs);
    }
    return status;
}

static enum pd_status lay_words(const struct pd_args *args, struct pd_pool_config *pool,
                                struct pd_error *err)
{
    const char *verify = pd_args_get(args, "verify");
    const char *digest = pd_args_get(args, "digest");

    if (verify && !pd_verify_policy_parse(verify, &pool->verify)) {
        return pd_error_set(err, PD_USAGE, 0,
                            "--verify takes full, none or sample=1%%..100%%, not \"%s\"", verify);
    }
    if (digest && !pd_digest_alg_find(digest, &pool->digest)) {
        return pd_error_set(err, PD_USAGE, 0,
                            "--digest takes one of " PD_DIGEST_NAMES ", not \"%s\"", digest);
    }
    return PD_OK;
}

static enum pd_status lay_options(const struct pd_args *args, struct pd_pool_config *pool,
                                  struct pd_error *err)
{
    enum pd_status status;

    if ((status = pd_args_size(args, "batch-size", &pool->batch_size, err)) != PD_OK ||
        (status = pd_args_u64(args, "batch-files", &pool->batch_files, err)) != PD_OK ||
        (status = pd_args_size(args, "block-size", &pool->block_size, err)) != PD_OK ||
        (status = pd_args_size(args, "reserve", &pool->reserve, err)) != PD_OK ||
        (status = pd_args_size(args, "capacity", &pool->capacity, err)) != PD_OK ||
        (status = lay_pairs(args, pool, err)) != PD_OK) {
        return status;
    }
    if (pool->batch_size == 0 || pool->batch_files == 0) {
        return pd_error_set(err, PD_USAGE, 0, "a batch holds at least one byte and one file");
    }
    if (pool->block_size < 65536 || pool->block_size > 4194304 ||
        (pool->block_size & (pool->block_size - 1)) != 0) {
        return pd_error_set(err, PD_USAGE, 0,
                            "--block-size is a power of two from 64K to 4M, not %" PRIu64,
                            pool->block_size);
    }
    return lay_words(args, pool, err);
}

enum pd_status pd_face_pool(struct pd_face *face, const struct pd_args *args,
                            struct pd_pool_config *pool, struct pd_error *err)
{
    const char **urls = NULL;
    size_t count = 0;
    const char *name = pd_args_get(args, "pool");
    const struct pd_pool_config *from = NULL;
    enum pd_status status = pd_args_all(args, "to", &urls, &count, err);

    memset(pool, 0, sizeof *pool);
    if (status != PD_OK) {
        goto out;
    }
    if (name && count > 0) {
        status = pd_error_set(err, PD_USAGE, 0, "give --to or --pool, not both");
        goto out;
    }
    if (count == 0) {
        if (!name && face->config->pool_count == 1) {
            name = face->config->pools[0].name;
        }
        if (!name) {
            status = pd_error_set(err, PD_USAGE, 0,
                                  "where to? Give --to TARGET twice, or --pool NAME");
            goto out;
        }
        from = pd_config_pool(face->config, name);
        if (!from) {
            status = pd_error_set(err, PD_USAGE, 0, "no pool \"%s\" in the configuration%s%s", name,
                                  face->config->path ? " " : "",
                                  face->config->path ? face->config->path : "");
            goto out;
        }
        status = copy_pool(from, pool, err);
    } else {
        status = pd_pool_config_init("default", pool, err);
        if (status == PD_OK) {
            pool->digest = face->config->digest;
            status = take_targets(urls, count, pool, err);
        }
    }
    if (status == PD_OK) {
        status = lay_options(args, pool, err);
    }
out:
    free(urls);
    return status;
}
