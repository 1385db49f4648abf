#include "pairdump/signal.h"

#include <errno.h>
#include <string.h>

static volatile sig_atomic_t stop_flag; /* the one writable global, see the header */

static void on_signal(int number)
{
    int saved = errno;

    (void)number;
    __atomic_store_n(&stop_flag, 1, __ATOMIC_RELAXED); /* threads look at it */
    /* whichever of the two comes next ends the program */
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    errno = saved;
}

enum pd_status pd_signal_install(struct pd_stop *out, struct pd_error *err)
{
    struct sigaction stop = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    sigemptyset(&stop.sa_mask);
    sigemptyset(&ignore.sa_mask);
    if (sigaction(SIGINT, &stop, NULL) != 0 || sigaction(SIGTERM, &stop, NULL) != 0 ||
        sigaction(SIGPIPE, &ignore, NULL) != 0) {
        return pd_error_set(err, PD_INTERNAL, errno, "cannot set up signals");
    }
    out->flag = &stop_flag;
    return PD_OK;
}

bool pd_stop_requested(const struct pd_stop *stop)
{
    return __atomic_load_n(stop->flag, __ATOMIC_RELAXED) != 0;
}
