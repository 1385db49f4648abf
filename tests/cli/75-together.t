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
same "$(cat "$T"/shared[1-4] | tr -d '\n')" 0000 "on one pair of targets each run gets volumes of its own"
for i in 1 2 3 4; do
    exits 0 "dump one$i is whole" $PD verify --dump "one$i"
done

# one source for all: whoever comes first dumps it, once; the others name it and write nothing
for n in 2 8; do
    mkdir -p "$T/all$n/deep/below"
    for f in 1 2 3 4 5 6 7 8 9; do head -c 300000 /dev/urandom >"$T/all$n/deep/below/f$f"; done
    for i in 1 2 3 4 5 6 7 8; do mkdir "$T/c$n-$i" "$T/d$n-$i"; done
    runs=()
    for i in $(seq $n); do
        # equal, above and below
        case $((i % 3)) in 0) what=$T/all$n ;; 1) what=$T/all$n/deep ;; *) what=$T/all$n/deep/below ;; esac
        (
            $PD dump --name "all$n-$i" --block-size 64K --to "fault:write@1+=slow=2000000:disk:$T/c$n-$i" \
                --to "disk:$T/d$n-$i" "$what" >"$T/out$n-$i" 2>&1
            echo $? >"$T/all$n-exit$i"
        ) &
        runs+=($!)
    done
    wait "${runs[@]}"
    same "$(cat "$T"/all$n-exit* | sort | uniq -c | tr -s ' ' | tr '\n' ,)" " 1 0, $((n - 1)) 4," \
        "$n runs on one source: one dumps, the others exit 4"
    ok "and they say who has it" bash -c '! grep -L "dump all'$n'-[1-8]\" *(host" $(grep -l 4 "$1"/all'$n'-exit* |
        sed "s/all'$n'-exit/out'$n'-/") | grep .' _ "$T"
    same "$(find "$T"/c$n-* "$T"/d$n-* -name '*.tar' | sed 's|/[^/]*$||' | sort -u | wc -l)" 2 "and have written nothing"
    same "$($PD --json find "$T/all$n/deep/below/f1" | jq '.files | length')" 1 "each file is dumped once"
done

mkdir "$T/e" "$T/f"
# its own catalog and journal are no source, wherever they lie
exits 0 "a dump of the folder that its catalog lies in" $PD dump --name home --to "disk:$T/e" --to "disk:$T/f" "$XDG_STATE_HOME" "$T/src1"
exits 0 "finds what is there" $PD find --dump home '*'
ok "but not what it writes to" bash -c '! grep -E "catalog\.db|/(journal|list|index)$" "$1" && grep -q "/src1/f" "$1"' _ "$T/out"

# what a run has committed, others see at once, however often they open the catalog and leave
mkdir "$T/many"
for f in 1 2 3 4 5 6; do head -c 600000 /dev/urandom >"$T/many/f$f"; done
$PD dump --name seen --block-size 64K --batch-files 1 --to "disk:$T/e" \
    --to "fault:write@1+=slow=1000000:disk:$T/f" "$T/many" >/dev/null 2>&1 &
pid=$!
behind=0 most=0
while kill -0 $pid 2>/dev/null; do
    on_disk=$(ls "$T"/f/*/*.tar 2>/dev/null | grep -c 'seen\.0')
    sleep 0.2
    known=$($PD --json show seen 2>/dev/null | jq '[.copy_list[] | select(.state != "writing")] | length / 2')
    [ "${known%.*}" -ge "$on_disk" ] 2>/dev/null || { kill -0 $pid 2>/dev/null && behind=$((behind + 1)); }
    [ "${known%.*}" -gt "$most" ] 2>/dev/null && most=${known%.*}
done
wait $pid
same $? 0 "a slow dump that is looked at ends well"
ok "its archives are seen while it runs ($most, $behind looks too early)" test "$most" -ge 4 -a "$behind" -le 2
exits 0 "the catalog is true" $PD catalog check
tap_done
