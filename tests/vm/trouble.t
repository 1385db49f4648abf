#!/bin/bash
# In the virtual machine (tests/vm/run): tapes that fail in the middle, as the kernel's driver tells it.
# shellcheck disable=SC2086,SC2154 # $PD is several words; T comes from tap.sh
. "$(dirname "$0")/vm.sh"

mkdir "$T/src"
for i in 1 2 3; do
    head -c 8M /dev/urandom >"$T/src/$i"
done

# ---- a record cannot be written
echo 'fault write 20' >/tapes/PD0002L6.conf
mtx load 1 0 >/dev/null
mtx load 2 1 >/dev/null
exits 1 "a dump goes on with one tape" $PD dump --name w --batch-size 8M $two "$T/src"
says out 'PD200001 .*io-error' "the other is named"
exits 0 "what was written is good" $PD verify PD100001
exits 0 "and comes back" $PD restore --dump w --all --to "$T/back-w"
ok "identical" "$TOOLS/tree_diff" "$T/src" "$T/back-w$T/src"
mtx unload 1 0 >/dev/null
mtx unload 2 1 >/dev/null

# ---- a record cannot be read
mtx load 3 0 >/dev/null
mtx load 4 1 >/dev/null
exits 0 "a dump to two good tapes" $PD dump --name r --batch-size 8M $two "$T/src"
mtx unload 4 1 >/dev/null
echo 'fault read 25' >/tapes/PD0004L6.conf
mtx load 4 1 >/dev/null
exits 1 "verify finds the bad record" $PD verify --dump r
sed 's/^/# /' "$T/out"
says out 'PD200002 .*BAD: 1 records' "one of them"
says out 'PD100002 .*ok' "and the other copy good"
exits 0 "restore passes over it" $PD restore --dump r --all --to "$T/back-r"
ok "identical" "$TOOLS/tree_diff" "$T/src" "$T/back-r$T/src"
tap_done
