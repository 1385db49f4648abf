#!/bin/bash
# A catalog moves from the embedded engine to a server and back by its text, and loses nothing; a text
# that is not whole is not taken.
. "$(dirname "$0")/../lib/tap.sh"
. "$tap_top/tests/lib/mariadb.sh"

DB=$T/.server
tap_server "$DB"
mariadb_sql "$DB" "CREATE DATABASE pairdump"
(umask 077 && printf '[client]\nuser = root\nsocket = %s\n' "$DB/sock" >"$T/credentials")
ON_SERVER="$PD --catalog mysql: --credentials $T/credentials"

# a catalog with something in every table: odd names, links, damage, problems, an unfinished dump
mkdir -p "$T/src/sub" "$T/a" "$T/b"
printf 'x' >"$T/src/$(printf 'new\nline\t%%\xff')"
head -c 300000 /dev/urandom >"$T/src/sub/big"
ln "$T/src/sub/big" "$T/src/hard"
ln -s "$(printf '\xfe to nowhere')" "$T/src/soft"
truncate -s 1M "$T/src/hole"
touch -d '1901-02-03 04:05:06.7' "$T/src/sub"
exits 1 "a dump with a problem" $PD dump --name one --block-size 64K --to "disk:$T/a" --to "disk:$T/b" "$T/src" "$T/gone"
printf '\377\376' | dd of="$(echo "$T"/a/PD100001/0001-*)" bs=1 seek=100000 conv=notrunc status=none
exits 1 "damage" $PD verify
$PD dump --name two --batch-files 1 --block-size 64K --to "disk:$T/a" --to "fault:write@12=kill:disk:$T/b" "$T/src" >/dev/null 2>&1

catalog_sql "INSERT INTO drive_report (volume_id, drive, taken, source, alerts, write_corrected,
    write_uncorrected, read_corrected, read_uncorrected)
    VALUES (1, 'a drive', 5, 'sg_logs', '4 media', 1, 2, 3, -1)"
catalog_sql "UPDATE volume SET retain_until = 1893456000000000000, medium = 'PD0001L6' WHERE id = 1"
exits 0 "export" $PD catalog export
cp "$T/out" "$T/first"
for table in dump volume drive_report archive copy folder file problem verification damage; do
    ok "something of $table is in it" grep -q "^$table	" "$T/first"
done
exits 0 "import on the server" $ON_SERVER catalog import "$T/first"
exits 0 "it is consistent there" $ON_SERVER catalog check
exits 0 "export from the server" $ON_SERVER catalog export
ok "nothing was lost on the way" cmp "$T/first" "$T/out"
cp "$T/out" "$T/second"
export XDG_STATE_HOME=$T/elsewhere
exits 0 "import into a new file, from standard input" bash -c '$1 catalog import - <"$2"' _ "$PD" "$T/second"
exits 0 "export again" $PD catalog export
ok "nothing was lost on the way back" cmp "$T/first" "$T/out"
exits 0 "the catalog is one to work with" $PD restore --dump one --all --to "$T/back"
ok "the files are back" diff -r --no-dereference "$T/src" "$T/back$T/src"
exits 0 "and to go on with" $PD dump --name three --to "disk:$T/a" --to "disk:$T/b" "$T/src"

exits 2 "a catalog that is not empty is left alone" $PD catalog import "$T/first"

# as versions before wrote it
sed -E '1s/schema=5/schema=3/; /^volume/s/\tretain_until=.*$//; /^archive/s/\tdigest_algorithm=.*$//' \
    "$T/first" >"$T/three"
export XDG_STATE_HOME=$T/three-state
exits 0 "an export of schema 3 is taken" $PD catalog import "$T/three"
same "$(catalog_sql "SELECT DISTINCT retain_until || ':' || medium || ':' FROM volume")" "0::" \
    "without dates and barcodes"
same "$(catalog_sql "SELECT DISTINCT digest_algorithm FROM archive")" sha256 "digests are SHA-256"

sed -E '1s/schema=5/schema=4/; /^volume/s/\treplaces=.*$//; /^archive/s/\tdigest_algorithm=.*$//' \
    "$T/first" >"$T/four"
export XDG_STATE_HOME=$T/four-state
exits 0 "an export of schema 4 is taken" $PD catalog import "$T/four"
same "$(catalog_sql "SELECT DISTINCT replaces FROM volume")" 0 "no volume replaces another"

# without hosts, what was reserved as bad
sed -E '1s/schema=5/schema=2/; /^volume/s/\thost=.*$//; /^archive/s/\tdigest_algorithm=.*$//' \
    "$T/first" |
    sed -E '/^volume.*PD200001/{s/state=[a-z]+/state=bad/;s/tape_files=[0-9]+/tape_files=0/}' >"$T/older"
export XDG_STATE_HOME=$T/older-state
exits 0 "an older export is taken" $PD catalog import "$T/older"
same "$(catalog_sql "SELECT label || ' ' || host || state FROM volume WHERE pair = 1 ORDER BY label" | tr '\n' ' ')" \
    "PD100001 appendable PD200001 reserved " "as a migration would have made it"
# refused TEXT NAME: a new catalog does not take it, and stays empty
n=0
refused() {
    n=$((n + 1))
    export XDG_STATE_HOME=$T/refused$n
    printf '%s' "$1" >"$T/text"
    exits 3 "$2 is refused" $PD catalog import "$T/text"
    ok "$2 leaves nothing behind" bash -c 'test "$($1 catalog export | wc -l)" -eq 2' _ "$PD"
}
refused "$(head -n 20 "$T/first")" "a text that was cut off"
refused "$(sed '10d' "$T/first")
" "a line that is missing"
refused "$(sed '2s/id=1/id=x/' "$T/first")
" "a number that is none"
refused "$(sed '2s/^dump/dumps/' "$T/first")
" "an unknown table"
refused "$(sed '2s/name=/nome=/' "$T/first")
" "an unknown column"
refused "$(sed '1s/schema=5/schema=99/' "$T/first")
" "a newer schema"
refused "$(sed '1s/schema=5/schema=0/' "$T/first")
" "no schema"
refused "$(sed '/^volume/s/\tretain_until=[0-9]*//' "$T/first")
" "a date that is missing"
refused "$(sed '/^volume/s/\thost=.*$//' "$T/first")
" "a column that is missing"
refused "no export at all
" "something else"
tap_done
