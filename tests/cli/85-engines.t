#!/bin/bash
# The tests of the catalog itself, which run on the embedded one elsewhere, on a server.
. "$(dirname "$0")/../lib/tap.sh"
. "$tap_top/tests/lib/mariadb.sh"

DB=$T/.server
tap_server "$DB"
mariadb_sql "$DB" "CREATE DATABASE pairdump"
(umask 077 && printf '[client]\nuser = root\nsocket = %s\n' "$DB/sock" >"$T/credentials")
for name in catalog digests find held claim apply rows give_up replace rebuild; do
    exits 0 "$name" env PAIRDUMP_TEST_CATALOG="mysql:$T/credentials" \
        "$TOOLS/../unit/catalog/${name}_test"
done
tap_done
