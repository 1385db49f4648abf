#!/bin/bash
# In the virtual machine (tests/vm/run): how much goes to a tape, by what is said in the URL, and by
# the drive's early warning alone; files that are too large.
#vm TAPE_VM_CAPACITY=64
# shellcheck disable=SC2034,SC2086,SC2154 # $PD is several words; T comes from tap.sh
. "$(dirname "$0")/vm.sh"

mkdir "$T/src" "$T/large"
for i in $(seq 6); do
    head -c 5M /dev/urandom >"$T/src/$i"
done
head -c 30M /dev/urandom >"$T/large/file"

# ---- by capacity=
limited="--to tape:/dev/nst0?capacity=24M --to tape:/dev/nst1?capacity=24M"
put_two 1 2
sums 1 2 >"$T/sums"
exits 2 "a file larger than a volume" $PD dump --name l $limited "$T/large" "$T/src"
says err 'large/file has 31457280 bytes: more than a volume of 25165824 holds' "is refused by name"
put_two 3 4
ok "before anything is written" cmp "$T/sums" <(sums 1 2)
put_two 1 2
exits 5 "a dump that is more than a volume holds" $PD dump --name c --batch-size 6M $limited "$T/src"
says err 'put in a blank one' "asks for more"
put_two 3 4
exits 0 "goes on with new ones" $PD resume c
show_out
for slot in 1 2 3 4; do
    ok "no more than that is on tape $slot" test "$(stat -c %s "$(image $slot)")" -le 25170000
done
ok "and not much less on the first" test "$(stat -c %s "$(image 1)")" -ge 16000000
exits 0 "verify" $PD verify PD100002 PD200002

# ---- by early warning
like 5 'size 24'
like 6 'size 20'
put_two 5 6
exits 5 "tapes of different size" $PD dump --name w --block-size 256K --batch-size 6M $two "$T/src"
put_two 7 8
exits 0 "go on with new ones" $PD resume w
show_out
exits 0 "verify" $PD verify PD100004 PD200004
exits 1 "the catalog agrees" $PD catalog check
tap_done
