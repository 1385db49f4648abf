#include "pairdump/size.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Digits at text into *out; the count of them, 0 when there is none or the value overflows. */
static size_t digits(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    size_t n = 0;

    for (; text[n] >= '0' && text[n] <= '9'; n++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[n] - '0'), &value)) {
            return 0;
        }
    }
    *out = value;
    return n;
}

bool pd_parse_u64(const char *text, uint64_t *out)
{
    uint64_t value;
    size_t n = digits(text, &value);

    if (n == 0 || text[n] != '\0') {
        return false;
    }
    *out = value;
    return true;
}

bool pd_parse_i64(const char *text, int64_t *out)
{
    bool negative = text[0] == '-';
    uint64_t value;

    if (!pd_parse_u64(text + negative, &value) || value > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

/* The fraction after the point, as value * unit / 10^n; false unless that is whole. */
static bool fraction(const char *text, size_t n, uint64_t unit, uint64_t *out)
{
    unsigned __int128 value = 0;
    unsigned __int128 scale = 1;

    if (n == 0 || n > 15) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        value = value * 10 + (unsigned)(text[i] - '0');
        scale *= 10;
    }
    value *= unit;
    if (value % scale != 0) {
        return false;
    }
    *out = (uint64_t)(value / scale);
    return true;
}

static bool size_unit(const char *suffix, uint64_t *unit)
{
    static const char letters[] = "KMGTP";
    const char *found = NULL;

    *unit = 1;
    if (*suffix == '\0' || strcasecmp(suffix, "B") == 0) {
        return true;
    }
    for (const char *l = letters; *l && !found; l++) {
        if (strncasecmp(suffix, l, 1) == 0) {
            found = l;
        }
    }
    if (!found) {
        return false;
    }
    *unit = UINT64_C(1) << (10 * (found - letters + 1));
    suffix++;
    return *suffix == '\0' || strcasecmp(suffix, "B") == 0 || strcasecmp(suffix, "iB") == 0;
}

bool pd_parse_size(const char *text, uint64_t *out)
{
    uint64_t whole, unit, part = 0, value;
    size_t n = digits(text, &whole);
    const char *point = NULL;
    size_t point_digits = 0;

    if (n == 0) {
        return false;
    }
    text += n;
    if (*text == '.') {
        point = ++text;
        point_digits = strspn(text, "0123456789");
        text += point_digits;
    }
    if (!size_unit(text, &unit) || (point && !fraction(point, point_digits, unit, &part)) ||
        __builtin_mul_overflow(whole, unit, &value) ||
        __builtin_add_overflow(value, part, &value)) {
        return false;
    }
    *out = value;
    return true;
}

bool pd_parse_duration(const char *text, uint64_t *out_ns)
{
    static const struct {
        const char *suffix;
        uint64_t ns;
    } units[] = {
        {"", UINT64_C(1000000000)},       {"ms", UINT64_C(1000000)},
        {"s", UINT64_C(1000000000)},      {"m", UINT64_C(60000000000)},
        {"h", UINT64_C(3600000000000)},   {"d", UINT64_C(86400000000000)},
        {"w", UINT64_C(604800000000000)},
    };
    uint64_t value;
    size_t n = digits(text, &value);

    for (size_t i = 0; n > 0 && i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text + n, units[i].suffix) == 0) {
            if (__builtin_mul_overflow(value, units[i].ns, &value)) {
                return false;
            }
            *out_ns = value;
            return true;
        }
    }
    return false;
}

bool pd_parse_bool(const char *text, bool *out)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {
        {"yes", true}, {"true", true},   {"on", true},   {"1", true},
        {"no", false}, {"false", false}, {"off", false}, {"0", false},
    };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i].word) == 0) {
            *out = words[i].value;
            return true;
        }
    }
    return false;
}

void pd_format_size(uint64_t bytes, char *out, size_t size)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned unit = 0;

    while (unit < 6 && bytes >> (10 * unit) >= 1024) {
        unit++;
    }
    double value = (double)bytes / (double)(UINT64_C(1) << (10 * unit));
    if (unit == 0 || value >= 100 || value == (double)(uint64_t)value) {
        snprintf(out, size, "%.0f %s", value, names[unit]);
    } else {
        snprintf(out, size, "%.1f %s", value, names[unit]);
    }
}

void pd_format_duration(uint64_t ns, char *out, size_t size)
{
    uint64_t s = ns / 1000000000U;

    if (s >= 3600) {
        snprintf(out, size, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600, s / 60 % 60, s % 60);
    } else {
        snprintf(out, size, "%" PRIu64 ":%02" PRIu64, s / 60, s % 60);
    }
}

void pd_format_age(uint64_t ns, char *out, size_t size)
{
    static const struct {
        const char *word;
        uint64_t seconds;
    } units[] = {{"day", 86400}, {"hour", 3600}, {"minute", 60}};
    uint64_t s = ns / 1000000000U;
    size_t unit = 0;

    while (unit < 2 && s < 2 * units[unit].seconds) { /* rather 47 hours than 1 day */
        unit++;
    }
    uint64_t n = s / units[unit].seconds;
    snprintf(out, size, "%" PRIu64 " %s%s", n, units[unit].word, n == 1 ? "" : "s");
}

uint64_t pd_add_sat(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

uint64_t pd_mul_sat(uint64_t a, uint64_t b)
{
    uint64_t product;

    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

uint64_t pd_round_up(uint64_t value, uint64_t unit)
{
    uint64_t rest = value % unit;

    return rest == 0 ? value : pd_add_sat(value, unit - rest);
}
