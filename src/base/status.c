#include "pairdump/status.h"

#include <string.h>

struct row {
    const char *name;
    const char *text;
    enum pd_severity severity;
    bool retryable;
    enum pd_exit exit_class;
};

static const struct row rows[PD_STATUS_COUNT] = {
#define PD_X(code, name, sev, retry, exit_class, text)                                             \
    [code] = {name, text, sev, retry, exit_class},
    PD_STATUS_TABLE(PD_X)
#undef PD_X
};

static bool known(enum pd_status status)
{
    return (int)status >= 0 && (int)status < PD_STATUS_COUNT;
}

static const struct row *row_of(enum pd_status status)
{
    return &rows[known(status) ? status : PD_INTERNAL];
}

const char *pd_status_name(enum pd_status status)
{
    return row_of(status)->name;
}

const char *pd_status_text(enum pd_status status)
{
    return row_of(status)->text;
}

enum pd_severity pd_status_severity(enum pd_status status)
{
    return row_of(status)->severity;
}

bool pd_status_retryable(enum pd_status status)
{
    return row_of(status)->retryable;
}

enum pd_exit pd_status_exit(enum pd_status status)
{
    return row_of(status)->exit_class;
}

bool pd_status_parse(const char *name, enum pd_status *out)
{
    for (int i = 0; i < PD_STATUS_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            *out = (enum pd_status)i;
            return true;
        }
    }
    *out = PD_INTERNAL;
    return false;
}

bool pd_status_blames_copy(enum pd_status status)
{
    static const enum pd_status innocent[] = {
        PD_OK,           PD_INTERRUPTED,    PD_NO_MEMORY,    PD_HUNG,       PD_NOT_FOUND,
        PD_NO_MEDIUM,    PD_NOT_READY,      PD_BUSY,         PD_AGAIN,      PD_WRONG_VOLUME,
        PD_USAGE,        PD_UNSUPPORTED,    PD_INTERNAL,     PD_UNVERIFIED, PD_DENIED,
        PD_CATALOG,      PD_NO_SPACE,       PD_CATALOG_BUSY, PD_CONFIG,     PD_CREDENTIALS,
        PD_CATALOG_LOST, PD_COMMIT_UNKNOWN, PD_EXISTS,       PD_HELD,       PD_STALE,
        PD_LATE,
    };

    for (size_t i = 0; i < sizeof innocent / sizeof innocent[0]; i++) {
        if (innocent[i] == status) {
            return false;
        }
    }
    return true;
}

enum pd_status pd_status_worst(enum pd_status a, enum pd_status b)
{
    if (!known(a) || !known(b)) {
        return PD_INTERNAL;
    }
    return rows[b].severity > rows[a].severity ? b : a;
}

enum pd_status pd_status_across(const enum pd_status *copies, size_t n)
{
    size_t good = 0;
    size_t unread = 0;

    for (size_t i = 0; i < n; i++) {
        if (copies[i] == PD_INTERRUPTED) {
            return PD_INTERRUPTED;
        }
        good += copies[i] == PD_OK;
        unread += copies[i] == PD_UNVERIFIED;
    }
    if (n > 0 && good == n) {
        return PD_OK;
    }
    if (good > 0) {
        return PD_DEGRADED;
    }
    return n > 0 && unread == n ? PD_UNVERIFIED : PD_FAILED;
}
