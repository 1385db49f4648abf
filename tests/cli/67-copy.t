#!/bin/bash
# Further copies: the next free number, from the best records, on disks and tapes; and dumps of one copy
# to eight.
. "$(dirname "$0")/../lib/tap.sh"

mkdir "$T/src"
for i in 1 2 3 4; do
    head -c 400000 /dev/urandom >"$T/src/file$i"
done
flip() { # FILE OFFSET
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf "%b" "\\x$(printf %02x $((byte ^ 1)))" |
        dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

mkdir "$T/a" "$T/b" "$T/c" "$T/d" "$T/e"
exits 0 "a dump" $PD dump --name one --block-size 64K --batch-size 1M --to "disk:$T/a" --to "mock:$T/b" "$T/src"
exits 2 "nothing named" $PD copy --to "mock:$T/c"
exits 2 "no target" $PD copy one
exits 2 "neither dump nor volume" $PD copy NOBODY --to "mock:$T/c"
flip "$(echo "$T"/a/*/0001-*)" 300000
flip "$(echo "$T"/a/*/0002-*)" 300000
exits 0 "a third copy, though one is damaged" $PD copy one --to "mock:$T/c"
says out "^PD300002 +one.0001 +ok, written and read back" "on a volume of its own"
says out "^copy 3: 2 archives, 2 good" "number 3"
exits 0 "which verifies by itself" $PD --catalog sqlite:"$T/no" verify --target "mock:$T/c"
exits 0 "the same again" $PD copy one --to "mock:$T/c"
says out "PD300002 +one.0001 +ok, made before" "was made before"
exits 0 "a fourth, by volume" $PD --json copy PD200001 --to "disk:$T/d" --label FOURTH
ok "has number 4" jq -e '.copy == 4 and .volumes == "FOURTH" and .good == 2' "$T/out"
exits 0 "catalog check" $PD catalog check
exits 1 "verify finds the damaged one" $PD verify --dump one
says out "8 copies read back .*6 good, 2 bad" "of four copies each"
exits 0 "which is made anew" $PD repair PD100001 --to "disk:$T/e"
exits 0 "four copies are safe" $PD safe --copies 4 "$T/src"
exits 1 "five are not there" $PD safe --copies 5 "$T/src"
mkdir "$T/src2"
head -c 200000 /dev/urandom >"$T/src2/more"
exits 0 "a second dump goes to a pair of its own" $PD dump --name two --block-size 64K --to "disk:$T/a" --to "mock:$T/b" "$T/src2"
exits 0 "and its third copy behind that of the first" $PD copy two --to "mock:$T/c"
says out "^PD300002 +two.0001 +ok" "on the same tape"
exits 0 "both verify by themselves" $PD --catalog sqlite:"$T/no" verify --target "mock:$T/c"
says out "two.0001 .*ok" "the second, too"
exits 0 "a dump with other records" $PD dump --name big --block-size 128K --to "disk:$T/a" --to "mock:$T/b" "$T/src2"
exits 2 "does not go with them" $PD copy one big --to "mock:$T/c"
says err "records of 64.KiB and .* of 128.KiB; a volume takes one size only" "as it is told"
exits 0 "alone it gets a volume" $PD copy big --to "mock:$T/c"
rm -rf "$T/a" "$T/b" "$T/d" "$T/e"
mkdir "$T/a" "$T/b" "$T/d" "$T/e"
exits 0 "with nothing but the third copies" $PD restore --dump one --all --to "$T/r"
ok "all is back" diff -r "$T/src" "$T/r$T/src"
rm -rf "$T/r"

# ---- damage that nobody has seen before ----
export XDG_STATE_HOME=$T/unseen-state
mkdir "$T/ua" "$T/ub" "$T/uc"
exits 0 "unseen: a dump" $PD dump --name u --block-size 64K --batch-size 1M --to "disk:$T/ua" --to "disk:$T/ub" "$T/src"
flip "$(echo "$T"/ua/*/0001-*)" 300000
flip "$(echo "$T"/ub/*/0001-*)" 300001
exits 0 "unseen: the catalog does not know" $PD safe "$T/src"
exits 3 "unseen: a record is good nowhere" $PD copy u --to "disk:$T/uc"
exits 1 "unseen: now it does" $PD safe "$T/src"
exits 0 "unseen: catalog check" $PD catalog check
exits 3 "unseen: verify says which" $PD verify

# ---- one to eight ----
for n in 1 2 3 4 5 6 7 8; do
    export XDG_STATE_HOME=$T/n$n-state
    targets=()
    for i in $(seq "$n"); do
        mkdir -p "$T/n$n/$i"
        kind=disk
        [ $((i % 2)) -eq 0 ] && kind=mock
        targets+=(--to "$kind:$T/n$n/$i")
    done
    exits 0 "$n: dump" $PD dump --name n --block-size 64K --batch-size 1M "${targets[@]}" "$T/src"
    exits 0 "$n: verify" $PD verify --dump n
    says out "$((2 * n)) copies read back .*: $((2 * n)) good" "$n: all copies"
    exits 0 "$n: safe" $PD safe --copies "$n" "$T/src"
    exits $((n < 8 ? 1 : 2)) "$n: and not one more" $PD safe --copies $((n + 1)) "$T/src"
    exits 0 "$n: show" $PD show n
    says out "copy $n on PD${n}00001 .*verified" "$n: the last"
    for i in $(seq 2 "$n"); do
        rm -rf "$T/n$n/$i"/*
    done
    exits 0 "$n: restore from the first" $PD restore --dump n --all --to "$T/r"
    ok "$n: all is back" diff -r "$T/src" "$T/r$T/src"
    rm -rf "$T/r"
    mkdir "$T/n$n/more" "$T/n$n/again"
    if [ "$n" -lt 8 ]; then
        exits 0 "$n: copy" $PD copy n --to "disk:$T/n$n/more"
        says out "^copy $((n + 1)): 2 archives, 2 good" "$n: has the next number"
    else
        exits 2 "8: no more are kept" $PD copy n --to "disk:$T/n$n/more"
        says err "8 copies already" "and told so"
    fi
    if [ "$n" -gt 1 ]; then
        exits 0 "$n: repair the last" $PD repair "PD${n}00001" --to "disk:$T/n$n/again"
        exits 0 "$n: it is whole" $PD verify "PD${n}$(printf %05d $((n < 8 ? 3 : 2)))"
    fi
done

# ---- resumed with three and eight ----
for n in 1 3 8; do
    export XDG_STATE_HOME=$T/k$n-state
    targets=()
    for i in $(seq "$n"); do
        mkdir -p "$T/k$n/$i"
        fault=
        [ "$i" -eq "$n" ] && fault=fault:write@15=kill:
        targets+=(--to "${fault}disk:$T/k$n/$i")
    done
    $PD dump --name k --block-size 64K --batch-size 500K "${targets[@]}" "$T/src" >/dev/null 2>&1
    exits 4 "$n: an unfinished dump is not copied" $PD copy k --to "disk:$T/e"
    exits 4 "$n: nor its volume replaced" $PD repair PD100001 --to "disk:$T/e"
    exits 0 "$n: resume" $PD resume k
    exits 0 "$n: verify" $PD verify --dump k
    exits 0 "$n: safe" $PD safe --copies "$n" "$T/src"
done
tap_done
