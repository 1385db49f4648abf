#include <stdlib.h>
#include <string.h>

#include "pairdump/drive_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_texts(uint64_t alerts)
{
    char text[1024], critical[1024], cut[16];
    unsigned all = pd_drive_log_alerts(alerts, false, text, sizeof(text));

    if (pd_drive_log_alerts(alerts, true, critical, sizeof(critical)) > all ||
        pd_drive_log_alerts(alerts, false, cut, sizeof(cut)) != all ||
        strncmp(text, cut, sizeof(cut) - 1) != 0 || (alerts == 0) != (text[0] == '\0'))
        abort();
}

/* Any bytes, as each of the pages: no crash; what is refused changes nothing, and what is taken
 * tells of its own page alone. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned pages[] = {PD_LOG_PAGE_ALERT, PD_LOG_PAGE_WRITE, PD_LOG_PAGE_READ};
    const struct pd_drive_log before = {.alerts = 8,
                                        .write_corrected = 1,
                                        .write_uncorrected = 2,
                                        .read_corrected = 3,
                                        .read_uncorrected = 4};
    struct pd_error err = PD_ERROR_INIT;

    for (size_t i = 0; i < 3; i++) {
        struct pd_drive_log log = before;
        enum pd_status status = pd_drive_log_page(pages[i], data, size, &log, &err);
        if (status != PD_OK && (status != PD_BAD_FORMAT || memcmp(&log, &before, sizeof(log)) != 0))
            abort();
        if ((i != 0 && log.alerts != 8) ||
            (i != 1 && (log.write_corrected != 1 || log.write_uncorrected != 2)) ||
            (i != 2 && (log.read_corrected != 3 || log.read_uncorrected != 4)))
            abort();
        check_texts(log.alerts);
    }
    if (size >= sizeof(uint64_t)) {
        uint64_t alerts;
        memcpy(&alerts, data, sizeof(alerts));
        check_texts(alerts);
    }
    return 0;
}
