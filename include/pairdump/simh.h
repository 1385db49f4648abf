/*
 * simh: the framing of SIMH magnetic tape images (".tap"), as pure functions.
 *
 * Per record: a 32-bit little-endian length, the bytes, a zero byte if the length is odd, the
 * length again. Length 0 is a filemark, 0xFFFFFFFF the end of the medium. The top four bits are a
 * class; 0 is good data, 8 is bad data (a record that reads with an error). The image ends where
 * the recorded data ends. Source: "SIMH Magtape Representation and Handling", Bob Supnik, 2006.
 */
#ifndef PAIRDUMP_SIMH_H
#define PAIRDUMP_SIMH_H

#include <stdint.h>

#include "pairdump/error.h"

#define PD_SIMH_RECORD_MAX (UINT32_C(1) << 24) /* bytes we accept in one record: 16 MiB */

enum pd_simh_kind { PD_SIMH_RECORD, PD_SIMH_BAD_RECORD, PD_SIMH_MARK, PD_SIMH_END };

struct pd_simh_object {
    enum pd_simh_kind kind;
    uint32_t len;       /* data bytes of a record */
    uint64_t disk_size; /* bytes of the whole object in the image */
};

void pd_simh_word(uint32_t value, uint8_t out[4]);
/* Decodes the leading (or trailing: the same) word; PD_BAD_FORMAT for an unknown class or a length
 * over PD_SIMH_RECORD_MAX. */
PD_MUST_USE enum pd_status pd_simh_decode(const uint8_t word[4], struct pd_simh_object *out,
                                          struct pd_error *err);
uint64_t pd_simh_size(uint32_t len); /* image bytes of a record of len data bytes */

/* Walks a whole image in memory; calls fn for each object; PD_TRUNCATED if it ends inside one,
 * PD_BAD_FORMAT if leading and trailing words differ. Fuzzed. */
typedef enum pd_status (*pd_simh_fn)(void *arg, const struct pd_simh_object *object,
                                     const uint8_t *data, struct pd_error *err);
PD_MUST_USE enum pd_status pd_simh_walk(const uint8_t *image, size_t len, pd_simh_fn fn, void *arg,
                                        struct pd_error *err);

#endif
