# shellcheck shell=bash
# tap: TAP for shell tests. A test sources this, calls the checks, and ends with tap_done.
#
# Each test has a folder of its own in $T, removed at the end, a state folder and a catalog in it;
# $PD runs the program with them. PAIRDUMP names another binary, TOOLS another folder of tools.
# ENGINE=mysql puts the catalogs into a server that the test starts for itself.

set -u
tap_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PAIRDUMP=${PAIRDUMP:-$tap_top/bin/pairdump}
TOOLS=${TOOLS:-$tap_top/build/tests/tools}
tap_count=0
tap_failed=0
T=$(mktemp -d "${TMPDIR:-/tmp}/pairdump-tap.XXXXXX")
export HOME=$T XDG_STATE_HOME=$T/state LC_ALL=C.UTF-8
unset PAIRDUMP_CONF
PD="$PAIRDUMP --no-progress"
TAP_SERVERS=()

tap_clean() {
    for server in "${TAP_SERVERS[@]}"; do
        mariadb_stop "$server"
    done
    chmod -R u+rwx "$T" 2>/dev/null
    rm -rf "$T"
}
trap tap_clean EXIT
trap 'exit 1' INT TERM
if [ "${ENGINE:-}" = mysql ]; then
    # shellcheck source=tests/lib/mariadb.sh
    . "$tap_top/tests/lib/mariadb.sh"
    export TAP_DB=$T/.db TAP_PAIRDUMP=$PAIRDUMP
    tap_server "$TAP_DB"
    mariadb_sql "$TAP_DB" "CREATE USER 'pairdump'@'localhost' IDENTIFIED BY 'se#cret';
        GRANT ALL ON \`pd\_%\`.* TO 'pairdump'@'localhost'" || exit 1
    PD="$tap_top/tests/lib/pd-mysql --no-progress"
fi

# catalog_sql SQL: asks the catalog behind the program's back
catalog_sql() {
    if [ "${ENGINE:-}" = mysql ]; then
        mariadb_sql "$TAP_DB" "USE pd_$(printf %s "$XDG_STATE_HOME" | sha256sum | cut -c1-16);
            SET sql_mode = 'PIPES_AS_CONCAT'; $1"
    else
        sqlite3 "$XDG_STATE_HOME/pairdump/catalog.db" "$1"
    fi
}

# ok NAME COMMAND...: the command succeeds
ok() {
    local name=$1
    shift
    tap_count=$((tap_count + 1))
    if "$@" >"$T/.out" 2>"$T/.err"; then
        echo "ok $tap_count - $name"
    else
        tap_failed=$((tap_failed + 1))
        echo "not ok $tap_count - $name"
        echo "# $name: $*" >&2
        sed 's/^/# /' "$T/.out" "$T/.err" | head -40 >&2
    fi
}

# exits CODE NAME COMMAND...: the command ends with exactly this code; output in $T/out, $T/err
exits() {
    local code=$1 name=$2 got
    shift 2
    tap_count=$((tap_count + 1))
    "$@" >"$T/out" 2>"$T/err"
    got=$?
    if [ "$got" -eq "$code" ]; then
        echo "ok $tap_count - $name"
    else
        tap_failed=$((tap_failed + 1))
        echo "not ok $tap_count - $name"
        echo "# $name: exit $got, not $code: $*" >&2
        sed 's/^/# /' "$T/out" "$T/err" | head -40 >&2
    fi
}

# says FILE REGEX NAME: a line of $T/FILE (out or err) matches
says() {
    ok "$3" grep -Eq -- "$2" "$T/$1"
}

# silent FILE REGEX NAME: no line matches
silent() {
    ok "$3" bash -c '! grep -Eq -- "$1" "$2"' _ "$2" "$T/$1"
}

# same A B NAME: two words are equal
same() {
    ok "$3 ($1)" test "$1" = "$2"
}

tap_done() {
    echo "1..$tap_count"
    [ "$tap_failed" -eq 0 ]
    exit
}
