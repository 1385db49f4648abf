#include "pairdump/bag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct taken {
    struct pd_buf text;
    size_t digest_len;
};

static enum pd_status check(void *arg, const uint8_t *digest, const char *path, size_t len,
                            struct pd_error *err)
{
    struct taken *taken = arg;
    char hex[PD_DIGEST_TEXT];

    (void)err;
    if (len == 0 || path[0] == '/' || memchr(path, '\0', len) != NULL || path[len] != '\0' ||
        !pd_path_is_safe(path, len))
        abort();
    pd_hex_encode(digest, taken->digest_len, hex);
    return pd_bag_manifest_line(&taken->text, hex, path, len);
}

/* What was taken is safe, and written anew it is a manifest that gives the same again. */
static void parse(const char *text, size_t size, size_t digest_len)
{
    struct pd_error err = PD_ERROR_INIT;
    struct taken once = {PD_BUF_INIT, digest_len}, twice = {PD_BUF_INIT, digest_len};

    if (pd_bag_manifest_parse(text, size, digest_len, check, &once, &err) == PD_OK) {
        if (once.text.len > 0 && (pd_bag_manifest_parse(once.text.data, once.text.len, digest_len,
                                                        check, &twice, &err) != PD_OK ||
                                  twice.text.len != once.text.len ||
                                  memcmp(once.text.data, twice.text.data, once.text.len) != 0))
            abort();
    }
    pd_buf_free(&once.text);
    pd_buf_free(&twice.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    enum pd_digest_alg alg;
    char value[40];

    (void)pd_bag_info_get(text, size, "Payload-Oxum", value, sizeof(value));
    parse(text, size, PD_SHA256_LEN);
    parse(text, size, PD_DIGEST_MAX);
    (void)snprintf(value, sizeof(value), "%.*s", size < 39 ? (int)size : 39, text);
    if (pd_bag_is_manifest(value, &alg) && alg > PD_DIGEST_ALGS)
        abort();
    return 0;
}
