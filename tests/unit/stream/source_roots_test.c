#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "pairdump/source.h"
#include "pairdump/text.h"

#include "../../lib/format_lib.h"
#include "../../lib/work_restore_lib.h"

struct bed {
    struct restore_lib_env e;
    char dir[128];
    struct pd_source_path_options options;
    struct pd_source *source;
    struct pd_buf seen; /* "<path>\n" of each root */
    unsigned calls;
    enum pd_status refuse; /* from the second one on */
    struct pd_error err;
};

static enum pd_status unwanted(void *arg, const struct pd_problem *problem, struct pd_error *err)
{
    (void)arg;
    return pd_error_set(err, PD_INTERNAL, 0, "%s: %s", problem->path, problem->message);
}

static int start(void **state)
{
    struct bed *b = calloc(1, sizeof *b);

    assert_non_null(b);
    restore_lib_env_start(&b->e);
    format_dir_make(b->dir, sizeof b->dir);
    assert_int_equal(format_sh(b->dir, "mkdir -p t/a t/ab t/b; >t/a/f; ln -s a t/link"), 0);
    b->options = (struct pd_source_path_options){
        .list_recurse = true, .cwd = b->dir, .on_problem = unwanted};
    *state = b;
    return 0;
}

static int end(void **state)
{
    struct bed *b = *state;

    pd_source_close(b->source);
    pd_buf_free(&b->seen);
    format_dir_remove(b->dir);
    restore_lib_env_end(&b->e);
    free(b);
    return 0;
}

static enum pd_status see(void *arg, const char *path, struct pd_error *err)
{
    struct bed *b = arg;
    size_t len = strlen(b->dir);
    bool below = strncmp(path, b->dir, len) == 0;

    b->calls++;
    assert_int_equal(path[0], '/');
    assert_int_equal(pd_buf_printf(&b->seen, "%s\n", below ? path + len + 1 : path), PD_OK);
    return b->refuse != PD_OK && b->calls > 1 ? pd_error_set(err, b->refuse, 0, "as told") : PD_OK;
}

static enum pd_status roots(struct bed *b)
{
    pd_buf_clear(&b->seen);
    pd_error_clear(&b->err);
    b->calls = 0;
    return pd_source_roots(b->source, see, b, &b->err);
}

static void open_source(struct bed *b, const char *const *paths, size_t count)
{
    b->options.paths = paths;
    b->options.path_count = count;
    assert_int_equal(pd_source_path_open(&b->e.env, &b->options, &b->source, &b->err), PD_OK);
}

#define ROOTS(b, wanted, ...)                                                                      \
    do {                                                                                           \
        const char *const paths_[] = {__VA_ARGS__};                                                \
        open_source(b, paths_, sizeof paths_ / sizeof paths_[0]);                                  \
        assert_int_equal(roots(b), PD_OK);                                                         \
        assert_string_equal((b)->seen.data, wanted);                                               \
    } while (0)

static void what_is_named_is_covered(void **state)
{
    struct bed *b = *state;

    ROOTS(b, "t/a\nt/b\n", "t/b", "./t//a/");
}

static void what_is_named_twice_is_told_once(void **state)
{
    struct bed *b = *state;

    ROOTS(b, "t\nt/a\nt/ab\n", "t/ab", "t", "t/a", "t/b/../a", "t/");
}

static void a_link_is_a_root_and_what_it_leads_to_is_one(void **state)
{
    struct bed *b = *state;

    ROOTS(b, "t/a\nt/link\n", "t/link", "t/link/");
}

static void absolute_paths_and_the_root_are_roots(void **state)
{
    struct bed *b = *state;

    ROOTS(b, "/\n/nowhere/at all\n", "/nowhere/at all", "/");
}

static void a_list_file_names_roots_too(void **state)
{
    struct bed *b = *state;
    char list[160];

    (void)snprintf(list, sizeof list, "%s/list", b->dir);
    format_file_write(b->dir, "list", "t/b\0t/odd\n\xff\0t/a", 16);
    b->options.list_file = list;
    b->options.list_nul = true;
    ROOTS(b, "t/a\nt/ab\nt/b\nt/odd\n\xff\n", "t/ab");
}

static void an_excluded_root_is_still_covered(void **state)
{
    static const char *const excludes[] = {"b", "t/*"};
    struct bed *b = *state;

    b->options.excludes = excludes;
    b->options.exclude_count = 2;
    ROOTS(b, "t/b\n", "t/b");
}

/* A long list of them is let go as it is walked. */
static void roots_are_asked_for_before_the_items(void **state)
{
    struct bed *b = *state;
    struct pd_item item;

    ROOTS(b, "t/a\nt/b\n", "t/a", "t/b");
    assert_int_equal(roots(b), PD_OK);
    assert_string_equal(b->seen.data, "t/a\nt/b\n");
    while (pd_source_next(b->source, &item, &b->err) == PD_OK) {
        assert_int_equal(roots(b), PD_INTERNAL);
        assert_int_equal(b->calls, 0);
    }
    assert_int_equal(b->err.status, PD_END_OF_DATA);
    assert_int_equal(roots(b), PD_INTERNAL);
}

static void whoever_asks_can_end_it(void **state)
{
    static const char *const paths[] = {"t/a", "t/ab", "t/b"};
    struct bed *b = *state;

    b->refuse = PD_SKIPPED;
    open_source(b, paths, 3);
    assert_int_equal(roots(b), PD_SKIPPED);
    assert_int_equal(b->err.status, PD_SKIPPED);
    assert_int_equal(b->calls, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_named_is_covered),
        TEST(what_is_named_twice_is_told_once),
        TEST(a_link_is_a_root_and_what_it_leads_to_is_one),
        TEST(absolute_paths_and_the_root_are_roots),
        TEST(a_list_file_names_roots_too),
        TEST(an_excluded_root_is_still_covered),
        TEST(roots_are_asked_for_before_the_items),
        TEST(whoever_asks_can_end_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
