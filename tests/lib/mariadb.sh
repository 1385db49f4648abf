# shellcheck shell=bash
# mariadb: a private server for tests: no network, a socket and its data in a folder of the test.
# mariadb_start FOLDER [OPTION...] starts it, mariadb_sql FOLDER SQL asks it as root, mariadb_stop FOLDER
# ends it.
# A test takes tap_server FOLDER, which starts one or gives up, and which tap_clean stops.

mariadb_start() {
    local dir=$1
    mkdir -p "$dir/data" "$dir/tmp" # in a shared one, servers remove each other's tables
    TMPDIR=$dir/tmp mariadb-install-db --no-defaults --datadir="$dir/data" --user="$(id -un)" --skip-test-db \
        --auth-root-authentication-method=normal >"$dir/install.log" 2>&1 || return 1
    mariadb_run "$@"
}

# mariadb_run FOLDER [OPTION...]: starts what mariadb_start has made before
mariadb_run() {
    local dir=$1
    TMPDIR=$dir/tmp mariadbd --no-defaults --user="$(id -un)" --datadir="$dir/data" --socket="$dir/sock" \
        --pid-file="$dir/pid" --skip-networking --innodb-buffer-pool-size=64M "${@:2}" \
        >"$dir/server.log" 2>&1 &
    for _ in $(seq 200); do
        mariadb_sql "$dir" "SELECT 1" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    return 1
}

mariadb_sql() {
    mariadb --no-defaults --socket="$1/sock" --user=root --skip-column-names -e "$2"
}

mariadb_stop() {
    [ -f "$1/pid" ] && kill "$(cat "$1/pid")" 2>/dev/null
    for _ in $(seq 100); do
        [ -f "$1/pid" ] || return 0
        sleep 0.1
    done
}

tap_server() {
    TAP_SERVERS+=("$1")
    mariadb_start "$1" || {
        echo "Bail out! no MariaDB server: $(tail -n 3 "$1"/*.log)"
        exit 1
    }
}
