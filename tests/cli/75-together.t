#!/bin/bash
# Several runs on one catalog at once: every dump whole, no label given twice, and on one pair of
# targets one run at a time, the others told to come later.
. "$(dirname "$0")/../lib/tap.sh"

exits 0 "a catalog" $PD catalog init
for i in 1 2 3 4 5 6 7 8; do
    mkdir "$T/src$i" "$T/a$i" "$T/b$i"
    head -c 100000 /dev/urandom >"$T/src$i/f"
done
for round in 1 2 3; do
    runs=()
    for i in 1 2 3 4 5 6 7 8; do
        (
            $PD dump --name "own$round-$i" --block-size 64K --to "disk:$T/a$i" --to "disk:$T/b$i" \
                "$T/src$i" >"$T/out$i" 2>&1
            echo $? >"$T/exit$round-$i"
        ) &
        runs+=($!)
    done
    wait "${runs[@]}"
done
same "$(cat "$T"/exit[123]-* | sort | uniq -c | tr -s ' ')" " 24 0" "eight runs at once, three times, all end well"
exits 0 "all copies are good" $PD --json verify
ok "all of them" jq -e '.archives == 24 and .good == 48' "$T/out"
same "$($PD --json volumes | jq '[.volumes[].volume] | length == (unique | length) and length == 16')" true \
    "no label twice, and no volume too many"
runs=()
for i in 1 2 3 4; do
    (
        $PD dump --name "one$i" --block-size 64K --to "disk:$T/a1" --to "disk:$T/b1" "$T/src$i" \
            >"$T/out$i" 2>&1
        echo $? >"$T/shared$i"
    ) &
    runs+=($!)
done
wait "${runs[@]}"
ok "on one pair of targets some run, others exit 4" bash -c 'grep -q 0 "$1"/shared* && ! grep -v "^[04]$" "$1"/shared* | grep .' _ "$T"
for i in 1 2 3 4; do
    [ "$(cat "$T/shared$i")" = 0 ] && exits 0 "dump one$i is whole" $PD verify --dump "one$i"
done
exits 0 "the catalog is true" $PD catalog check
tap_done
