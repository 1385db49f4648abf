#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "pairdump/replica.h"

#include "../../lib/target_lib.h"
#include "../../lib/work_restore_lib.h"

/*
 * Drives that are slow, hang, come back, lose their position or their volume. A call that hangs
 * here waits for the test, never for a time; what the test waits for, it waits for until it is so.
 */

#define SIZE   512
#define COUNT  640
#define COPIES 8
#define NONE   UINT64_MAX
#define MS     (UINT64_C(1000) * 1000)
#define S      (UINT64_C(1000) * MS)

struct bench;

/* A volume in memory. The lock is for what its thread and the test both look at. */
struct volume {
    struct bench *bench;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char label[9];
    bool tape;
    bool bad[COUNT];      /* read back with a flipped bit */
    uint64_t short_at;    /* this record has half its bytes */
    uint64_t error_at;    /* reading this record fails, once, and leaves the drive anywhere */
    uint64_t hang_at;     /* reading this record waits for the gate */
    bool hang_in_seek;    /* seeking does */
    bool gate;            /* open */
    struct volume *frees; /* whose gate is opened by reading here */
    uint64_t reset_at;    /* reading this record finds that the drive was reset, once */
    bool exchanged;       /* mounting again finds another volume */
    uint64_t slow_ns;     /* by the clock of its thread, per record */
    uint64_t next;
    uint64_t reads, seeks, opens, mounts, last_read;
    bool closed;
};

struct bench {
    struct restore_lib_env e;
    struct pd_clock clock;
    struct pd_toc toc;
    uint8_t data[COUNT * SIZE];
    struct volume volumes[COPIES];
    struct pd_health health[COPIES];
    struct pd_replica_copy copies[COPIES];
    size_t count;
    struct pd_replica *replica;
};

/* ---- time: stands, but for what each drive's thread has spent reading ---- */

static _Thread_local uint64_t spent;

static int64_t clock_utc(void *self)
{
    (void)self;
    return 1;
}

static uint64_t clock_now(void *self)
{
    (void)self;
    return S + spent;
}

static void clock_sleep(void *self, uint64_t ns)
{
    (void)self;
    spent += ns;
}

/* ---- the volume ---- */

static void open_gate(struct volume *v)
{
    pthread_mutex_lock(&v->lock);
    v->gate = true;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
}

/* With the lock held. */
static void wait_gate(struct volume *v)
{
    while (!v->gate)
        pthread_cond_wait(&v->changed, &v->lock);
}

static enum pd_status do_mount(void *impl, const char *label, struct pd_label *out,
                               struct pd_error *err)
{
    struct volume *v = impl;

    (void)label;
    (void)err;
    memset(out, 0, sizeof(*out));
    pthread_mutex_lock(&v->lock);
    v->mounts++;
    snprintf(out->label, sizeof(out->label), "%s", v->label);
    snprintf(out->uuid, sizeof(out->uuid), "%s", v->exchanged ? "another" : "this");
    out->block_size = SIZE;
    pthread_mutex_unlock(&v->lock);
    return PD_OK;
}

static enum pd_status do_open(void *impl, uint32_t file_no, struct pd_error *err)
{
    struct volume *v = impl;

    (void)err;
    assert_int_equal(file_no, 1);
    pthread_mutex_lock(&v->lock);
    v->opens++;
    v->next = 0;
    pthread_mutex_unlock(&v->lock);
    return PD_OK;
}

static enum pd_status do_read(void *impl, void *buf, size_t size, size_t *got, struct pd_error *err)
{
    struct volume *v = impl;
    enum pd_status status = PD_OK;
    uint64_t no;

    pthread_mutex_lock(&v->lock);
    no = v->next++;
    v->reads++;
    v->last_read = no;
    if (no == v->hang_at)
        wait_gate(v);
    pthread_mutex_unlock(&v->lock);
    if (v->frees != NULL)
        open_gate(v->frees);
    spent += v->slow_ns;
    if (no >= COUNT)
        return pd_error_set(err, PD_END_OF_FILE, 0, "the end");
    memcpy(buf, v->bench->data + no * SIZE, size);
    *got = no == v->short_at ? size / 2 : size;
    if (v->bad[no])
        ((uint8_t *)buf)[no % size] ^= 16;
    pthread_mutex_lock(&v->lock);
    if (no == v->error_at) {
        v->error_at = NONE;
        v->next = 3;
        status = pd_error_set(err, PD_IO, 0, "as told");
    }
    if (no == v->reset_at) {
        v->reset_at = NONE;
        v->next = 0; /* a reset rewinds */
        status = pd_error_set(err, PD_NOT_READY, 0, "the drive was reset");
    }
    pthread_mutex_unlock(&v->lock);
    return status;
}

static enum pd_status do_seek(void *impl, uint64_t record, uint64_t size, struct pd_error *err)
{
    struct volume *v = impl;

    (void)size;
    (void)err;
    pthread_mutex_lock(&v->lock);
    v->seeks++;
    v->next = record;
    if (v->hang_in_seek)
        wait_gate(v);
    pthread_mutex_unlock(&v->lock);
    return PD_OK;
}

static enum pd_status do_close(void *impl, struct pd_error *err)
{
    struct volume *v = impl;

    (void)err;
    pthread_mutex_lock(&v->lock);
    v->closed = true;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
    return PD_OK;
}

static struct pd_target *new_target(struct volume *v)
{
    const struct pd_target_caps caps = {.tape = v->tape, .seeks_cheaply = !v->tape};
    static struct pd_target_ops ops;
    struct pd_error err = PD_ERROR_INIT;
    struct pd_target *target;

    if (ops.mount != do_mount) {
        ops = target_lib_ops;
        ops.mount = do_mount;
        ops.open_file = do_open;
        ops.read = do_read;
        ops.seek = do_seek;
        ops.close = do_close;
    }
    assert_int_equal(pd_target_new(&ops, v, "memory:", caps, &target, &err), PD_OK);
    assert_int_equal(pd_target_mount(target, v->label, &err), PD_OK);
    return target;
}

/* ---- the bench ---- */

static int start(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct pd_error err = PD_ERROR_INIT;

    assert_non_null(b);
    restore_lib_env_start(&b->e);
    b->clock = (struct pd_clock){clock_utc, clock_now, clock_sleep, b};
    b->e.env.clock = &b->clock;
    pd_toc_init(&b->toc);
    snprintf(b->toc.name, sizeof(b->toc.name), "test.0001");
    b->toc.record_size = SIZE;
    for (size_t i = 0; i < sizeof(b->data); i++)
        b->data[i] = (uint8_t)(i * 7 + i / SIZE + i / SIZE / 256);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(
            pd_toc_add_record(&b->toc, pd_record_digest(b->data + i * SIZE, SIZE), &err), PD_OK);
    for (size_t i = 0; i < COPIES; i++) {
        struct volume *v = &b->volumes[i];

        v->bench = b;
        pthread_mutex_init(&v->lock, NULL);
        pthread_cond_init(&v->changed, NULL);
        snprintf(v->label, sizeof(v->label), "V%zu", i);
        v->short_at = v->error_at = v->hang_at = v->reset_at = NONE;
        pd_health_init(&b->health[i]);
    }
    *state = b;
    return 0;
}

/* After the volumes were told what to do. */
static void begin(struct bench *b, size_t copies)
{
    struct pd_error err = PD_ERROR_INIT;

    b->count = copies;
    for (size_t i = 0; i < copies; i++)
        b->copies[i] = (struct pd_replica_copy){.target = new_target(&b->volumes[i]),
                                                .tape_file = 1,
                                                .name = b->volumes[i].label,
                                                .health = &b->health[i]};
    assert_int_equal(pd_replica_new(&b->e.env, &b->toc, b->copies, copies, &b->replica, &err),
                     PD_OK);
}

static void wait_closed(struct volume *v)
{
    pthread_mutex_lock(&v->lock);
    while (!v->closed)
        pthread_cond_wait(&v->changed, &v->lock);
    pthread_mutex_unlock(&v->lock);
}

/* Each target is closed once: by the test, or by the thread that has it. */
static void finish(struct bench *b)
{
    pd_replica_free(b->replica);
    b->replica = NULL;
    for (size_t i = 0; i < b->count; i++) {
        assert_int_equal(b->copies[i].target == NULL, b->health[i].taken);
        if (b->copies[i].target != NULL)
            restore_lib_close(b->copies[i].target);
        open_gate(&b->volumes[i]);
        wait_closed(&b->volumes[i]);
    }
    b->count = 0;
}

static int end(void **state)
{
    struct bench *b = *state;

    finish(b);
    for (size_t i = 0; i < COPIES; i++) {
        pthread_cond_destroy(&b->volumes[i].changed);
        pthread_mutex_destroy(&b->volumes[i].lock);
    }
    pd_toc_release(&b->toc);
    restore_lib_env_end(&b->e);
    free(b);
    return 0;
}

static void good(struct bench *b, uint64_t no)
{
    struct pd_error err = PD_ERROR_INIT;
    const uint8_t *record;

    if (pd_replica_record(b->replica, no, &record, &err) != PD_OK)
        fail_msg("record %llu: %s", (unsigned long long)no, err.message);
    if (memcmp(record, b->data + no * SIZE, SIZE) != 0)
        fail_msg("record %llu is another one", (unsigned long long)no);
}

static void all_good(struct bench *b)
{
    for (uint64_t i = 0; i < COUNT; i++)
        good(b, i);
}

static void lost(struct bench *b, uint64_t no)
{
    struct pd_error err = PD_ERROR_INIT;
    const uint8_t *record;

    assert_int_equal(pd_replica_record(b->replica, no, &record, &err), PD_BAD_RECORD);
    assert_null(record);
    assert_string_equal(err.archive, "test.0001");
}

/* ---- deadlines ---- */

static void a_hanging_drive_does_not_hold_the_reader(void **state)
{
    struct bench *b = *state;

    b->volumes[0].tape = b->volumes[1].tape = true;
    b->volumes[0].hang_at = 5;
    begin(b, 2);
    for (uint64_t i = 0; i < 5; i++)
        good(b, i);
    b->e.env.read_deadline_ns = 10 * MS;
    for (uint64_t i = 5; i < COUNT; i++)
        good(b, i);
    assert_int_equal(b->copies[0].first_fault, PD_LATE);
    assert_int_equal(b->copies[0].first_fault_record, 5);
    assert_int_equal(b->copies[0].served, 5);
    assert_int_equal(b->copies[1].served, COUNT - 5);
    assert_true(b->health[0].demoted);
    assert_false(b->health[0].lost);
}

static void it_comes_back_when_its_trouble_has_passed(void **state)
{
    struct bench *b = *state;

    b->volumes[0].tape = b->volumes[1].tape = true;
    b->volumes[0].hang_at = 5;
    begin(b, 2);
    for (uint64_t i = 0; i < 5; i++)
        good(b, i);
    b->e.env.read_deadline_ns = 10 * MS;
    for (uint64_t i = 5; i < 100; i++)
        good(b, i);
    assert_true(b->health[0].demoted);
    open_gate(&b->volumes[0]);
    b->e.env.read_deadline_ns = 0;
    for (uint64_t i = 0; b->health[0].demoted; i++)
        good(b, i % COUNT);
    assert_int_equal(b->copies[0].errors, 1);
    assert_int_equal(b->copies[0].mismatches, 0);
    assert_non_null(b->copies[0].target);
}

static void a_late_answer_is_used_when_the_other_copy_is_bad(void **state)
{
    struct bench *b = *state;

    b->volumes[0].hang_at = 5;
    b->volumes[1].bad[5] = true;
    b->volumes[1].frees = &b->volumes[0];
    begin(b, 2);
    good(b, 4);
    b->e.env.read_deadline_ns = 10 * MS;
    good(b, 5);
    assert_int_equal(b->copies[0].served, 2);
    assert_int_equal(b->copies[0].first_fault, PD_LATE);
    assert_int_equal(b->copies[1].served, 0);
    pthread_mutex_lock(&b->volumes[1].lock);
    assert_int_equal(b->volumes[1].last_read, 5);
    pthread_mutex_unlock(&b->volumes[1].lock);
    assert_true(b->health[0].demoted); /* it took long, whatever came of it */
}

static void the_only_copy_has_the_stall_time(void **state)
{
    struct bench *b = *state;

    b->e.env.read_deadline_ns = 1; /* is for those who have a partner */
    b->volumes[0].hang_at = 5;
    begin(b, 1);
    for (uint64_t i = 0; i < 5; i++)
        good(b, i);
    b->e.env.stall_ns = 50 * MS;
    lost(b, 5);
    assert_int_equal(b->copies[0].first_fault, PD_HUNG);
    assert_int_equal(b->copies[0].first_fault_record, 5);
    assert_null(b->copies[0].target);
    assert_true(b->health[0].lost && b->health[0].taken);
    assert_int_equal(atomic_load(&b->e.progress.hung), 1);
    lost(b, 6);
    lost(b, 0);
}

static void all_copies_hang(void **state)
{
    struct bench *b = *state;

    for (size_t i = 0; i < 3; i++)
        b->volumes[i].hang_at = 7;
    begin(b, 3);
    good(b, 3);
    b->e.env.read_deadline_ns = MS;
    b->e.env.stall_ns = 50 * MS;
    lost(b, 7);
    for (size_t i = 0; i < 3; i++)
        assert_null(b->copies[i].target);
    assert_int_equal(atomic_load(&b->e.progress.hung), 3);
}

static void a_drive_that_hangs_while_it_seeks_is_waited_for_by_the_stall_time(void **state)
{
    struct bench *b = *state;

    b->e.env.read_deadline_ns = MS;
    b->e.env.stall_ns = 500 * MS;
    b->volumes[0].tape = b->volumes[1].tape = true;
    b->volumes[0].hang_in_seek = true;
    begin(b, 2);
    good(b, 9); /* a locate has four minutes, which is more than the stall time here */
    b->e.env.stall_ns = 0;
    assert_null(b->copies[0].target);
    assert_int_equal(b->copies[0].first_fault, PD_HUNG);
    assert_int_equal(b->copies[1].served, 1);
    all_good(b);
}

static void what_hangs_behind_the_last_record_asked_for_keeps_its_target(void **state)
{
    struct bench *b = *state;

    b->volumes[0].hang_at = 7;
    begin(b, 2);
    for (uint64_t i = 0; i < 6; i++)
        good(b, i);
    assert_int_equal(b->copies[0].first_fault, PD_OK);
    while (true) { /* read ahead */
        uint64_t at;

        pthread_mutex_lock(&b->volumes[0].lock);
        at = b->volumes[0].last_read;
        pthread_mutex_unlock(&b->volumes[0].lock);
        if (at == 7)
            break;
        usleep(1000);
    }
    b->e.env.read_deadline_ns = 20 * MS;
    pd_replica_free(b->replica);
    b->replica = NULL;
    assert_null(b->copies[0].target);
    assert_non_null(b->copies[1].target);
    assert_true(b->health[0].taken);
    assert_false(b->health[0].lost);
    assert_int_equal(b->copies[0].first_fault, PD_LATE);
}

/* ---- read-ahead and stripes ---- */

static void single_records_are_read_alone(void **state)
{
    struct bench *b = *state;

    begin(b, 2);
    for (uint64_t i = 0; i < 100; i++)
        good(b, i * 6);
    pd_replica_free(b->replica);
    b->replica = NULL;
    assert_int_equal(b->volumes[0].reads, 100);
    assert_int_equal(b->volumes[1].opens, 0);
}

static void no_more_than_eight_are_under_way(void **state)
{
    struct bench *b = *state;

    b->volumes[0].tape = true;
    begin(b, 1);
    for (uint64_t i = 0; i < COUNT; i++) {
        good(b, i);
        pthread_mutex_lock(&b->volumes[0].lock);
        assert_true(b->volumes[0].last_read < i + 8);
        pthread_mutex_unlock(&b->volumes[0].lock);
    }
    assert_int_equal(b->volumes[0].reads, COUNT);
    assert_int_equal(b->volumes[0].seeks, 0);
}

static void tapes_do_not_take_turns(void **state)
{
    struct bench *b = *state;

    b->volumes[0].tape = b->volumes[1].tape = true;
    begin(b, 2);
    all_good(b);
    assert_int_equal(b->copies[0].served, COUNT);
    assert_int_equal(b->volumes[1].opens, 0);
}

static void disks_take_turns(void **state)
{
    struct bench *b = *state;

    for (size_t copies = 2; copies <= COPIES; copies++) {
        uint64_t share = COUNT / copies;

        for (size_t i = 0; i < copies; i++)
            b->volumes[i].closed = false;
        begin(b, copies);
        all_good(b);
        for (size_t i = 0; i < copies; i++) { /* a run of sixteen more or less, twice */
            assert_in_range(b->copies[i].served, share - 40, share + 40);
            assert_int_equal(b->copies[i].first_fault, PD_OK);
        }
        pd_replica_free(b->replica);
        b->replica = NULL;
        for (size_t i = 0; i < copies; i++)
            assert_true(b->volumes[i].reads <= share + 40);
        finish(b);
        for (size_t i = 0; i < copies; i++)
            b->volumes[i].reads = 0;
    }
}

static void a_disk_much_slower_than_the_other_is_left_out(void **state)
{
    struct bench *b = *state;

    b->volumes[0].slow_ns = 2 * S;
    begin(b, 2);
    all_good(b);
    assert_int_equal(b->copies[0].first_fault, PD_OK);
    assert_true(b->copies[1].served > b->copies[0].served * 2);
}

/* ---- nothing wrong ever ---- */

static void each_record_is_good_on_one_copy_only(void **state)
{
    struct bench *b = *state;
    uint64_t x = 88172645463325252u;

    for (size_t copies = 1; copies <= COPIES; copies++) {
        for (uint64_t no = 0; no < COUNT; no++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            for (size_t i = 0; i < copies; i++)
                b->volumes[i].bad[no] = i != x % copies;
        }
        for (size_t i = 0; i < copies; i++) {
            b->volumes[i].closed = false;
            b->volumes[i].tape = copies % 3 == 0;
            pd_health_init(&b->health[i]);
        }
        begin(b, copies);
        all_good(b);
        for (uint64_t i = 0; i < COUNT; i++)
            good(b, i * 37 % COUNT);
        finish(b);
    }
}

static void a_short_record_is_not_good(void **state)
{
    struct bench *b = *state;

    b->volumes[0].short_at = 9;
    begin(b, 2);
    all_good(b);
    assert_int_equal(b->copies[0].first_fault, PD_BAD_RECORD);
    assert_int_equal(b->copies[0].first_fault_record, 9);
    assert_int_equal(b->copies[0].mismatches, 1);
}

static void after_an_error_the_place_is_sought(void **state)
{
    struct bench *b = *state;

    b->volumes[0].error_at = 9;
    begin(b, 1);
    all_good(b);
    assert_int_equal(b->copies[0].errors, 1);
    assert_int_equal(b->copies[0].mismatches, 0);
    assert_int_equal(b->volumes[0].mounts, 1);
}

static void after_a_reset_the_label_is_looked_at(void **state)
{
    struct bench *b = *state;

    b->volumes[0].reset_at = 9;
    begin(b, 1);
    for (uint64_t i = 0; i < 9; i++)
        good(b, i);
    for (uint64_t i = 9; i < COUNT; i++) /* 9 at the second try */
        good(b, i);
    assert_int_equal(b->copies[0].first_fault, PD_NOT_READY);
    assert_int_equal(b->copies[0].errors, 1);
    assert_int_equal(b->volumes[0].mounts, 2);
}

static void an_exchanged_volume_is_not_read(void **state)
{
    struct bench *b = *state;
    uint64_t reads;

    b->volumes[0].reset_at = 9;
    b->volumes[0].exchanged = false;
    begin(b, 2);
    good(b, 8);
    b->volumes[0].exchanged = true; /* its thread sleeps: nothing is asked for */
    all_good(b);
    pthread_mutex_lock(&b->volumes[0].lock);
    reads = b->volumes[0].reads;
    pthread_mutex_unlock(&b->volumes[0].lock);
    for (uint64_t i = 0; i < COUNT; i++)
        good(b, i);
    assert_int_equal(b->copies[0].first_fault, PD_NOT_READY);
    assert_int_equal(b->copies[0].mismatches, 0);
    pd_replica_free(b->replica);
    b->replica = NULL;
    assert_int_equal(b->volumes[0].reads, reads);
    assert_true(b->volumes[0].mounts <= 2); /* looked at once, whoever asked */
}

static void what_is_lost_is_lost_and_the_rest_is_not(void **state)
{
    struct bench *b = *state;

    for (size_t i = 0; i < 3; i++)
        for (uint64_t no = 100; no < 140; no++)
            b->volumes[i].bad[no] = true;
    begin(b, 3);
    for (uint64_t i = 0; i < COUNT; i++) {
        if (i >= 100 && i < 140)
            lost(b, i);
        else
            good(b, i);
    }
}

static volatile sig_atomic_t *stop_flag; /* of the running test, for its handler */

static void on_alarm(int number)
{
    (void)number;
    *stop_flag = 1;
}

static void a_signal_is_seen_while_a_drive_hangs(void **state)
{
    struct bench *b = *state;
    struct sigaction action = {.sa_handler = on_alarm}, before;
    struct pd_error err = PD_ERROR_INIT;
    const uint8_t *record;

    b->volumes[0].hang_at = 1;
    begin(b, 1);
    good(b, 0);
    stop_flag = &b->e.stopped;
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    ualarm(50000, 0);
    assert_int_equal(pd_replica_record(b->replica, 1, &record, &err), PD_INTERRUPTED);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    open_gate(&b->volumes[0]);
    assert_int_equal(b->copies[0].first_fault, PD_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_hanging_drive_does_not_hold_the_reader),
        TEST(it_comes_back_when_its_trouble_has_passed),
        TEST(a_late_answer_is_used_when_the_other_copy_is_bad),
        TEST(the_only_copy_has_the_stall_time),
        TEST(all_copies_hang),
        TEST(a_drive_that_hangs_while_it_seeks_is_waited_for_by_the_stall_time),
        TEST(what_hangs_behind_the_last_record_asked_for_keeps_its_target),
        TEST(a_signal_is_seen_while_a_drive_hangs),
        TEST(single_records_are_read_alone),
        TEST(no_more_than_eight_are_under_way),
        TEST(tapes_do_not_take_turns),
        TEST(disks_take_turns),
        TEST(a_disk_much_slower_than_the_other_is_left_out),
        TEST(each_record_is_good_on_one_copy_only),
        TEST(a_short_record_is_not_good),
        TEST(after_an_error_the_place_is_sought),
        TEST(after_a_reset_the_label_is_looked_at),
        TEST(an_exchanged_volume_is_not_read),
        TEST(what_is_lost_is_lost_and_the_rest_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
