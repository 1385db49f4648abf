#!/bin/bash
# A tree with every odd thing that a file system allows goes to two disks and to two mock tapes and
# comes back identical in content and metadata.
. "$(dirname "$0")/../lib/tap.sh"

mkdir "$T/odd"
ok "the odd tree is made" "$TOOLS/odd_tree" "$T/odd"
for kind in disk mock; do
    mkdir "$T/$kind-a" "$T/$kind-b"
    exits 0 "$kind: dump" $PD dump --name "$kind" --to "$kind:$T/$kind-a" --to "$kind:$T/$kind-b" "$T/odd"
    exits 0 "$kind: verify" $PD verify --dump "$kind"
    exits 0 "$kind: restore" $PD restore --dump "$kind" --all --to "$T/$kind-r"
    ok "$kind: identical" "$TOOLS/tree_diff" "$T/odd" "$T/$kind-r$T/odd"
done
mkdir "$T/hand"
ok "GNU tar extracts it" bash -c 'tar -C "$1" --xattrs --acls -xf "$2"/*/0001-*.tar 2>/dev/null' _ "$T/hand" "$T/disk-a"
ok "the bag is valid" python3 "$tap_top/tests/tools/bagcheck.py" "$T/hand/disk.0001"
tap_done
