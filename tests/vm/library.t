#!/bin/bash
# In the virtual machine (tests/vm/run): a pool whose drives are served by the changer. 200 MiB go to
# tapes of 64 MiB, in one run; the tapes change drives before they are read back.
#vm TAPE_VM_CAPACITY=64
#vm TAPE_VM_SLOTS=14
#vm TAPE_VM_LOAD_DELAY=2
# shellcheck disable=SC2154 # T comes from tap.sh
. "$(dirname "$0")/vm.sh"

mkdir -p "$T/src/small"
for i in $(seq 34); do
    head -c 6M /dev/urandom >"$T/src/$i"
done
head -c 300k /dev/urandom | split -b 3k - "$T/src/small/"
cat >"$T/conf" <<'END'
[pool lib]
copy1 = tape:/dev/nst0
copy2 = tape:/dev/nst1
changer = mtx:/dev/changer
verify-swap = yes
batch-size = 12M
[retry default]
tries = 2
delay = 100ms
END
run() { $PD -c "$T/conf" "$@"; }
volumes() { jq -r '[.copies[].volumes] | join(" ")' "$T/out"; }
in_drives() { mtx status | grep -c '^Data Transfer Element .:Full'; }

# 1 is foreign, 2 is write protected
tar -C "$T" -cf "$T/foreign.tar" conf
by_hand mtx load 1 0
by_hand dd if="$T/foreign.tar" of=/dev/nst0 bs=10240
by_hand mt -f /dev/nst0 rewind
by_hand mtx unload 1 0
like 2 protect
sums 1 2 >"$T/sums"

exits 0 "200 MiB to tapes of 64 MiB, fetched by the changer" run --json dump --name big "$T/src"
echo "# $(volumes)"
says err 'PD0001.*(holds|foreign)' "what holds something else is passed over"
says err 'PD0002.*write.protected' "so is what is write protected"
ok "neither was touched" sha256sum -c --quiet "$T/sums"
says err 'PD0003 is read back by drive tape:/dev/nst1' "copy 1 is read by the second drive"
says err 'PD0004 is read back by drive tape:/dev/nst0' "copy 2 by the first"
ok "several pairs" test "$(jq '.copies[0].volumes | split(" ") | length' "$T/out")" -ge 4
same "$(in_drives)" 0 "the drives are empty again"
exits 0 "show" run --json show big
ok "two verified copies of each archive, each on one pair" jq -e '.problems == 0 and
    (.copy_list | length) == 2 * .archives and all(.copy_list[]; .state == "verified") and
    ([.copy_list | group_by(.archive)[] | (length == 2 and .[0].tape_file == .[1].tape_file)] | all)' "$T/out"
exits 0 "inventory" run tape inventory mtx:/dev/changer
says out 'PD0003L6 +(full|verified|appendable)' "knows the volumes"

exits 0 "restore fetches them one after the other" run restore --all --to "$T/back"
ok "identical" diff -r "$T/src" "$T/back$T/src"
same "$(in_drives)" 0 "and puts them back"
exits 0 "one file" run restore --to "$T/one" "$T/src/small/aa"
ok "is the same" cmp "$T/src/small/aa" "$T/one$T/src/small/aa"

# a run that is killed while each tape is in the other's drive
mkdir "$T/little"
head -c 3M /dev/urandom >"$T/little/a"
head -c 3M /dev/urandom >"$T/little/b"
sed -i -e 's/^batch-size.*/batch-size = 1M/' -e 's|^copy1 = |&fault:read@5=kill:|' "$T/conf"
run dump --name killed "$T/little" >"$T/out" 2>"$T/err"
says err 'is read back by drive' "was reading back when it was killed"
ok "tapes are left in the drives" test "$(in_drives)" -ge 1
sed -i 's|fault:read@5=kill:||' "$T/conf"
exits 0 "resume finds them" run resume killed
same "$(in_drives)" 0 "and puts them back"
exits 0 "all copies of it are good" run verify --dump killed
exits 0 "the catalog agrees with the cartridges" run catalog check

# the wrong cartridge behind a barcode
put 0
mv "$(image 3)" "$T/three"
mv "$(image 4)" "$(image 3)"
mv "$T/three" "$(image 4)"
exits 1 "cartridges whose barcodes were exchanged" run verify PD0003
cat "$T/err" >>"$T/out"
says out 'barcode PD0003L6 bears the label PD0004' "are told apart"
mv "$(image 4)" "$T/three"
mv "$(image 3)" "$(image 4)"
mv "$T/three" "$(image 3)"
exits 0 "and put right" run verify PD0003
tap_done
