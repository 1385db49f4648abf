/*
 * size: the one checked parser for numbers, sizes, durations and percentages, and their printing.
 *
 * Sizes are bytes in uint64_t. Suffixes K M G T P are powers of 1024, in either case, with an
 * optional "iB" or "B"; fractions ("1.5G") are taken where the result is whole. No sign, no
 * space, no empty text, no overflow: every such input is refused (false), *out untouched.
 */
#ifndef PAIRDUMP_SIZE_H
#define PAIRDUMP_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool pd_parse_u64(const char *text, uint64_t *out);
bool pd_parse_i64(const char *text, int64_t *out); /* optional leading '-' */
bool pd_parse_size(const char *text, uint64_t *out);
/* "90", "90s", "15m", "4h", "180d", "26w", "500ms" to nanoseconds. */
bool pd_parse_duration(const char *text, uint64_t *out_ns);
bool pd_parse_bool(const char *text, bool *out); /* yes/no, true/false, on/off, 1/0 */

/* "512 KiB", "1.5 GiB"; out takes at least 16 bytes. */
void pd_format_size(uint64_t bytes, char *out, size_t size);
/* "2:05" (m:ss) or "1:02:05"; out takes at least 24 bytes. */
void pd_format_duration(uint64_t ns, char *out, size_t size);
/* How long something is ago, in words: "323 days", "5 hours", "1 minute"; out takes at least 24
 * bytes. */
void pd_format_age(uint64_t ns, char *out, size_t size);

/* a + b and a * b, or UINT64_MAX where that overflows. */
uint64_t pd_add_sat(uint64_t a, uint64_t b);
uint64_t pd_mul_sat(uint64_t a, uint64_t b);
uint64_t pd_round_up(uint64_t value, uint64_t unit); /* unit > 0; saturating */

#endif
