#!/bin/bash
# A tape library beside the catalog: what lies where, what is unknown, what is not there.
. "$(dirname "$0")/../lib/tap.sh"
mtx=$tap_top/tests/lib/mock-mtx
library=$T/library
cat >"$library" <<'EOF'
drive 0 empty - -
drive 1 full 2 PD200001L6
slot 1 full - PD100001L6
slot 2 empty - -
slot 3 full - FOREIGNL6
slot 4 full - -
slot 5 full - CLN001L1
port 6 full - PD100001
EOF
cat >"$T/robot" <<EOF
#!/bin/sh
exec "$mtx" -f "$library" "\$@"
EOF
chmod +x "$T/robot"
robot=cmd:$T/robot

mkdir "$T/src" "$T/a" "$T/b" "$T/c" "$T/d"
echo hello >"$T/src/file"

exits 6 "without a catalog" $PD tape inventory "$robot"
says out "^slot     1  PD100001L6 *$" "the changer is shown"
says err "catalog" "and the catalog is asked for"
exits 0 "dump to tapes" $PD dump --to "mock:$T/a" --to "mock:$T/b" "$T/src"
exits 0 "and another" $PD dump --to "mock:$T/c" --to "mock:$T/d" "$T/src"
exits 0 "inventory" $PD tape inventory "$robot"
cp "$T/out" "$T/first"
says out "^drive    0  empty$" "an empty drive"
says out "^drive    1  PD200001L6    appendable  from slot 2$" "a loaded one"
says out "^slot     1  PD100001L6    appendable$" "a label with a medium type"
says out "^slot     2  empty$" "an empty slot"
says out "^slot     3  FOREIGNL6     unknown$" "what the catalog does not know"
says out "^slot     4  no barcode    unknown$" "no barcode"
says out "^slot     5  CLN001L1      cleaning$" "a cleaning cartridge"
says out "^port     6  PD100001      appendable$" "an import/export slot, and a bare label"
says out "^not here    PD100002      appendable  last at mock:$T/c$" "a volume that is not there"
says out "^2 drives, 6 slots \(1 import/export\), 6 cartridges: 3 known, 2 unknown; 2 known and not here$" \
    "and the sum"

# by mtx itself
mkdir "$T/bin"
ln -s "$mtx" "$T/bin/mtx"
exits 0 "by mtx" env PATH="$T/bin:$PATH" $PD tape inventory "mtx:$library"
ok "says the same" cmp "$T/out" "$T/first"

exits 0 "as JSON" $PD --json tape inventory "$robot"
ok "elements" jq -e '.elements | length == 8' "$T/out"
ok "an element" jq -e '.elements[1] == {kind: "drive", number: 1, full: true, barcode: "PD200001L6",
    from_slot: 2, volume: "PD200001", state: "appendable"}' "$T/out"
ok "what is not here" jq -e '[.not_here[].volume] == ["PD100002", "PD200002"]' "$T/out"
ok "counts" jq -e '[.drives, .slots, .ports, .cartridges, .known, .unknown] == [2, 6, 1, 6, 3, 2]' "$T/out"

# volumes on disks are not missed in a library
mkdir "$T/e" "$T/f"
exits 0 "dump to disks" $PD dump --to "disk:$T/e" --to "disk:$T/f" "$T/src"
exits 0 "inventory" $PD tape inventory "$robot"
says out "2 known and not here$" "volumes on disks do not count"

exits 2 "a changer has no status of a tape" $PD tape status "$robot"
says err "tape knows inventory" "it says so"
exits 2 "inventory takes no volume" $PD tape inventory "$robot" PD100001
exits 2 "no such program" $PD tape inventory "cmd:$T/nothing"
exits 2 "not a program" $PD tape inventory "cmd:$library"
echo "say cannot open SCSI device '/dev/sg2' - Permission denied" >"$library.do"
exits 2 "no permission" $PD tape inventory "$robot"
says err "no permission: cannot open SCSI device" "what mtx said"
echo "sense Not_Ready 04 01" >"$library.do"
exits 3 "not ready" $PD tape inventory "$robot"
says err "\[not-ready\]" "by its name"
echo "status /etc/passwd" >"$library.do"
exits 3 "garbage" $PD tape inventory "$robot"
says err "line 1: not the first line of a status" "the line is named"
ok "nothing was shown of it" test ! -s "$T/out"
tap_done
