#include "pairdump/simh.h"

#define WORD        4
#define WORD_MARK   UINT32_C(0)
#define WORD_END    UINT32_C(0xffffffff)
#define CLASS_SHIFT 28
#define CLASS_GOOD  0
#define CLASS_BAD   8
#define LEN_MASK    UINT32_C(0x0fffffff)

void pd_simh_word(uint32_t value, uint8_t out[4])
{
    for (int i = 0; i < WORD; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

uint64_t pd_simh_size(uint32_t len)
{
    return (uint64_t)len + (len & 1) + 2 * WORD;
}

enum pd_status pd_simh_decode(const uint8_t word[4], struct pd_simh_object *out,
                              struct pd_error *err)
{
    uint32_t value = 0, class;

    for (int i = WORD - 1; i >= 0; i--)
        value = value << 8 | word[i];
    out->len = 0;
    out->disk_size = WORD;
    if (value == WORD_MARK || value == WORD_END) {
        out->kind = value == WORD_MARK ? PD_SIMH_MARK : PD_SIMH_END;
        return PD_OK;
    }
    class = value >> CLASS_SHIFT;
    if (class != CLASS_GOOD && class != CLASS_BAD)
        return pd_error_set(err, PD_BAD_FORMAT, 0,
                            "tape image: unknown object 0x%08x; not a SIMH image, or damaged",
                            value);
    out->kind = class == CLASS_GOOD ? PD_SIMH_RECORD : PD_SIMH_BAD_RECORD;
    out->len = value & LEN_MASK;
    if (out->len == 0 || out->len > PD_SIMH_RECORD_MAX)
        return pd_error_set(err, PD_BAD_FORMAT, 0, "tape image: a record of %u bytes", out->len);
    out->disk_size = pd_simh_size(out->len);
    return PD_OK;
}

enum pd_status pd_simh_walk(const uint8_t *image, size_t len, pd_simh_fn fn, void *arg,
                            struct pd_error *err)
{
    size_t at = 0;

    while (at < len) {
        struct pd_simh_object object;
        const uint8_t *data = NULL;
        enum pd_status status;

        if (len - at < WORD)
            return pd_error_set(err, PD_TRUNCATED, 0, "tape image ends inside a length word");
        status = pd_simh_decode(image + at, &object, err);
        if (status != PD_OK)
            return status;
        if (object.disk_size > len - at)
            return pd_error_set(err, PD_TRUNCATED, 0, "tape image ends inside a record");
        if (object.len > 0) {
            data = image + at + WORD;
            if (memcmp(image + at, image + at + object.disk_size - WORD, WORD) != 0)
                return pd_error_set(err, PD_BAD_FORMAT, 0,
                                    "tape image: the length words around a record differ");
        }
        status = fn(arg, &object, data, err);
        if (status != PD_OK || object.kind == PD_SIMH_END)
            return status;
        at += (size_t)object.disk_size;
    }
    return PD_OK;
}
