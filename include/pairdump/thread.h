/*
 * thread: a thread is an object with a status; it is joined, never cancelled.
 *
 * The function runs once with arg and returns its status. It may call pd_thread_beat() with its own
 * object whenever it made progress; pd_thread_join() gives up with PD_HUNG when no beat came for the
 * stall time. A hung thread cannot be stopped safely (it sits in the kernel), so it is then
 * abandoned: the object and arg stay alive until the thread ends by itself, when release(arg) is
 * called in it; if it never ends, the process exit ends it.
 */
#ifndef PAIRDUMP_THREAD_H
#define PAIRDUMP_THREAD_H

#include <stdint.h>

#include "pairdump/clock.h"
#include "pairdump/error.h"

struct pd_thread;
typedef enum pd_status (*pd_thread_fn)(struct pd_thread *self, void *arg, struct pd_error *err);

/* name: up to 15 bytes, shown by ps -L. release may be NULL; it is called exactly once: at the end
 * of pd_thread_join, or by the abandoned thread when it ends. If start fails it is not called. */
PD_MUST_USE enum pd_status pd_thread_start(const char *name, pd_thread_fn fn, void *arg,
                                           void (*release)(void *arg), struct pd_thread **out,
                                           struct pd_error *err);
/* Called by fn: progress was made. Any thread may call it. */
void pd_thread_beat(struct pd_thread *thread);
/* Called by fn around calls that may hang in a device: true while join has given up on it. */
_Bool pd_thread_abandoned(const struct pd_thread *thread);

/* True once fn has returned. */
_Bool pd_thread_done(struct pd_thread *thread);
/* The same, waiting for it so many nanoseconds at most. */
_Bool pd_thread_wait(struct pd_thread *thread, uint64_t ns);

/* Waits for the end, frees *thread, sets it to NULL and gives fn's status and error; or, when no
 * beat came for stall_ns (0: wait for ever), abandons it and gives PD_HUNG naming the thread.
 * Uses real monotonic time. *thread NULL: PD_OK. */
PD_MUST_USE enum pd_status pd_thread_join(struct pd_thread **thread, uint64_t stall_ns,
                                          struct pd_error *err);

#endif
