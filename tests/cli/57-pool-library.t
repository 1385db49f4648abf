#!/bin/bash
# Pairs made of the cartridges of a library: picked by barcode, put back, changed between drives.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/library.sh"

mkdir "$T/src"
for i in $(seq 1 20); do
    head -c 300000 /dev/urandom >"$T/src/file$i"
done

# pool NAME [KEY=VALUE]...: $T/conf with a pool of the library NAME
pool() {
    local name=$1
    shift
    {
        printf '[pool lib]\ncopy1 = mock:%s\ncopy2 = mock:%s\n' "$T/$name.0" "$T/$name.1"
        printf 'changer = cmd:%s\nblock-size = 64K\nbatch-size = 1M\n' "$T/$name.robot"
        for key in "$@"; do echo "${key%%=*} = ${key#*=}"; done
        printf '[retry default]\ntries = 2\ndelay = 10ms\n'
    } >"$T/conf"
}
run() { $PD -c "$T/conf" "$@"; }
copy_of() { jq -r ".copies[$1].volumes" "$T/out"; }

library_new lib 2 8 PD0003L6 CLN001L6 XX0001L6 PD0001L6 PD0002L6 PD0004L6
pool lib
exits 0 "a dump" run --json dump --name one "$T/src"
same PD0001 "$(copy_of 0)" "copy 1 is on the lowest cartridge"
same PD0002 "$(copy_of 1)" "copy 2 is on the next one"
same "slot 4" "$(library_where lib PD0001L6)" "the first is back in its slot"
same "slot 5" "$(library_where lib PD0002L6)" "the second too"
exits 0 "verify finds them in the library" run verify
exits 0 "restore too" run restore --all --to "$T/r"
ok "and gives everything back" diff -r "$T/src" "$T/r$T/src"
same "slot 4 slot 5" "$(library_where lib PD0001L6) $(library_where lib PD0002L6)" \
    "everything is back in its slots"
printf '[pairdump]\nstall-timeout = 1s\n' >>"$T/conf"
sed -i '2i case "$*" in *load*) sleep 3 ;; esac' "$T/lib.robot"
exits 0 "a changer that takes longer than a drive may hang" run restore --all --to "$T/r-slow"
ok "is waited for" diff -r "$T/src" "$T/r-slow$T/src"
sed -i 2d "$T/lib.robot"
pool lib
exits 0 "another dump is appended" run --json dump --name two "$T/src"
same "PD0001 PD0002" "$(copy_of 0) $(copy_of 1)" "to the same pair"
exits 0 "the catalog and the cartridges agree" run catalog check
ok "no other cartridge was touched" test ! -s "$T/lib.tapes/XX0001L6.tap" -a ! -s "$T/lib.tapes/PD0003L6.tap"

# pairs that fill up: a dump over several cartridges
library_new many 2 8 PD0001L6 PD0002L6 PD0003L6 PD0004L6 PD0005L6 PD0006L6
export XDG_STATE_HOME=$T/state-many
pool many capacity=4M
exits 0 "a dump spans pairs" run --json dump --name one "$T/src"
same "PD0001 PD0003" "$(copy_of 0)" "copy 1 on every other cartridge"
same "PD0002 PD0004" "$(copy_of 1)" "copy 2 on the others"
exits 0 "verify changes the cartridges" run verify
exits 0 "restore changes the cartridges" run restore --all --to "$T/r-many"
ok "nothing is lost" diff -r "$T/src" "$T/r-many$T/src"
exits 5 "the next one runs out of cartridges" run dump --name two "$T/src"
says err "no unused cartridge PD" "and says so"
exits 0 "what was written is good" run verify
library_where many PD0006L6 >"$T/where"
same 0 "$(grep -c '^drive . full' "$T/many")" "nothing is left in the drives"

# cartridges that tell their copy
library_new told 2 6 PD200001 PD200003 PD100002 PD100001
export XDG_STATE_HOME=$T/state-told
pool told
exits 0 "barcodes with a copy number" run --json dump "$T/src"
same "PD100001 PD200001" "$(copy_of 0) $(copy_of 1)" "serve that copy"

# what is not blank is passed over, and never written to
library_new odd 2 8 PD0001L6 PD0002L6 PD0003L6 PD0004L6 PD0005L6
export XDG_STATE_HOME=$T/state-odd
mkdir "$T/foreign"
exits 0 "a volume of somebody else" $PD --catalog "sqlite:$T/other.db" label "mock:$T/foreign" OTHER1
cp "$T/foreign/OTHER1.tap" "$T/odd.tapes/PD0001L6.tap"
printf '\010\0\0\0somebody\010\0\0\0\0\0\0\0' >"$T/odd.tapes/PD0002L6.tap"
chmod a-w "$T/odd.tapes/PD0003L6.tap"
(cd "$T/odd.tapes" && sha256sum PD0001L6.tap PD0002L6.tap PD0003L6.tap) >"$T/sums"
pool odd
if [ "$(id -u)" = 0 ]; then # root writes to what is protected
    rm -f "$T/odd.tapes/PD0003L6.tap"
    sed -i 's/slot 3 full - PD0003L6/slot 3 empty - -/' "$T/odd"
    sed -i '/PD0003/d' "$T/sums"
fi
exits 0 "a dump passes them over" run --json dump "$T/src"
same "PD0004 PD0005" "$(copy_of 0) $(copy_of 1)" "and takes what is blank"
says err "PD0001.*(volume|label).*OTHER1" "a strange label is named"
says err "PD0002.*(holds|label|foreign)" "strange data is named"
ok "what they hold is as it was" sh -c "cd '$T/odd.tapes' && sha256sum -c '$T/sums'"
exits 0 "nothing else is recorded" run --json volumes
same 2 "$(jq '.volumes | length' "$T/out")" "two volumes"

# the partner of what will not do lies in the other drive: it is free for either copy
library_new few 2 5 PD0001L6 PD0002L6 PD0003L6
export XDG_STATE_HOME=$T/state-few
printf '\010\0\0\0somebody\010\0\0\0\0\0\0\0' >"$T/few.tapes/PD0001L6.tap"
pool few
exits 0 "a dump takes the two that are left" run --json dump "$T/src"
same "PD0002 PD0003" "$(copy_of 0) $(copy_of 1)" "for one copy each"

# a run leaves cartridges to others
library_new two 4 8 PD0001L6 PD0002L6 PD0003L6 PD0004L6 PD0005L6 PD0006L6
export XDG_STATE_HOME=$T/state-two
mkdir "$T/other"
cp "$T/src/file1" "$T/other"
pool two
$PD -c "$T/conf" dump --name slow --to "fault:write@3=hang=15:$(library_drive two 0)" \
    --to "$(library_drive two 1)" "$T/src" >"$T/slow" 2>&1 &
pid=$!
for _ in $(seq 300); do
    [ "$(catalog_sql "SELECT COUNT(*) FROM archive" 2>/dev/null)" = 1 ] && break
    sleep 0.1
done
exits 0 "another run finds some" run dump --name quick --to "$(library_drive two 2)" \
    --to "$(library_drive two 3)" "$T/other"
kill -KILL $pid
wait $pid 2>/dev/null

# changed drives
library_new swap 2 8 PD0001L6 PD0002L6 PD0003L6 PD0004L6
export XDG_STATE_HOME=$T/state-swap
pool swap verify-swap=yes capacity=4M
exits 0 "a dump whose tapes change drives" run dump "$T/src"
says err "PD0001 is read back by drive mock:$T/swap.1" "copy 1 is read by the second drive"
says err "PD0002 is read back by drive mock:$T/swap.0" "copy 2 by the first"
says err "PD0003 is read back by drive mock:$T/swap.1" "of the next pair, too"
ok "the robot moved it so" grep -q '^done load 1 1$' "$T/swap.calls"
exits 0 "verify" run verify
same 0 "$(grep -c '^drive . full' "$T/swap")" "nothing is left in the drives"

# each pair has a number of its own: halves of pairs that lost the other are no pair
library_new halves 2 8 PD0001L6 PD0002L6 PD0003L6 PD0004L6 PD0005L6 PD0006L6
export XDG_STATE_HOME=$T/state-halves
pool halves
sed -i "s|^copy1.*|copy1 = fault:write@3=EIO:mock:$T/halves.0|" "$T/conf"
exits 1 "a dump loses a copy" run dump --name h1 "$T/src"
exits 1 "another one, too" run dump --name h2 "$T/src"
same "1 2" "$(catalog_sql 'SELECT DISTINCT pair FROM volume ORDER BY pair' | xargs)" "two pairs, two numbers"
pool halves
exits 0 "the next one makes a whole pair" run --json dump --name h3 "$T/src"
same "PD0005 PD0006" "$(copy_of 0) $(copy_of 1)" "of cartridges that nobody used"
exits 0 "the catalog and the cartridges agree" run catalog check

# a run that was killed leaves cartridges in the drives, with verify-swap in each other's
library_new killed 2 8 PD0001L6 PD0002L6 PD0003L6 PD0004L6
export XDG_STATE_HOME=$T/state-killed
pool killed verify-swap=yes capacity=4M
sed -i "s|^copy1.*|copy1 = fault:read@3=kill:mock:$T/killed.0|" "$T/conf"
exits 137 "killed while it reads back" run dump --name k "$T/src"
same "drive 0" "$(library_where killed PD0002L6)" "a cartridge is in the other's drive"
pool killed verify-swap=yes capacity=4M
exits 0 "resume finds them" run resume k
exits 0 "verify" run verify --dump k
same 0 "$(grep -c '^drive . full' "$T/killed")" "nothing is left in the drives"

# cartridges that were given up, and labelled anew, are used again
library_new again 2 4 PD0001L6 PD0002L6
export XDG_STATE_HOME=$T/state-again
pool again
one="$(library_drive again 0)" two="$(library_drive again 1)"
exits 0 "a dump takes both cartridges" run dump --name old "$T/src"
exits 0 "they are given up" run volumes --scratch --give-up PD0001 PD0002
exits 0 "and labelled anew" run label --block-size 64K --pool lib --copy 1 --relabel PD0001 "$one" PD0001
exits 0 "both" run label --block-size 64K --pool lib --copy 2 --relabel PD0002 "$two" PD0002
for drive in "$one" "$two"; do $PD tape unload "$drive" >/dev/null 2>&1; done
exits 0 "the next dump" run --json dump --name new "$T/src"
same "PD0001 PD0002" "$(copy_of 0) $(copy_of 1)" "takes them"
exits 0 "verify" run verify --dump new
exits 0 "and another" run --json dump "$T/src"
same "PD0001 PD0002" "$(copy_of 0) $(copy_of 1)" "is appended"
exits 0 "the catalog and the cartridges agree" run catalog check
tap_done
