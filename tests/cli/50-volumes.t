#!/bin/bash
# Volumes that fill up, disks that are full, labels, interrupts.
. "$(dirname "$0")/../lib/tap.sh"

mkdir "$T/src"
for i in $(seq 1 30); do
    head -c 300000 /dev/urandom >"$T/src/file$i"
done
for kind in disk mock; do
    mkdir "$T/$kind-a" "$T/$kind-b"
    a="$kind:$T/$kind-a?capacity=4M" b="$kind:$T/$kind-b?capacity=6M"
    exits 0 "$kind: a dump spans pairs" $PD --json dump --name "$kind" --block-size 64K --batch-size 1M --to "$a" --to "$b" "$T/src"
    ok "$kind: several volumes" jq -e '.copies[0].volumes | split(" ") | length > 2' "$T/out"
    exits 0 "$kind: verify" $PD verify --dump "$kind"
    exits 0 "$kind: restore" $PD restore --dump "$kind" --all --to "$T/$kind-r"
    ok "$kind: nothing lost" diff -r "$T/src" "$T/$kind-r$T/src"
    exits 2 "$kind: a file larger than a volume" $PD dump --to "$a" --to "$kind:$T/$kind-b?capacity=256K" "$T/src"
    says err "file[0-9]+ has 300[0-9]+ bytes: more than a volume of 262144 holds" "is refused by name"
    for side in a b; do
        exits 0 "$kind: $side verifies by itself" $PD --catalog sqlite:"$T/no" verify --target "$kind:$T/$kind-$side"
    done
done
exits 0 "catalog" $PD catalog check
: >"$T/mock-a/PD100000.tap"
exits 0 "a blank cartridge among others is passed over" $PD verify --target "mock:$T/mock-a"
says err "PD100000.*blank" "and told"
rm "$T/mock-a/PD100000.tap"
mkdir "$T/blank"
: >"$T/blank/PD100000.tap"
exits 2 "nothing but blank ones is nothing verified" $PD verify --target "mock:$T/blank"

mkdir "$T/l"
exits 0 "label" $PD label "disk:$T/l" MINE01
says out "^MINE01 " "the label is told"
exits 2 "the same label again" $PD label "disk:$T/l" MINE01
exits 2 "a bad label" $PD label "disk:$T/l" "mine/01"
exits 0 "inventory" $PD tape inventory "disk:$T/l"
says out "^MINE01$" "it is there"

mkdir "$T/m-a" "$T/m-b"
exits 5 "no cartridge left" $PD dump --batch-size 1M --block-size 64K \
    --to "mock:$T/m-a?capacity=4M&slots=1" --to "mock:$T/m-b?capacity=4M&slots=1" "$T/src"
exits 0 "catalog after it" $PD catalog check

if [ "$(id -u)" -eq 0 ] && mkdir "$T/small" && mount -t tmpfs -o size=5M none "$T/small"; then
    mkdir "$T/big"
    exits 5 "a disk too small is refused before anything is written" \
        $PD dump --reserve 0 --to "disk:$T/small" --to "disk:$T/big" "$T/src"
    says err "small lacks .*needed" "it says how much is missing where"
    ok "nothing was written" test -z "$(ls -A "$T/small")$(ls -A "$T/big")"
    umount "$T/small"
fi

mkdir "$T/i-a" "$T/i-b"
$PD dump --name cut --to "fault:write@1+=slow=2000000:disk:$T/i-a" --to "disk:$T/i-b" "$T/src" >"$T/out" 2>"$T/err" &
pid=$!
sleep 1
kill -INT $pid
wait $pid
same $? 130 "an interrupted dump"
exits 0 "catalog after it" $PD catalog check
ok "no half archive is left" test -z "$(find "$T/i-a" "$T/i-b" -name '*.partial')"
exits 1 "nothing of it is safe" $PD safe "$T/none" "$T/src/../nothing"

mkdir "$T/own-a" "$T/own-b"
exits 0 "a volume labelled for copy 1" $PD label "disk:$T/own-a" OWN1
exits 0 "without a partner" $PD --json dump --name lone --to "disk:$T/own-a" --to "disk:$T/own-b" "$T/src/file1"
ok "it is in no pair" jq -e '[.copies[].volumes] | all(. != "OWN1")' "$T/out"
mkdir "$T/own-c"
exits 0 "one for copy 2" $PD label --copy 2 "disk:$T/own-c" OWN2
exits 0 "with one" $PD --json dump --name own --to "disk:$T/own-a" --to "disk:$T/own-c" "$T/src/file1"
ok "they are a pair" jq -e '[.copies[].volumes] == ["OWN1", "OWN2"]' "$T/out"
tap_done
