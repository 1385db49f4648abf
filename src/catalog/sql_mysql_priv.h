/*
 * sql_mysql: what the connection (sql_mysql.c), its prepared statements (sql_mysql_stmt.c) and rows
 * for one INSERT (sql_mysql_rows.c) share.
 *
 * MySQL and MariaDB through the C API of libmysqlclient. A connection that is lost outside of a
 * transaction comes back by itself, and the statement runs again; within one, PD_CATALOG_LOST ends
 * it, and who began it decides. Statements outlive connections: each knows its text and its bound
 * values, and is prepared anew when the connection's generation has changed.
 */
#ifndef PAIRDUMP_CATALOG_SQL_MYSQL_PRIV_H
#define PAIRDUMP_CATALOG_SQL_MYSQL_PRIV_H

#include <mysql.h>

#include "pairdump/cred.h"
#include "pairdump/sql.h"

struct pd_mysql {
    const struct pd_env *env;
    struct pd_cred cred;
    MYSQL *db;
    uint64_t generation; /* of the connection, from 1 */
    bool lost;
    bool in_transaction;
    uint64_t last_id, changes; /* of the last statement that ran */
    bool arrays; /* library and server know statements with arrays of values */
};

/* A bound value, kept so that the statement can run again on a new connection. */
struct pd_mysql_param {
    enum pd_sql_bind_kind kind;
    long long number;
    char *bytes;
    size_t room;
    unsigned long len;
};

struct pd_mysql_cell;
struct pd_mysql_rows;

struct pd_mysql_stmt {
    char *text;
    MYSQL_STMT *stmt;
    uint64_t generation; /* of the connection it was prepared on */
    unsigned param_count, cell_count;
    struct pd_mysql_param *params;
    struct pd_mysql_cell *cells;
    MYSQL_BIND *in, *out;
    struct pd_mysql_rows *rows; /* NULL until there were some */
    bool ran; /* executed, and not reset since */
};

/* The status of an error code, and an error that names what was tried. */
enum pd_status pd_mysql_fail(unsigned code, const char *text, const char *what,
                             struct pd_error *err);
/* The connection, not yet wrapped as a session. */
PD_MUST_USE enum pd_status pd_mysql_open(const struct pd_env *env, const char *credentials,
                                         struct pd_mysql **out, struct pd_error *err);
extern const struct pd_sql_ops pd_mysql_ops;
/* Gets a lost connection back, unless a transaction is open. */
PD_MUST_USE enum pd_status pd_mysql_back(struct pd_mysql *my, struct pd_error *err);

/* The error of a prepared statement; notes that the connection is lost. */
enum pd_status pd_mysql_stmt_fail(struct pd_mysql *my, MYSQL_STMT *stmt, const char *what,
                                  struct pd_error *err);
/* Prepared on the connection that there is now, which is got back first if it was lost. */
PD_MUST_USE enum pd_status pd_mysql_prepare_again(struct pd_mysql *my, struct pd_mysql_stmt *s,
                                                  struct pd_error *err);
void pd_mysql_rows_clear(struct pd_mysql_rows *rows); /* NULL: nothing */
void pd_mysql_rows_free(struct pd_mysql_rows *rows);

/* As in struct pd_sql_ops; impl is a struct pd_mysql, stmt a struct pd_mysql_stmt. */
PD_MUST_USE enum pd_status pd_mysql_prepare(void *impl, const char *sql, void **stmt,
                                            struct pd_error *err);
PD_MUST_USE enum pd_status pd_mysql_bind(void *impl, void *stmt, unsigned index,
                                         enum pd_sql_bind_kind kind, int64_t number,
                                         const void *bytes, size_t len, struct pd_error *err);
PD_MUST_USE enum pd_status pd_mysql_step(void *impl, void *stmt, bool *row, struct pd_error *err);
PD_MUST_USE enum pd_status pd_mysql_add_row(void *impl, void *stmt, struct pd_error *err);
PD_MUST_USE enum pd_status pd_mysql_end_rows(void *impl, void *stmt, struct pd_error *err);
PD_MUST_USE enum pd_status pd_mysql_reset(void *impl, void *stmt, struct pd_error *err);
bool pd_mysql_column_null(void *impl, void *stmt, unsigned column);
int64_t pd_mysql_column_int(void *impl, void *stmt, unsigned column);
const void *pd_mysql_column_bytes(void *impl, void *stmt, unsigned column, size_t *len);
void pd_mysql_finalize(void *impl, void *stmt);

#endif
