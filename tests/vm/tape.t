#!/bin/bash
# In the virtual machine (tests/vm/run): pairdump on the kernel's own tape driver.
#
# The contract tests of drive and target, then a whole life of a pair of tapes: dump, verify, restore,
# reading by hand, what is refused, and going on when the tapes are full.
# shellcheck disable=SC2086,SC2154 # $PD is several words; T comes from tap.sh
here=$(cd "$(dirname "$0")" && pwd)
. "$here/vm.sh"
changer=$here/changer

for test in unit/media/drive_st contract/drive contract/target contract/target_cut; do
    ok "$test" env PD_TEST_TAPE=/dev/nst0 PD_TEST_CHANGER="$changer" timeout 600 \
        "$tap_top/build/tests/${test}_test"
done

# ---- two tapes at once
rm -f /tapes/*.conf
put 0 3
put 1 4
mkdir -p "$T/src/random"
ok "the odd tree is made" "$TOOLS/odd_tree" "$T/src"
for i in 1 2 3; do
    head -c 50M /dev/urandom >"$T/src/random/$i"
done
exits 0 "doctor sees an empty tape" $PD doctor tape:/dev/nst0
says out 'ok +tape:/dev/nst0: 0 volumes' "and no volume on it"
exits 0 "dump to two tapes" $PD dump --name d --batch-size 64M $two "$T/src"
sed 's/^/# /' "$T/out"
silent err 'one file system' "nobody takes two drives for one file system"
exits 0 "catalog and tapes agree" $PD catalog check
exits 0 "restore" $PD restore --dump d --all --to "$T/back"
ok "identical" "$TOOLS/tree_diff" "$T/src" "$T/back$T/src"
rm -rf "$T/back"
exits 0 "append a second dump" $PD dump --name e $two "$T/src/random/1"
says out 'PD100001 +ok' "to the same pair"
exits 0 "status of a tape" $PD tape status tape:/dev/nst1
says out 'PD200001 ' "names the volume"

# ---- by hand, as the README.txt on the tape says
mkdir "$T/hand"
cd "$T/hand" || exit 1
mt -f /dev/nst1 rewind
ok "the label is a tar" tar -b 1024 -xf /dev/nst1
readme=$(find "$T/hand" -name README.txt | head -1)
read_back() { # N: tape file N by the commands of README.txt
    sed -n '/^RESTORE FROM TAPE$/,/^To list/p' "$readme" | sed -n 's/^  //p' |
        sed "s|/dev/nst0|/dev/nst1|g; s/fsf N/fsf $1/" >"$T/commands"
    bash -e "$T/commands"
}
for n in 1 2 3; do
    ok "tape file $n comes back by hand" read_back "$n"
done
check=$(sed -n '/^CHECK$/,$p' "$readme" | sed -n '/^  LC_ALL=C sed/,/sha256sum/p')
for bag in d.*; do
    ok "its check of $bag" bash -c "cd '$bag' && sha256sum --quiet -c tagmanifest-sha256.txt && $check"
    cp -a "$bag/data/." "$T/joined"
done
# GNU tar has its own mind on times before 1970 and on odd names of attributes; content and names count
sums() { (cd "$1" && find . -printf '%p %y %m %l\0' && find . -type f -exec sha256sum {} +) | LC_ALL=C sort; }
ok "everything is back by hand" cmp <(sums "$T/src") <(sums "$T/joined$T/src")
cd / && rm -rf "$T/hand" "$T/joined"

# ---- what is refused
put 0 8
exits 0 "label a tape" $PD label tape:/dev/nst0 X8
exits 5 "it gets no other label" $PD label tape:/dev/nst0 X9
says err 'volume X8 is in the drive' "and its own is named"
ok "mt makes it blank" bash -c 'mt -f /dev/nst0 rewind && mt -f /dev/nst0 erase 0'
exits 0 "so that it may get one" $PD label tape:/dev/nst0 X9
put 0 5
put 1 6
ok "a foreign tape" tar -C /etc -cf /dev/nst0 passwd
exits 2 "a foreign tape is refused" $PD label tape:/dev/nst0 X1
says err 'foreign' "as one"
cp /tapes/PD0005L6 "$T/foreign"
exits 2 "a dump refuses it as well" $PD dump --name f --to tape:/dev/nst0 "$T/src/random/1"
ok "and leaves it as it was" cmp /tapes/PD0005L6 "$T/foreign"
put 1
echo protect >/tapes/PD0006L6.conf
put 1 6
exits 2 "a write-protected tape is refused" $PD label tape:/dev/nst1 X1
says err 'write-protected' "as one"
exits 2 "the rewinding node is refused" $PD label tape:/dev/st1 X1
says err 'give /dev/nst1' "and the right one named"
put 0
exits 3 "an empty drive" $PD dump --name g --to tape:/dev/nst0 "$T/src/random/1"
says err 'no-medium' "is said to be empty"
exits 4 "a drive that another program has" bash -c "sleep 20 </dev/nst1 & sleep 1
    $PD label tape:/dev/nst1 X1; e=\$?; kill %1; exit \$e"
says err 'busy' "is busy"
put 0 7
exits 2 "records that are too long" $PD label --block-size 4M tape:/dev/nst0 X1
says err 'records up to 1048576 bytes' "are refused with the limit"
put 0 3
put 1 4
exits 0 "the first tapes are found again" $PD verify --dump d
says out '0 bad; 0 unreachable' "and good"

# ---- full tapes
for slot in 7 8 1 2; do
    printf 'size 20\nzone 4\n' >"/tapes/PD000${slot}L6.conf"
    : >"/tapes/PD000${slot}L6"
done
mkdir "$T/many"
for i in 1 2 3 4 5 6; do
    head -c 5M /dev/urandom >"$T/many/$i"
done
put 0 7
put 1 8
exits 5 "a dump that fills its tapes" $PD dump --name many --batch-size 6M $two "$T/many"
says err 'put in a blank one' "asks for more"
put 0
put 1
put 0 1
put 1 2
exits 0 "goes on with new ones" $PD resume many
sed 's/^/# /' "$T/out"
exits 0 "what is in the drives comes back" $PD verify PD100003
put 0
put 1
tap_done
