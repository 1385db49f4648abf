#!/bin/bash
# What lies in a drive, whatever it is: status, load, unload, eject, rewind.
. "$(dirname "$0")/../lib/tap.sh"

mkdir "$T/empty" "$T/blank" "$T/foreign" "$T/m" "$T/two" "$T/disk"
: >"$T/blank/X00001L6.tap"
python3 -c 'import struct, sys
d = b"x" * 4096
open(sys.argv[1], "wb").write(struct.pack("<I", 4096) + d + struct.pack("<I", 4096) + b"\0" * 4)' \
    "$T/foreign/F00001L6.tap"
held=$(sha256sum <"$T/foreign/F00001L6.tap")
exits 0 "label" $PD label "mock:$T/m" PD1
exits 0 "label two" $PD label "mock:$T/two" PD2
exits 0 "in one drive" $PD label "mock:$T/two" PD3

# shown EXIT HOLDS TARGET
shown() {
    exits "$1" "status: $2" $PD --json tape status "$3"
    ok "$2: as JSON" jq -e --arg holds "$2" '.drive.holds == $holds' "$T/out"
}
shown 3 nothing "mock:$T/empty"
shown 2 blank "mock:$T/blank"
shown 2 foreign "mock:$T/foreign"
shown 0 volume "mock:$T/m"
ok "with its medium and label" jq -e '.drive.medium == "PD1" and .volume == "PD1" and
    .drive.write_protected == false and .drive.cleaning == false and .drive.max_record > 4194304' "$T/out"
exits 3 "an empty drive, in words" $PD tape status "mock:$T/empty"
says out "^drive: holds nothing$" "it is said"
says err "\[no-medium\]" "by its name"
exits 2 "a blank one" $PD tape status "mock:$T/blank"
says out "^drive: holds a blank medium, X00001L6$" "it is said"
exits 2 "a foreign one" $PD tape status "mock:$T/foreign"
says out "^drive: holds what is no volume, F00001L6$" "it is said"
chmod 444 "$T/m/PD1.tap"
exits 0 "a protected one" $PD tape status "mock:$T/m"
says out "^drive: holds a volume, PD1, write protected$" "it is said"
says out "^PD1 " "and which volume it is"
chmod 644 "$T/m/PD1.tap"
exits 0 "one by its label" $PD tape status "mock:$T/two" PD2
says out "^PD2 " "is told of"

for verb in load unload eject rewind; do
    exits 3 "$verb: an empty drive" $PD tape $verb "mock:$T/empty"
    says err "\[no-medium\]" "$verb: and said so"
done
for verb in unload eject rewind; do
    exits 2 "$verb takes no volume" $PD tape $verb "mock:$T/m" PD1
    for what in blank foreign m; do
        exits 0 "$verb: $what" $PD tape $verb "mock:$T/$what"
    done
done
exits 0 "load what lies there" $PD tape load "mock:$T/m"
says out "^PD1 is loaded$" "it is said"
exits 0 "a blank one" $PD tape load "mock:$T/blank"
says out "^a blank medium is loaded$" "it is said"
exits 0 "a foreign one" $PD --json tape load "mock:$T/foreign"
ok "it is said" jq -e '.holds == "foreign" and .volume == null' "$T/out"
exits 2 "a label is checked" $PD tape load "mock:$T/m" PD2
exits 2 "also of a blank one" $PD tape load "mock:$T/blank" X00001L6
exits 0 "load one of two" $PD tape load "mock:$T/two" PD3
exits 0 "that one is in" $PD tape status "mock:$T/two"
says out "^PD3 " "is told of"
exits 0 "eject it" $PD tape eject "mock:$T/two"
exits 3 "none is in" $PD tape status "mock:$T/two"
exits 4 "a drive that another has" bash -c 'exec 9>"$2/lock" && flock 9 && $1 tape rewind "mock:$2"' _ "$PD" "$T/m"
exits 3 "a drive that fails" $PD tape status "fault:load@1=EIO:mock:$T/m"
silent out "drive:" "tells nothing"
same "$(sha256sum <"$T/foreign/F00001L6.tap")" "$held" "nothing foreign was touched"

exits 0 "a disk" $PD label "disk:$T/disk" DK1
exits 0 "has a status" $PD tape status "disk:$T/disk" DK1
exits 2 "and no tape" $PD tape rewind "disk:$T/disk"
says err "\[unsupported\]" "it is said"
exits 0 "unload leaves it" $PD tape unload "disk:$T/disk"
exits 2 "an unknown verb" $PD tape spool "mock:$T/m"
tap_done
