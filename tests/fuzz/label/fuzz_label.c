#include "pairdump/label.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any bytes: no crash; and a label that was taken can be written and comes back the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf out = PD_BUF_INIT;
    struct pd_label label, back;

    if (pd_label_decode(data, size, &label, &err) != PD_OK)
        return 0;
    label.created -= label.created % 1000000000; /* whole seconds are kept */
    if (pd_label_encode(&label, &out, &err) != PD_OK ||
        pd_label_decode(out.data, out.len, &back, &err) != PD_OK ||
        memcmp(label.uuid, back.uuid, sizeof(label.uuid)) != 0 ||
        strcmp(label.pool, back.pool) != 0 || label.partner_count != back.partner_count ||
        label.block_size != back.block_size)
        abort();
    pd_buf_free(&out);
    return 0;
}
