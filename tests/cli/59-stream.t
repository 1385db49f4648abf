#!/bin/bash
# What a dump says of how its tapes streamed: figures that add up, on a pair of which one drive is slow.
. "$(dirname "$0")/../lib/tap.sh"

mkdir "$T/src" "$T/a" "$T/b" "$T/c" "$T/d"
for i in 1 2 3 4 5 6; do
    head -c 900000 /dev/urandom >"$T/src/file$i"
done
printf '[pairdump]\nbuffer = 1M\nstream-mark = 50\n' >"$T/conf"

# The first copy has written what the ring holds long before the second lets go of a record.
slow="fault:write@1=slow=4M:mock:$T/b"
exits 0 "a dump to tapes" $PD --json -c "$T/conf" dump --name d --block-size 64K --batch-size 2700K \
    --to "mock:$T/a" --to "$slow" "$T/src"
cp "$T/out" "$T/json"
check() {
    ok "$1" jq -e "$2" "$T/json"
}
check "two archives or more" '.archives >= 2'
check "both copies have figures" '[.copies[].streaming] | length == 2 and all(. != null)'
check "all bytes were streamed" 'all(.copies[]; .streaming.bytes == .bytes)'
check "a start for each archive and each stop" \
    '.archives as $n | all(.copies[]; .streaming.starts == $n + .streaming.stops)'
check "the fast drive stopped" '.copies[0].streaming.stops > 0'
check "for it waited for the other" '.copies[0].streaming.seconds_for_others > 0'
check "throughput is bytes by time" 'all(.copies[].streaming; .seconds > 0 and
    (.bytes_per_second - .bytes / .seconds | fabs) <= 1 + .bytes_per_second / 1000)'
check "the slow drive was as slow as it is" '.copies[1].streaming.bytes_per_second <= 4194304'
check "no time is counted twice" '.seconds_write as $all | all(.copies[].streaming;
    .seconds + .seconds_filling + .seconds_starved + .seconds_for_others <= $all)'

exits 0 "without JSON" $PD -c "$T/conf" dump --name e --block-size 64K --to "mock:$T/a" --to "disk:$T/c" "$T/src"
same "$(grep -c 'while streaming' "$T/out")" 1 "a line for a tape, and none for a disk"
says out '^          [0-9.]+ [KMG]iB/s while streaming, [0-9]+ stops?, starved [0-9.]+ s' "it tells"
exits 0 "JSON of a disk" $PD --json dump --name f --to "disk:$T/c" --to "disk:$T/d" "$T/src"
ok "has no figures" jq -e 'all(.copies[]; has("streaming") | not)' "$T/out"

exits 0 "a ring that holds the whole archive" $PD --json dump --name g --block-size 64K \
    --batch-size 2700K --to "mock:$T/a" --to "$slow" "$T/src"
ok "makes no stop" jq -e '.archives as $n | all(.copies[].streaming;
    .stops == 0 and .starts == $n and .seconds_starved == 0 and .seconds_for_others == 0)' "$T/out"
tap_done
