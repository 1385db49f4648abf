#include "pairdump/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "utf8.h"

struct pd_log {
    pthread_mutex_t lock; /* held while the sink runs */
    pd_log_sink sink;
    void *arg;
    atomic_int level;
};

enum pd_status pd_log_new(pd_log_sink sink, void *arg, enum pd_log_level level, struct pd_log **out,
                          struct pd_error *err)
{
    struct pd_log *log = calloc(1, sizeof *log);

    if (!log) {
        return pd_error_memory(err, "log");
    }
    pthread_mutex_init(&log->lock, NULL);
    log->sink = sink;
    log->arg = arg;
    atomic_init(&log->level, (int)level);
    *out = log;
    return PD_OK;
}

void pd_log_free(struct pd_log *log)
{
    if (log) {
        pthread_mutex_destroy(&log->lock);
        free(log);
    }
}

void pd_log_set_level(struct pd_log *log, enum pd_log_level level)
{
    atomic_store(&log->level, (int)level);
}

void pd_log_pause(struct pd_log *log, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&log->lock);
    fn(arg);
    pthread_mutex_unlock(&log->lock);
}

const char *pd_log_level_name(enum pd_log_level level)
{
    static const char *const names[] = {"debug", "info", "note", "warning", "error"};

    return (int)level >= 0 && (size_t)level < sizeof names / sizeof names[0] ? names[level] : "?";
}

static void emit(struct pd_log *log, enum pd_log_level level, const char *line)
{
    pthread_mutex_lock(&log->lock);
    log->sink(log->arg, level, line);
    pthread_mutex_unlock(&log->lock);
}

void pd_log_line(struct pd_log *log, enum pd_log_level level, const char *fmt, ...)
{
    char line[2048];
    char text[sizeof line + 1]; /* so that what is cut here is marked as cut below */
    va_list ap;

    if (!log || (int)level < atomic_load(&log->level)) {
        return;
    }
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    pd_utf8_show(line, sizeof line, text);
    emit(log, level, line);
}

void pd_log_error(struct pd_log *log, enum pd_log_level level, const struct pd_error *err)
{
    char line[2048];

    if (log && (int)level >= atomic_load(&log->level)) {
        pd_error_format(err, line, sizeof line);
        emit(log, level, line);
    }
}
