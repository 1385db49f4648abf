/*
 * Help for the tests of replica, restore and sample: an env, and a volume in memory.
 */
#ifndef WORK_RESTORE_LIB_H
#define WORK_RESTORE_LIB_H

#include "pairdump/env.h"
#include "pairdump/target.h"

/* An env with real time, a silent log and a seeded generator. */
struct restore_lib_env {
    struct pd_env env;
    struct pd_progress progress;
    struct pd_stop stop;
    volatile sig_atomic_t stopped;
};
void restore_lib_env_start(struct restore_lib_env *e);
void restore_lib_env_end(struct restore_lib_env *e);

/* One tape file (number 1) of records in memory. */
struct restore_lib_volume {
    const char *label;
    size_t record_size;
    uint64_t count;
    uint8_t *records; /* count * record_size; the test's */
    uint64_t next;
    uint64_t bad_from, bad_to; /* reads of these fail with PD_IO; to is excluded */
    bool no_open;              /* open_file fails */
    uint64_t opens, reads, seeks;
};
/* A mounted target on it; ends the test on failure. */
struct pd_target *restore_lib_target(struct restore_lib_volume *volume);
void restore_lib_close(struct pd_target *target);

#endif
