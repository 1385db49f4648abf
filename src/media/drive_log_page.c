#include <inttypes.h>
#include <stdio.h>

#include "pairdump/drive_log.h"

/*
 *     page      = code(1) subpage(1) length(2) parameter...
 *     parameter = code(2) control(1) length(1) value
 *
 * Numbers are big-endian; the lengths count what follows. SPC-4 7.2, SSC-4 8.2.
 */
enum {
    HEAD = 4,
    DISABLED = 0x80, /* in the page's code: the drive saves it not */
    TOTAL_CORRECTED = 3,
    TOTAL_UNCORRECTED = 6,
    ALERTS = 64,
};

/* SSC-4, table of TapeAlert flags; NULL: reserved, or of no drive. */
static const struct {
    const char *name;
    bool critical;
} flags[ALERTS + 1] = {
    [1] = {"read-warning", false},
    [2] = {"write-warning", false},
    [3] = {"hard-error", false},
    [4] = {"media", true},
    [5] = {"read-failure", true},
    [6] = {"write-failure", true},
    [7] = {"media-life", false},
    [8] = {"not-data-grade", false},
    [9] = {"write-protect", true},
    [10] = {"no-removal", false},
    [11] = {"cleaning-media", false},
    [12] = {"unsupported-format", false},
    [13] = {"snapped-tape", true},
    [14] = {"unrecoverable-tape", true},
    [15] = {"cartridge-memory", false},
    [16] = {"forced-eject", true},
    [17] = {"read-only-format", false},
    [18] = {"directory-corrupted", false},
    [19] = {"nearing-media-life", false},
    [20] = {"cleaning-required", true},
    [21] = {"cleaning-requested", false},
    [22] = {"expired-cleaning-media", true},
    [23] = {"invalid-cleaning-tape", true},
    [24] = {"retension-requested", false},
    [25] = {"port-error", false},
    [26] = {"cooling-fan", false},
    [27] = {"power-supply", false},
    [28] = {"power-consumption", false},
    [29] = {"drive-maintenance", false},
    [30] = {"hardware-a", true},
    [31] = {"hardware-b", true},
    [32] = {"interface", false},
    [33] = {"eject-media", true},
    [34] = {"microcode-update", false},
    [35] = {"humidity", false},
    [36] = {"temperature", false},
    [37] = {"voltage", false},
    [38] = {"predictive-failure", true},
    [39] = {"diagnostics-required", false},
    [50] = {"lost-statistics", false},
    [51] = {"directory-invalid", false},
    [52] = {"system-area-write", true},
    [53] = {"system-area-read", true},
    [54] = {"no-start-of-data", true},
    [55] = {"loading-failure", true},
    [56] = {"unload-failure", true},
    [57] = {"automation-interface", true},
    [58] = {"microcode", false},
    [59] = {"worm-integrity", false},
    [60] = {"worm-overwrite", false},
};

struct parameter {
    unsigned code;
    const uint8_t *value;
    size_t len;
};

static enum pd_status wrong(unsigned page, const char *what, struct pd_error *err)
{
    return pd_error_set(err, PD_BAD_FORMAT, 0, "log page %02Xh of the drive: %s", page, what);
}

static unsigned two(const uint8_t *bytes)
{
    return (unsigned)bytes[0] << 8 | bytes[1];
}

static enum pd_status check_head(unsigned page, const uint8_t *bytes, size_t len,
                                 struct pd_error *err)
{
    if (len < HEAD)
        return wrong(page, "it is cut off", err);
    if ((bytes[0] & ~(unsigned)DISABLED) != page || bytes[1] != 0)
        return wrong(page, "it is another one", err);
    return two(bytes + 2) == len - HEAD ? PD_OK : wrong(page, "its length is wrong", err);
}

/* The parameter at *at, which moves on. */
static enum pd_status next(unsigned page, const uint8_t *bytes, size_t len, size_t *at,
                           struct parameter *out, struct pd_error *err)
{
    if (len - *at < HEAD)
        return wrong(page, "a parameter is cut off", err);
    out->code = two(bytes + *at);
    out->len = bytes[*at + 3];
    out->value = bytes + *at + HEAD;
    *at += HEAD;
    if (len - *at < out->len)
        return wrong(page, "a parameter is longer than it", err);
    *at += out->len;
    return PD_OK;
}

static enum pd_status take_alert(const struct parameter *p, uint64_t *seen,
                                 struct pd_drive_log *log, struct pd_error *err)
{
    if (p->code < 1 || p->code > ALERTS)
        return PD_OK; /* of the maker's own */
    if (p->len != 1)
        return wrong(PD_LOG_PAGE_ALERT, "a flag is not one byte", err);
    if (*seen & UINT64_C(1) << (p->code - 1))
        return wrong(PD_LOG_PAGE_ALERT, "a flag is told twice", err);
    *seen |= UINT64_C(1) << (p->code - 1);
    if (p->value[0] & 1)
        log->alerts |= UINT64_C(1) << (p->code - 1);
    return PD_OK;
}

static enum pd_status take_count(unsigned page, const struct parameter *p, uint64_t *count,
                                 struct pd_error *err)
{
    uint64_t value = 0;

    if (p->len < 1 || p->len > 8)
        return wrong(page, "a count is not of 1 to 8 bytes", err);
    if (*count != PD_DRIVE_LOG_UNKNOWN)
        return wrong(page, "a count is told twice", err);
    for (size_t i = 0; i < p->len; i++)
        value = value << 8 | p->value[i];
    /* all ones: more than the drive can count */
    *count = value < INT64_MAX ? value : INT64_MAX;
    return PD_OK;
}

static enum pd_status take_error(unsigned page, const struct parameter *p, struct pd_drive_log *log,
                                 struct pd_error *err)
{
    bool writing = page == PD_LOG_PAGE_WRITE;

    if (p->code == TOTAL_CORRECTED)
        return take_count(page, p, writing ? &log->write_corrected : &log->read_corrected, err);
    if (p->code == TOTAL_UNCORRECTED)
        return take_count(page, p, writing ? &log->write_uncorrected : &log->read_uncorrected, err);
    return PD_OK;
}

/* What the page tells, and nothing that was told before. */
static void clear_page(unsigned page, struct pd_drive_log *log)
{
    if (page == PD_LOG_PAGE_ALERT)
        log->alerts = 0;
    else if (page == PD_LOG_PAGE_WRITE)
        log->write_corrected = log->write_uncorrected = PD_DRIVE_LOG_UNKNOWN;
    else
        log->read_corrected = log->read_uncorrected = PD_DRIVE_LOG_UNKNOWN;
}

enum pd_status pd_drive_log_page(unsigned page, const void *bytes, size_t len,
                                 struct pd_drive_log *log, struct pd_error *err)
{
    struct pd_drive_log read = *log;
    struct parameter p = {0};
    uint64_t seen = 0;
    enum pd_status status;

    if (page != PD_LOG_PAGE_ALERT && page != PD_LOG_PAGE_WRITE && page != PD_LOG_PAGE_READ)
        return pd_error_set(err, PD_UNSUPPORTED, 0, "log page %02Xh is not one of ours", page);
    clear_page(page, &read);
    status = check_head(page, bytes, len, err);
    for (size_t at = HEAD; status == PD_OK && at < len;) {
        status = next(page, bytes, len, &at, &p, err);
        if (status == PD_OK)
            status = page == PD_LOG_PAGE_ALERT ? take_alert(&p, &seen, &read, err)
                                               : take_error(page, &p, &read, err);
    }
    if (status == PD_OK)
        *log = read;
    return status;
}

unsigned pd_drive_log_alerts(uint64_t alerts, bool critical, char *out, size_t size)
{
    unsigned count = 0;
    size_t at = 0;

    out[0] = '\0';
    for (unsigned n = 1; n <= ALERTS; n++) {
        if ((alerts >> (n - 1) & 1) == 0 || (critical && !flags[n].critical))
            continue;
        int put = at < size ? snprintf(out + at, size - at, "%s%u%s%s", count > 0 ? ", " : "", n,
                                       flags[n].name != NULL ? " " : "",
                                       flags[n].name != NULL ? flags[n].name : "")
                            : 0;
        at += put > 0 ? (size_t)put : 0;
        count++;
    }
    return count;
}
