#include <archive_entry.h>
#include <string.h>

#include "pairdump/tar.h"

struct bytes {
    const void *at;
    size_t len;
};

/* All at once, then the end. */
static enum pd_status give(void *arg, const void **bytes, size_t *len, struct pd_error *err)
{
    struct bytes *from = arg;

    (void)err;
    *bytes = from->at;
    *len = from->len;
    from->len = 0;
    return PD_OK;
}

enum pd_status pd_tar_top(const void *bytes, size_t len, char *out, size_t size,
                          struct pd_error *err)
{
    struct bytes from = {bytes, len};
    struct pd_tar_reader *reader = NULL;
    struct archive_entry *entry = NULL;
    enum pd_status status = pd_tar_reader_new(give, &from, &reader, err);

    if (status == PD_OK) {
        status = pd_tar_next(reader, &entry, err);
    }
    if (status == PD_TRUNCATED) { /* there is no more of it here */
        status = pd_error_set(err, PD_BAD_FORMAT, 0, "it is too short for an archive's beginning");
    }
    if (status == PD_OK) {
        const char *path = entry ? archive_entry_pathname(entry) : NULL;
        size_t n = path ? strcspn(path, "/") : 0;
        if (n == 0 || n >= size) {
            status = pd_error_set(err, PD_BAD_FORMAT, 0, "it does not begin with an archive's folder");
        } else {
            memcpy(out, path, n);
            out[n] = '\0';
        }
    }
    pd_tar_reader_free(reader);
    return status;
}
