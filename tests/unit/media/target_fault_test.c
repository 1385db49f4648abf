#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/media_lib.h"
#include "pairdump/target_disk.h"
#include "pairdump/target_fault.h"

/* A clock that moves by sleeping only, in steps shorter than asked, as if signals came. */
struct fake_clock {
    uint64_t now;
    uint64_t step;
};

static int64_t fake_utc(void *self)
{
    (void)self;
    return 0;
}

static uint64_t fake_monotonic(void *self)
{
    struct fake_clock *clock = self;

    return clock->now;
}

static void fake_sleep(void *self, uint64_t ns)
{
    struct fake_clock *clock = self;

    clock->now += ns < clock->step ? ns : clock->step;
}

struct bed {
    char *dir;
    char *record, *back;
    struct fake_clock time;
    struct pd_clock clock;
    struct pd_env env;
    struct pd_target *target; /* faulty, over a mounted disk volume with tape file 1 of 4 records */
    uint32_t number;
    size_t got;
};

static struct pd_target *inner(struct bed *bed)
{
    struct pd_target *target = NULL;

    OK(pd_target_disk_open(ml_env(), bed->dir, 0, "disk:test", &target, &err));
    return target;
}

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof(*bed));
    struct pd_label label = ml_label("PD100001");
    struct pd_target *target;

    assert_non_null(bed);
    bed->dir = ml_folder();
    bed->record = pd_record_alloc(ML_BLOCK);
    bed->back = pd_record_alloc(ML_BLOCK);
    bed->time.step = 7000000;
    bed->clock = (struct pd_clock){fake_utc, fake_monotonic, fake_sleep, &bed->time};
    bed->env = *ml_env();
    bed->env.clock = &bed->clock;
    target = inner(bed);
    OK(pd_target_format(target, &label, &err));
    ml_write_file(target, 1, 4);
    ml_close(target);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;

    ml_close(bed->target);
    ml_remove(bed->dir);
    free(bed->record);
    free(bed->back);
    free(bed);
    return 0;
}

static void open_with(struct bed *bed, const char *spec, bool mount)
{
    OK(pd_target_fault_open(&bed->env, spec, inner(bed), "fault:test", &bed->target, &err));
    if (mount)
        OK(pd_target_mount(bed->target, "PD100001", &err));
}

static void begin(struct bed *bed)
{
    OK(pd_target_begin(bed->target, "x", &bed->number, &err));
}

static void put(struct bed *bed, uint64_t number, enum pd_status wanted)
{
    ml_fill(bed->record, bed->number, number);
    memcpy(bed->back, bed->record, ML_BLOCK);
    IS(pd_target_write(bed->target, bed->record, ML_BLOCK, &err), wanted);
    assert_memory_equal(bed->record, bed->back, ML_BLOCK); /* other writers read it too */
}

static void get(struct bed *bed, uint32_t file, uint64_t number)
{
    OK(pd_target_read(bed->target, bed->back, ML_BLOCK, &bed->got, &err));
    ml_check(bed->back, bed->got, file, number);
}

static unsigned bits_changed(const char *a, const char *b)
{
    unsigned bits = 0;

    for (size_t i = 0; i < ML_BLOCK; i++)
        bits += (unsigned)__builtin_popcount((unsigned char)(a[i] ^ b[i]));
    return bits;
}

static void test_bad_specs(void **state)
{
    static const char *const specs[] = {
        "",
        "read",
        "read@1",
        "read=EIO",
        "read@=EIO",
        "read@0=EIO",
        "read@-1=EIO",
        "read@+=EIO",
        "read@1++=EIO",
        "read@1.5=EIO",
        "read@99999999999999999999=EIO",
        "read@1=eio",
        "read@1=",
        "read@1=EIO ",
        " read@1=EIO",
        "Read@1=EIO",
        "tell@1=EIO",
        "read@1=EIO,",
        ",read@1=EIO",
        "read@1=EIO,,read@2=EIO",
        "read@1=slow",
        "read@1=slow=",
        "read@1=slow=0",
        "read@1=slow=x",
        "read@1=slow=1M/m",
        "read@1=hang",
        "read@1=hang=",
        "read@1=hang=soon",
        "mark@1=flip",
        "seek@1=short",
        "read@1=kill=1",
        "read@1=EIOEIOEIOEIOEIOEIOEIOEIOEIOEIOEIOEIOEIOEIOEIOEIOEIOEIOEIOEIOEIOEIOEIOEIOEIOEIO",
    };
    struct bed *bed = *state;
    struct pd_target *target = NULL;
    char endless[200];

    memset(endless, 'x', sizeof(endless));
    endless[sizeof(endless) - 1] = '\0';
    IS(pd_target_fault_open(&bed->env, endless, inner(bed), "x", &target, &err), PD_USAGE);
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        struct pd_error why = PD_ERROR_INIT;

        if (pd_target_fault_open(&bed->env, specs[i], inner(bed), "x", &target, &why) != PD_USAGE)
            fail_msg("\"%s\" is taken", specs[i]);
        assert_null(target);
    }
}

static void test_good_specs(void **state)
{
    static const char *const specs[] = {
        "open@1=EIO,write@2+=ENOSPC,read@3=short,mark@4=kill,sync@5+=EIO,seek@6=hang=2,load@7=EIO",
        "read@18446744073709551615=flip",
        "write@1=slow=10M/s",
        "write@1+=slow=10M",
        "mark@1=hang=500ms",
    };
    struct bed *bed = *state;

    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        struct pd_target *target = NULL;

        OK(pd_target_fault_open(&bed->env, specs[i], inner(bed), "x", &target, &err));
        ml_close(target);
    }
}

static void test_too_many(void **state)
{
    struct bed *bed = *state;
    struct pd_target *target = NULL;
    char spec[66 * 11] = "read@1=EIO";

    for (int i = 1; i < 65; i++)
        (void)snprintf(spec + strlen(spec), sizeof(spec) - strlen(spec), ",read@1=EIO");
    IS(pd_target_fault_open(&bed->env, spec, inner(bed), "x", &target, &err), PD_USAGE);
}

static void test_write_errors(void **state)
{
    struct bed *bed = *state;

    open_with(bed, "write@2=EIO,write@4=ENOSPC", true);
    begin(bed);
    put(bed, 0, PD_OK);
    put(bed, 1, PD_IO);
    OK(pd_target_abandon(bed->target, &err));
    begin(bed);
    put(bed, 0, PD_OK);
    put(bed, 1, PD_VOLUME_FULL);
    OK(pd_target_abandon(bed->target, &err));
    ml_count(bed->target, 2);
    ml_write_file(bed->target, 2, 3); /* and good again */
    ml_read_file(bed->target, 2, 3);
}

static void test_failed_write_then_unmount(void **state)
{
    struct bed *bed = *state;

    open_with(bed, "write@1=EIO,write@2=EIO", true);
    for (int i = 0; i < 2; i++) {
        begin(bed);
        put(bed, 0, PD_IO);
        if (i == 0)
            OK(pd_target_unmount(bed->target, &err));
        OK(pd_target_mount(bed->target, "PD100001", &err));
        ml_count(bed->target, 2);
    }
}

static void test_write_errors_onward(void **state)
{
    struct bed *bed = *state;

    open_with(bed, "write@2+=EIO", true);
    begin(bed);
    put(bed, 0, PD_OK);
    for (int i = 0; i < 3; i++) {
        put(bed, 1, PD_IO);
        OK(pd_target_abandon(bed->target, &err));
        begin(bed);
    }
    OK(pd_target_abandon(bed->target, &err));
}

static void test_flip_write(void **state)
{
    struct bed *bed = *state;

    open_with(bed, "write@2=flip", true);
    begin(bed);
    put(bed, 0, PD_OK);
    put(bed, 1, PD_OK);
    put(bed, 2, PD_OK);
    OK(pd_target_end(bed->target, true, &err));
    OK(pd_target_open_file(bed->target, 2, &err));
    get(bed, 2, 0);
    OK(pd_target_read(bed->target, bed->back, ML_BLOCK, &bed->got, &err));
    ml_fill(bed->record, 2, 1);
    assert_int_equal(bits_changed(bed->record, bed->back), 1);
    get(bed, 2, 2);
    OK(pd_target_close_file(bed->target, &err));
}

static void test_short_write(void **state)
{
    struct bed *bed = *state;

    open_with(bed, "write@2=short", true);
    begin(bed);
    put(bed, 0, PD_OK);
    put(bed, 1, PD_SHORT_WRITE);
    IS(pd_target_end(bed->target, true, &err), PD_INTERNAL);
    OK(pd_target_abandon(bed->target, &err));
    ml_count(bed->target, 2);
}

static void test_read_faults(void **state)
{
    struct bed *bed = *state;

    open_with(bed, "read@1=EIO,read@2=flip,read@3=short,read@5=EIO,read@6=ENOSPC", true);
    OK(pd_target_open_file(bed->target, 1, &err));
    IS(pd_target_read(bed->target, bed->back, ML_BLOCK, &bed->got, &err), PD_IO);
    assert_int_equal(bed->got, 0);
    OK(pd_target_read(bed->target, bed->back, ML_BLOCK, &bed->got, &err));
    ml_fill(bed->record, 1, 1); /* the one behind the failed one */
    assert_int_equal(bits_changed(bed->record, bed->back), 1);
    OK(pd_target_read(bed->target, bed->back, ML_BLOCK, &bed->got, &err));
    assert_int_equal(bed->got, ML_BLOCK / 2);
    get(bed, 1, 3);
    IS(pd_target_read(bed->target, bed->back, ML_BLOCK, &bed->got, &err), PD_END_OF_FILE);
    OK(pd_target_seek(bed->target, 2, ML_BLOCK, &err));
    IS(pd_target_read(bed->target, bed->back, ML_BLOCK, &bed->got, &err), PD_NO_SPACE);
    get(bed, 1, 3);
    OK(pd_target_close_file(bed->target, &err));
}

static void test_other_operations(void **state)
{
    struct bed *bed = *state;
    struct pd_label label = ml_label("PD100002");

    open_with(bed, "load@1=EIO,load@3=ENOSPC,open@1=EIO,seek@1=EIO,mark@1=EIO,sync@2=EIO", false);
    IS(pd_target_mount(bed->target, "PD100001", &err), PD_IO);
    OK(pd_target_mount(bed->target, "PD100001", &err));
    IS(pd_target_format(bed->target, &label, &err), PD_NO_SPACE);
    OK(pd_target_mount(bed->target, "PD100001", &err));
    IS(pd_target_open_file(bed->target, 1, &err), PD_IO);
    OK(pd_target_open_file(bed->target, 1, &err));
    IS(pd_target_seek(bed->target, 2, ML_BLOCK, &err), PD_IO);
    OK(pd_target_seek(bed->target, 2, ML_BLOCK, &err));
    get(bed, 1, 2);
    OK(pd_target_close_file(bed->target, &err));
    begin(bed);
    put(bed, 0, PD_OK);
    IS(pd_target_end(bed->target, true, &err), PD_IO);
    OK(pd_target_abandon(bed->target, &err));
    ml_count(bed->target, 2);
    OK(pd_target_sync(bed->target, &err));
    IS(pd_target_sync(bed->target, &err), PD_IO);
    OK(pd_target_sync(bed->target, &err));
}

static void test_hang(void **state)
{
    struct bed *bed = *state;

    open_with(bed, "write@2=hang=3,mark@1=hang=2", true);
    begin(bed);
    put(bed, 0, PD_OK);
    assert_int_equal(bed->time.now, 0);
    put(bed, 1, PD_OK);
    assert_int_equal(bed->time.now, 3 * PD_NS_PER_S);
    put(bed, 2, PD_OK);
    assert_int_equal(bed->time.now, 3 * PD_NS_PER_S);
    OK(pd_target_end(bed->target, true, &err));
    assert_int_equal(bed->time.now, 5 * PD_NS_PER_S);
    ml_read_file(bed->target, 2, 3);
    bed->time.step = 0; /* a clock that stands still does not hang for ever */
    ml_close(bed->target);
    open_with(bed, "load@1+=hang=3", true);
}

static void test_slow(void **state)
{
    struct bed *bed = *state;
    uint64_t per_record = ML_BLOCK * (uint64_t)PD_NS_PER_S / 100000;

    open_with(bed, "write@2=slow=100000", true);
    begin(bed);
    put(bed, 0, PD_OK);
    assert_int_equal(bed->time.now, 0);
    for (uint64_t i = 1; i < 4; i++) {
        put(bed, i, PD_OK);
        assert_in_range(bed->time.now, i * (per_record - 1), i * per_record + i);
    }
    OK(pd_target_end(bed->target, true, &err));
    ml_read_file(bed->target, 2, 4);
}

static void test_two_at_once(void **state)
{
    struct bed *bed = *state;

    open_with(bed, "read@2=hang=1,read@2=EIO,read@1+=slow=1G", true);
    OK(pd_target_open_file(bed->target, 1, &err));
    get(bed, 1, 0);
    IS(pd_target_read(bed->target, bed->back, ML_BLOCK, &bed->got, &err), PD_IO);
    assert_true(bed->time.now >= (uint64_t)PD_NS_PER_S);
    OK(pd_target_close_file(bed->target, &err));
}

static void test_kill(void **state)
{
    struct bed *bed = *state;
    int result = 0;
    pid_t child;

    open_with(bed, "write@2=kill", true);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct pd_error why = PD_ERROR_INIT;

        ml_fill(bed->record, 2, 0);
        if (pd_target_begin(bed->target, "x", &bed->number, &why) != PD_OK ||
            pd_target_write(bed->target, bed->record, ML_BLOCK, &why) != PD_OK)
            _exit(1);
        (void)!pd_target_write(bed->target, bed->record, ML_BLOCK, &why);
        _exit(2);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFSIGNALED(result));
    assert_int_equal(WTERMSIG(result), SIGKILL);
    ml_count(bed->target, 2);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_bad_specs),
        CASE(test_good_specs),
        CASE(test_too_many),
        CASE(test_write_errors),
        CASE(test_failed_write_then_unmount),
        CASE(test_write_errors_onward),
        CASE(test_flip_write),
        CASE(test_short_write),
        CASE(test_read_faults),
        CASE(test_other_operations),
        CASE(test_hang),
        CASE(test_slow),
        CASE(test_two_at_once),
        CASE(test_kill),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
