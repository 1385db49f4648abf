/*
 * log: messages for people, through a sink that the program chooses; library code never prints.
 *
 * Levels rise: debug, info, note, warn, error. A message below the log's level is dropped before it
 * is formatted. The sink is called with one complete line without newline, never from two threads
 * at once.
 */
#ifndef PAIRDUMP_LOG_H
#define PAIRDUMP_LOG_H

#include "pairdump/error.h"

enum pd_log_level { PD_LOG_DEBUG, PD_LOG_INFO, PD_LOG_NOTE, PD_LOG_WARN, PD_LOG_ERROR };

struct pd_log;
typedef void (*pd_log_sink)(void *arg, enum pd_log_level level, const char *line);

PD_MUST_USE enum pd_status pd_log_new(pd_log_sink sink, void *arg, enum pd_log_level level,
                                      struct pd_log **out, struct pd_error *err);
void pd_log_free(struct pd_log *log);
void pd_log_set_level(struct pd_log *log, enum pd_log_level level);
/* Runs fn while no line is given out: for changing what the sink uses, as a thread that hung may
 * log at any time. fn must not log. */
void pd_log_pause(struct pd_log *log, void (*fn)(void *arg), void *arg);
const char *pd_log_level_name(enum pd_log_level level);

/* log NULL: nobody listens. */
void pd_log_line(struct pd_log *log, enum pd_log_level level, const char *fmt, ...)
    PD_PRINTF(3, 4);
/* Logs an error with its context, as pd_error_format does. */
void pd_log_error(struct pd_log *log, enum pd_log_level level, const struct pd_error *err);

#endif
