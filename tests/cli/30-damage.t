#!/bin/bash
# Damage on one copy is found, named and avoided; on both it costs exactly the files hit.
. "$(dirname "$0")/../lib/tap.sh"

mkdir "$T/a" "$T/b" "$T/src"
for i in 1 2 3 4 5 6; do
    head -c 400000 /dev/urandom >"$T/src/file$i"
done
exits 0 "dump" $PD dump --name d --block-size 64K --to "disk:$T/a" --to "disk:$T/b" "$T/src"
fa=$(echo "$T"/a/*/0001-*) fb=$(echo "$T"/b/*/0001-*)
size=$(stat -c %s "$fa")

# flip FILE OFFSET: inverts a byte
flip() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf "%b" "\\x$(printf %02x $((byte ^ 1)))" |
        dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

for at in 0 700 5000 70000 1000000 2000000 $((size - 200000)) $((size - 1)); do
    cp "$fa" "$T/kept"
    flip "$fa" "$at"
    exits 1 "one bit at $at: verify is degraded" $PD verify --dump d
    says out "BAD.*|record $((at / 65536))" "the record is named"
    exits 0 "restore avoids the copy" $PD restore --dump d --all --to "$T/r"
    ok "and brings all back" diff -r "$T/src" "$T/r$T/src"
    rm -rf "$T/r"
    exits 3 "the volume by itself fails" $PD --catalog sqlite:"$T/no" verify --target "disk:$T/a"
    cp "$T/kept" "$fa"
    exits 0 "mended, it verifies again" $PD verify --dump d
done

cp "$fa" "$T/kept"
truncate -s $((size - 131072)) "$fa"
exits 1 "truncated" $PD verify --dump d
truncate -s "$size" "$fa"
exits 1 "zeros at the end" $PD verify --dump d
cp "$T/kept" "$fa"
head -c 65536 /dev/zero >>"$fa"
exits 1 "a record too many" $PD verify --dump d
rm "$fa"
exits 1 "gone" $PD verify --dump d
exits 0 "restore from the other" $PD restore --dump d --all --to "$T/r"
ok "all is back" diff -r "$T/src" "$T/r$T/src"
rm -rf "$T/r"
cp "$T/kept" "$fa"

# the same record on both copies
flip "$fa" 1000000
flip "$fb" 1000100
exits 3 "both copies bad: verify fails" $PD verify --dump d
exits 3 "restore loses what was hit" $PD --json restore --dump d --all --to "$T/r"
lost=$(jq -r '.troubled[].file' "$T/out" | sort)
ok "files are named" test -n "$lost"
for i in 1 2 3 4 5 6; do
    if grep -qx "$T/src/file$i" <<<"$lost"; then
        ok "file$i is lost and not there" test ! -e "$T/r$T/src/file$i"
    else
        ok "file$i is whole" cmp "$T/src/file$i" "$T/r$T/src/file$i"
    fi
done
exits 1 "safe says no" $PD safe "$T/src"
exits 0 "catalog is true" $PD catalog check
tap_done
