#!/bin/bash
# Volumes that are not at hand are asked for, and waited for.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/library.sh"

mkdir "$T/src" "$T/a" "$T/b" "$T/shelf"
for i in 1 2 3; do
    head -c 300000 /dev/urandom >"$T/src/file$i"
done
printf '[retry default]\ntries = 1\n' >"$T/conf"
run() { $PD -c "$T/conf" "$@"; }

# answer PATTERN COMMAND...: does it once the run in the background has said that
answer() {
    local pattern=$1
    shift
    (
        for _ in $(seq 3000); do
            grep -Eq -- "$pattern" "$T/err" 2>/dev/null && break
            sleep 0.1
        done
        "$@"
    ) &
    answering=$!
}
answered() { wait "$answering"; }

a="mock:$T/a" b="mock:$T/b"
exits 0 "a dump" run dump --name one --to "$a" --to "$b" "$T/src"
mv "$T/b/PD200001.tap" "$T/shelf"
rm -f "$T/b/loaded" "$T/err"

exits 1 "without asking a volume on the shelf is out of reach" run verify
rm -f "$T/err"
exits 1 "asked for in vain" run verify --wait 1s
says err "please put volume PD200001 into mock:$T/b" "the volume and the drive are named"
rm -f "$T/err"
answer "please put volume PD200001" mv "$T/shelf/PD200001.tap" "$T/b"
exits 0 "asked for, and brought" run verify --wait 10m
answered
says err "volume PD200001 is there" "it is told"

# a restore asks for what no other copy can give
mv "$T/b/PD200001.tap" "$T/shelf"
rm -f "$T/b/loaded" "$T/err"
exits 0 "one copy is enough for a restore" run restore --wait 10m --all --to "$T/r1"
silent err "please put" "nothing is asked for"
mv "$T/a/PD100001.tap" "$T/shelf"
rm -f "$T/a/loaded" "$T/err"
exits 3 "without any copy, and without asking" run restore --all --to "$T/r2"
rm -f "$T/err"
answer "please put volume PD100001" mv "$T/shelf/PD100001.tap" "$T/a"
exits 0 "the restore waits for one" run restore --wait 10m --all --to "$T/r3"
answered
ok "everything came back" diff -r "$T/src" "$T/r3$T/src"
exits 2 "a time that is none" run verify --wait soon
mv "$T/shelf/PD200001.tap" "$T/b"

# a library without a cartridge to write to
library_new lib 2 4 PD0001L6
one=$(library_drive lib 0) two=$(library_drive lib 1)
bring() { # a blank cartridge into slot 2
    : >"$T/lib.tapes/PD0002L6.tap"
    sed -i 's/^slot 2 empty.*/slot 2 full - PD0002L6/' "$T/lib"
}
export XDG_STATE_HOME=$T/state-lib
rm -f "$T/err"
exits 5 "a library with one cartridge is not enough for two copies" run dump --to "$one" --to "$two" "$T/src"
says err "no unused cartridge PD... for copy 2" "and says what is missing"
rm -f "$T/err"
exits 5 "asked for in vain" run dump --wait 1s --to "$one" --to "$two" "$T/src"
ok "nothing was written" test ! -s "$T/lib.tapes/PD0001L6.tap"
rm -f "$T/err"
answer "please put cartridges" bring
exits 0 "the dump goes on when one was put in" run --json dump --wait 10m --to "$one" --to "$two" "$T/src"
answered
same "PD0001 PD0002" "$(jq -r '[.copies[].volumes] | join(" ")' "$T/out")" "on both"
exits 0 "verify" run verify
tap_done
