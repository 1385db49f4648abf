#!/bin/bash
# test-dump on drives: it overwrites blank and scratch tapes alone, and leaves them scratch.
. "$(dirname "$0")/../lib/tap.sh"

mkdir "$T/tmp" "$T/a" "$T/b" "$T/c" "$T/d" "$T/src"
export TMPDIR=$T/tmp
head -c 100000 /dev/urandom >"$T/src/one"
: >"$T/a/AA.tap"
: >"$T/b/BB.tap"
try() { # CODE NAME [OPTION]... [-- OTHER TARGETS]
    local code=$1 name=$2
    shift 2
    exits "$code" "$name" $PD test-dump --size 2M --files 9 --block-size 64K --scratch "$@"
}
PAIR="--to mock:$T/a --to mock:$T/b"
image() {
    sha256sum <"$T/$1.tap"
}
exits 2 "a drive is not tried by mistake" $PD test-dump --size 2M --files 9 $PAIR
says err "tried with --scratch only" "it is told how"
same "$(stat -c %s "$T/a/AA.tap")" 0 "nothing was written"
exits 2 "--scratch is for drives" $PD test-dump --size 2M --files 9 --scratch
try 2 "and not for disks" --to "mock:$T/a" --to "disk:$T/src"
same "$(stat -c %s "$T/a/AA.tap")" 0 "nothing was written either"

try 0 "blank tapes" $PAIR
says out "compared: identical$" "what was written came back"
says out "^AA .* written at .*/s, read back at .*/s; mock:$T/a$" "with the pace of a drive"
says out "^BB .*; mock:$T/b$" "and of the other"
exits 0 "volumes" $PD --json volumes
ok "they are scratch, and hold nothing" jq -e '[.volumes[] | .volume + .state + (.archives | tostring)] ==
    ["AAscratch0", "BBscratch0"]' "$T/out"
exits 0 "dumps" $PD --json dumps
ok "no dump is known" jq -e '.dumps == []' "$T/out"
same "$(ls "$T/tmp")" "" "nothing temporary is left"
exits 0 "catalog check" $PD catalog check
exits 0 "the same again" $PD --json test-dump --size 2M --files 9 --block-size 64K --scratch $PAIR
ok "as JSON" jq -e '([.drives[].volume] == ["AA", "BB"]) and all(.drives[]; .bytes > 1000000 and
    .write_bytes_per_second > 0 and .read_bytes_per_second > 0)' "$T/out"
exits 0 "volumes" $PD volumes
same "$(wc -l <"$T/out")" 2 "there are two"

# what must not be overwritten, in the second drive: the first one is left alone, too
first=$(image a/AA)
refused() { # CODE STATUS NAME
    try "$1" "$3" --to "mock:$T/a" --to "mock:$T/c"
    says err "\[$2\]" "$3: by its name"
    same "$(image a/AA)" "$first" "$3: the other tape is left alone"
    same "$($PD --json volumes AA | jq -r '.volumes[0].state')" scratch "$3: and scratch"
    same "$(ls "$T/tmp")" "" "$3: nothing temporary is left"
}
refused 3 no-medium "an empty drive"
exits 0 "label" $PD label "mock:$T/c" CC
held=$(image c/CC)
refused 2 held "a volume"
same "$(image c/CC)" "$held" "it is left alone"
exits 0 "give it up" $PD volumes --scratch CC
exits 0 "but keep it" $PD volumes --retain 2099-01-01 CC
refused 2 held "a volume to be kept"
same "$(image c/CC)" "$held" "it is left alone"
exits 0 "no longer" $PD volumes --retain none CC
chmod 444 "$T/c/CC.tap"
refused 2 write-protected "a protected one"
chmod 644 "$T/c/CC.tap"
XDG_STATE_HOME=$T/other exits 2 "a catalog that does not know it" $PD test-dump --scratch --size 2M --files 9 \
    --to "mock:$T/a" --to "mock:$T/c"
says err "not in the catalog.*\[held\]" "is no reason to overwrite it"
python3 -c 'import struct, sys
open(sys.argv[1], "wb").write(struct.pack("<I", 4) + b"data" + struct.pack("<I", 4) + b"\0" * 4)' "$T/c/CC.tap"
held=$(image c/CC)
refused 2 foreign "a foreign one"
same "$(image c/CC)" "$held" "it is left alone"

# trouble on the way
try 1 "a drive that fails" --to "mock:$T/a" --to "fault:write@5=EIO:mock:$T/b"
same "$($PD --json volumes | jq -r '[.volumes[] | select(.volume == "AA" or .volume == "BB") | .state] | unique[]')" \
    scratch "its tapes are scratch"
try 137 "killed" --to "mock:$T/a" --to "fault:write@5=kill:mock:$T/b"
rm -rf "$T"/tmp/*
exits 0 "catalog check" $PD catalog check
try 0 "works again" $PAIR
exits 0 "the tape becomes a volume" $PD label --relabel AA "mock:$T/a" AA
try 2 "and is no longer to be tried" $PAIR
says err "AA is appendable, not scratch.*\[held\]" "it is told why"
tap_done
