#!/bin/bash
# A repair is killed at each call of its target: what is recorded is never overwritten, and the same
# command makes the rest.
TMPDIR=${TMPDIR:-/dev/shm}
export TMPDIR
. "$(dirname "$0")/../lib/tap.sh"

mkdir "$T/src" "$T/src2"
for i in 1 2 3; do
    head -c 200000 /dev/urandom >"$T/src/file$i"
done
head -c 100000 /dev/urandom >"$T/src2/more"

# recorded: "LABEL TAPE-FILE ARCHIVE STATE" of all copies of number 1 on new volumes that count
recorded() {
    catalog_sql "SELECT v.label || ' ' || c.tape_file || ' ' || a.name FROM copy c JOIN volume v
        ON v.id = c.volume_id JOIN archive a ON a.id = c.archive_id WHERE c.copy = 1
        AND v.replaces <> 0 AND c.state IN ('written', 'verified') ORDER BY a.name"
}
# on_medium: digests of what the catalog counts on, where the medium is a disk
on_medium() {
    recorded | while read -r label file name; do
        sha256sum "$to/$label/$(printf %04d "$file")-$name.tar"
    done
}

for kind in disk mock; do
    mkdir "$T/$kind-a" "$T/$kind-b"
    export XDG_STATE_HOME=$T/$kind-state
    exits 0 "$kind: a dump" $PD dump --name one --block-size 64K --batch-size 300K --to "$kind:$T/$kind-a" --to "$kind:$T/$kind-b" "$T/src"
    exits 0 "$kind: and one behind it" $PD dump --name two --block-size 64K --to "$kind:$T/$kind-a" --to "$kind:$T/$kind-b" "$T/src2"
    kept=$XDG_STATE_HOME
    for op in load open write mark sync read; do
        step=1
        [ $op = read ] && step=4
        for ((n = 1; n < 100; n += step)); do
            to=$T/to
            export XDG_STATE_HOME=$T/state
            rm -rf "$to" "$XDG_STATE_HOME"
            mkdir "$to"
            cp -r "$kept" "$XDG_STATE_HOME"
            $PD repair PD100001 --to "fault:$op@$n=kill:$kind:$to" >/dev/null 2>"$T/killed-err"
            [ $? -ne 137 ] && break
            what="$kind, $op $n"
            before=$(recorded)
            [ $kind = disk ] && on_medium >"$T/before"
            exits 0 "$what: the catalog is true" $PD catalog check
            exits 0 "$what: run again" $PD --json repair PD100001 --to "$kind:$to"
            ok "$what: all is made" jq -e '.failed == 0 and .lost == []' "$T/out"
            recorded >"$T/after"
            ok "$what: what was recorded is where it was" bash -c '[ -z "$1" ] || ! grep -vxFf "$2" <<<"$1"' _ "$before" "$T/after"
            [ $kind = disk ] && [ -n "$before" ] && ok "$what: byte for byte" sha256sum --quiet -c "$T/before"
            same "$(catalog_sql "SELECT COUNT(*) FROM copy WHERE reason = 'replaced'")" 4 "$what: all are replaced"
            same "$(catalog_sql "SELECT COUNT(*) FROM volume WHERE replaces <> 0")" 1 "$what: one volume was made"
            exits 0 "$what: the volume verifies by itself" $PD --catalog sqlite:"$T/no" verify --target "$kind:$to"
            exits 0 "$what: verify" $PD verify PD100002
            exits 0 "$what: the catalog is true again" $PD catalog check
        done
        ok "$kind, $op: was called, at last without a kill ($n)" test "$n" -gt 1 -a "$n" -lt 100
    done
done

# the same over several volumes, and of a further copy
for what in "repair PD100001" "copy one two"; do
    for at in write@3 write@9 mark@1 mark@2 mark@3 mark@5 sync@4; do
        export XDG_STATE_HOME=$T/state
        rm -rf "$T/to" "$XDG_STATE_HOME"
        mkdir "$T/to"
        cp -r "$T/disk-state" "$XDG_STATE_HOME"
        to="mock:$T/to?capacity=900K"
        # shellcheck disable=SC2086 # a command and its words
        $PD $what --to "fault:$at=kill:$to" >/dev/null 2>&1
        same "$?" 137 "$what, $at: killed"
        exits 0 "$what, $at: the catalog is true" $PD catalog check
        # shellcheck disable=SC2086
        exits 0 "$what, $at: run again" $PD --json $what --to "$to"
        ok "$what, $at: makes the rest" jq -e '.good == 4 and .failed == 0 and .copy == (if .copy == 1 then 1 else 3 end)' "$T/out"
        exits 0 "$what, $at: the volumes verify by themselves" $PD --catalog sqlite:"$T/no" verify --target "mock:$T/to"
        exits 0 "$what, $at: verify" $PD verify
        exits 0 "$what, $at: the catalog is true again" $PD catalog check
    done
done
tap_done
