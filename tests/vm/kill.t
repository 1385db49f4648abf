#!/bin/bash
# In the virtual machine (tests/vm/run): kill -9 while tapes are written and read back, and drives
# that are reset. What goes on stands where it must, loses nothing, and writes over nothing that is
# recorded.
# shellcheck disable=SC2034,SC2086,SC2154 # $PD is several words; T comes from tap.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/lib/resume.sh
. "$(dirname "$0")/../lib/resume.sh"

SOURCE=$T/src
mkdir -p "$SOURCE/small"
for i in $(seq 12); do
    head -c 260000 /dev/urandom >"$SOURCE/big$i"
done
head -c 20k /dev/urandom | split -b 1k - "$SOURCE/small/"

# What is on both tapes of the pair stays there, byte for byte.
keep() { # SLOT SLOT
    kept=("$@")
    sizes=("$(stat -c %s "$(image "$1")")" "$(stat -c %s "$(image "$2")")")
    cp "$(image "$1")" "$T/kept0"
    cp "$(image "$2")" "$T/kept1"
}
is_kept() {
    cmp -n "${sizes[0]}" "$T/kept0" "$(image "${kept[0]}")" &&
        cmp -n "${sizes[1]}" "$T/kept1" "$(image "${kept[1]}")"
}

put_two 1 2
exits 0 "a dump to two tapes" $PD dump --name first "${DUMP_OPTIONS[@]}" $two "$SOURCE"
whole_files first >"$T/ref-files"
$PD --json show first >"$T/first"
records=$(sqlite3 "$XDG_STATE_HOME/pairdump/catalog.db" 'SELECT SUM(records) FROM archive')
archives=$(jq .archives "$T/first")
echo "# $archives archives of $records records"
ok "there is something to break" test "$archives" -ge 4 -a "$records" -ge 40

# A dump is done, two good copies of everything are on the tapes, each once.
is_done() { # NAME
    whole=0
    $PD --json show "$1" >"$T/.show"
    jq -e '.state == "done" and .verdict == "ok" and (.copy_list | length) == 2 * .archives and
        .problems == 0 and all(.copy_list[]; .state == "verified") and
        ([.copy_list[] | .volume + " " + .archive] | length == (unique | length)) and
        ([.copy_list[] | "\(.volume) \(.tape_file)"] | length == (unique | length))' "$T/.show" >/dev/null || {
        complain "show $1:"
        cat "$T/.show"
    }
    whole_files "$1" >"$T/.files"
    cmp "$T/ref-files" "$T/.files" || complain "not the files of an undisturbed dump"
    run_quietly "verify" $PD verify --dump "$1"
    is_left_tidy
    return "$whole"
}
# And no more than that is on the tapes; what a dying writer left of a tape file, and the kernel ended,
# is not.
is_only() { # NAME...
    whole=0
    for name; do
        $PD --json show "$name" | jq -r '.copy_list[] | select(.copy == 1) | .archive'
    done | LC_ALL=C sort >"$T/.expected"
    for drive in /dev/nst0 /dev/nst1; do
        $PD --json verify --target "tape:$drive" >"$T/.side" 2>"$T/.side-err" ||
            complain "verify --target tape:$drive: $(jq -c '.error, (.results[] | select(.status != "ok"))' "$T/.side")"
        jq -r '.results[].archive' "$T/.side" | LC_ALL=C sort >"$T/.on-media"
        diff "$T/.expected" "$T/.on-media" || complain "$drive holds not what it should"
    done
    return "$whole"
}

# killed FAULT FAULT WHERE: a dump dies by one of them, and so may those that go on, as the faults stay
# on; in the end it is whole, and nothing else has changed
n=0
killed() {
    local name code=137 tries=0
    n=$((n + 1))
    name=k$n
    keep "$(lies 0)" "$(lies 1)"
    # another shell, which says to itself that it was killed
    exits 137 "kill $3" bash -c '"$@"; exit $?' _ $PD dump --name $name "${DUMP_OPTIONS[@]}" ${more:-} --to "$1tape:/dev/nst0" \
        --to "$2tape:/dev/nst1" "$SOURCE"
    while [ $code -eq 137 ] && [ $tries -lt 6 ]; do
        $PD resume $name >"$T/out" 2>"$T/err"
        code=$?
        tries=$((tries + 1))
    done
    same $code 0 "is resumed"
    [ $code -eq 0 ] || show_out
    echo "# after $tries tries"
    ok "what was recorded is as it was" is_kept
    ok "all is there, once" is_done $name
}
killed fault:write@1=kill: "" "at the first record"
killed "" "fault:write@$((records / 2))=kill:" "in the middle"
killed "" fault:mark@2=kill: "at the filemark between two archives"
killed "fault:write@$((records + 1))=kill:" "" "while the index is written"
killed "" "fault:mark@$((archives + 1))=kill:" "at the end of the index"
killed "fault:read@$((records / 2))=kill:" "" "while it is read back"
unlock
put_two 3 4
more="--block-size 128K"
killed fault:write@1=kill: "" "while the first label is written"
unlock
put_two 5 6
more="--block-size 256K"
killed "" fault:mark@1=kill: "while the second label is ended"

# ---- nothing but these dumps is on the tapes
unlock
put_two 1 2
ok "nothing is there twice, or too much" is_only first k1 k2 k3 k4 k5 k6
exits 0 "restore" $PD restore --dump k2 --all --to "$T/k2"
ok "identical" "$TOOLS/tree_diff" "$SOURCE" "$T/k2$SOURCE"

# ---- drives that are reset in the middle
more="--block-size 64K"
keep 1 2
hold 5 /dev/nst0 "$PAIRDUMP" --no-progress dump --name r1 "${DUMP_OPTIONS[@]}" $two "$SOURCE"
ok "the door is locked" bash -c '! mtx unload 1 0 2>"$0" && grep -q "Illegal Request" "$0"' "$T/mtx"
by_hand sg_reset -d /dev/sg0
let_go 1 "one drive is reset: the other goes on"
says out 'copy 1  PD100001 +io-error' "and says which"
ok "what was recorded is as it was" is_kept
exits 1 "verify" $PD verify --dump r1
says out '^PD100001 .*BAD' "finds that it is not there"
says out ' 6 good, ' "and the other copy whole"
exits 0 "what was written before is good" $PD verify --dump first
exits 0 "restore" $PD restore --dump r1 --all --to "$T/r1"
ok "identical" "$TOOLS/tree_diff" "$SOURCE" "$T/r1$SOURCE"

put_two 7 8
more="--block-size 512K"
exits 0 "a dump" $PD dump --name f2 --block-size 512K $two "$SOURCE/small"
keep 7 8
hold 2 /dev/nst0 "$PAIRDUMP" --no-progress dump --name r2 "${DUMP_OPTIONS[@]}" $more $two "$SOURCE"
by_hand sg_reset -d /dev/sg0
by_hand sg_reset -d /dev/sg1
let_go 3 "both drives are reset"
ok "what was recorded is as it was" is_kept
exits 0 "resume" $PD resume r2
ok "what was recorded is as it was" is_kept
ok "all is there, once" is_done r2
tap_done
