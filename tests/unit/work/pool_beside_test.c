/*
 * Pools of one run side by side: places, labels and room of several sets of drives.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../lib/catalog_lib.h"
#include "../../lib/format_lib.h"
#include "../../lib/media_lib.h"
#include "pairdump/claim.h"
#include "pairdump/pool.h"
#include "pairdump/space.h"

enum { POOLS = 2, COPIES = 2 };

struct bed {
    struct cat_case *c;
    struct pd_progress progress;
    char *dir;
    struct pd_run_row run;
    struct pd_pool_config configs[POOLS];
    struct pd_pool *pools[POOLS];
};

static int start(void **state)
{
    struct bed *b = calloc(1, sizeof *b);

    assert_non_null(b);
    (void)cat_setup((void **)&b->c);
    pd_progress_init(&b->progress);
    b->c->env.progress = &b->progress;
    b->dir = ml_folder();
    for (size_t i = 0; i < POOLS; i++) {
        cat_ok(b->c, pd_pool_config_init("default", &b->configs[i], &b->c->err));
        b->configs[i].copy_count = COPIES;
        b->configs[i].block_size = ML_BLOCK;
        for (size_t j = 0; j < COPIES; j++) {
            char *path = ml_text("%s/%zu%zu", b->dir, i, j);
            assert_int_equal(mkdir(path, 0700), 0);
            b->configs[i].copies[j] = ml_text("disk:%s", path);
            free(path);
        }
    }
    cat_ok(b->c, pd_catalog_run_add(b->c->catalog, "dump", &b->run, &b->c->err));
    *state = b;
    return 0;
}

static int end(void **state)
{
    struct bed *b = *state;

    for (size_t i = POOLS; i > 0; i--) {
        cat_ok(b->c, pd_pool_close(b->pools[i - 1], &b->c->err));
        pd_pool_config_release(&b->configs[i - 1]);
    }
    ml_remove(b->dir);
    int left = cat_teardown((void **)&b->c);
    free(b);
    return left;
}

static enum pd_status open_pool(struct bed *b, size_t i)
{
    const struct pd_pool_run who = {.catalog = b->c->catalog,
                                    .id = b->run.id,
                                    .limit_ns = 600 * PD_NS_PER_S,
                                    .beside = i > 0 ? b->pools[i - 1] : NULL};

    return pd_pool_open(&b->c->env, &b->configs[i], &who, PD_RETRY_ONCE, &b->pools[i], &b->c->err);
}

static void open_both(struct bed *b)
{
    cat_ok(b->c, open_pool(b, 0));
    cat_ok(b->c, open_pool(b, 1));
}

static void no_place_is_in_both(void **state)
{
    struct bed *b = *state;
    char *same = ml_text("%s/.", b->configs[0].copies[1]);

    free(b->configs[1].copies[0]);
    b->configs[1].copies[0] = same;
    cat_ok(b->c, open_pool(b, 0));
    cat_expect(b->c, PD_USAGE, open_pool(b, 1));
    assert_non_null(strstr(b->c->err.message, "are one place"));
    assert_null(b->pools[1]);
}

static void has(struct bed *b, size_t pool, const char *first, const char *second)
{
    cat_ok(b->c, pd_pool_next_pair(b->pools[pool], &b->c->err));
    assert_string_equal(pd_pool_copy(b->pools[pool], 0)->volume.label, first);
    assert_string_equal(pd_pool_copy(b->pools[pool], 1)->volume.label, second);
}

static void each_has_labels_of_its_own(void **state)
{
    struct bed *b = *state;

    open_both(b);
    cat_ok(b->c, pd_pool_reserve(b->pools[0], 2, &b->c->err));
    has(b, 1, "PD100003", "PD200003");
    has(b, 0, "PD100001", "PD200001"); /* one of its own, though that of the other is unfinished */
    assert_int_equal(pd_pool_spares(b->pools[0]), 1);
    assert_int_equal(pd_pool_spares(b->pools[1]), 0);
}

static void what_they_have_room_for_adds_up(void **state)
{
    struct bed *b = *state;
    struct pd_space space;

    open_both(b);
    cat_ok(b->c, pd_space_of(b->dir, &space, &b->c->err));
    cat_ok(b->c, pd_pool_check_space_of(b->pools, POOLS, space.available / 4, &b->c->err));
    cat_ok(b->c, pd_pool_check_space_of(b->pools, POOLS, 0, &b->c->err));
    /* all are on one file system, and each archive takes two copies there */
    cat_expect(b->c, PD_NO_SPACE,
               pd_pool_check_space_of(b->pools, POOLS, space.available, &b->c->err));
    assert_non_null(strstr(b->c->err.message, "too little"));
    cat_expect(b->c, PD_NO_SPACE, pd_pool_check_space_of(b->pools, POOLS, UINT64_MAX, &b->c->err));
    cat_expect(b->c, PD_NO_SPACE, pd_pool_check_space_of(b->pools, 1, space.available, &b->c->err));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_place_is_in_both),
        TEST(each_has_labels_of_its_own),
        TEST(what_they_have_room_for_adds_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
