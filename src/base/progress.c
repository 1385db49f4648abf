#include "pairdump/progress.h"

#include <stddef.h>
#include <string.h>

void pd_progress_init(struct pd_progress *progress)
{
    memset(progress, 0, sizeof *progress);
}

const char *pd_phase_name(enum pd_phase phase)
{
    static const char *const names[] = {"idle", "list", "write", "verify", "restore", "done"};

    return (int)phase >= 0 && (size_t)phase < sizeof names / sizeof names[0] ? names[phase] : "?";
}
