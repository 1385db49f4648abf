#!/bin/bash
# Pools with two pairs of drives side by side: who writes what, and what happens when one pair ends early.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/library.sh"

mkdir "$T/src"
for i in $(seq 1 16); do
    head -c 300000 /dev/urandom >"$T/src/file$i"
done
printf '[retry default]\ntries = 2\ndelay = 10ms\n' >"$T/conf"
SIZES=(--block-size 64K --batch-size 320K)

# begin NAME [KIND]: four places for volumes, $a and $b of the first pair of drives, $c and $d of the second,
# as targets of that kind; a catalog of their own
begin() {
    D=$T/$1
    mkdir -p "$D/a" "$D/b" "$D/c" "$D/d"
    export XDG_STATE_HOME=$D/state
    a=${2:-disk}:$D/a b=${2:-disk}:$D/b c=${2:-disk}:$D/c d=${2:-disk}:$D/d
}
# side_by_side NAME [OPTION]...: a dump to $a and $b, $c and $d
side_by_side() {
    local name=$1
    shift
    $PD --json -c "$T/conf" dump --name "$name" --pairs 2 "${SIZES[@]}" "$@" \
        --to "$a" --to "$b" --to "$c" --to "$d" "$T/src"
}
told() {
    ok "$1" jq -e "$2" "$T/out"
}
# spread NAME: each archive has both copies verified, on volumes of one pair; $used gets the archives of
# each pair of volumes
spread() {
    $PD --json show "$1" >"$T/show"
    ok "every archive has two copies, verified" jq -e '.archives as $n |
        (.copy_list | length) == 2 * $n and all(.copy_list[]; .state == "verified")' "$T/show"
    ok "each on one pair" jq -e '[.copy_list[] | {archive, number: .volume[3:]}] | group_by(.archive) |
        all(.[]; map(.number) | unique | length == 1)' "$T/show"
    used=$(jq -r '[.copy_list[] | select(.copy == 1) | .volume] | group_by(.) |
        map(.[0] + ":" + (length | tostring)) | join(" ")' "$T/show")
}
# returns NAME: everything comes back as it was, and catalog and media agree
returns() {
    exits 0 "verify" $PD verify --dump "$1"
    exits 0 "the catalog and the media agree" $PD catalog check
    exits 0 "restore" $PD restore --dump "$1" --all --to "$T/back"
    ok "gives everything back" diff -r "$T/src" "$T/back$T/src"
    rm -rf "$T/back"
}
archives_of() {
    jq "[.copies[] | select(.pair_of_drives == $1)] | map(.archives_written) | unique | .[0]" "$T/out"
}

# what cannot be
begin wrong
exits 2 "three targets make no two pairs" $PD dump --pairs 2 --to "$a" --to "$b" --to "$c" "$T/src"
says err '3 targets do not make 2 pairs' "and that is said"
exits 2 "no pair at all" $PD dump --pairs 0 --to "$a" --to "$b" "$T/src"
exits 2 "one place in both pairs" $PD dump --pairs 2 --to "$a" --to "$b" --to "$c" --to "$a/." "$T/src"
says err 'are one place' "and that is said"
printf '[pool p]\npairs = 2\ncopy1 = disk:/1\ncopy2 = disk:/2\ncopy3 = disk:/3\n' >"$T/wrong.conf"
exits 2 "nor in the configuration" $PD -c "$T/wrong.conf" dump --pool p "$T/src"
says err 'pool p.*3 copies.*2 pairs' "it names the pool"
ok "nothing was written" test -z "$(find "$D/a" "$D/b" "$D/c" "$D/d" -type f)"

for kind in disk mock; do
    begin $kind $kind
    printf '[pool p]\npairs = 2\ncopy1 = %s\ncopy2 = %s\ncopy3 = %s\ncopy4 = %s\n' "$a" "$b" "$c" "$d" >"$T/pool.conf"
    printf 'block-size = 64K\nbatch-size = 320K\n' >>"$T/pool.conf"
    exits 0 "a dry run to a pool of two pairs, $kind" $PD -c "$T/pool.conf" dump -n "$T/src"
    says out 'pair 2, copy 1 +'"$c" "shows all targets"
    exits 0 "a dump" $PD -c "$T/pool.conf" dump --name one "$T/src"
    says out 'pair 1, copy 2 +PD2[0-9]+' "tells of the first pair"
    says out 'pair 2, copy 1 +PD1[0-9]+' "and of the second"
    spread one
    returns one
    exits 0 "another one" $PD -c "$T/pool.conf" dump --name two "$T/src"
    spread two
    returns two
    exits 0 "volumes" $PD --json volumes
    told "the same volumes were appended to" '.volumes | length == 4'
done

# One that is slow takes less: while its first archive is written, the other is done with all.
begin slow
a="fault:write@1+=slow=4M:$a" c="fault:write@1+=slow=400K:$c"
exits 0 "one pair is slow" side_by_side one
slow=$(archives_of 2) fast=$(archives_of 1)
ok "both were used ($fast and $slow)" test "$slow" -ge 1
ok "the other took more" test "$fast" -gt $((2 * slow))
told "nothing is said of the fast one" 'all(.copies[]; .status == "ok") and .pairs_of_drives == 2'
spread one
returns one

# several volumes each
for kind in disk mock; do
    begin "small-$kind" $kind
    a="$a?capacity=1536K" b="$b?capacity=1536K" c="$c?capacity=1536K" d="$d?capacity=1536K"
    exits 0 "volumes that fill up, $kind" side_by_side one
    cp "$T/out" "$T/json"
    spread one
    told "more than four" '[.copies[].volumes | split(" ") | length] | add > 4'
    returns one
done

# What follows needs one pair to do some part of the work: the other is slow.

# a drive fails: its pair goes on with one copy
begin degraded
a="fault:write@1+=slow=1M:$a" c="fault:write@9+=EIO:$c"
exits 1 "a drive of one pair fails" side_by_side one
told "its copy is named" '.copies[2].status == "io-error" and .copies[3].status == "ok"'
told "the other pair has all its copies" '.copies[0] == (.copies[0] | .status = "ok" | .archives_bad = 0)'
exits 1 "verify finds that copies are missing" $PD verify --dump one
exits 0 "restore" $PD restore --dump one --all --to "$T/back"
ok "nothing is lost" diff -r "$T/src" "$T/back$T/src"
rm -rf "$T/back"

# both drives of a pair fail: the others write what they had
for kind in disk mock; do
    begin "dead-$kind" $kind
    a="fault:write@13+=EIO:$a" b="fault:write@13+=EIO:$b" c="fault:write@1+=slow=2M:$c"
    exits 1 "both drives of the first pair fail, $kind" side_by_side one
    says err 'pair of drives 1 writes no more' "that is said"
    told "the dump is whole" '.state == "done" and .archives == .batches'
    told "its copies are not" '.copies[0].status == "io-error" and .copies[1].status == "io-error" and
        .copies[2].status == "ok" and .copies[3].status == "ok"'
    exits 0 "restore" $PD restore --dump one --all --to "$T/back"
    ok "nothing is lost" diff -r "$T/src" "$T/back$T/src"
    rm -rf "$T/back"
done
# What tapes have not been asked for yet is not on them when they fail: it is written again, elsewhere.
begin unsettled mock
a="fault:sync@1+=EIO:$a" b="fault:sync@1+=EIO:$b" c="fault:write@1+=slow=2M:$c"
exits 1 "the drives of a pair do not bring what they have to the tapes" side_by_side one
says err 'one\.[0-9]+ is given up' "that is said"
told "the dump is whole" '.state == "done" and .archives == .batches and .problem_count == 0'
told "all of it is on the other pair" '.copies[2].archives_verified == .archives and
    .copies[3].archives_verified == .archives and .copies[0].archives_written == 0'
spread one
returns one

begin all-dead
a="fault:write@13+=EIO:$a" b="fault:write@13+=EIO:$b" c="fault:write@13+=EIO:$c" d="fault:write@13+=EIO:$d"
exits 3 "all drives fail" side_by_side one
told "the dump is not done" '.state == "write"'
a=disk:$D/a b=disk:$D/b c=disk:$D/c d=disk:$D/d
exits 1 "it is resumed when they are repaired" $PD -c "$T/conf" --json resume one
told "then it is done" '.state == "done" and .archives == .batches'
exits 0 "restore" $PD restore --dump one --all --to "$T/back"
ok "nothing is lost" diff -r "$T/src" "$T/back$T/src"
rm -rf "$T/back"

# One pair runs out of tapes, and then all do.
begin one-out mock
a="$a?capacity=2M&slots=1" b="$b?capacity=2M&slots=1" c="fault:write@1+=slow=1M:$c"
exits 0 "one pair runs out of volumes" side_by_side one
says err 'pair of drives 1 writes no more' "that is said"
told "nothing is missing" '.status == "ok" and all(.copies[]; .status == "ok")'
spread one
returns one
begin all-out mock
a="$a?capacity=2M&slots=1" b="$b?capacity=2M&slots=1" c="$c?capacity=2M&slots=1" d="$d?capacity=2M&slots=1"
exits 5 "no pair has a volume left" side_by_side one
told "the dump goes on some time" '.state == "write" and .error.status == "no-volume"'
exits 0 "what was written is good" $PD verify --dump one

# interrupted, and resumed
begin stopped
a="fault:write@20=kill:$a" c="fault:write@1+=slow=1M:$c"
exits 137 "killed" side_by_side one
exits 0 "resume" $PD -c "$T/conf" --json resume one
told "knows both pairs" '.pairs_of_drives == 2 and [.copies[].pair_of_drives] == [1, 1, 2, 2] and
    [.copies[].copy] == [1, 2, 1, 2]'
spread one
returns one

# ... after one pair has left what it had to the other, which has something left to do
begin left
c="fault:write@13+=EIO:$c" d="fault:write@13+=EIO:$d" a="fault:write@60=kill:$a"
exits 137 "killed, when the other pair is dead perhaps" side_by_side one
c=${c#fault:*EIO:} d=${d#fault:*EIO:}
$PD -c "$T/conf" --json resume one >"$T/out" 2>"$T/err"
told "resumed, it is done" '.state == "done" and .archives == .batches and (.exit == 0 or .exit == 1)'
exits 0 "restore" $PD restore --dump one --all --to "$T/back"
ok "nothing is lost" diff -r "$T/src" "$T/back$T/src"
rm -rf "$T/back"

# a library with four drives
library_new lib 4 10 PD0001L6 PD0002L6 PD0003L6 PD0004L6 PD0005L6 PD0006L6 PD0007L6 PD0008L6
export XDG_STATE_HOME=$T/state-lib
{
    printf '[pool lib]\npairs = 2\nchanger = cmd:%s\n' "$T/lib.robot"
    for i in 0 1 2 3; do echo "copy$((i + 1)) = mock:$T/lib.$i"; done
    printf 'block-size = 64K\nbatch-size = 320K\ncapacity = 2560K\nverify-swap = yes\n'
    printf '[retry default]\ntries = 2\ndelay = 10ms\n'
} >"$T/lib.conf"
exits 0 "a library with four drives" $PD -c "$T/lib.conf" --json dump --name lib "$T/src"
told "no cartridge is in two places" '[.copies[].volumes | split(" ")[] | select(. != "")] |
    length == (unique | length) and length >= 6'
says err 'is read back by drive mock:'"$T"'/lib\.1' "tapes change drives within their pair"
silent err 'PD.* is not blank' "no cartridge was given out twice"
same 0 "$(grep -c '^drive . full' "$T/lib")" "nothing is left in the drives"
$PD --json show lib >"$T/show"
ok "every archive has two copies, verified" jq -e '.archives as $n |
    (.copy_list | length) == 2 * $n and all(.copy_list[]; .state == "verified")' "$T/show"
exits 0 "verify" $PD -c "$T/lib.conf" verify --dump lib
exits 0 "restore" $PD -c "$T/lib.conf" restore --dump lib --all --to "$T/back"
ok "gives everything back" diff -r "$T/src" "$T/back$T/src"
tap_done
