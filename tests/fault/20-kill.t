#!/bin/bash
# kill -9 at seeded instants of a dump: the catalog opens and is true, nothing is called verified that
# is not, and the next dump works.
. "$(dirname "$0")/../lib/tap.sh"

mkdir "$T/src" "$T/a" "$T/b"
for i in 1 2 3 4 5 6 7 8; do
    head -c 500000 /dev/urandom >"$T/src/file$i"
done
exits 0 "first dump" $PD dump --name first --block-size 64K --to "disk:$T/a" --to "disk:$T/b" "$T/src"
# The instants are drawn from the time that a whole dump takes here, measured anew every ten kills: a
# fixed time would strike before the first archive on a slow or busy machine.
DUMP="$PD dump --block-size 64K --batch-size 600K --to disk:$T/a --to disk:$T/b"
whole=0
RANDOM=42
for n in $(seq 1 ${KILLS:-50}); do
    if [ $((n % 10)) -eq 1 ]; then
        start=$(date +%s%N)
        exits 0 "whole dump before kill $n" $DUMP --name "whole$n" "$T/src"
        whole=$((($(date +%s%N) - start) / 1000000 + 1))
    fi
    $DUMP --name "k$n" "$T/src" >/dev/null 2>&1 &
    pid=$!
    delay=$((RANDOM % whole))
    sleep "$(printf %d.%03d $((delay / 1000)) $((delay % 1000)))"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    if ! $PD catalog check >"$T/check" 2>&1; then
        # killed before the catalog was touched, or the check must hold
        ok "kill $n: catalog is true" false
        sed 's/^/# /' "$T/check"
    fi
done
exits 0 "catalog check after all kills" $PD catalog check
exits 0 "the next dump works" $PD dump --name after --to "disk:$T/a" --to "disk:$T/b" "$T/src"
# what the catalog called verified or written before must be found so now, by a target-only check too
catalog_sql "SELECT v.label || ' ' || a.name FROM copy c
    JOIN volume v ON v.id = c.volume_id JOIN archive a ON a.id = c.archive_id
    WHERE c.state IN ('verified', 'written') ORDER BY 1" >"$T/claimed"
$PD --json verify >"$T/out" 2>"$T/err"
jq -r '.results[] | select(.status == "ok") | .volume + " " + .archive' "$T/out" | sort >"$T/good"
ok "claims were made" test "$(wc -l <"$T/claimed")" -gt 20
ok "every copy claimed to be whole is whole" test -z "$(sort "$T/claimed" | comm -23 - "$T/good")"
exits 0 "restore of the next dump" $PD restore --dump after --all --to "$T/r"
ok "all is back" diff -r "$T/src" "$T/r$T/src"
tap_done
