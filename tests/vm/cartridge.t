#!/bin/bash
# In the virtual machine (tests/vm/run): the wrong thing in the drive, at each step. Each has its own
# message and exit code; what is not ours, or not meant, stays as it is; and what is on a shelf is
# never blamed.
#vm TAPE_VM_SLOTS=16
# shellcheck disable=SC2086,SC2154 # $PD is several words; T comes from tap.sh
. "$(dirname "$0")/vm.sh"

mkdir "$T/src" "$T/more"
head -c 3M /dev/urandom >"$T/src/a"
head -c 2M /dev/urandom >"$T/src/b"
head -c 1M /dev/urandom >"$T/more/c"

# Slots 1 and 2: the tapes of a dump. Slots 3 to 9: what may lie in the drive instead of the first.
tar=3 noise=4 mark=5 blank=6 protected=7 other=8 both=9
all=(1 2 $tar $noise $mark $blank $protected $other $both)
put_two 1 2
exits 0 "a dump" $PD dump --name d $two "$T/src"
put 0 $tar
by_hand tar -C /etc -cf /dev/nst0 passwd group
put 0 $noise
by_hand dd if=/dev/urandom of=/dev/nst0 bs=64k count=20
put 0 $mark
by_hand mt -f /dev/nst0 weof
by_hand dd if=/dev/urandom of=/dev/nst0 bs=1M count=2
put 0 $other
exits 0 "a volume of another catalog" env XDG_STATE_HOME="$T/else" $PD dump --name d $one "$T/more"
put 0
like $protected protect
like $both protect
cp "$(image $tar)" "$(image $both)"
sums "${all[@]}" >"$T/sums"

untouched() {
    ok "nothing was written to any tape" cmp "$T/sums" <(sums "${all[@]}")
    cmp -s "$T/sums" <(sums "${all[@]}") || sums "${all[@]}" >"$T/sums"
}

# try SLOT CODE TEXT NAME COMMAND...: with that cartridge, or none, in the first drive
try() {
    local code=$2 text=$3 name=$4
    put 0 $1
    shift 4
    exits "$code" "$name" "$@"
    says err "$text" "is told why"
}

none=""
foreign='does not begin with a pairdump label'
early='begins with a filemark'

# ---- label
label="$PD label tape:/dev/nst0 NEW"
try $tar 2 "$foreign.*\[foreign\]" "label: a tar" $label
try $noise 2 "$foreign.*\[foreign\]" "label: noise" $label
try $mark 2 "$early.*\[foreign\]" "label: a filemark first" $label
try $both 2 "$foreign.*\[foreign\]" "label: a tar, protected" $label
try $protected 2 '\[write-protected\]' "label: a blank one, protected" $label
try $other 5 'volume PD100001 is in the drive.*\[no-volume\]' "label: a volume" $label
try "$none" 3 'drive /dev/nst0 is empty.*\[no-medium\]' "label: nothing" $label
untouched

# ---- the first pair of a dump; the other drive has a blank one
first() { # NAME: a dump to a pair of its own
    $PD dump --name "$1" --block-size 256K $two "$T/more"
}
put 1 10
try $tar 2 "$foreign.*\[foreign\]" "dump: a tar" first f1
try $noise 2 "$foreign.*\[foreign\]" "dump: noise" first f2
try $mark 2 "$early.*\[foreign\]" "dump: a filemark first" first f3
try $other 5 'volume PD100001 is in the drive; put in a blank one' "dump: a volume" first f5
try $protected 1 'write protected' "dump: a blank one, protected" first f6
says out 'copy 1 .* nothing written' "and which copy has nothing"
put 1
blank 10
put 1 10
try "$none" 1 'drive /dev/nst0 is empty.*\[no-medium\]' "dump: nothing" first f7
says out 'copy 1 .* nothing written' "and which copy has nothing"
untouched

# ---- appending: the second drive has the pair's other tape
put 1 2
append() { # NAME
    $PD dump --name "$1" $two "$T/more"
}
try $tar 2 "PD100001 is not in the drive: $foreign" "append: a tar" append a1
says err "$foreign.*\[foreign\]" "and it is not labelled"
try $noise 2 "PD100001 is not in the drive: $foreign" "append: noise" append a2
try $mark 2 "PD100001 is not in the drive: .*$early" "append: a filemark first" append a3
try $other 5 'PD100001: has another UUID' "append: a volume of another catalog" append a5
try $protected 5 'PD100001 is not in the drive: nothing is recorded' "append: a blank one, protected" \
    append a6
try "$none" 5 'PD100001: the drive /dev/nst0 is empty.*\[no-medium\]' "append: nothing" append a7
untouched

# ---- verify, restore, status
verify() {
    $PD verify --dump d
}
target() {
    $PD verify --target tape:/dev/nst0
}
restore() {
    rm -rf "$T/back"
    $PD restore --dump d --all --from PD100001 --to "$T/back"
}
status() {
    $PD tape status tape:/dev/nst0
}
for what in "tar|$foreign|foreign|2" "mark|$early|foreign|2" "blank|nothing is recorded|blank|2" \
    "none|drive /dev/nst0 is empty|no-medium|3"; do
    IFS='|' read -r name text word code <<<"$what"
    not_here="PD100001 is not found; looked at: tape:/dev/nst0 .*$text"
    put 0 ${!name}
    exits 1 "verify: $name" verify
    says out "^PD100001 .* not read: .*$not_here" "is told why"
    says out '1 good, 0 bad; 1 unreachable' "the other is read, and this one not blamed"
    exits "$code" "verify --target: $name" target
    says err "$text.*\[$word\]" "is told why"
    exits 3 "restore: $name" restore
    says err "$not_here" "is told why"
    exits "$code" "status: $name" status
    says err "$text.*\[$word\]" "is told why"
done
put 0 $other
exits 1 "verify: a volume of another catalog" verify
says out '^PD100001 .* not read: .*another volume of that label, with another UUID' "is told why"
exits 3 "restore: a volume of another catalog" restore
says err 'another volume of that label, with another UUID' "is told why"
put 0
blank $blank
put 0 $blank
exits 0 "a volume of ours, but not that one" $PD label tape:/dev/nst0 MINE
exits 1 "verify: another volume of ours" verify
says out '^PD100001 .* not read: .*volume MINE is in the drive, not PD100001' "is told why"
exits 3 "restore: another volume of ours" restore
says err 'volume MINE is in the drive, not PD100001' "is told why"
put 0
blank $blank
exits 0 "restore, from the other tape alone" $PD restore --dump d --all --to "$T/back2"
ok "identical" "$TOOLS/tree_diff" "$T/src" "$T/back2$T/src"
untouched

# ---- a tape of ours that is protected can be read, and is left alone
put_two 1 2
exits 0 "its own tapes are good" verify
put 0
like 1 protect
put 0 1
exits 0 "verify: protected" verify
exits 0 "restore: protected" restore
ok "identical" "$TOOLS/tree_diff" "$T/src" "$T/back$T/src"
exits 0 "status: protected" status
exits 1 "append: protected" append a8
says out '^ +PD100001: .*write.protected' "is told why"
says out 'copy 2  PD200001 +ok' "and goes on with the other"
cmp -s <(sed -n 1p "$T/sums") <(sums 1)
same $? 0 "nothing was written to it"
put 0
rm "$(image 1).conf"
sums "${all[@]}" >"$T/sums"

# ---- while pairdump is at work the door is locked; who opens it by force puts in what he likes
full() { # NAME: a dump to a pair of its own, in slots 11 and 12
    echo "$PAIRDUMP --no-progress dump --name $1 --block-size 128K $two $T/src"
}
put_two 11 12
hold 4 /dev/nst0 $(full h1)
ok "the door is locked" bash -c '! mtx unload 11 0 >"$0" 2>&1' "$T/mtx"
let_go 0 "and the dump goes on"
put_two 11 12
hold 4 /dev/nst0 $(full h2)
by_hand sg_reset -d /dev/sg0
by_hand mtx unload 11 0
by_hand mtx load $tar 0
let_go 1 "a foreign tape put in while another is written"
says out 'copy 1  PD10000[0-9] +[a-z-]+  0 B in 0 of 1' "the copy is lost"
says out 'copy 2  PD20000[0-9] +ok .*1 verified' "the other is good"
untouched
exits 1 "verify: with it in the drive" $PD verify --dump h2
says out "PD100004 .* not read: .*$foreign" "is told why"
put_two 11 12
exits 0 "what was there before is good" $PD verify --dump h1

# ---- swapped between writing and reading back
put 0
put 1
for what in tar blank other; do
    blank 15 16
    like 15 "swap $(basename "$(image ${!what})")"
    put_two 15 16
    exits 1 "another tape is put in before it is verified: $what" \
        $PD dump --name "s-$what" --block-size 1M $two "$T/more"
    says out "^ +PD.*PD1[0-9]+ is not in the drive: |^ +PD.*has UUID .* another volume" "is told why"
    says out 'copy 2 .* 1 verified' "the other is good"
    untouched
    put_two 15 16
    exits 0 "verify: with its own tapes" $PD verify --dump "s-$what"
    put 0
    put 1
done


# ---- resume: the pair of the dump is on the shelf; there is one more to be written
mkdir "$T/many"
for i in 1 2 3; do
    head -c 3M /dev/urandom >"$T/many/$i"
done
blank 11 12 13 14
put_two 11 12
exits 137 "a dump is killed" bash -c '"$@"; exit $?' _ $PD dump --name k --block-size 64K --batch-size 3500K --to tape:/dev/nst0 \
    --to fault:mark@3=kill:tape:/dev/nst1 "$T/many"
unlock
put 0
put 1
sums 11 12 >"$T/shelf"
put 1 12
resume() {
    $PD resume k
}
for what in tar noise; do
    try ${!what} 2 '\[foreign\]' "resume: $what" resume
done
try $other 5 'put in a blank one' "resume: a volume of another catalog" resume
try "$none" 5 'drive /dev/nst0 is empty' "resume: nothing" resume
ok "its own tapes are as they were" cmp "$T/shelf" <(sums 11 12)
untouched
put_two 11 12
exits 0 "resume: its own tapes" resume
exits 0 "verify" $PD verify --dump k
exits 0 "restore" $PD restore --dump k --all --to "$T/back-k"
ok "identical" "$TOOLS/tree_diff" "$T/many" "$T/back-k$T/many"
tap_done
