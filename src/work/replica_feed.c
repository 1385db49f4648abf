#include <stdlib.h>
#include <string.h>

#include "pairdump/check.h"
#include "pairdump/size.h"
#include "replica_priv.h"

#define SLICE_NS (UINT64_C(100) * 1000 * 1000) /* so soon a signal is seen */

/* ---- hub ---- */

enum pd_status pd_replica_hub_new(struct pd_replica_hub **out, struct pd_error *err)
{
    struct pd_replica_hub *hub = calloc(1, sizeof(*hub));
    pthread_condattr_t attr;

    *out = hub;
    if (hub == NULL)
        return pd_error_memory(err, "a record");
    pthread_mutex_init(&hub->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&hub->changed, &attr);
    pthread_condattr_destroy(&attr);
    hub->refs = 1;
    return PD_OK;
}

void pd_replica_hub_drop(struct pd_replica_hub *hub)
{
    bool last;

    if (hub == NULL)
        return;
    pthread_mutex_lock(&hub->lock);
    last = --hub->refs == 0;
    pthread_mutex_unlock(&hub->lock);
    if (!last)
        return;
    pthread_cond_destroy(&hub->changed);
    pthread_mutex_destroy(&hub->lock);
    free(hub);
}

void pd_replica_hub_wait(struct pd_replica_hub *hub)
{
    struct timespec until = pd_clock_deadline(SLICE_NS);

    pthread_cond_timedwait(&hub->changed, &hub->lock, &until);
}

uint64_t pd_replica_now(void)
{
    return pd_clock_monotonic(pd_clock_real());
}

/* ---- the thread's side ---- */

/* Behind these the drive stands where it stood, and holds what it held; behind anything else, look.
 */
static bool is_plain(enum pd_status status)
{
    return status == PD_OK || status == PD_IO || status == PD_BAD_RECORD ||
           status == PD_END_OF_FILE || status == PD_END_OF_DATA || status == PD_TRUNCATED ||
           status == PD_MISSING || status == PD_INTERRUPTED || status == PD_NO_MEMORY;
}

static void set_doubt(struct pd_replica_feed *feed, bool doubt)
{
    pthread_mutex_lock(&feed->hub->lock);
    feed->doubt = doubt;
    pthread_mutex_unlock(&feed->hub->lock);
}

static void close_file(struct pd_replica_feed *feed)
{
    struct pd_error error = PD_ERROR_INIT;

    if (feed->open && /* only read from: nothing can be lost by closing */
        pd_target_close_file(feed->target, &error) != PD_OK)
        pd_log_error(feed->env->log, PD_LOG_DEBUG, &error);
    feed->open = false;
    feed->next = PD_REPLICA_NOWHERE;
}

/* After a drive was reset, or a volume behaved as if it were another one. */
static enum pd_status mount_again(struct pd_replica_feed *feed, struct pd_error *err)
{
    const struct pd_label *label;
    enum pd_status status;

    close_file(feed);
    status = pd_target_mount(feed->target, feed->label.label, err);
    if (status != PD_OK)
        return status;
    label = pd_target_label(feed->target);
    feed->exchanged = label == NULL || strcmp(label->uuid, feed->label.uuid) != 0;
    set_doubt(feed, false);
    return PD_OK;
}

static enum pd_status open_file(struct pd_replica_feed *feed, bool doubt, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    if (feed->label.block_size != feed->size)
        return pd_error_set(err, PD_WRONG_VOLUME, 0, "the volume has not records of %zu bytes",
                            feed->size);
    if (feed->failures >= PD_REPLICA_OPEN_TRIES)
        return pd_error_set(err, feed->refused, 0, "it did not open %d times; given up",
                            PD_REPLICA_OPEN_TRIES);
    if (doubt && !feed->exchanged)
        status = mount_again(feed, err);
    if (feed->exchanged)
        status = pd_error_set(err, PD_WRONG_VOLUME, 0, "the volume was exchanged for another one");
    if (status != PD_OK || feed->open)
        return status;
    status = pd_target_open_file(feed->target, feed->tape_file, err);
    feed->open = status == PD_OK;
    feed->next = feed->open ? 0 : PD_REPLICA_NOWHERE;
    if (!is_plain(status) || status == PD_IO)
        set_doubt(feed, true);
    return status;
}

/* Brings the copy to where the next read gives the record. */
static enum pd_status place(struct pd_replica_feed *feed, uint64_t no, bool doubt,
                            struct pd_replica_slot *slot)
{
    enum pd_status status = open_file(feed, doubt, &slot->error);

    slot->unopened = status != PD_OK;
    feed->failures = status == PD_OK ? 0 : feed->failures + 1;
    feed->refused = status;
    if (status != PD_OK || feed->next == no)
        return status;
    status = pd_target_seek(feed->target, no, feed->size, &slot->error);
    feed->next = status == PD_OK ? no : PD_REPLICA_NOWHERE;
    if (!is_plain(status) || status == PD_IO)
        set_doubt(feed, true);
    return status;
}

static enum pd_status read_record(struct pd_replica_feed *feed, struct pd_replica_slot *slot)
{
    uint64_t before = pd_clock_monotonic(feed->env->clock);
    enum pd_status status =
        pd_target_read(feed->target, slot->buf, feed->size, &slot->got, &slot->error);

    slot->took_ns = pd_clock_monotonic(feed->env->clock) - before;
    feed->next = status == PD_OK && slot->got == feed->size ? slot->no + 1 : PD_REPLICA_NOWHERE;
    if (!is_plain(status))
        set_doubt(feed, true);
    return status;
}

static void enter(struct pd_replica_feed *feed, enum pd_replica_phase phase)
{
    feed->phase = phase;
    feed->since_ns = pd_replica_now();
}

/* With the lock held, which it leaves while the drive works. */
static void serve(struct pd_replica_feed *feed, struct pd_replica_slot *slot)
{
    pthread_mutex_t *lock = &feed->hub->lock;
    bool doubt = feed->doubt;
    enum pd_status status;

    slot->state = PD_SLOT_READING;
    enter(feed, PD_FEED_PLACING);
    pthread_mutex_unlock(lock);
    pd_error_clear(&slot->error);
    slot->got = 0;
    slot->took_ns = 0;
    status = place(feed, slot->no, doubt, slot);
    if (status == PD_OK) {
        pthread_mutex_lock(lock);
        enter(feed, PD_FEED_READING);
        pthread_mutex_unlock(lock);
        status = read_record(feed, slot);
    }
    pthread_mutex_lock(lock);
    slot->status = status;
    slot->done = ++feed->answers;
    slot->state = PD_SLOT_READ;
    feed->phase = PD_FEED_IDLE;
    pthread_cond_broadcast(&feed->hub->changed);
}

/* Records are wanted in the order of their numbers. */
static struct pd_replica_slot *next_asked(struct pd_replica_feed *feed)
{
    struct pd_replica_slot *best = NULL;

    for (size_t i = 0; i < feed->slot_count; i++) {
        struct pd_replica_slot *slot = &feed->slots[i];

        if (slot->state == PD_SLOT_ASKED && (best == NULL || slot->no < best->no))
            best = slot;
    }
    return best;
}

static enum pd_status run(struct pd_thread *self, void *arg, struct pd_error *err)
{
    struct pd_replica_feed *feed = arg;
    struct pd_replica_hub *hub = feed->hub;

    (void)self;
    (void)err;
    pthread_mutex_lock(&hub->lock);
    while (!feed->closing) {
        struct pd_replica_slot *slot = next_asked(feed);

        if (slot != NULL)
            serve(feed, slot);
        else
            pthread_cond_wait(&hub->changed, &hub->lock);
    }
    enter(feed, PD_FEED_PLACING);
    pthread_mutex_unlock(&hub->lock);
    close_file(feed);
    pthread_mutex_lock(&hub->lock);
    feed->ended = true;
    pthread_cond_broadcast(&hub->changed);
    pthread_mutex_unlock(&hub->lock);
    return PD_OK;
}

static void free_feed(void *arg)
{
    struct pd_replica_feed *feed = arg;

    if (feed->owns)
        pd_leave_volume(feed->env, feed->target);
    for (size_t i = 0; i < PD_REPLICA_SLOTS; i++)
        free(feed->slots[i].buf);
    pd_replica_hub_drop(feed->hub);
    free(feed);
}

/* ---- the replica's side ---- */

enum pd_status pd_replica_feed_new(const struct pd_env *env, struct pd_replica_hub *hub,
                                   const struct pd_replica_copy *copy, size_t size,
                                   struct pd_replica_feed **out, struct pd_error *err)
{
    struct pd_replica_feed *feed = calloc(1, sizeof(*feed));
    const struct pd_label *label = pd_target_label(copy->target);
    uint64_t fit = PD_REPLICA_IN_FLIGHT / size;

    *out = feed;
    if (feed == NULL)
        return pd_error_memory(err, "a record");
    feed->env = env;
    feed->target = copy->target;
    feed->tape_file = copy->tape_file;
    feed->size = size;
    feed->next = PD_REPLICA_NOWHERE;
    feed->slot_count = fit < 2 ? 2 : fit < PD_REPLICA_SLOTS ? (size_t)fit : PD_REPLICA_SLOTS;
    if (label != NULL)
        feed->label = *label;
    pthread_mutex_lock(&hub->lock);
    hub->refs++;
    pthread_mutex_unlock(&hub->lock);
    feed->hub = hub;
    return PD_OK;
}

struct pd_replica_slot *pd_replica_feed_find(struct pd_replica_feed *feed, uint64_t no)
{
    for (size_t i = 0; i < feed->slot_count; i++)
        if (feed->slots[i].state != PD_SLOT_FREE && feed->slots[i].no == no)
            return &feed->slots[i];
    return NULL;
}

/* The one of the record that is wanted last, of those that can be done without. */
static struct pd_replica_slot *give_way(struct pd_replica_feed *feed)
{
    struct pd_replica_slot *last = NULL;

    for (size_t i = 0; i < feed->slot_count; i++) {
        struct pd_replica_slot *slot = &feed->slots[i];

        if (slot->state != PD_SLOT_READING && slot->state != PD_SLOT_HELD &&
            (last == NULL || slot->no > last->no))
            last = slot;
    }
    return last;
}

static struct pd_replica_slot *free_slot(struct pd_replica_feed *feed)
{
    for (size_t i = 0; i < feed->slot_count; i++)
        if (feed->slots[i].state == PD_SLOT_FREE)
            return &feed->slots[i];
    return NULL;
}

enum pd_status pd_replica_feed_ask(struct pd_replica_feed *feed, uint64_t no, bool urgent,
                                   struct pd_replica_slot **out, struct pd_error *err)
{
    struct pd_replica_slot *slot = free_slot(feed);
    enum pd_status status = PD_OK;

    *out = NULL;
    if (slot == NULL && urgent)
        slot = give_way(feed);
    if (slot == NULL)
        return PD_OK;
    if (slot->buf == NULL)
        slot->buf = pd_record_alloc(feed->size);
    if (slot->buf == NULL)
        return pd_error_memory(err, "a record");
    if (feed->thread == NULL)
        status = pd_thread_start("replica", run, feed, free_feed, &feed->thread, err);
    if (status != PD_OK)
        return status;
    slot->state = PD_SLOT_ASKED;
    slot->no = no;
    slot->late = false;
    slot->probe = false;
    *out = slot;
    pthread_cond_broadcast(&feed->hub->changed);
    return PD_OK;
}

void pd_replica_feed_prune(struct pd_replica_feed *feed, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < feed->slot_count; i++) {
        struct pd_replica_slot *slot = &feed->slots[i];
        bool idle = slot->state == PD_SLOT_ASKED || slot->state == PD_SLOT_GOOD ||
                    slot->state == PD_SLOT_BAD;

        if (idle && (slot->no < from || slot->no >= to))
            slot->state = PD_SLOT_FREE;
    }
}

void pd_replica_feed_drop(struct pd_replica_feed *feed)
{
    for (size_t i = 0; i < feed->slot_count; i++)
        if (feed->slots[i].state == PD_SLOT_ASKED)
            feed->slots[i].state = PD_SLOT_FREE;
}

struct pd_replica_slot *pd_replica_feed_answer(struct pd_replica_feed *feed)
{
    struct pd_replica_slot *first = NULL;

    for (size_t i = 0; i < feed->slot_count; i++) {
        struct pd_replica_slot *slot = &feed->slots[i];

        if (slot->state == PD_SLOT_READ && (first == NULL || slot->done < first->done))
            first = slot;
    }
    return first;
}

void pd_replica_feed_stick(struct pd_replica_feed *feed)
{
    for (size_t i = 0; i < feed->slot_count; i++)
        if (feed->slots[i].state == PD_SLOT_READING)
            feed->slots[i].late = true;
}

bool pd_replica_feed_is_stuck(const struct pd_replica_feed *feed)
{
    for (size_t i = 0; i < feed->slot_count; i++)
        if (feed->slots[i].state == PD_SLOT_READING && feed->slots[i].late)
            return true;
    return false;
}

void pd_replica_feed_close(struct pd_replica_feed *feed)
{
    pd_replica_feed_drop(feed);
    feed->closing = true;
    feed->ended = feed->thread == NULL;
    pthread_cond_broadcast(&feed->hub->changed);
}

bool pd_replica_feed_finish(struct pd_replica_feed **slot)
{
    struct pd_replica_feed *feed = *slot;
    struct pd_thread *thread = feed->thread;
    struct pd_error ignored = PD_ERROR_INIT;
    bool owns;

    *slot = NULL;
    pthread_mutex_lock(&feed->hub->lock);
    feed->owns = owns = !feed->ended;
    pthread_mutex_unlock(&feed->hub->lock);
    if (thread == NULL)
        free_feed(feed);
    else /* it has said whether it ended: the rest of the way out is short, or without end */
        (void)!pd_thread_join(&thread, owns ? 1 : 0, &ignored);
    return owns;
}
