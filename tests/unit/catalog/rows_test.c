/* Many rows for one INSERT: on SQLite, and on the server that PAIRDUMP_TEST_CATALOG names by each of
 * the two ways there are. */
#include <stdlib.h>
#include <string.h>

#include "../../../src/catalog/sql_mysql_priv.h"
#include "../../lib/catalog_lib.h"

enum { MANY = 2345, LONG = 30000 }; /* more rows and bytes than are sent at once */

struct rows_case {
    struct cat_case *cat;
    struct pd_sql *sql;
};

static const char insert[] = "INSERT INTO t (id, number, bytes, words) VALUES (?,?,?,?)";

static void open_server(struct rows_case *c, const char *credentials, bool arrays)
{
    struct pd_mysql *my = NULL;

    cat_ok(c->cat, pd_mysql_open(&c->cat->env, credentials, &my, &c->cat->err));
    assert_true(my->arrays); /* by MariaDB's own library and server */
    my->arrays = arrays;
    cat_ok(c->cat, pd_sql_new(&pd_mysql_ops, my, &c->sql, &c->cat->err));
}

/* Once for SQLite, twice for a server. */
static unsigned ways(void)
{
    return getenv("PAIRDUMP_TEST_CATALOG") ? 2 : 1;
}

static void open_way(struct rows_case *c, unsigned way)
{
    static const char server[] = "mysql:";
    bool on_server = strncmp(c->cat->url, server, sizeof server - 1) == 0;

    if (on_server) {
        open_server(c, c->cat->url + sizeof server - 1, way == 0);
    } else {
        cat_ok(c->cat, pd_sql_sqlite_open(&c->cat->env, strchr(c->cat->url, ':') + 1, true, &c->sql,
                                     &c->cat->err));
    }
    cat_ok(c->cat, pd_sql_exec(c->sql, "DROP TABLE IF EXISTS t", &c->cat->err));
    cat_ok(c->cat, pd_sql_exec(c->sql,
                          on_server ? "CREATE TABLE t (id BIGINT PRIMARY KEY, number BIGINT,"
                                      " bytes BLOB, words VARCHAR(20)) ENGINE=InnoDB"
                                    : "CREATE TABLE t (id BIGINT PRIMARY KEY, number BIGINT,"
                                      " bytes BLOB, words VARCHAR(20))",
                          &c->cat->err));
}

static void end_way(struct rows_case *c)
{
    cat_ok(c->cat, pd_sql_exec(c->sql, "DROP TABLE t", &c->cat->err));
    pd_sql_close(c->sql);
    c->sql = NULL;
}

/* What row i has; *len 0 and NULL: no bytes. */
static const char *bytes_of(int64_t i, char *room, size_t *len)
{
    *len = i % 3 == 0 ? 0 : i % 100 == 1 ? LONG : (size_t)(i % 7);
    for (size_t at = 0; at < *len; at++) {
        room[at] = (char)((size_t)i * 31 + at);
    }
    return i % 3 == 0 ? NULL : room;
}

static void add(struct rows_case *c, struct pd_sql_stmt *stmt, int64_t i)
{
    char room[LONG];
    size_t len;
    const char *bytes = bytes_of(i, room, &len);

    cat_ok(c->cat, pd_sql_bind_int(stmt, 1, i, &c->cat->err));
    cat_ok(c->cat, i % 2 ? pd_sql_bind_int(stmt, 2, INT64_MIN + i, &c->cat->err)
                    : pd_sql_bind_null(stmt, 2, &c->cat->err));
    cat_ok(c->cat, bytes ? pd_sql_bind_blob(stmt, 3, bytes, len, &c->cat->err)
                    : pd_sql_bind_null(stmt, 3, &c->cat->err));
    if (i % 5 == 0) { /* else not bound at all, which is NULL */
        cat_ok(c->cat, pd_sql_bind_text(stmt, 4, i % 10 ? "" : "word", &c->cat->err));
    }
    cat_ok(c->cat, pd_sql_add_row(stmt, &c->cat->err));
}

static void expect_row(struct pd_sql_stmt *stmt, int64_t i)
{
    char room[LONG];
    size_t len, wanted;
    const char *bytes = bytes_of(i, room, &wanted);

    assert_int_equal(pd_sql_int(stmt, 0), i);
    assert_int_equal(pd_sql_is_null(stmt, 1), i % 2 == 0);
    assert_int_equal(pd_sql_int(stmt, 1), i % 2 ? INT64_MIN + i : 0);
    assert_int_equal(pd_sql_is_null(stmt, 2), bytes == NULL);
    const void *got = pd_sql_bytes(stmt, 2, &len);
    assert_int_equal(len, wanted);
    assert_memory_equal(got, room, len);
    assert_int_equal(pd_sql_is_null(stmt, 3), i % 5 != 0);
    (void)pd_sql_bytes(stmt, 3, &len);
    assert_int_equal(len, i % 10 == 0 ? 4 : 0);
}

static void expect_rows(struct rows_case *c, int64_t count)
{
    struct pd_sql_stmt *stmt = NULL;
    bool row = false;

    cat_ok(c->cat, pd_sql_get(c->sql, "SELECT id, number, bytes, words FROM t ORDER BY id", &stmt,
                         &c->cat->err));
    for (int64_t i = 0; i < count; i++) {
        cat_ok(c->cat, pd_sql_step(stmt, &row, &c->cat->err));
        assert_true(row);
        expect_row(stmt, i);
    }
    cat_ok(c->cat, pd_sql_step(stmt, &row, &c->cat->err));
    assert_false(row);
    pd_sql_reset(stmt);
}

static void rows_arrive_as_they_were_bound(void **state)
{
    struct rows_case c = {.cat = *state};

    for (unsigned way = 0; way < ways(); way++) {
        struct pd_sql_stmt *stmt = NULL;
        open_way(&c, way);
        cat_ok(c.cat, pd_sql_begin(c.sql, &c.cat->err));
        for (int64_t i = 0; i < MANY;) { /* of one statement, in several goes; one of them is empty */
            int64_t end = i == 0 ? 1 : i == 1 ? 500 : MANY;
            cat_ok(c.cat, pd_sql_get(c.sql, insert, &stmt, &c.cat->err));
            for (; i < end; i++) {
                add(&c, stmt, i);
            }
            cat_ok(c.cat, pd_sql_end_rows(stmt, &c.cat->err));
        }
        cat_ok(c.cat, pd_sql_get(c.sql, insert, &stmt, &c.cat->err));
        cat_ok(c.cat, pd_sql_end_rows(stmt, &c.cat->err));
        cat_ok(c.cat, pd_sql_commit(c.sql, &c.cat->err));
        expect_rows(&c, MANY);
        end_way(&c);
    }
}

static void the_statement_runs_by_itself_again(void **state)
{
    struct rows_case c = {.cat = *state};

    for (unsigned way = 0; way < ways(); way++) {
        struct pd_sql_stmt *stmt = NULL;
        open_way(&c, way);
        cat_ok(c.cat, pd_sql_get(c.sql, insert, &stmt, &c.cat->err));
        add(&c, stmt, 0);
        add(&c, stmt, 1);
        cat_ok(c.cat, pd_sql_end_rows(stmt, &c.cat->err));
        cat_ok(c.cat, pd_sql_get(c.sql, insert, &stmt, &c.cat->err));
        cat_ok(c.cat, pd_sql_bind_int(stmt, 1, 2, &c.cat->err));
        cat_ok(c.cat, pd_sql_bind_blob(stmt, 3, "\x3e\x3f", 2, &c.cat->err));
        cat_ok(c.cat, pd_sql_run(stmt, &c.cat->err));
        expect_rows(&c, 3);
        end_way(&c);
    }
}

static void rows_of_a_transaction_that_ends_badly_are_gone(void **state)
{
    struct rows_case c = {.cat = *state};

    for (unsigned way = 0; way < ways(); way++) {
        struct pd_sql_stmt *stmt = NULL;
        open_way(&c, way);
        for (int end = 0; end < 2; end++) { /* with rows stored, and with rows that only wait */
            cat_ok(c.cat, pd_sql_begin(c.sql, &c.cat->err));
            cat_ok(c.cat, pd_sql_get(c.sql, insert, &stmt, &c.cat->err));
            for (int64_t i = 0; i < MANY; i++) {
                add(&c, stmt, i);
            }
            if (end) {
                cat_ok(c.cat, pd_sql_end_rows(stmt, &c.cat->err));
            } else {
                pd_sql_reset(stmt);
            }
            pd_sql_rollback(c.sql);
            expect_rows(&c, 0);
        }
        end_way(&c);
    }
}

static void a_row_that_is_there_already_is_said(void **state)
{
    struct rows_case c = {.cat = *state};

    for (unsigned way = 0; way < ways(); way++) {
        struct pd_sql_stmt *stmt = NULL;
        enum pd_status status = PD_OK;
        open_way(&c, way);
        cat_ok(c.cat, pd_sql_begin(c.sql, &c.cat->err));
        cat_ok(c.cat, pd_sql_get(c.sql, insert, &stmt, &c.cat->err));
        for (int64_t i = 0; i < 150; i++) {
            add(&c, stmt, i);
        }
        cat_ok(c.cat, pd_sql_bind_int(stmt, 1, 140, &c.cat->err));
        status = pd_sql_add_row(stmt, &c.cat->err);
        if (status == PD_OK) {
            status = pd_sql_end_rows(stmt, &c.cat->err);
        } else {
            pd_sql_reset(stmt);
        }
        assert_int_equal(status, PD_EXISTS);
        pd_error_clear(&c.cat->err);
        pd_sql_rollback(c.sql);
        expect_rows(&c, 0);
        end_way(&c);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cat_setup_empty, cat_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_arrive_as_they_were_bound),
        TEST(the_statement_runs_by_itself_again),
        TEST(rows_of_a_transaction_that_ends_badly_are_gone),
        TEST(a_row_that_is_there_already_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
