#!/bin/bash
# What a server does to its clients short of dying: it hangs, drops connections, takes no more, makes them
# wait for locks and deadlocks them; and two and eight dumps at once whose server dies and comes back.
export ENGINE=mysql TMPDIR=${TMPDIR:-/dev/shm}
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/resume.sh"

SOURCE=$T/src
whole_source "$SOURCE"
whole_reference "$SOURCE"
printf '[catalog]\nwait = 40s\n' >"$T/patient"
export XDG_STATE_HOME=$T/state
exits 0 "a catalog" $PD catalog init
mkdir "$T/disk-a" "$T/disk-b" "$T/mock-a" "$T/mock-b"
database=pd_$(printf %s "$XDG_STATE_HOME" | sha256sum | cut -c1-16)

# start KIND NAME: a slow dump; its process is $pid
start() {
    kind=$1 dumped=$2 a=$T/$1-a b=$T/$1-b
    $PD -c "$T/patient" dump --name "$2" "${DUMP_OPTIONS[@]}" --to "fault:write@1+=slow=1500000:$1:$a" \
        --to "$1:$b" "$SOURCE" >"$T/dump-out" 2>"$T/dump-err" &
    pid=$!
}

# ended WHAT: the dump was not disturbed by it
ended() {
    { wait "$pid"; } 2>/dev/null
    code=$?
    same "$code" 0 "$1: the dump ends well"
    [ "$code" -eq 0 ] || sed 's/^/# /' "$T/dump-err"
    ok "$1: it is whole" is_whole "$dumped" "$kind" "$a" "$b"
}

for kind in disk mock; do
    start $kind "hang-$kind"
    sleep 0.7
    kill -STOP "$(cat "$TAP_DB/pid")"
    sleep 4
    kill -CONT "$(cat "$TAP_DB/pid")"
    ended "$kind: a server that hangs for 4 s"
done

# kill_connections: of the program's user
kill_connections() {
    mariadb_sql "$TAP_DB" "SELECT id FROM information_schema.processlist WHERE user = 'pairdump'" |
        while read -r id; do
            mariadb_sql "$TAP_DB" "KILL CONNECTION $id" 2>/dev/null
        done
}
for kind in disk mock; do
    start $kind "drop-$kind"
    sleep 0.1
    drops=0
    while kill -0 "$pid" 2>/dev/null && [ "$drops" -lt 12 ]; do
        kill_connections
        drops=$((drops + 1))
        sleep 0.15
    done
    ended "$kind: connections killed $drops times"
done

start disk full
sleep 0.4
mariadb_sql "$TAP_DB" "SET GLOBAL max_connections = 10"
others=()
crowd() {
    local i
    for i in $(seq "$1"); do
        mariadb --no-defaults --socket="$TAP_DB/sock" --user=pairdump --password='se#cret' \
            -e "DO SLEEP(300)" >/dev/null 2>&1 &
        others+=($!)
    done
}
crowd 12 # one more than that is let in, for an administrator
for _ in 1 2 3 4 5 6; do
    sleep 0.2
    dumps=$(mariadb_sql "$TAP_DB" "SELECT id FROM information_schema.processlist WHERE db = '$database'")
    [ -n "$dumps" ] || break
    for id in $dumps; do
        mariadb_sql "$TAP_DB" "KILL CONNECTION $id" 2>/dev/null
    done
    crowd 3 # they take the places
done
sleep 1.5
echo "# connections that the dump has meanwhile:" \
    "$(mariadb_sql "$TAP_DB" "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '$database'")"
exits 6 "nobody else is let in" $PD dumps
says err 'Too many connections' "says why"
mariadb_sql "$TAP_DB" "SET GLOBAL max_connections = 151"
kill_connections
wait "${others[@]}"
ended "too many connections"

# Another session holds rows that the dump changes, for longer than a statement waits; and one that wants
# in the other order what the dump has.
start mock locked
sleep 0.6
mariadb_sql "$TAP_DB" "USE $database; START TRANSACTION; SELECT * FROM volume FOR UPDATE;
    SELECT * FROM applied FOR UPDATE; DO SLEEP(12); ROLLBACK" >/dev/null 2>&1 &
locker=$!
ended "rows locked for 12 s"
wait "$locker"
mariadb_sql "$TAP_DB" "CREATE TABLE $database.heavy (n INT); INSERT INTO $database.heavy
    WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 500) SELECT n FROM r"
start disk deadlocked
sleep 0.3
while kill -0 "$pid" 2>/dev/null; do
    mariadb_sql "$TAP_DB" "USE $database; START TRANSACTION; UPDATE heavy SET n = n + 1;
        SELECT * FROM volume FOR UPDATE; DO SLEEP(0.2); SELECT * FROM applied FOR UPDATE;
        ROLLBACK" >/dev/null 2>&1
    sleep 0.05
done
deadlocks=$(mariadb_sql "$TAP_DB" "SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'" | cut -f2)
mariadb_sql "$TAP_DB" "DROP TABLE $database.heavy"
ended "deadlocks ($deadlocks)"
ok "there were some" test "$deadlocks" -gt 0

for count in 2 8; do
    export XDG_STATE_HOME=$T/many$count
    $PD catalog init >/dev/null
    runs=()
    for i in $(seq $count); do
        mkdir "$T/m$count-$i-a" "$T/m$count-$i-b"
        cp -r "$SOURCE" "$T/m$count-$i-src"
        $PD -c "$T/patient" dump --name "m$i" "${DUMP_OPTIONS[@]}" --to "disk:$T/m$count-$i-a" \
            --to "fault:write@1+=slow=1500000:mock:$T/m$count-$i-b" "$T/m$count-$i-src" \
            >"$T/m-out$i" 2>&1 &
        runs+=($!)
    done
    sleep 1
    kill_server
    revive_server 1
    good=0
    for i in $(seq $count); do
        { wait "${runs[i - 1]}"; } 2>/dev/null
        code=$?
        good=$((good + (code == 0)))
        [ $code -eq 0 ] || sed "s/^/# m$i, exit $code: /" "$T/m-out$i"
    done
    { wait "$reviver"; } 2>/dev/null
    same "$good" "$count" "$count dumps at once, the server restarted: all end well"
    exits 0 "catalog and media agree" $PD catalog check
    exits 0 "all copies are good" $PD --json verify
    ok "all of them, two of each" jq -e --argjson n "$count" '.archives % $n == 0 and .archives > 0 and
        .good == 2 * .archives' "$T/out"
    ok "and nothing is left behind" bash -c '[ -z "$1" ] && [ -z "$2" ]' _ \
        "$(catalog_sql "SELECT kind, name FROM claim UNION ALL SELECT 'run', what FROM run")" \
        "$(find "$XDG_STATE_HOME/pairdump/dumps" -type f)"
done
tap_done
