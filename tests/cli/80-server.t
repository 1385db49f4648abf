#!/bin/bash
# The catalog on a server: credentials that are refused before anything is touched, a server that
# refuses, stops and comes back, and no password anywhere.
. "$(dirname "$0")/../lib/tap.sh"
. "$tap_top/tests/lib/mariadb.sh"

DB=$T/.server
tap_server "$DB"
SECRET='Tr0ub4dor-#3'
mariadb_sql "$DB" "$(sed "s/change me/$SECRET/" "$tap_top/etc/pairdump-grant.sql")"
mariadb_sql "$DB" "CREATE USER 'guest'@'localhost' IDENTIFIED BY 'guest';
    GRANT SELECT ON pairdump.* TO 'guest'@'localhost'"
mkdir "$T/src" "$T/a" "$T/b"
for i in 1 2 3 4 5; do echo "$i" >"$T/src/f$i"; done

# credentials NAME LINE...: a file of mode 0600
credentials() {
    local file=$T/$1
    shift
    (umask 077 && printf '%s\n' '[client]' "$@" >"$file")
}
RUN="$PAIRDUMP --no-progress --catalog mysql:"
SOCKET="socket = $DB/sock"
credentials good 'user = pairdump' "password = \"$SECRET\"" "$SOCKET"

# ---- the file ----
nothing_touched() {
    ok "$1: nothing was touched" test -z "$(ls "$T/a" "$T/b" | grep -v ':')"
}
dump=(dump --to "disk:$T/a" --to "disk:$T/b" "$T/src")
exits 2 "no file" $RUN --credentials "$T/none" "${dump[@]}"
says err "$T/none" "it is named"
exits 2 "no file in the home folder" $RUN "${dump[@]}"
says err '.my.pairdump.cnf' "where it was looked for is named"
: >"$T/empty" && chmod 600 "$T/empty"
exits 2 "an empty file" $RUN --credentials "$T/empty" "${dump[@]}"
cp "$T/good" "$T/open" && chmod 644 "$T/open"
exits 2 "a file that others can read" $RUN --credentials "$T/open" "${dump[@]}"
says err 'chmod' "says what to do"
nothing_touched "refused files"

# ---- the server ----
credentials wrong 'user = pairdump' 'password = wrong' "$SOCKET"
exits 2 "a wrong password" $RUN --credentials "$T/wrong" "${dump[@]}"
credentials elsewhere 'user = pairdump' "password = \"$SECRET\"" 'host = 127.0.0.1' 'port = 1' 'connect-timeout = 2'
exits 6 "no server there" $RUN --credentials "$T/elsewhere" "${dump[@]}"
says err 'does not answer' "says so"
credentials tls 'user = pairdump' "password = \"$SECRET\"" "$SOCKET" "ssl-ca = $T/ca.pem"
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=test -days 1 -keyout "$T/ca.key" -out "$T/ca.pem" 2>/dev/null
exits 2 "TLS that the server does not offer" $RUN --credentials "$T/tls" "${dump[@]}"
says err "TLS|SSL" "is told"
credentials nodb 'user = root' "$SOCKET" 'database = not_there'
exits 6 "no such database" $RUN --credentials "$T/nodb" "${dump[@]}"
says err 'create the database' "says what to do about it"
credentials guest 'user = guest' 'password = guest' "$SOCKET"
exits 2 "no privilege to make tables" $RUN --credentials "$T/guest" "${dump[@]}"
nothing_touched "refusals"
exits 6 "a database without a catalog" $RUN --credentials "$T/good" dumps
says err 'catalog init' "says what makes one"

# ---- the catalog ----
exits 0 "init" $RUN --credentials "$T/good" catalog init
exits 0 "init again" $RUN --credentials "$T/good" catalog init
exits 0 "dump" $RUN --credentials "$T/good" -v "${dump[@]}"
cp "$T/err" "$T/log"
exits 0 "dump with JSON" $RUN --json --credentials "$T/good" dump --incremental "${dump[@]:1}"
cp "$T/out" "$T/json"
exits 0 "safe" $RUN --credentials "$T/good" safe "$T/src"
exits 0 "check" $RUN --credentials "$T/good" catalog check
exits 0 "export" $RUN --credentials "$T/good" catalog export
cp "$T/out" "$T/exported"
exits 0 "doctor" $RUN --credentials "$T/good" doctor
cp "$T/out" "$T/doctor"
printf '[catalog]\nurl = mysql:\ncredentials = %s\n' "$T/good" >"$T/conf"
exits 0 "by configuration" "$PAIRDUMP" -c "$T/conf" dumps
cp "$T/good" "$HOME/.my.pairdump.cnf"
exits 0 "from the home folder" $RUN dumps
exits 0 "restore" $RUN restore --all --to "$T/back" --dump "$($RUN --json dumps | jq -r '.dumps[0].dump')"
ok "the files are back" diff -r "$T/src" "$T/back$T/src"
ok "no password in logs, JSON, export or doctor's report" \
    bash -c '! grep -rF -e "$1" "$2" "$3" "$4" "$5"' _ "$SECRET" "$T/log" "$T/json" "$T/exported" "$T/doctor"
$RUN --credentials "$T/good" verify >/dev/null 2>&1 &
ok "nor in the arguments" bash -c '! tr "\0" " " </proc/$1/cmdline 2>/dev/null | grep -F -e "$2"' _ $! "$SECRET"
wait $!

# ---- a server that goes away ----
mariadb_stop "$DB"
exits 6 "the server is down" $RUN dumps
(sleep 1 && mariadb_run "$DB") &
exits 0 "it comes back in time" bash -c 'sleep 1.5; for try in 1 2 3 4 5 6; do $1 dumps && exit 0; sleep 1; done; exit 1' _ "$RUN"
wait
exits 0 "nothing was lost" $RUN catalog check
tap_done
