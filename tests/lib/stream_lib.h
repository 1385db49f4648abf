/*
 * stream_lib: what the tests of rings and fan-outs share: bytes that tell their place, calls that
 * may wait, and volumes in memory that fail, hang or fill up as told.
 */
#ifndef PAIRDUMP_TESTS_STREAM_LIB_H
#define PAIRDUMP_TESTS_STREAM_LIB_H

#include <pthread.h>
#include <stdatomic.h>

#include "pairdump/ring.h"
#include "pairdump/target.h"

#define SL_RECORD 4096
#define SL_CALLS  6

/* The byte at that place of a stream; no two records of a test are alike. */
uint8_t sl_byte(uint64_t place);
void sl_fill(uint8_t *out, uint64_t place, size_t len);
/* Whether bytes are those from that place on. */
bool sl_right(const uint8_t *bytes, uint64_t place, size_t len);

uint64_t sl_now(void); /* monotonic ns */
void sl_sleep_ms(unsigned ms);
/* Threads of this process; and waits (10 s at most) until no more than so many are left, as those
 * that were given up end unseen. */
unsigned sl_threads(void);
void sl_wait_threads(unsigned wanted);

/* Calls of the ring that should not wait, and must succeed. Records are of SL_RECORD bytes. */
/* So many bytes, which tell their place, at most step at a time. */
void sl_put(struct pd_ring *ring, uint64_t len, size_t step);
void sl_put_records(struct pd_ring *ring, uint64_t records);
void sl_finish(struct pd_ring *ring);
const uint8_t *sl_look(struct pd_ring *ring, unsigned reader);
/* The reader's next record, which must be the one of that number. */
void sl_take(struct pd_ring *ring, unsigned reader, uint64_t number);
/* Gives the status. The first waits for SL_STALL_NS, to see that there is no room. */
#define SL_STALL_NS UINT64_C(20000000)
enum pd_status sl_try_room(struct pd_ring *ring);
enum pd_status sl_agree(struct pd_ring *ring, unsigned reader);

/* A call in a thread of its own, which may wait. */
enum sl_kind { SL_IN_ROOM, SL_IN_RECORD, SL_IN_AGREE };
struct sl_waiting {
    pthread_t thread;
    struct pd_ring *ring;
    enum sl_kind kind;
    unsigned reader;
    uint64_t stall_ns;
    const uint8_t *record;
    enum pd_status status;
    atomic_bool done;
};
void sl_start(struct sl_waiting *call, struct pd_ring *ring, enum sl_kind kind, unsigned reader);
void sl_start_stall(struct sl_waiting *call, struct pd_ring *ring, uint64_t stall_ns);
void sl_expect_waiting(const struct sl_waiting *call); /* for a while */
void sl_expect_return(struct sl_waiting *call, enum pd_status wanted); /* waits for it */

enum sl_call { SL_NONE, SL_BEGIN, SL_WRITE, SL_END, SL_ABANDON, SL_SYNC };

/* A volume of records in memory. What is behind `lock` is read by the test only when no thread uses
 * the target any more. */
struct sl_volume {
    /* as the test wants it */
    const char *label;
    struct pd_target_caps caps;
    enum sl_call fail, hang; /* which call, */
    uint64_t fail_at, hang_at; /* and which of that kind, from 1 */
    enum pd_status fail_status;
    uint64_t capacity;  /* records; 0: endless */
    unsigned begin_ms, write_ms; /* that each takes */
    struct sl_volume *after; /* the end of a tape file waits until that volume has ended one */
    void (*on_write)(void *arg); /* called by each write first; or NULL */
    void (*on_sync)(void *arg);  /* the same */
    void *arg;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool released;          /* what hangs goes on */
    uint64_t calls[SL_CALLS];
    uint8_t *open, *kept;   /* the tape file being written; the last one ended */
    uint64_t open_records, kept_records, open_cap;
    unsigned ended, abandoned, closed;
    bool durable;           /* as the last end was asked */
    char name[64];          /* of the last tape file */
};

void sl_volume_init(struct sl_volume *volume, const char *label);
/* The target must be closed, or was by the thread that it was left to. */
void sl_volume_release(struct sl_volume *volume);
/* A mounted target on it. */
struct pd_target *sl_target(struct sl_volume *volume);
void sl_close(struct pd_target *target);
/* Lets the call that hangs go on, and all later ones. */
void sl_let_go(struct sl_volume *volume);
/* How often it was closed; and waits (10 s at most) until it was once. Then all that was done to it
 * can be looked at. */
unsigned sl_closed(struct sl_volume *volume);
void sl_wait_closed(struct sl_volume *volume);

#endif
