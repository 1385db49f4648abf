#include "pairdump/simh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum pd_status add(void *arg, const struct pd_simh_object *object, const uint8_t *data,
                          struct pd_error *err)
{
    uint64_t *total = arg;
    volatile uint8_t last;

    (void)err;
    if ((object->len > 0) != (data != NULL))
        abort();
    if (data != NULL) {
        last = data[object->len - 1]; /* inside the image, or the sanitizer says so */
        (void)last;
    }
    *total += object->disk_size;
    return PD_OK;
}

/* Objects never reach past the image. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pd_error err = PD_ERROR_INIT;
    uint64_t total = 0;

    (void)(pd_simh_walk(data, size, add, &total, &err) == PD_OK);
    if (total > size)
        abort();
    return 0;
}
