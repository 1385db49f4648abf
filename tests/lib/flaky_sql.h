/*
 * flaky_sql: an SQL driver on top of another that fails chosen calls, as a server does that is
 * restarted, locked or cut off. A failure ends the transaction: nothing of it is left, unless the
 * fault says that a commit was carried out first.
 */
#ifndef PAIRDUMP_TESTS_FLAKY_SQL_H
#define PAIRDUMP_TESTS_FLAKY_SQL_H

#include "catalog_lib.h"
#include "pairdump/sql.h"

enum flaky_call { FLAKY_BEGIN, FLAKY_STEP, FLAKY_COMMIT, FLAKY_CALLS };

struct flaky {
    struct pd_sql_ops ops;
    struct pd_sql *real;
    bool within; /* a transaction; only its steps count */
    unsigned calls[FLAKY_CALLS];
    unsigned failed;
    /* the fault: calls from `from` to `to` (1 is the first), 0: none */
    enum flaky_call call;
    unsigned from, to;
    enum pd_status status;
    bool done; /* carried out before it fails */
};

/* Puts it between the case's catalog and its database, which both go with the catalog. */
struct flaky *flaky_between(struct cat_case *c);
/* From now on; counts begin anew. */
void flaky_set(struct flaky *f, enum flaky_call call, unsigned from, unsigned to,
               enum pd_status status, bool done);

#endif
