/*
 * schema: the tables of the catalog, their version, and the steps from each version to the next.
 *
 * Portable SQL: what differs between engines comes from struct pd_sql_ops.
 */
#ifndef PAIRDUMP_CATALOG_SCHEMA_H
#define PAIRDUMP_CATALOG_SCHEMA_H

#include "pairdump/sql.h"

#define PD_SCHEMA_VERSION 5

/* Version of the open database, 0 for an empty one. */
PD_MUST_USE enum pd_status pd_schema_version(struct pd_sql *sql, unsigned *version,
                                             struct pd_error *err);
/* Brings it to PD_SCHEMA_VERSION, each step one transaction. A newer one is PD_CATALOG. */
PD_MUST_USE enum pd_status pd_schema_migrate(struct pd_sql *sql, struct pd_error *err);
/* Makes rows of an older version, put into today's tables, what a migration would have made of
 * them. */
PD_MUST_USE enum pd_status pd_schema_amend(struct pd_sql *sql, uint64_t from, struct pd_error *err);

#endif
