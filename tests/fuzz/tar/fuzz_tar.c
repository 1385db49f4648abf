#include "pairdump/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct feed {
    const uint8_t *data;
    size_t len, step;
};

static enum pd_status next(void *arg, const void **bytes, size_t *len, struct pd_error *err)
{
    struct feed *feed = arg;
    size_t step = feed->len < feed->step ? feed->len : feed->step;

    (void)err;
    *bytes = feed->data;
    *len = step;
    feed->data += step;
    feed->len -= step;
    return PD_OK;
}

static enum pd_status read_entry(struct pd_tar_reader *reader, struct archive_entry *entry,
                                 bool whole, struct pd_error *err)
{
    uint64_t offset = 0, past = 0;
    enum pd_status status;
    const void *bytes;
    size_t len;

    if (whole) {
        char *text;

        status = pd_tar_slurp(reader, entry, 1 << 16, &text, &len, err);
        free(text);
        return status;
    }
    while ((status = pd_tar_block(reader, &bytes, &len, &offset, err)) == PD_OK && len > 0) {
        if (offset < past)
            abort();
        past = offset + len;
    }
    return status;
}

/* The first byte chooses how the rest is read; a reader that failed stays failed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_tar_reader *reader;
    struct archive_entry *entry;
    enum pd_status status;
    struct feed feed;
    bool whole;

    if (size == 0)
        return 0;
    feed = (struct feed){data + 1, size - 1, data[0] & 1 ? 512 : 4096};
    whole = (data[0] & 2) != 0;
    if (pd_tar_reader_new(next, &feed, &reader, &err) != PD_OK)
        return 0;
    while ((status = pd_tar_next(reader, &entry, &err)) == PD_OK && entry != NULL) {
        if (data[0] & 4)
            continue;
        status = read_entry(reader, entry, whole, &err);
        if (status != PD_OK)
            break;
    }
    if (status != PD_OK && !whole && pd_tar_next(reader, &entry, &err) != status)
        abort();
    pd_tar_reader_free(reader);
    return 0;
}
