/*
 * sql_mysql: what the connection (sql_mysql.c) and its prepared statements (sql_mysql_stmt.c) share.
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
};

/* The status of an error code, and an error that names what was tried. */
enum pd_status pd_mysql_fail(unsigned code, const char *text, const char *what,
                             struct pd_error *err);
/* Gets a lost connection back, unless a transaction is open. */
PD_MUST_USE enum pd_status pd_mysql_back(struct pd_mysql *my, struct pd_error *err);

/* As in struct pd_sql_ops; impl is a struct pd_mysql. */
PD_MUST_USE enum pd_status pd_mysql_prepare(void *impl, const char *sql, void **stmt,
                                            struct pd_error *err);
PD_MUST_USE enum pd_status pd_mysql_bind(void *impl, void *stmt, unsigned index,
                                         enum pd_sql_bind_kind kind, int64_t number,
                                         const void *bytes, size_t len, struct pd_error *err);
PD_MUST_USE enum pd_status pd_mysql_step(void *impl, void *stmt, bool *row, struct pd_error *err);
PD_MUST_USE enum pd_status pd_mysql_reset(void *impl, void *stmt, struct pd_error *err);
bool pd_mysql_column_null(void *impl, void *stmt, unsigned column);
int64_t pd_mysql_column_int(void *impl, void *stmt, unsigned column);
const void *pd_mysql_column_bytes(void *impl, void *stmt, unsigned column, size_t *len);
void pd_mysql_finalize(void *impl, void *stmt);

#endif
