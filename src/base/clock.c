#include "pairdump/clock.h"

#include "pairdump/size.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t real_utc(void *self)
{
    struct timespec t;

    (void)self;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * PD_NS_PER_S + t.tv_nsec;
}

static uint64_t real_monotonic(void *self)
{
    struct timespec t;

    (void)self;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * (uint64_t)PD_NS_PER_S + (uint64_t)t.tv_nsec;
}

static void real_sleep(void *self, uint64_t ns)
{
    struct timespec t = pd_clock_timespec(ns);

    (void)self;
    nanosleep(&t, NULL);
}

const struct pd_clock *pd_clock_real(void)
{
    static const struct pd_clock clock = {real_utc, real_monotonic, real_sleep, NULL};

    return &clock;
}

int64_t pd_clock_utc(const struct pd_clock *clock)
{
    return clock->utc(clock->self);
}

uint64_t pd_clock_monotonic(const struct pd_clock *clock)
{
    return clock->monotonic(clock->self);
}

void pd_clock_sleep(const struct pd_clock *clock, uint64_t ns)
{
    clock->sleep(clock->self, ns);
}

struct timespec pd_clock_timespec(uint64_t monotonic_ns)
{
    return (struct timespec){.tv_sec = (time_t)(monotonic_ns / (uint64_t)PD_NS_PER_S),
                             .tv_nsec = (long)(monotonic_ns % (uint64_t)PD_NS_PER_S)};
}

struct timespec pd_clock_deadline(uint64_t ns)
{
    return pd_clock_timespec(pd_add_sat(pd_clock_monotonic(pd_clock_real()), ns));
}

void pd_time_format(int64_t utc_ns, char *out, size_t size)
{
    time_t seconds = (time_t)(utc_ns / PD_NS_PER_S - (utc_ns % PD_NS_PER_S < 0));
    struct tm tm;

    if (!gmtime_r(&seconds, &tm)) {
        snprintf(out, size, "?");
        return;
    }
    snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Exactly n digits at *text, moved past; -1 if there are not. */
static int number(const char **text, int n)
{
    int value = 0;

    for (int i = 0; i < n; i++) {
        char c = (*text)[i];
        if (c < '0' || c > '9') {
            return -1;
        }
        value = value * 10 + (c - '0');
    }
    *text += n;
    return value;
}

static bool expect(const char **text, char c)
{
    if (**text != c) {
        return false;
    }
    (*text)++;
    return true;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month] + (month == 1 && leap);
}

static bool parse_date(const char **text, struct tm *tm)
{
    tm->tm_year = number(text, 4) - 1900;
    if (tm->tm_year < -1900 || !expect(text, '-')) {
        return false;
    }
    tm->tm_mon = number(text, 2) - 1;
    if (tm->tm_mon < 0 || tm->tm_mon > 11 || !expect(text, '-')) {
        return false;
    }
    tm->tm_mday = number(text, 2);
    return tm->tm_mday >= 1 && tm->tm_mday <= days_in(tm->tm_year + 1900, tm->tm_mon);
}

static bool parse_time(const char **text, struct tm *tm, int64_t *ns)
{
    tm->tm_hour = number(text, 2);
    if (tm->tm_hour < 0 || tm->tm_hour > 23 || !expect(text, ':')) {
        return false;
    }
    tm->tm_min = number(text, 2);
    if (tm->tm_min < 0 || tm->tm_min > 59 || !expect(text, ':')) {
        return false;
    }
    tm->tm_sec = number(text, 2);
    if (tm->tm_sec < 0 || tm->tm_sec > 60) {
        return false;
    }
    *ns = 0;
    if (**text == '.') {
        int64_t scale = PD_NS_PER_S / 10;
        (*text)++;
        if (**text < '0' || **text > '9') {
            return false;
        }
        for (; **text >= '0' && **text <= '9'; (*text)++, scale /= 10) {
            *ns += (**text - '0') * scale;
        }
    }
    return true;
}

static bool parse_offset(const char **text, int64_t *seconds)
{
    *seconds = 0;
    if (expect(text, 'Z') || expect(text, 'z')) {
        return true;
    }
    int sign = **text == '+' ? 1 : **text == '-' ? -1 : 0;
    if (sign == 0) {
        return false;
    }
    (*text)++;
    int hours = number(text, 2);
    if (hours < 0 || hours > 23 || !expect(text, ':')) {
        return false;
    }
    int minutes = number(text, 2);
    if (minutes < 0 || minutes > 59) {
        return false;
    }
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool pd_time_parse(const char *text, int64_t *utc_ns)
{
    struct tm tm;
    int64_t ns = 0;
    int64_t offset = 0;

    memset(&tm, 0, sizeof tm);
    if (!parse_date(&text, &tm)) {
        return false;
    }
    if (*text != '\0' &&
        ((!expect(&text, 'T') && !expect(&text, 't')) || !parse_time(&text, &tm, &ns) ||
         !parse_offset(&text, &offset) || *text != '\0')) {
        return false;
    }
    int64_t value;
    if (__builtin_mul_overflow((int64_t)timegm(&tm) - offset, PD_NS_PER_S, &value) ||
        __builtin_add_overflow(value, ns, &value)) {
        return false;
    }
    *utc_ns = value;
    return true;
}
