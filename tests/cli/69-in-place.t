#!/bin/bash
# Bad records of a disk volume are written anew where they are, and nothing else is.
. "$(dirname "$0")/../lib/tap.sh"

mkdir "$T/src" "$T/a" "$T/b"
for i in 1 2 3 4 5 6; do
    head -c 400000 /dev/urandom >"$T/src/file$i"
done
flip() { # FILE OFFSET
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf "%b" "\\x$(printf %02x $((byte ^ 1)))" |
        dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
sums() {
    (cd "$T/a" && sha256sum */*)
}
same_bytes() { # NAME: the volume is, byte for byte, what the dump wrote
    ok "$1: every byte is as it was written" diff "$T/sums" <(sums)
    exits 0 "$1: verify" $PD verify --dump d
    exits 0 "$1: safe" $PD safe "$T/src"
    exits 0 "$1: catalog check" $PD catalog check
}

exits 0 "a dump" $PD dump --name d --block-size 64K --batch-size 1M --to "disk:$T/a" --to "mock:$T/b" "$T/src"
sums >"$T/sums"
f1=$(echo "$T"/a/*/0001-*) f2=$(echo "$T"/a/*/0002-*) f3=$(echo "$T"/a/*/0003-*)

exits 0 "nothing to mend" $PD repair --in-place PD100001
says out "d.0001 .*ok, 0 records mended, all read back" "is told"
same_bytes "nothing"
exits 2 "one or the other" $PD repair --in-place PD100001 --to "disk:$T/b"
exits 2 "no label" $PD repair --in-place --label X PD100001
exits 2 "a volume that is not known" $PD repair --in-place NOBODY
exits 2 "tapes are not mended" $PD repair --in-place PD200001
says err "middle of a tape.*--to.*\[unsupported\]" "and told so"

flip "$f1" 100
flip "$f1" 700000
flip "$f3" 5000
inode=$(stat -c %i "$f1")
exits 1 "damage" $PD verify --dump d
exits 0 "is mended" $PD repair --in-place PD100001
says out "d.0001 .*ok, 2 records mended" "record by record"
says out "d.0002 .*ok, 0 records mended" "where it was bad"
says out "^PD100001: 3 archives, 3 good, 0 not; 3 records mended" "and summed up"
same_bytes "flips"
same "$(stat -c %i "$f1")" "$inode" "it is the same file"
flip "$f2" 200000
exits 0 "damage that nobody has seen yet" $PD --json repair --in-place PD100001
ok "is found, in JSON" jq -e '.mended == 1 and (.archives[] | select(.archive == "d.0002") | .mended == 1 and .status == "ok")' "$T/out"
same_bytes "unseen"

truncate -s -100000 "$f1"
rm "$f2"
head -c 65536 /dev/zero >>"$f3"
exits 0 "cut, gone and too long" $PD repair --in-place PD100001
same_bytes "files"
: >"$f1"
exits 0 "empty" $PD repair --in-place PD100001
same_bytes "empty"

# killed on the way
for n in 1 2 3 8 14; do
    cp "$f1" "$T/kept"
    flip "$f1" 100
    flip "$f1" 200000
    rm "$f2"
    $PD repair --in-place PD100001 --at "fault:write@$n=kill:disk:$T/a" >/dev/null 2>&1
    same "$?" 137 "killed at write $n"
    exits 0 "run again" $PD repair --in-place PD100001
    same_bytes "killed at $n"
done
flip "$f1" 100
exits 1 "a write that fails" $PD repair --in-place PD100001 --at "fault:write@1=EIO:disk:$T/a"
says out "d.0001 .*NOT WHOLE: .*injected fault" "is told"
exits 1 "a write that lies" $PD repair --in-place PD100001 --at "fault:write@1=flip:disk:$T/a"
says out "d.0001 .*NOT WHOLE: .*does not match" "is seen by reading back"
exits 0 "at last" $PD repair --in-place PD100001
same_bytes "at last"

# a record that no copy has
mkdir "$T/c"
exits 0 "a dump on two disks" $PD dump --name e --block-size 64K --batch-size 1M --to "disk:$T/a" --to "disk:$T/c" "$T/src"
fa=$(echo "$T"/a/PD100002/0001-*) fc=$(echo "$T"/c/PD200002/0001-*)
flip "$fa" 500000
flip "$fa" 800000
flip "$fc" 500001
exits 3 "a record is good nowhere" $PD --json repair --in-place PD100002
ok "its files are named" jq -e '.lost | length >= 1 and all(.[]; .archive == "e.0001" and .record == 7 and (.file | test("/src/file")))' "$T/out"
ok "the other one is mended" jq -e '.mended == 1' "$T/out"
exits 3 "verify says so, too" $PD verify PD100002
says out "BAD: 1 records" "one record is left"
exits 0 "catalog check" $PD catalog check
tap_done
