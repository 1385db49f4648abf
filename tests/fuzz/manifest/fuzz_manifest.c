#include "pairdump/bag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum pd_status check(void *arg, const uint8_t *digest, const char *path, size_t len,
                            struct pd_error *err)
{
    struct pd_buf *out = arg;
    char hex[PD_SHA256_TEXT];

    (void)err;
    if (len == 0 || path[0] == '/' || memchr(path, '\0', len) != NULL || path[len] != '\0' ||
        !pd_path_is_safe(path, len))
        abort();
    pd_hex_encode(digest, PD_SHA256_LEN, hex);
    return pd_bag_manifest_line(out, hex, path, len);
}

/* What was taken is safe, and written anew it is a manifest that gives the same again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf once = PD_BUF_INIT, twice = PD_BUF_INIT;
    const char *text = (const char *)data;
    char value[40];

    (void)pd_bag_info_get(text, size, "Payload-Oxum", value, sizeof(value));
    if (pd_bag_manifest_parse(text, size, PD_SHA256_LEN, check, &once, &err) == PD_OK) {
        if (once.len > 0 && (pd_bag_manifest_parse(once.data, once.len, PD_SHA256_LEN, check,
                                                   &twice, &err) != PD_OK ||
                             twice.len != once.len ||
                             memcmp(once.data, twice.data, once.len) != 0))
            abort();
    }
    pd_buf_free(&once);
    pd_buf_free(&twice);
    return 0;
}
