#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/sql.h"

/* A driver that only counts. */
struct stub {
    int prepared, finalized, rolled_back, closed;
    enum pd_status answer; /* of all calls that may fail without an error */
};

struct sql_case {
    char folder[64], path[96];
    struct pd_env env;
    struct pd_sql *sql;
    struct stub stub;
    struct pd_error err;
};

static int setup(void **state)
{
    struct sql_case *c = calloc(1, sizeof *c);

    assert_non_null(c);
    (void)snprintf(c->folder, sizeof c->folder, "/tmp/pd-sql.XXXXXX");
    assert_non_null(mkdtemp(c->folder));
    (void)snprintf(c->path, sizeof c->path, "%s/x.db", c->folder);
    assert_int_equal(pd_sql_sqlite_open(&c->env, c->path, true, &c->sql, &c->err), PD_OK);
    assert_int_equal(pd_sql_exec(c->sql, "CREATE TABLE t (a INTEGER UNIQUE, b BLOB)", &c->err),
                     PD_OK);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    struct sql_case *c = *state;
    char name[128];

    pd_sql_close(c->sql);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        (void)snprintf(name, sizeof name, "%s%s", c->path, ends[i]);
        (void)unlink(name);
    }
    int left = rmdir(c->folder);
    free(c);
    return left;
}

static int64_t count_rows(struct sql_case *c)
{
    struct pd_sql_stmt *stmt = NULL;
    bool row = false;
    int64_t n;

    assert_int_equal(pd_sql_get(c->sql, "SELECT COUNT(*) FROM t", &stmt, &c->err), PD_OK);
    assert_int_equal(pd_sql_step(stmt, &row, &c->err), PD_OK);
    assert_true(row);
    n = pd_sql_int(stmt, 0);
    pd_sql_reset(stmt);
    return n;
}

/* ---- drivers ---- */

static enum pd_status stub_exec(void *impl, const char *sql, struct pd_error *err)
{
    const struct stub *stub = impl;

    (void)sql;
    (void)err;
    return stub->answer;
}

static enum pd_status stub_prepare(void *impl, const char *sql, void **stmt, struct pd_error *err)
{
    struct stub *stub = impl;

    (void)sql;
    (void)err;
    stub->prepared++;
    *stmt = impl;
    return PD_OK;
}

static void stub_finalize(void *impl, void *stmt)
{
    struct stub *stub = impl;

    (void)stmt;
    stub->finalized++;
}

static enum pd_status stub_reset(void *impl, void *stmt, struct pd_error *err)
{
    (void)impl;
    (void)stmt;
    (void)err;
    return PD_OK;
}

static enum pd_status stub_plain(void *impl, struct pd_error *err)
{
    const struct stub *stub = impl;

    (void)err;
    return stub->answer;
}

static enum pd_status stub_rollback(void *impl, struct pd_error *err)
{
    struct stub *stub = impl;

    stub->rolled_back++;
    return stub_plain(impl, err);
}

static void stub_close(void *impl)
{
    struct stub *stub = impl;

    stub->closed++;
}

static struct pd_sql_ops stub_ops(struct sql_case *c)
{
    struct pd_sql_ops ops = *pd_sql_ops_of(c->sql);

    ops.exec = stub_exec;
    ops.prepare = stub_prepare;
    ops.finalize = stub_finalize;
    ops.reset = stub_reset;
    ops.begin = ops.commit = stub_plain;
    ops.rollback = stub_rollback;
    ops.close = stub_close;
    return ops;
}

static void ops_with_a_gap_are_refused(void **state)
{
    struct sql_case *c = *state;
    const struct pd_sql_ops full = stub_ops(c);
    struct pd_sql *sql = NULL;

    /* every slot but one is a pointer: blank each in turn */
    assert_int_equal(sizeof full % sizeof(void *), 0);
    for (size_t at = 0; at < sizeof full; at += sizeof(void *)) {
        if (at == offsetof(struct pd_sql_ops, ddl_commits)) {
            continue;
        }
        struct pd_sql_ops ops = full;
        memset((char *)&ops + at, 0, sizeof(void *));
        pd_error_clear(&c->err);
        assert_int_equal(pd_sql_new(&ops, &c->stub, &sql, &c->err), PD_INTERNAL);
        assert_int_equal(c->err.status, PD_INTERNAL);
        assert_null(sql);
    }
    assert_int_equal(pd_sql_new(&full, &c->stub, &sql, &c->err), PD_OK);
    pd_sql_close(sql);
    assert_int_equal(c->stub.closed, 1);
}

static void a_failure_without_an_error_is_internal(void **state)
{
    struct sql_case *c = *state;
    const struct pd_sql_ops ops = stub_ops(c);
    struct pd_sql *sql = NULL;

    assert_int_equal(pd_sql_new(&ops, &c->stub, &sql, &c->err), PD_OK);
    c->stub.answer = PD_IO;
    assert_int_equal(pd_sql_exec(sql, "x", &c->err), PD_INTERNAL);
    pd_error_clear(&c->err);
    assert_int_equal(pd_sql_begin(sql, &c->err), PD_INTERNAL);
    c->stub.answer = PD_OK;
    assert_int_equal(pd_sql_begin(sql, &c->err), PD_OK);
    c->stub.answer = PD_IO;
    pd_error_clear(&c->err);
    assert_int_equal(pd_sql_commit(sql, &c->err), PD_INTERNAL);
    pd_sql_close(sql);
}

static void what_is_not_committed_is_rolled_back(void **state)
{
    struct sql_case *c = *state;
    const struct pd_sql_ops ops = stub_ops(c);
    struct pd_sql *sql = NULL;

    assert_int_equal(pd_sql_new(&ops, &c->stub, &sql, &c->err), PD_OK);
    pd_sql_rollback(sql);
    assert_int_equal(pd_sql_begin(sql, &c->err), PD_OK);
    assert_int_equal(pd_sql_commit(sql, &c->err), PD_OK);
    pd_sql_rollback(sql);
    assert_int_equal(c->stub.rolled_back, 0);
    assert_int_equal(pd_sql_begin(sql, &c->err), PD_OK);
    c->stub.answer = PD_IO;
    assert_int_equal(pd_sql_commit(sql, &c->err), PD_INTERNAL);
    assert_int_equal(c->stub.rolled_back, 1);
    c->stub.answer = PD_OK;
    assert_int_equal(pd_sql_begin(sql, &c->err), PD_OK);
    pd_sql_close(sql);
    assert_int_equal(c->stub.rolled_back, 2);
}

static void statements_are_prepared_once(void **state)
{
    struct sql_case *c = *state;
    const struct pd_sql_ops ops = stub_ops(c);
    struct pd_sql *sql = NULL;
    struct pd_sql_stmt *first = NULL, *again = NULL, *held[100];
    char text[32];
    size_t n = 0;

    assert_int_equal(pd_sql_new(&ops, &c->stub, &sql, &c->err), PD_OK);
    assert_int_equal(pd_sql_get(sql, "A", &first, &c->err), PD_OK);
    pd_sql_reset(first);
    assert_int_equal(pd_sql_get(sql, "A", &again, &c->err), PD_OK);
    assert_ptr_equal(first, again);
    assert_int_equal(c->stub.prepared, 1);
    /* one in use is not handed out twice */
    assert_int_equal(pd_sql_get(sql, "A", &again, &c->err), PD_OK);
    assert_ptr_not_equal(first, again);
    pd_sql_reset(first);
    pd_sql_reset(again);
    /* more texts than the cache holds */
    for (int i = 0; i < 500; i++) {
        (void)snprintf(text, sizeof text, "S%d", i);
        assert_int_equal(pd_sql_get(sql, text, &again, &c->err), PD_OK);
        pd_sql_reset(again);
    }
    /* all busy: refused, not stolen */
    while (n < 100 && pd_sql_get(sql, "B", &held[n], &c->err) == PD_OK) {
        n++;
    }
    assert_in_range(n, 8, 99);
    assert_int_equal(c->err.status, PD_INTERNAL);
    pd_sql_reset(held[0]);
    assert_int_equal(pd_sql_get(sql, "C", &again, &c->err), PD_OK);
    assert_ptr_equal(again, held[0]);
    pd_sql_close(sql);
    assert_int_equal(c->stub.prepared, c->stub.finalized);
    assert_int_equal(c->stub.closed, 1);
}

/* ---- SQLite ---- */

static void values_come_back(void **state)
{
    static const char bytes[] = "a\0b\xff";
    struct sql_case *c = *state;
    struct pd_sql_stmt *stmt = NULL;
    size_t len = 0;
    bool row = false;

    assert_int_equal(pd_sql_get(c->sql, "INSERT INTO t VALUES (?,?)", &stmt, &c->err), PD_OK);
    assert_int_equal(pd_sql_bind_int(stmt, 1, INT64_MIN, &c->err), PD_OK);
    assert_int_equal(pd_sql_bind_blob(stmt, 2, bytes, 5, &c->err), PD_OK);
    assert_int_equal(pd_sql_bind_int(stmt, 3, 1, &c->err), PD_CATALOG);
    assert_int_equal(pd_sql_run(stmt, &c->err), PD_OK);
    assert_int_equal(pd_sql_changes(c->sql), 1);
    assert_int_equal(pd_sql_last_id(c->sql), 1);
    /* bindings of the last use are gone */
    assert_int_equal(pd_sql_get(c->sql, "INSERT INTO t VALUES (?,?)", &stmt, &c->err), PD_OK);
    assert_int_equal(pd_sql_bind_blob(stmt, 2, NULL, 0, &c->err), PD_OK);
    assert_int_equal(pd_sql_run(stmt, &c->err), PD_OK);

    assert_int_equal(pd_sql_get(c->sql, "SELECT a, b FROM t ORDER BY rowid", &stmt, &c->err),
                     PD_OK);
    assert_int_equal(pd_sql_step(stmt, &row, &c->err), PD_OK);
    assert_true(row);
    assert_true(pd_sql_int(stmt, 0) == INT64_MIN);
    assert_memory_equal(pd_sql_bytes(stmt, 1, &len), bytes, 5);
    assert_int_equal(len, 5);
    assert_int_equal(pd_sql_step(stmt, &row, &c->err), PD_OK);
    assert_true(row);
    assert_true(pd_sql_is_null(stmt, 0));
    assert_false(pd_sql_is_null(stmt, 1));
    assert_non_null(pd_sql_bytes(stmt, 1, &len));
    assert_int_equal(len, 0);
    assert_int_equal(pd_sql_step(stmt, &row, &c->err), PD_OK);
    assert_false(row);
    pd_sql_reset(stmt);
}

static void a_failing_statement_rolls_back(void **state)
{
    struct sql_case *c = *state;

    assert_int_equal(pd_sql_begin(c->sql, &c->err), PD_OK);
    assert_int_equal(pd_sql_exec(c->sql, "INSERT INTO t VALUES (1, 'x')", &c->err), PD_OK);
    assert_int_equal(pd_sql_exec(c->sql, "INSERT INTO t VALUES (1, 'y')", &c->err), PD_EXISTS);
    pd_sql_rollback(c->sql);
    assert_int_equal(count_rows(c), 0);
    /* the session goes on */
    assert_int_equal(pd_sql_begin(c->sql, &c->err), PD_OK);
    assert_int_equal(pd_sql_exec(c->sql, "INSERT INTO t VALUES (1, 'x')", &c->err), PD_OK);
    assert_int_equal(pd_sql_commit(c->sql, &c->err), PD_OK);
    assert_int_equal(count_rows(c), 1);
    pd_sql_rollback(c->sql);
    assert_int_equal(count_rows(c), 1);
}

static void transactions_do_not_nest(void **state)
{
    struct sql_case *c = *state;

    assert_int_equal(pd_sql_commit(c->sql, &c->err), PD_INTERNAL);
    assert_int_equal(pd_sql_begin(c->sql, &c->err), PD_OK);
    assert_int_equal(pd_sql_begin(c->sql, &c->err), PD_INTERNAL);
    assert_int_equal(pd_sql_commit(c->sql, &c->err), PD_OK);
    assert_int_equal(pd_sql_commit(c->sql, &c->err), PD_INTERNAL);
}

static void closing_drops_an_open_transaction(void **state)
{
    struct sql_case *c = *state;

    assert_int_equal(pd_sql_begin(c->sql, &c->err), PD_OK);
    assert_int_equal(pd_sql_exec(c->sql, "INSERT INTO t VALUES (1, 'x')", &c->err), PD_OK);
    pd_sql_close(c->sql);
    c->sql = NULL;
    assert_int_equal(pd_sql_sqlite_open(&c->env, c->path, false, &c->sql, &c->err), PD_OK);
    assert_int_equal(count_rows(c), 0);
}

static void bad_statements_have_an_error(void **state)
{
    struct sql_case *c = *state;
    struct pd_sql_stmt *stmt = NULL;

    assert_int_equal(pd_sql_get(c->sql, "SELECT nonsense", &stmt, &c->err), PD_CATALOG);
    assert_non_null(strstr(c->err.message, "nonsense"));
    assert_int_equal(pd_sql_exec(c->sql, "INSERT INTO missing VALUES (1)", &c->err), PD_CATALOG);
    assert_non_null(strstr(c->err.message, "missing"));
}

static void a_full_disk_is_no_space(void **state)
{
    struct sql_case *c = *state;

    assert_int_equal(pd_sql_exec(c->sql, "PRAGMA max_page_count = 8", &c->err), PD_OK);
    assert_int_equal(pd_sql_exec(c->sql, "INSERT INTO t VALUES (9, zeroblob(100000))", &c->err),
                     PD_NO_SPACE);
}

static void a_locked_database_is_busy(void **state)
{
    struct sql_case *c = *state;
    struct pd_sql *other = NULL;

    assert_int_equal(pd_sql_sqlite_open(&c->env, c->path, false, &other, &c->err), PD_OK);
    assert_int_equal(pd_sql_exec(other, "PRAGMA busy_timeout = 20", &c->err), PD_OK);
    assert_int_equal(pd_sql_begin(c->sql, &c->err), PD_OK);
    assert_int_equal(pd_sql_exec(c->sql, "INSERT INTO t VALUES (1, 'x')", &c->err), PD_OK);
    assert_int_equal(pd_sql_begin(other, &c->err), PD_CATALOG_BUSY);
    assert_true(pd_status_retryable(c->err.status));
    /* the failed begin is no open transaction, and the session goes on once the lock is gone */
    assert_int_equal(pd_sql_commit(other, &c->err), PD_INTERNAL);
    assert_int_equal(pd_sql_commit(c->sql, &c->err), PD_OK);
    assert_int_equal(pd_sql_begin(other, &c->err), PD_OK);
    assert_int_equal(pd_sql_commit(other, &c->err), PD_OK);
    pd_sql_close(other);
}

static void what_another_session_commits_is_seen(void **state)
{
    struct sql_case *c = *state;
    struct pd_sql *other = NULL;

    assert_int_equal(pd_sql_sqlite_open(&c->env, c->path, false, &other, &c->err), PD_OK);
    assert_int_equal(count_rows(c), 0);
    assert_int_equal(pd_sql_begin(other, &c->err), PD_OK);
    assert_int_equal(pd_sql_exec(other, "INSERT INTO t VALUES (1, 'x')", &c->err), PD_OK);
    assert_int_equal(count_rows(c), 0);
    assert_int_equal(pd_sql_commit(other, &c->err), PD_OK);
    assert_int_equal(count_rows(c), 1);
    pd_sql_close(other);
}

static void references_are_kept(void **state)
{
    struct sql_case *c = *state;

    assert_int_equal(pd_sql_exec(c->sql, "CREATE TABLE u (a INTEGER REFERENCES t (a))", &c->err),
                     PD_OK);
    assert_int_equal(pd_sql_exec(c->sql, "INSERT INTO u VALUES (5)", &c->err), PD_CATALOG);
    assert_int_equal(pd_sql_exec(c->sql, "INSERT INTO t VALUES (5, 'x')", &c->err), PD_OK);
    assert_int_equal(pd_sql_exec(c->sql, "INSERT INTO u VALUES (5)", &c->err), PD_OK);
}

static void the_file_is_for_its_owner_only(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    struct sql_case *c = *state;
    mode_t old = umask(0);
    struct stat st;
    char path[128];

    pd_sql_close(c->sql);
    c->sql = NULL;
    assert_int_equal(unlink(c->path), 0);
    assert_int_equal(pd_sql_sqlite_open(&c->env, c->path, true, &c->sql, &c->err), PD_OK);
    assert_int_equal(pd_sql_exec(c->sql, "CREATE TABLE t (a INTEGER)", &c->err), PD_OK);
    umask(old);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        (void)snprintf(path, sizeof path, "%s%s", c->path, ends[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
}

static void no_finding(void *arg, const char *text)
{
    (void)text;
    ++*(int *)arg;
}

static void the_engine_checks_itself(void **state)
{
    struct sql_case *c = *state;
    int findings = 0;

    assert_int_equal(pd_sql_check(c->sql, no_finding, &findings, &c->err), PD_OK);
    assert_int_equal(findings, 0);
}

static void what_is_no_database_is_refused(void **state)
{
    struct sql_case *c = *state;
    struct pd_sql *sql = NULL;
    char path[128];

    (void)snprintf(path, sizeof path, "%s/none.db", c->folder);
    assert_int_equal(pd_sql_sqlite_open(&c->env, path, false, &sql, &c->err), PD_CATALOG);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(pd_sql_sqlite_open(&c->env, c->folder, true, &sql, &c->err), PD_CATALOG);

    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++) {
        assert_true(fputs("this is a letter, not a database\n", file) >= 0);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(pd_sql_sqlite_open(&c->env, path, true, &sql, &c->err), PD_CATALOG);
    assert_null(sql);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ops_with_a_gap_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_without_an_error_is_internal, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_committed_is_rolled_back, setup, teardown),
        cmocka_unit_test_setup_teardown(statements_are_prepared_once, setup, teardown),
        cmocka_unit_test_setup_teardown(values_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failing_statement_rolls_back, setup, teardown),
        cmocka_unit_test_setup_teardown(transactions_do_not_nest, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_drops_an_open_transaction, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_statements_have_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_no_space, setup, teardown),
        cmocka_unit_test_setup_teardown(a_locked_database_is_busy, setup, teardown),
        cmocka_unit_test_setup_teardown(what_another_session_commits_is_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(references_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(the_file_is_for_its_owner_only, setup, teardown),
        cmocka_unit_test_setup_teardown(the_engine_checks_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_database_is_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
