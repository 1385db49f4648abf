#!/bin/bash
# A changer serves the drives: which commands do so already, and what they say when it refuses, hangs or
# answers garbage.
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/library.sh
. "$tap_top/tests/lib/library.sh"
library_new lib 2 6 PD0001L6 PD0002L6 PD0003L6 CLN001L1
d0=$(library_drive lib 0)
d1=$(library_drive lib 1)
lies() {
    same "$(library_where lib "$1")" "$2" "$1 lies in $2"
}

exits 0 "inventory of a drive in a library" $PD tape inventory "$d0"
same "$(tr '\n' ' ' <"$T/out")" "PD0001 PD0002 PD0003 " "names the labels of the cartridges"
exits 2 "a blank one" $PD tape status "$d0" PD0001
says err "nothing is recorded on it.*\[blank\]" "is blank"
exits 0 "and goes out all the same" $PD tape unload "$d0"
lies PD0001L6 "slot 1"

exits 0 "label" $PD label "$d0" PD0001
says out "^PD0001 " "says it"
says err "PD0001: slot 1 -> drive 0$" "the move is told"
exits 0 "label another" $PD label "$d0" PD0002
says err "PD0001: drive 0 -> slot 1$" "the first is put away"
lies PD0001L6 "slot 1"
lies PD0002L6 "drive 0"
exits 2 "again" $PD label "$d0" PD0002
exits 2 "a cartridge that is not there" $PD label "$d0" PD0009
says err "no cartridge in the library has the barcode of PD0009.*\[not-found\]" "says so"
exits 2 "a cleaning cartridge" $PD label "$d0" CLN001
exits 2 "a whole barcode" $PD label "$d0" PD0003L6
ok "nothing was written to it" test ! -s "$T/lib.tapes/PD0003L6.tap"

exits 0 "status" $PD tape status "$d0"
says out "^PD0002 " "of what lies in the drive"
exits 0 "status by label" $PD tape status "$d0" PD0001
says out "^PD0001 " "of what is fetched"
same "$(catalog_sql "SELECT location FROM volume WHERE label = 'PD0001'")" "$d0" \
    "the catalog knows the place with its changer"
exits 4 "what lies in another drive" $PD tape load "$d1" PD0001
says err "PD0001 lies in drive 0, which does not give it free; unload it there" "says what to do"
lies PD0001L6 "drive 0"
exits 0 "unload it there" $PD tape unload "$d0"
lies PD0001L6 "slot 1"
exits 0 "now it comes" $PD tape load "$d1" PD0001
says out "^PD0001 is loaded$" "is loaded"
exits 0 "unload" $PD tape unload "$d1"
exits 0 "unload an empty drive" $PD tape unload "$d1"
silent err "." "says nothing"
exits 3 "load what is not there" $PD tape load "$d1"
says err "drive 1 is empty.*\[no-medium\]" "an empty drive"

exits 1 "verify what has no archives" $PD verify --target "$d1"
says err "PD0003: nothing is recorded" "the blank one is no volume"
exits 0 "it goes out" $PD tape unload "$d1"

# wrong numbers
wrong="mock:$T/lib.0?changer=cmd:$T/lib.robot&drive=1"
exits 3 "the number of another drive" $PD label "$wrong" PD0003
says err "PD0003 lies in drive 1, says the changer, but $T/lib.0 has no medium" "names both"
ok "nothing was written" test ! -s "$T/lib.1/PD0003L6.tap"
exits 0 "back with it" $PD tape unload "$d1"
exits 0 "load the other" $PD tape load "$d0" PD0001
exits 2 "a number of another drive, which holds something" $PD label "$wrong" PD0003
says err "$T/lib.0 has a medium: drive=1 is the number of another drive" "says which"
lies PD0003L6 "slot 3"
exits 2 "no such drive" $PD tape load "mock:$T/lib.0?changer=cmd:$T/lib.robot&drive=2" PD0003
says err "the changer has 2 drives, counted from 0" "says how many"
exits 2 "a changer without a number" $PD tape load "mock:$T/lib.0?changer=cmd:$T/lib.robot"
says err "needs drive=N" "says what is missing"
exits 2 "a number without a changer" $PD tape load "mock:$T/lib.0?drive=0"
exits 2 "no changer" $PD tape load "mock:$T/lib.0?changer=robot&drive=0"
exits 2 "a folder has none" $PD tape load "disk:$T/lib.0?changer=cmd:$T/lib.robot&drive=0"
exits 0 "unload" $PD tape unload "$d0"

# a label that is not of the barcode
mkdir "$T/hand"
exits 0 "a tape labelled by hand" $PD label "mock:$T/hand" PD0008
cp "$T/hand/PD0008.tap" "$T/lib.tapes/PD0003L6.tap"
exits 2 "another label than the barcode's" $PD tape status "$d0" PD0003
says err "the cartridge of barcode PD0003L6 bears the label PD0008.*\[wrong-volume\]" "names both"
exits 2 "is not labelled anew" $PD label "$d0" PD0003
says err "the medium is volume PD0008 already" "says why"
ok "it is as it was" cmp "$T/hand/PD0008.tap" "$T/lib.0/PD0003L6.tap"
exits 0 "unload" $PD tape unload "$d0"

# the robot's ways
robot() {
    echo "$*" >"$T/lib.do"
}
robot once at load sense Not_Ready 04 01
exits 0 "not ready for a while" $PD tape load "$d0" PD0001
exits 0 "unload" $PD tape unload "$d0"
robot at load sense Not_Ready 04 01
exits 3 "not ready" $PD tape load "$d0" PD0001
says err "load 1 0: not ready:.*Not Ready, sense 04/01.*\[not-ready\]" "what it said"
robot at load sense Hardware_Error 15 01
exits 3 "broken" $PD --json tape load "$d0" PD0001
ok "in JSON" jq -e '.error.status == "not-ready"' "$T/out"
robot at status say cannot open SCSI device "'/dev/sg2'" - Permission denied
exits 2 "no permission" $PD tape load "$d0" PD0001
says err "no permission.*\[denied\]" "what it said"
robot at status status /etc/passwd
exits 3 "garbage" $PD tape load "$d0" PD0001
says err "line 1: not the first line of a status" "the line is named"
exits 3 "garbage instead of an inventory" $PD tape inventory "$d0"
silent out "." "nothing is made of it"
robot at load hang
exits 3 "a robot that hangs" timeout 100 $PD tape load "$d0&timeout=5" PD0001
says err "did not end within 0:05.*\[hung\]" "is not waited for"
lies PD0001L6 "slot 1"
robot once late at load hang
exits 0 "one that hangs when it is done" timeout 100 $PD tape load "$d0&timeout=5" PD0001
says err "the move was made all the same" "is believed by what it shows"
lies PD0001L6 "drive 0"
robot at unload sense Hardware_Error 15 01
exits 3 "a cartridge that does not come out" $PD tape unload "$d0"
says err "unload 1 0:.*Hardware Error, sense 15/01" "what it said"
rm "$T/lib.do"
exits 0 "and in the end does" $PD tape unload "$d0"
lies PD0001L6 "slot 1"
sed -i 's/^slot 5 empty - -/slot 5 full - PD0001L7/' "$T/lib"
exits 2 "two of one label" $PD tape load "$d0" PD0001
says err "two cartridges are PD0001: PD0001L6 in slot 1 and PD0001L7 in slot 5.*\[exists\]" "names both"
tap_done
