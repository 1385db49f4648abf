/*
 * signal: one flag that SIGINT and SIGTERM set; the only writable global of the program.
 *
 * Work looks at the flag between records and stops in a state that the catalog describes; the
 * program then ends with exit code 130. A second signal while stopping is left to its default
 * action. Tests use a struct pd_stop of their own.
 */
#ifndef PAIRDUMP_SIGNAL_H
#define PAIRDUMP_SIGNAL_H

#include <signal.h>
#include <stdbool.h>

#include "pairdump/error.h"

struct pd_stop {
    const volatile sig_atomic_t *flag; /* non-zero: stop */
};

/* Installs handlers (without SA_RESTART, SIGPIPE ignored) and returns the program's stop object. */
PD_MUST_USE enum pd_status pd_signal_install(struct pd_stop *out, struct pd_error *err);
bool pd_stop_requested(const struct pd_stop *stop);

#endif
