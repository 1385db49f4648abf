/*
 * sql: one SQL session, whatever the engine; the driver interface below the catalog.
 *
 * A driver (SQLite, MySQL) fills every slot of struct pd_sql_ops; the calls pd_sql_* check
 * state and "a failure has a status". Statements use '?' placeholders, bound from 1; columns count
 * from 0. Statements are portable SQL only. Text and blobs bound are copied by the call; those read
 * stay valid until the next step or reset. One thread uses a session at a time.
 * A failure that a later try can mend (locked, lost connection) has a retryable status.
 * Many rows for one INSERT, within a transaction: bind, pd_sql_add_row, bind, pd_sql_add_row, ...,
 * pd_sql_end_rows; the statement's text ends with "VALUES (?,...)", and a column is of one kind.
 */
#ifndef PAIRDUMP_SQL_H
#define PAIRDUMP_SQL_H

#include <stdint.h>

#include "pairdump/env.h"

enum pd_sql_bind_kind { PD_SQL_NULL, PD_SQL_INT, PD_SQL_TEXT, PD_SQL_BLOB };

typedef void (*pd_sql_problem_fn)(void *arg, const char *text);

struct pd_sql_ops {
    const char *scheme;
    const char *autoincrement; /* column type of a generated integer primary key */
    const char *blob_type;     /* for a short binary string that can be indexed */
    const char *small_types[3]; /* unsigned numbers of 8, 16 and 32 bits */
    const char *path_key;      /* the column path, BLOB, in an index */
    const char *table_suffix;  /* after CREATE TABLE (...) */
    const char *clustered_suffix; /* the same for a table to be stored by its primary key */
    bool ddl_commits;          /* CREATE TABLE ends the transaction that it stands in */
    enum pd_status (*exec)(void *impl, const char *sql, struct pd_error *err);
    enum pd_status (*prepare)(void *impl, const char *sql, void **stmt, struct pd_error *err);
    enum pd_status (*bind)(void *impl, void *stmt, unsigned index, enum pd_sql_bind_kind kind,
                           int64_t number, const void *bytes, size_t len, struct pd_error *err);
    enum pd_status (*step)(void *impl, void *stmt, bool *row, struct pd_error *err);
    /* Takes what is bound as one row of an INSERT, to be stored now or with rows that follow. */
    enum pd_status (*add_row)(void *impl, void *stmt, struct pd_error *err);
    enum pd_status (*end_rows)(void *impl, void *stmt, struct pd_error *err); /* stores what is left */
    enum pd_status (*reset)(void *impl, void *stmt, struct pd_error *err); /* forgets rows not stored */
    bool (*column_null)(void *impl, void *stmt, unsigned column);
    int64_t (*column_int)(void *impl, void *stmt, unsigned column);
    const void *(*column_bytes)(void *impl, void *stmt, unsigned column, size_t *len);
    void (*finalize)(void *impl, void *stmt);
    enum pd_status (*begin)(void *impl, struct pd_error *err); /* a transaction that will write */
    /* One that only reads, all of it as it is at one moment; others may write meanwhile. */
    enum pd_status (*begin_read)(void *impl, struct pd_error *err);
    /* PD_COMMIT_UNKNOWN: the connection was lost, and whether it was taken is not known. */
    enum pd_status (*commit)(void *impl, struct pd_error *err);
    enum pd_status (*rollback)(void *impl, struct pd_error *err);
    int64_t (*last_id)(void *impl);
    uint64_t (*changes)(void *impl); /* rows of the last statement */
    /* How many tables there are, of this name or (NULL) at all. */
    enum pd_status (*tables)(void *impl, const char *name, uint64_t *count, struct pd_error *err);
    /* The engine's own proof that its files are whole; fn per finding. */
    enum pd_status (*check)(void *impl, pd_sql_problem_fn fn, void *arg, struct pd_error *err);
    /* Keeps others from changing the schema meanwhile. */
    enum pd_status (*schema_lock)(void *impl, bool take, struct pd_error *err);
    void (*close)(void *impl);
};

struct pd_sql;
struct pd_sql_stmt;

/* Takes impl over. */
PD_MUST_USE enum pd_status pd_sql_new(const struct pd_sql_ops *ops, void *impl,
                                      struct pd_sql **out, struct pd_error *err);
const struct pd_sql_ops *pd_sql_ops_of(const struct pd_sql *sql);
void pd_sql_close(struct pd_sql *sql);
PD_MUST_USE enum pd_status pd_sql_exec(struct pd_sql *sql, const char *text, struct pd_error *err);
/* Prepared once per text and kept for the session; reset and unbound when handed out. */
PD_MUST_USE enum pd_status pd_sql_get(struct pd_sql *sql, const char *text,
                                      struct pd_sql_stmt **out, struct pd_error *err);
PD_MUST_USE enum pd_status pd_sql_bind_int(struct pd_sql_stmt *stmt, unsigned index, int64_t value,
                                           struct pd_error *err);
PD_MUST_USE enum pd_status pd_sql_bind_text(struct pd_sql_stmt *stmt, unsigned index,
                                            const char *text, struct pd_error *err);
PD_MUST_USE enum pd_status pd_sql_bind_blob(struct pd_sql_stmt *stmt, unsigned index,
                                            const void *bytes, size_t len, struct pd_error *err);
PD_MUST_USE enum pd_status pd_sql_bind_null(struct pd_sql_stmt *stmt, unsigned index,
                                            struct pd_error *err);
PD_MUST_USE enum pd_status pd_sql_step(struct pd_sql_stmt *stmt, bool *row, struct pd_error *err);
/* Step to the end without rows expected, then reset. */
PD_MUST_USE enum pd_status pd_sql_run(struct pd_sql_stmt *stmt, struct pd_error *err);
/* A failure may be that of an earlier row. */
PD_MUST_USE enum pd_status pd_sql_add_row(struct pd_sql_stmt *stmt, struct pd_error *err);
/* Stores all rows, then resets. */
PD_MUST_USE enum pd_status pd_sql_end_rows(struct pd_sql_stmt *stmt, struct pd_error *err);
void pd_sql_reset(struct pd_sql_stmt *stmt);
bool pd_sql_is_null(struct pd_sql_stmt *stmt, unsigned column);
int64_t pd_sql_int(struct pd_sql_stmt *stmt, unsigned column);
const void *pd_sql_bytes(struct pd_sql_stmt *stmt, unsigned column, size_t *len);
PD_MUST_USE enum pd_status pd_sql_begin(struct pd_sql *sql, struct pd_error *err);
PD_MUST_USE enum pd_status pd_sql_begin_read(struct pd_sql *sql, struct pd_error *err);
PD_MUST_USE enum pd_status pd_sql_commit(struct pd_sql *sql, struct pd_error *err);
void pd_sql_rollback(struct pd_sql *sql);
int64_t pd_sql_last_id(struct pd_sql *sql);
uint64_t pd_sql_changes(struct pd_sql *sql);
PD_MUST_USE enum pd_status pd_sql_tables(struct pd_sql *sql, const char *name, uint64_t *count,
                                         struct pd_error *err);
PD_MUST_USE enum pd_status pd_sql_schema_lock(struct pd_sql *sql, bool take, struct pd_error *err);
PD_MUST_USE enum pd_status pd_sql_check(struct pd_sql *sql, pd_sql_problem_fn fn, void *arg,
                                        struct pd_error *err);

/* SQLite: WAL, synchronous FULL, foreign keys on, busy timeout 10 s. create false: a missing file
 * is PD_CATALOG. */
PD_MUST_USE enum pd_status pd_sql_sqlite_open(const struct pd_env *env, const char *path,
                                              bool create, struct pd_sql **out,
                                              struct pd_error *err);


/* MySQL or MariaDB, as a credentials file says (see cred.h; database: "pairdump" if not given). What
 * it refuses is PD_CREDENTIALS, a server that does not answer PD_CATALOG_LOST. */
PD_MUST_USE enum pd_status pd_sql_mysql_open(const struct pd_env *env, const char *credentials,
                                             struct pd_sql **out, struct pd_error *err);

#endif
