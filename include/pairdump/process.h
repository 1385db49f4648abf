/*
 * process: which process this is, so that others can tell later whether it still runs.
 *
 * An identity is "BOOT NAMESPACE START": the boot of the machine, the namespace in which process
 * numbers count, and when the process began in clock ticks since the boot. With the number it names
 * a process of a host once and for all, though numbers are used anew. What /proc does not tell is
 * "-". Hosts are told apart by their names.
 */
#ifndef PAIRDUMP_PROCESS_H
#define PAIRDUMP_PROCESS_H

#include <stddef.h>
#include <stdint.h>

enum pd_process_state {
    PD_PROCESS_RUNS,
    PD_PROCESS_ENDED,
    PD_PROCESS_ELSEWHERE, /* of another boot or namespace: not to be seen from here */
};

#define PD_PROCESS_TEXT 160
#define PD_HOST_TEXT    256

/* Of the calling process. */
void pd_process_self(char out[PD_PROCESS_TEXT]);
/* A process that said of itself, on this host, that it is number pid and identity. One that ended
 * but was not waited for has ended. What cannot be told counts as running. */
enum pd_process_state pd_process_look(int64_t pid, const char *identity);
/* Name of this host; "" when it has none. */
void pd_process_host(char out[PD_HOST_TEXT]);

#endif
