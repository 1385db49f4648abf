#include <mysql.h>
#include <stdlib.h>
#include <string.h>

#include "pairdump/cred.h"
#include "pairdump/sql.h"
#include "pairdump/text.h"
#include "sql_mysql_priv.h"

/* Tries to get the connection back, the pause doubling from 100 ms: about 12 s in all. */
enum { TRIES_OPEN = 2, TRIES_AGAIN = 7, FIRST_PAUSE_MS = 100, IO_TIMEOUT_S = 60 };

/* Numbers of the server's and the client library's errors: MariaDB Error Codes; errmsg.h */
enum pd_status pd_mysql_fail(unsigned code, const char *text, const char *what,
                             struct pd_error *err)
{
    static const struct {
        unsigned code;
        enum pd_status status;
    } table[] = {
        {1213, PD_CATALOG_BUSY}, {1205, PD_CATALOG_BUSY}, {1062, PD_EXISTS}, {2002, PD_CATALOG_LOST},
        {2003, PD_CATALOG_LOST}, {2006, PD_CATALOG_LOST}, {2013, PD_CATALOG_LOST},
        {2055, PD_CATALOG_LOST}, {1040, PD_CATALOG_LOST}, {1047, PD_CATALOG_LOST},
        {1053, PD_CATALOG_LOST}, {1077, PD_CATALOG_LOST}, {1079, PD_CATALOG_LOST},
        {1152, PD_CATALOG_LOST}, {1184, PD_CATALOG_LOST}, {1203, PD_CATALOG_LOST},
        {1226, PD_CATALOG_LOST}, {1158, PD_CATALOG_LOST},
        {1159, PD_CATALOG_LOST}, {1160, PD_CATALOG_LOST}, {1161, PD_CATALOG_LOST},
        {1927, PD_CATALOG_LOST}, {1044, PD_CREDENTIALS},  {1045, PD_CREDENTIALS},
        {1142, PD_CREDENTIALS},  {1143, PD_CREDENTIALS},  {1227, PD_CREDENTIALS},
        {1370, PD_CREDENTIALS},  {1698, PD_CREDENTIALS},  {2026, PD_CREDENTIALS},
        {2059, PD_CREDENTIALS},  {1130, PD_CREDENTIALS},  {2005, PD_CREDENTIALS},
        {1021, PD_NO_SPACE},     {1114, PD_NO_SPACE},     {1037, PD_NO_MEMORY},
        {1038, PD_NO_MEMORY},    {2008, PD_NO_MEMORY},
    };
    enum pd_status status = PD_CATALOG;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        status = table[i].code == code ? table[i].status : status;
    }
    return pd_error_set(err, status, 0, "catalog: %s: %s (%u)%s", what, text, code,
                        code == 1049 ? "; create the database, or name another" : "");
}

static enum pd_status fail(struct pd_mysql *my, const char *what, struct pd_error *err)
{
    enum pd_status status = pd_mysql_fail(mysql_errno(my->db), mysql_error(my->db), what, err);

    my->lost = my->lost || status == PD_CATALOG_LOST;
    return status;
}

/* ---- the connection ---- */

static bool set_options(MYSQL *db, const struct pd_cred *cred)
{
    unsigned connect = cred->connect_timeout ? cred->connect_timeout : 10, io = IO_TIMEOUT_S;
    my_bool yes = 1, no = 0;
    bool good = mysql_options(db, MYSQL_OPT_CONNECT_TIMEOUT, &connect) == 0 &&
                mysql_options(db, MYSQL_OPT_READ_TIMEOUT, &io) == 0 &&
                mysql_options(db, MYSQL_OPT_WRITE_TIMEOUT, &io) == 0 &&
                mysql_options(db, MYSQL_SET_CHARSET_NAME, "utf8mb4") == 0 &&
                mysql_options(db, MYSQL_OPT_RECONNECT, &no) == 0 &&
                mysql_options(db, MYSQL_OPT_LOCAL_INFILE, NULL) == 0;

    if (good && cred->ssl_ca) {
        good = mysql_ssl_set(db, cred->ssl_key, cred->ssl_cert, cred->ssl_ca, NULL, NULL) == 0 &&
               mysql_options(db, MYSQL_OPT_SSL_ENFORCE, &yes) == 0 &&
               mysql_options(db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes) == 0;
    }
    return good;
}

/* MySQL's own library and server have no arrays of values for a statement. */
static bool has_arrays(MYSQL *db)
{
#ifdef MARIADB_CLIENT_STMT_BULK_OPERATIONS
    unsigned long extended = 0; /* the upper half of the capabilities */

    return mariadb_get_infov(db, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &extended) == 0 &&
           (extended & (unsigned long)(MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32)) != 0;
#else
    (void)db;
    return false;
#endif
}

static enum pd_status connect_once(struct pd_mysql *my, struct pd_error *err)
{
    static const char *const session[] = {
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES', innodb_lock_wait_timeout = 10",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    };
    const struct pd_cred *cred = &my->cred;
    enum pd_status status = PD_OK;

    if (my->db) {
        mysql_close(my->db);
    }
    my->db = mysql_init(NULL);
    if (!my->db || !set_options(my->db, cred)) {
        return pd_error_memory(err, "a connection");
    }
    if (!mysql_real_connect(my->db, cred->host, cred->user, cred->password,
                            cred->database ? cred->database : "pairdump", cred->port, cred->socket,
                            CLIENT_FOUND_ROWS)) {
        return fail(my, "cannot connect", err);
    }
    if (cred->ssl_ca && !mysql_get_ssl_cipher(my->db)) {
        status = pd_error_set(err, PD_CREDENTIALS, 0,
                              "catalog: the server offers no TLS, but ssl-ca asks for it");
    }
    for (size_t i = 0; i < sizeof session / sizeof session[0] && status == PD_OK; i++) {
        status = mysql_query(my->db, session[i]) == 0 ? PD_OK : fail(my, "session", err);
    }
    if (status == PD_OK) {
        my->arrays = has_arrays(my->db);
        my->lost = false;
        my->generation++;
    }
    return status;
}

static enum pd_status connect(struct pd_mysql *my, int tries, struct pd_error *err)
{
    uint64_t pause = FIRST_PAUSE_MS;
    enum pd_status status = connect_once(my, err);

    for (int i = 1; i < tries && status == PD_CATALOG_LOST; i++) {
        pd_log_error(my->env->log, PD_LOG_WARN, err);
        pd_clock_sleep(my->env->clock, pause * 1000000);
        pause *= 2;
        pd_error_clear(err);
        status = pd_env_check(my->env, err);
        if (status == PD_OK) {
            status = connect_once(my, err);
        }
    }
    return status;
}

enum pd_status pd_mysql_back(struct pd_mysql *my, struct pd_error *err)
{
    if (!my->lost || my->in_transaction) {
        return PD_OK;
    }
    pd_error_clear(err);
    return connect(my, TRIES_AGAIN, err);
}

/* ---- statements without parameters ---- */

static enum pd_status query(struct pd_mysql *my, const char *sql, struct pd_error *err)
{
    if (mysql_real_query(my->db, sql, (unsigned long)strlen(sql)) != 0) {
        return fail(my, "statement", err);
    }
    MYSQL_RES *result = mysql_store_result(my->db);
    if (result) {
        mysql_free_result(result);
    } else if (mysql_field_count(my->db) > 0) {
        return fail(my, "statement", err);
    }
    return PD_OK;
}

/* Outside of a transaction a statement that met a lost connection is tried once more. */
static enum pd_status my_exec(void *impl, const char *sql, struct pd_error *err)
{
    struct pd_mysql *my = impl;
    enum pd_status status = pd_mysql_back(my, err);

    if (status == PD_OK) {
        status = query(my, sql, err);
    }
    if (status == PD_CATALOG_LOST && !my->in_transaction) {
        status = pd_mysql_back(my, err);
        if (status == PD_OK) {
            status = query(my, sql, err);
        }
    }
    return status;
}

/* One try: transactions are repeated as a whole, and wait between. */
static enum pd_status begin(struct pd_mysql *my, const char *before, const char *statement,
                            struct pd_error *err)
{
    enum pd_status status = my->lost ? connect(my, 1, err) : PD_OK;

    if (status == PD_OK && before) {
        status = query(my, before, err);
    }
    if (status == PD_OK) {
        status = query(my, statement, err);
    }
    my->in_transaction = status == PD_OK;
    return status;
}

static enum pd_status my_begin(void *impl, struct pd_error *err)
{
    return begin(impl, NULL, "START TRANSACTION", err);
}

static enum pd_status my_begin_read(void *impl, struct pd_error *err)
{
    return begin(impl, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                 "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", err);
}

/* When the connection is lost here, the server may have committed or not. */
static enum pd_status my_commit(void *impl, struct pd_error *err)
{
    struct pd_mysql *my = impl;
    enum pd_status status = query(my, "COMMIT", err);

    my->in_transaction = false;
    if (status == PD_CATALOG_LOST) {
        struct pd_error why = *err;
        status = pd_error_set(err, PD_COMMIT_UNKNOWN, 0,
                              "%s; whether the last change was taken is not known", why.message);
    }
    return status;
}

static enum pd_status my_rollback(void *impl, struct pd_error *err)
{
    struct pd_mysql *my = impl;
    enum pd_status status = my->lost ? PD_OK : query(my, "ROLLBACK", err);

    my->in_transaction = false;
    return status;
}

static int64_t my_last_id(void *impl)
{
    return (int64_t)((struct pd_mysql *)impl)->last_id;
}

static uint64_t my_changes(void *impl)
{
    return ((struct pd_mysql *)impl)->changes;
}

/* ---- the whole ---- */

static enum pd_status my_tables(void *impl, const char *name, uint64_t *count,
                                struct pd_error *err)
{
    static const char any[] = "SELECT COUNT(*) FROM information_schema.tables"
                              " WHERE table_schema = DATABASE() AND (? IS NULL OR table_name = ?)";
    struct pd_mysql *my = impl;
    size_t len = name ? strlen(name) : 0;
    enum pd_sql_bind_kind kind = name ? PD_SQL_TEXT : PD_SQL_NULL;
    void *stmt = NULL;
    bool row = false;
    enum pd_status status = pd_mysql_prepare(my, any, &stmt, err);

    *count = 0;
    for (unsigned i = 1; i <= 2 && status == PD_OK; i++) {
        status = pd_mysql_bind(my, stmt, i, kind, 0, name, len, err);
    }
    if (status == PD_OK) {
        status = pd_mysql_step(my, stmt, &row, err);
    }
    if (status == PD_OK && row) {
        *count = (uint64_t)pd_mysql_column_int(my, stmt, 0);
    }
    if (stmt) {
        pd_mysql_finalize(my, stmt);
    }
    return status;
}

/* Rows of CHECK TABLE: table, operation, type of message, message. */
static enum pd_status my_check(void *impl, pd_sql_problem_fn fn, void *arg, struct pd_error *err)
{
    static const char check[] = "CHECK TABLE dump, volume, archive, copy, folder, file, problem,"
                                " verification, damage, run, claim, applied";
    struct pd_mysql *my = impl;
    enum pd_status status = pd_mysql_back(my, err);
    MYSQL_RES *result = NULL;
    MYSQL_ROW row;
    char text[512];

    if (status == PD_OK && (mysql_query(my->db, check) != 0 ||
                            (result = mysql_store_result(my->db)) == NULL)) {
        status = fail(my, "integrity check", err);
    }
    while (result && (row = mysql_fetch_row(result)) != NULL) {
        bool good = row[3] && (strcmp(row[3], "OK") == 0 || strcmp(row[2], "note") == 0);
        if (!good) {
            snprintf(text, sizeof text, "%s: %s: %s", row[0], row[2], row[3] ? row[3] : "?");
            fn(arg, text);
        }
    }
    mysql_free_result(result);
    return status;
}

static enum pd_status my_schema_lock(void *impl, bool take, struct pd_error *err)
{
    static const char get[] = "SELECT GET_LOCK(CONCAT('pairdump.', DATABASE()), 60)";
    static const char release[] = "DO RELEASE_LOCK(CONCAT('pairdump.', DATABASE()))";

    return my_exec(impl, take ? get : release, err);
}

static void my_close(void *impl)
{
    struct pd_mysql *my = impl;

    if (my->db) {
        mysql_close(my->db);
    }
    pd_cred_release(&my->cred);
    free(my);
}

const struct pd_sql_ops pd_mysql_ops = {
    .scheme = "mysql",
    .autoincrement = "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
    .blob_type = "VARBINARY(255)",
    .small_types = {"TINYINT UNSIGNED", "SMALLINT UNSIGNED", "INT UNSIGNED"},
    .path_key = "path(700)",
    .table_suffix = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    .clustered_suffix = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    .ddl_commits = true,
    .exec = my_exec,
    .prepare = pd_mysql_prepare,
    .bind = pd_mysql_bind,
    .step = pd_mysql_step,
    .add_row = pd_mysql_add_row,
    .end_rows = pd_mysql_end_rows,
    .reset = pd_mysql_reset,
    .column_null = pd_mysql_column_null,
    .column_int = pd_mysql_column_int,
    .column_bytes = pd_mysql_column_bytes,
    .finalize = pd_mysql_finalize,
    .begin = my_begin,
    .begin_read = my_begin_read,
    .commit = my_commit,
    .rollback = my_rollback,
    .last_id = my_last_id,
    .changes = my_changes,
    .tables = my_tables,
    .check = my_check,
    .schema_lock = my_schema_lock,
    .close = my_close,
};

enum pd_status pd_mysql_open(const struct pd_env *env, const char *credentials,
                             struct pd_mysql **out, struct pd_error *err)
{
    struct pd_mysql *my = calloc(1, sizeof *my);
    enum pd_status status = my ? pd_cred_load(credentials, &my->cred, err)
                               : pd_error_memory(err, "a connection");

    if (status != PD_OK) {
        free(my);
        return status;
    }
    my->env = env;
    status = connect(my, TRIES_OPEN, err);
    if (status != PD_OK) {
        my_close(my);
        return status;
    }
    *out = my;
    return PD_OK;
}

enum pd_status pd_sql_mysql_open(const struct pd_env *env, const char *credentials,
                                 struct pd_sql **out, struct pd_error *err)
{
    struct pd_mysql *my = NULL;
    enum pd_status status = pd_mysql_open(env, credentials, &my, err);

    return status == PD_OK ? pd_sql_new(&pd_mysql_ops, my, out, err) : status;
}
