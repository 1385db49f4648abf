#!/bin/bash
# In the virtual machine (tests/vm/run): restore goes to a file by its position; append finds out what
# others did to a tape; and a tape and a disk make a pair.
# shellcheck disable=SC2086,SC2154 # $PD is several words; T comes from tap.sh
. "$(dirname "$0")/vm.sh"

mkdir "$T/src"
for i in $(seq 12); do
    head -c 3M /dev/urandom >"$T/src/$i"
done

# ---- one file
put_two 1 2
exits 0 "a dump" $PD dump --name d --batch-size 20M --block-size 256K $two "$T/src"
# the kernel tells which commands the drives get
trace=/sys/kernel/tracing
by_hand mount -t tracefs tracefs $trace
echo 1 >$trace/events/scsi/scsi_dispatch_cmd_start/enable
exits 0 "restore of one file" $PD restore --dump d --to "$T/back" "$T/src/9"
echo 0 >$trace/events/scsi/scsi_dispatch_cmd_start/enable
ok "identical" cmp "$T/src/9" "$T/back$T/src/9"
commands() { # OPCODE: how many of it
    grep -c "raw=$1 " $trace/trace
}

ok "a LOCATE takes a drive there ($(commands 2b))" test "$(commands 2b)" -ge 1
ok "and few records are read ($(commands 08) READs)" test "$(commands 08)" -gt 12 -a "$(commands 08)" -lt 30

# ---- somebody else was at the tapes
put 0
put 0 1
by_hand mt -f /dev/nst0 eod
by_hand tar -C /etc -cf /dev/nst0 passwd
put 0
sums 1 2 >"$T/sums"
put 0 1
exits 5 "a tape that holds more than the catalog knows" $PD dump --name e --block-size 256K $two "$T/src/1"
says err 'PD100001: holds [0-9]+ tape files, the catalog says [0-9]+' "is told why"
says err 'pair 1 is set aside' "is set aside"
exits 5 "for good" $PD dump --name f --block-size 256K $two "$T/src/1"
ok "nothing was written" cmp "$T/sums" <(sums 1 2)
exits 0 "what is recorded on it is good" $PD verify --dump d
put_two 3 4
exits 0 "another dump" $PD dump --name g --block-size 512K $two "$T/src/1"
put 1
put 1 4
by_hand mt -f /dev/nst1 fsf 2
by_hand tar -C /etc -cf /dev/nst1 passwd
by_hand tar -C /etc -cf /dev/nst1 passwd
put 1
sums 3 4 >"$T/sums"
put 1 4
exits 5 "a tape on which a stranger wrote" $PD dump --name h --block-size 512K $two "$T/src/1"
ok "nothing was written" cmp "$T/sums" <(sums 3 4)
exits 0 "verify" $PD verify --dump g
put_two 5 6
exits 0 "another dump" $PD dump --name i --block-size 64K $two "$T/src/1"
put 1
put 1 6
by_hand mt -f /dev/nst1 fsf 1
by_hand tar -C /etc -cf /dev/nst1 passwd
put 1
sums 5 6 >"$T/sums"
put 1 6
exits 5 "a tape with less than the catalog knows" $PD dump --name j --block-size 64K $two "$T/src/1"
says err 'PD200003: holds 2 tape files, the catalog says 3' "is told why"
ok "nothing was written" cmp "$T/sums" <(sums 5 6)
exits 1 "verify" $PD verify --dump i
says out '^PD200003 .*BAD' "finds out"

# ---- a tape and a disk
mkdir "$T/disk"
put 0
put 0 7
exits 0 "to a tape and a disk" $PD dump --name m --to tape:/dev/nst0 --to "disk:$T/disk" "$T/src/1" "$T/src/2"
exits 0 "and again" $PD dump --name n --to tape:/dev/nst0 --to "disk:$T/disk" "$T/src/3"
exits 0 "verify" $PD verify --dump m
says out '2 good, 0 bad' "both copies"
put 0
exits 0 "restore from the disk alone" $PD restore --dump m --all --to "$T/back-disk"
put 0 7
mv "$T/disk" "$T/away"
exits 0 "restore from the tape alone" $PD restore --dump m --all --to "$T/back-tape"
ok "identical" cmp "$T/src/2" "$T/back-disk$T/src/2"
ok "identical" cmp "$T/src/2" "$T/back-tape$T/src/2"
mv "$T/away" "$T/disk"
exits 0 "all of it" $PD verify --dump n
tap_done
