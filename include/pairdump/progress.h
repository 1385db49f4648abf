/*
 * progress: counters that threads raise and a face reads; no text, no terminal.
 *
 * All fields are atomic; a reader sees each of them whole, not all of them at one instant.
 */
#ifndef PAIRDUMP_PROGRESS_H
#define PAIRDUMP_PROGRESS_H

#include <stdatomic.h>
#include <stdint.h>

#define PD_COPIES_MAX 8

enum pd_phase {
    PD_PHASE_IDLE,
    PD_PHASE_LIST,
    PD_PHASE_WRITE,
    PD_PHASE_VERIFY,
    PD_PHASE_RESTORE,
    PD_PHASE_DONE,
};

struct pd_progress {
    atomic_int phase;
    atomic_uint_fast64_t files_total, files_done;
    atomic_uint_fast64_t bytes_total, bytes_done; /* of source data read */
    atomic_uint_fast64_t archive_no;
    atomic_uint_fast64_t ring_used, ring_size; /* records */
    atomic_uint_fast64_t copies;               /* of all sets of drives that work side by side */
    atomic_uint_fast64_t pairs;                /* such sets; 0: one */
    atomic_uint_fast64_t written[PD_COPIES_MAX];  /* bytes accepted by each copy */
    atomic_uint_fast64_t verified[PD_COPIES_MAX]; /* bytes read back from each copy */
    atomic_uint_fast64_t verify_total;            /* bytes to read back per copy, as known */
    atomic_uint_fast64_t problems;                /* source files not whole */
    atomic_uint_fast64_t hung; /* threads given up: while one may come back, nothing that it uses
                                  (env, libraries) may be torn down; the program ends by _exit */
    atomic_uint_fast64_t bounded; /* waits under way that end by a limit of their own, as those for
                                     a changer: no sign that a drive hangs */
};

void pd_progress_init(struct pd_progress *progress);
const char *pd_phase_name(enum pd_phase phase);

#endif
