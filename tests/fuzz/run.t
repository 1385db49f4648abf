#!/bin/bash
# Runs each fuzz target over its corpus, then for SECONDS_EACH seconds on inputs of its own. What it
# finds stays in the folder FUZZ_KEEP, where the next run begins with it; without that it goes.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build-fuzz}
seconds=${SECONDS_EACH:-5}
count=0
failed=0
for source in tests/fuzz/*/fuzz_*.c; do
    count=$((count + 1))
    name=$(basename "$source" .c)
    work=$(mktemp -d)
    found=$work
    if [ -n "${FUZZ_KEEP:-}" ]; then
        found=$FUZZ_KEEP/$name
        mkdir -p "$found" || exit 1
    fi
    if "$build/${source%.c}" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix="$found/" "$found" "$(dirname "$source")/corpus" >"$work.log" 2>&1; then
        echo "ok $count - $name, $(sed -n 's/^Done \([0-9]*\) runs.*/\1 runs/p' "$work.log")"
    else
        failed=$((failed + 1))
        echo "not ok $count - $name"
        tail -30 "$work.log" | sed 's/^/# /'
    fi
    rm -rf "$work" "$work.log"
done
echo "1..$count"
[ "$failed" -eq 0 ]
