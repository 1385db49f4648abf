#!/bin/bash
# Archives on tapes end with immediate filemarks and are written only when the drives were asked: how
# often that is, and what a kill, a failure or a full tape makes of those of which they were not.
TMPDIR=${TMPDIR:-/dev/shm}
export TMPDIR
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/resume.sh"

SOURCE=$T/src
whole_source "$SOURCE"
whole_reference "$SOURCE"
ARCHIVES=$(XDG_STATE_HOME=$T/ref-state $PD --json show ref | jq .archives)
ok "there are archives enough ($ARCHIVES)" test "$ARCHIVES" -ge 6
printf '[retry default]\ntries = 1\n' >"$T/rare"
{ cat "$T/rare" && printf '[pairdump]\nsync-bytes = 0\n'; } >"$T/each"
{ cat "$T/rare" && printf '[pairdump]\nsync-interval = 0\n'; } >"$T/now"
{ cat "$T/rare" && printf '[pairdump]\nsync-bytes = 1536K\n'; } >"$T/pairs"
{ cat "$T/rare" && printf '[pairdump]\nstall-timeout = 700ms\n'; } >"$T/hasty"

# fresh NAME: a catalog and folders of its own
fresh() {
    name=$1 a=$T/$1-a b=$T/$1-b
    export XDG_STATE_HOME=$T/state-$name
    mkdir "$a" "$b"
}

# dump_to CODE TEXT CONF A B
dump_to() {
    exits "$1" "$name: $2" $PD -v -c "$T/$3" dump --name "$name" "${DUMP_OPTIONS[@]}" --to "$4" --to "$5" "$SOURCE"
}

# calls OP: of the target that was written to, as its fault filter counted them
calls() {
    sed -n "s/.*fault filter: calls .* write@[1-9].* $1@\([0-9]*\).*/\1/p" "$T/err"
}

# states COPY STATE: how many copies
states() {
    catalog_sql "SELECT COUNT(*) FROM copy WHERE copy = $1 AND state = '$2'"
}

whole_now() {
    ok "$name: all is whole, and nothing is there twice" is_whole "$name" "$@"
}

# ---- how often the drives are asked: the index is one time more ----

count() {
    fresh "count-$1"
    dump_to 0 "is done" "$1" "fault:load@99=EIO:$2:$a" "$3:$b"
    same "$(calls mark)" $((ARCHIVES + 1)) "$name: a filemark behind each archive and the index"
    same "$(calls sync)" "$4" "$name: the drive is asked so many times"
    rm -rf "$a" "$b"
}
count rare mock mock 2
count each mock mock $((ARCHIVES + 1))
count now mock mock $((ARCHIVES + 1))
count pairs mock mock $(((ARCHIVES + 1) / 2 + 1))
cp "$T/rare" "$T/mixed"
count mixed mock disk $((ARCHIVES + 1))
cp "$T/rare" "$T/disks"
count disks disk disk $((ARCHIVES + 1))

# Tables of contents that wait are bounded, too: 500 paths of 3.5 KB are nearly 2 MB of them.
fresh tables
deep=$T/deep
for _ in $(seq 14); do
    deep=$deep/$(printf 'x%.0s' {1..250})
done
mkdir -p "$deep"
for i in $(seq 3000); do
    : >"$deep/$i"
done
{ cat "$T/rare" && printf '[pool p]\ncopy1=fault:load@99=EIO:mock:%s\ncopy2=mock:%s\nbatch-files=500\n' \
    "$a" "$b"; } >"$T/tables"
exits 0 "$name: is done" $PD -v -c "$T/tables" dump --name "$name" "$T/deep"
same "$(calls mark)" 8 "$name: seven archives"
same "$(calls sync)" 3 "$name: when five wait, at the end, and with the index"
rm -rf "$a" "$b" "$T/deep"

# ---- kills ----

# killed NAME CONF FAULT COPY WRITTEN: so many archives are in the journal then (the catalog may be
# behind), and resume does the rest
killed() {
    fresh "$1"
    if [ "$4" = 1 ]; then
        dump_to 137 "killed at $3 of copy 1" "$2" "fault:$3=kill:mock:$a" "mock:$b"
    else
        dump_to 137 "killed at $3 of copy 2" "$2" "mock:$a" "fault:$3=kill:mock:$b"
    fi
    exits 0 "$name: the catalog is true" $PD catalog check --no-media
    exits 0 "$name: it says what it knows" $PD --json show "$name"
    written=$(jq '[.copy_list[] | select(.state == "written" or .state == "verified")] | length' "$T/out")
    ok "$name: no more is called written ($written)" test "$written" -le $((2 * $5))
    exits 0 "$name: resume" $PD -v -c "$T/$2" resume "$name"
    if [ "$5" -lt "$ARCHIVES" ]; then
        says err "tape files from $(($5 + 1)) on were not recorded" "$name: cut off is what was not recorded"
    else
        silent err "were not recorded" "$name: nothing is cut off"
    fi
    whole_now mock "$a" "$b"
    rm -rf "$a" "$b"
}
killed first rare sync@1 1 0
killed other rare sync@1 2 0
killed middle rare write@33 2 0
killed mark rare mark@4 1 0
killed second pairs sync@2 1 2
killed third pairs sync@3 2 4
killed index rare sync@2 1 "$ARCHIVES"

# ---- failures ----

fresh one
dump_to 1 "a drive that cannot bring it to the tape" rare "mock:$a" "fault:sync@1=EIO:mock:$b"
same "$(states 1 verified)" "$ARCHIVES" "$name: the other copy is good"
same "$(states 2 bad)" "$ARCHIVES" "$name: none of this one is called written"
says err 'PD200001: before it failed, the drive had not said of [0-9]+ archives' "$name: and it is told"
exits 0 "$name: the catalog is true" $PD catalog check --no-media
exits 0 "$name: restore" $PD restore --dump "$name" --all --to "$T/back"
ok "$name: all is back" "$TOOLS/tree_diff" "$SOURCE" "$T/back$SOURCE"
exits 0 "$name: they turn out to be on the tape" $PD verify --dump "$name"
same "$(states 2 verified)" "$ARCHIVES" "$name: and count again"
exits 0 "$name: the catalog is true then, too" $PD catalog check

fresh late
dump_to 1 "the second time" pairs "mock:$a" "fault:sync@2=EIO:mock:$b"
same "$(states 2 verified) $(states 2 bad) $(states 2 written)" "0 2 2" "$name: what was asked for before stays written"
same "$(states 1 verified)" "$ARCHIVES" "$name: the other copy is good"

fresh write
dump_to 1 "a write that fails" rare "fault:write@33=EIO:mock:$a" "mock:$b"
same "$(states 2 verified)" "$ARCHIVES" "$name: the other copy is good"
same "$(states 1 written) $(states 1 verified)" "0 0" "$name: nothing of which the drive was not asked counts"
same "$(states 1 bad)" 4 "$name: neither what was before nor what failed"

fresh hang
dump_to 1 "a drive that does not answer" hasty "mock:$a" "fault:sync@1=hang=2:mock:$b"
same "$(states 1 verified)" "$ARCHIVES" "$name: the other copy is good"
same "$(states 2 bad)" "$ARCHIVES" "$name: and this one is bad"

# none is left: it is as if nothing had been begun
for how in sync@1 write@33; do
    fresh "both-${how%@*}"
    dump_to 3 "both drives fail at $how" rare "fault:$how=EIO:mock:$a" "fault:$how=EIO:mock:$b"
    same "$(catalog_sql "SELECT COUNT(*) FROM archive")" 0 "$name: nothing is recorded"
    says err "$name\.0001 is given up" "$name: and it is told"
    exits 0 "$name: resume" $PD -v -c "$T/rare" resume "$name"
    same "$(states 1 verified) $(states 2 verified)" "$ARCHIVES $ARCHIVES" "$name: everything is written to another pair"
    exits 0 "$name: the catalog is true" $PD catalog check --no-media
done

# ---- full tapes ----

fresh full
dump_to 0 "pairs of tapes" rare "fault:load@99=EIO:mock:$a?capacity=2M" "mock:$b?capacity=3M"
pairs=$($PD --json volumes | jq '[.volumes[] | select(.copy == 1)] | length')
ok "$name: several ($pairs)" test "$pairs" -ge 3
same "$(calls sync | paste -sd+ | bc)" $((2 * pairs)) "$name: the drive is asked when a pair is closed, and by its index"
whole_now mock "$a?capacity=2M" "$b?capacity=3M"

fresh full-one
dump_to 1 "a drive fails when the other tape is full" rare "mock:$a?capacity=2M" "fault:sync@1=EIO:mock:$b"
same "$(states 1 verified)" "$ARCHIVES" "$name: the other copy is good"
same "$(states 2 written) $(states 2 verified)" "0 0" "$name: of this one nothing counts"
exits 0 "$name: the catalog is true" $PD catalog check --no-media

# archives of ten records each; of the second, one copy hangs in the first record, and the other is full
fresh full-hang
mkdir "$T/even"
for i in 1 2 3 4; do
    head -c 600000 /dev/urandom >"$T/even/$i"
done
exits 1 "$name: a drive hangs, and then the other tape is full" $PD -c "$T/hasty" dump --name "$name" \
    --block-size 64K --batch-size 700K --to "fault:write@11=hang=20:mock:$a" \
    --to "fault:write@11+=slow=400K:mock:$b?capacity=960K" "$T/even"
same "$(states 2 verified)" 4 "$name: the other copy is good"
same "$(states 1 written) $(states 1 verified) $(states 1 bad)" "0 0 1" "$name: of this one nothing counts"
says err "^pairdump: warning: PD100001: $name\.0002: .*\[hung\]" "$name: it is told why"

# ---- an interrupt ----

fresh stop
$PD -c "$T/rare" dump --name stop "${DUMP_OPTIONS[@]}" --to "mock:$a" \
    --to "fault:write@33=hang=6:mock:$b" "$SOURCE" >"$T/out" 2>"$T/err" &
pid=$!
for _ in $(seq 300); do # until the archive with that write is begun
    [ "$(catalog_sql "SELECT COUNT(*) FROM archive" 2>/dev/null)" = 4 ] && break
    sleep 0.05
done
same "$(states 1 writing)" 4 "$name: three archives wait, one is written"
kill -INT $pid
wait $pid
same $? 130 "$name: interrupted"
same "$(states 1 written) $(states 2 written)" "3 3" "$name: what waited is asked for, and recorded"
same "$(catalog_sql "SELECT COUNT(*) FROM archive")" 3 "$name: what was not whole is not"
exits 0 "$name: resume" $PD -c "$T/rare" resume stop
whole_now mock "$a" "$b"
tap_done
