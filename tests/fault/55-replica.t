#!/bin/bash
# Restores from two copies whose drives fail, lie, are slow or hang: what is good anywhere comes back, and
# the copy that was avoided is named. Deadlines are short here, hangs much longer or much shorter.
. "$(dirname "$0")/../lib/tap.sh"

mkdir "$T/src" "$T/da" "$T/db" "$T/ta" "$T/tb"
for i in 1 2 3 4 5 6 7 8 9; do
    head -c $((i * 250000)) /dev/urandom >"$T/src/file$i"
done
printf '[pairdump]\nread-deadline = 1s\nstall-timeout = 2m\n' >"$T/patient"
printf '[pairdump]\nread-deadline = 1s\nstall-timeout = 2s\n' >"$T/hasty"
for kind in disk tape; do
    case $kind in
    disk) to=(--to "disk:$T/da" --to "disk:$T/db") ;;
    tape) to=(--to "mock:$T/ta" --to "mock:$T/tb") ;;
    esac
    exits 0 "$kind: dump" $PD dump --name "on-$kind" --block-size 64K --batch-size 4M "${to[@]}" "$T/src"
done

# restore CODE NAME CONF KIND FAULTS-OF-1 FAULTS-OF-2: with these faults in front of the two copies
dump=on
restore() {
    local code=$1 name="$4: $2" conf=$3 kind=$4 one=$5 two=$6 at
    case $kind in
    disk) at=(--at "fault:$one:disk:$T/da" --at "fault:$two:disk:$T/db") ;;
    tape) at=(--at "fault:$one:mock:$T/ta" --at "fault:$two:mock:$T/tb") ;;
    esac
    rm -rf "$T/r"
    exits "$code" "$name" $PD -v -c "$T/$conf" restore --dump "$dump-$kind" --all --to "$T/r" "${at[@]}"
    [ "$code" -ne 0 ] || ok "$name: all is back" diff -r "$T/src" "$T/r$T/src"
}

none=sync@1=EIO # never called in reading
for kind in disk tape; do
    for n in 1 2 9 30; do
        for effect in EIO flip short hang=2 hang=600; do
            restore 0 "read $n of one copy: $effect" patient $kind "read@$n=$effect" $none
        done
        says err "PD[12]0000[0-9]: .*avoided this copy: .*\[late\]" "the copy that hung is named"
    done
    restore 0 "a copy fails from record 5 on" patient $kind "read@5+=EIO" $none
    says err "avoided this copy: .*\[io-error\]" "and is named"
    restore 0 "a copy lies from record 5 on" patient $kind "read@5+=flip" $none
    says err "avoided this copy: .*\[bad-record\]" "and is named"
    restore 0 "each copy fails once" patient $kind "read@3=EIO,read@60=flip" "read@2=short,read@9=EIO"
    restore 0 "both hang for a while" patient $kind "read@4=hang=3" "read@2=hang=3"
    restore 0 "a slow copy" patient $kind "read@1+=slow=2M" $none
    restore 0 "a tape file does not open" patient $kind "open@1+=EIO" $none
    says err "avoided this copy: .*\[io-error\]" "and the copy is named"
    restore 0 "a drive loses its volume for a moment" patient $kind "read@3=EIO,seek@1=EIO" $none
    restore 3 "both hang for good" hasty $kind "read@4=hang=600" "read@2=hang=600"
    says err "\[hung\]" "and it is said why"
    says err "file[0-9]: .*\[" "files are named"
done
restore 0 "opening a tape file hangs" patient disk "open@1=hang=600" $none
says err "avoided this copy: .*\[late\]" "and the copy is named"

restore 0 "mounting hangs" hasty disk $none "load@1=hang=600"
says err "PD2.*\[hung\]" "and the volume is named"

$PD -c "$T/patient" restore --dump on-disk --all --to "$T/r-int" --at "fault:load@1=hang=600:disk:$T/da" 2>"$T/err" &
pid=$!
until grep -qsx open /proc/$pid/task/*/comm || ! kill -0 $pid; do sleep 0.1; done
kill -INT $pid
(sleep 60 && kill -KILL $pid) 2>/dev/null & # far below the stall time, far above what it takes
last=$!
wait $pid
same 130 $? "stopped while mounting hangs"
kill $last 2>/dev/null
ok "and nothing was restored" test ! -e "$T/r-int$T"

# a drive that was not waited for at the end of an archive is opened again when it is needed
third=$(echo "$T"/db/*/*-on-disk.0003.tar)
cp "$third" "$T/kept"
printf 'nonsense' | dd of="$third" bs=1 seek=1000000 conv=notrunc status=none
restore 0 "a drive hangs, and is needed later" patient disk "read@5=hang=2" $none
says err "PD2.*\.0003: record 15: avoided this copy" "the bad record is named"
cp "$T/kept" "$third"

# the filters count what each copy has read: both about the half of a long archive
exits 0 "disk: dump in one archive" $PD dump --name whole-disk --block-size 64K --to "disk:$T/da" --to "disk:$T/db" "$T/src"
dump=whole
restore 0 "from both disks" patient disk $none $none
counts=$(sed -n 's/.*calls.* read@\([1-9][0-9]*\).*/\1/p' "$T/err" | tr '\n' ' ')
ok "disks take turns: $counts" awk -v c="$counts" 'BEGIN {n = split(c, r, " "); exit !(n == 2 &&
    r[1] > (r[1] + r[2]) * 0.3 && r[2] > (r[1] + r[2]) * 0.3)}'
dump=on
restore 0 "from tapes" patient tape $none $none
counts=$(sed -n 's/.*calls.* read@\([1-9][0-9]*\).*/\1/p' "$T/err" | tr '\n' ' ')
ok "tapes do not: $counts" awk -v c="$counts" 'BEGIN {exit split(c, r, " ") != 1}'
tap_done
