/*
 * catalog_tables: the tables of the catalog with their columns, for export and import. A table stands
 * behind those that it refers to. What can be computed (the hash of a folder) is not in it.
 */
#ifndef PAIRDUMP_CATALOG_TABLES_H
#define PAIRDUMP_CATALOG_TABLES_H

#include <string.h>

#include "catalog_priv.h"

/* HEX: a binary string, two digits per byte; BYTES: one that is a path or name, escaped; LATER: a
 * number that exports of older schemas do not have, and which is 0 then. */
enum pd_column_type {
    PD_COLUMN_NUMBER,
    PD_COLUMN_TEXT,
    PD_COLUMN_BYTES,
    PD_COLUMN_HEX,
    PD_COLUMN_LATER
};

struct pd_column {
    const char *name;
    enum pd_column_type type;
};

enum { PD_COLUMNS_MAX = 24, PD_TABLE_COUNT = 11 };

struct pd_table {
    const char *name;
    const char *order;
    struct pd_column columns[PD_COLUMNS_MAX]; /* ended by one without a name */
};

extern const struct pd_table pd_tables[PD_TABLE_COUNT];

/* NULL when there is none. */
const struct pd_table *pd_table_find(const char *name);

#endif
