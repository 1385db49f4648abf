#!/bin/bash
# Audits: what was longest not read back is read first, as much as a budget allows; safe and volumes know
# how long ago that was; what is found bad or out of reach is never called good.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/library.sh"

mkdir "$T/src" "$T/a" "$T/b"
for i in $(seq 1 6); do
    head -c 300000 /dev/urandom >"$T/src/file$i"
done
DAY=86400000000000

# older VOLUME DAYS [ARCHIVE]: what was read back of it was so many days earlier
older() {
    local copies="SELECT c.id FROM copy c, volume v, archive a WHERE v.id = c.volume_id AND a.id = c.archive_id
        AND v.label = '$1' AND a.name LIKE '${3:-%}'"
    catalog_sql "UPDATE copy SET changed = changed - $(($2 * DAY)) WHERE id IN ($copies)"
    catalog_sql "UPDATE verification SET started = started - $(($2 * DAY)), finished = finished - $(($2 * DAY))
        WHERE copy_id IN ($copies)"
}

exits 0 "a catalog" $PD catalog init
exits 0 "an audit of nothing" $PD audit
says out "^nothing to do$" "says so"
says out "^no volume holds anything$" "and why"
exits 2 "a pool that nobody knows" $PD audit --pool nowhere
for budget in 0h 0 90 7 1.5h 4y "" -1G; do
    exits 2 "--budget '$budget' is refused" $PD audit --budget "$budget"
done
exits 2 "an age that is none" $PD audit --older-than soon
exits 2 "words are refused" $PD audit PD100001

exits 0 "a dump" $PD dump --name d --block-size 64K --batch-size 700K --to "disk:$T/a" --to "disk:$T/b" "$T/src"
exits 0 "nothing is old enough" $PD audit --older-than 30d
says out "^nothing to do$" "it says so"
says out "^oldest: PD[12]00001, 20.*, 0 minutes ago$" "and how old the oldest is"
exits 0 "as JSON" $PD --json audit --older-than 30d
ok "the same facts" jq -e '.status == "ok" and .due == 0 and .picked == 0 and .copies == 0 and .volumes == [] and
    .results == [] and .never_verified == 0 and (.oldest | test("^PD[12]00001$")) and .oldest_verified != null' "$T/out"

# one archive of a volume makes it old
older PD100001 400 d.0002
older PD200001 40
exits 0 "catalog check" $PD catalog check --no-media
exits 0 "volumes" $PD volumes
says out "^PD100001 .* verified 20[0-9-]+T[0-9:]+Z, 400 days ago" "the age of the oldest archive"
says out "^PD200001 .*, 40 days ago" "of each"
exits 0 "safe without a limit" $PD safe "$T/src"
says out "^oldest verification: .*, 400 days ago$" "tells the age"
exits 0 "safe within two years" $PD safe --verified-within 104w "$T/src"
exits 1 "safe within 60 days" $PD safe --verified-within 60d --unsafe "$T/src"
says out "^stale .*file3  \(last verified 20.*Z, 400 days ago\)$" "names what is stale, and since when"
silent out "^stale .*file1" "and nothing else"
exits 1 "within 30 days nothing is safe" $PD --json safe --verified-within 30d "$T/src"
ok "as JSON" jq -e '.safe == 0 and (.unsafe_paths | length) == 7 and all(.unsafe_paths[]; .why == "stale" and
    (.verified | test("^20"))) and .oldest_verified == ([.unsafe_paths[].verified] | min)' "$T/out"
exits 2 "an age that is none" $PD safe --verified-within never "$T/src"

exits 0 "a dry run" $PD --json audit --dry-run
ok "the oldest comes first" jq -e '[.volumes[] | [.volume, .archives, .of_archives]] ==
    [["PD100001", 3, 3], ["PD200001", 3, 3]] and .results == [] and .picked == 2' "$T/out"
exits 0 "it records nothing" $PD safe --verified-within 104w "$T/src"
exits 1 "nothing at all" $PD safe --verified-within 60d "$T/src"
exits 0 "older than half a year" $PD audit --dry-run --older-than 180d
says out "^PD100001  last verified 20.*, 400 days ago: 3 of 3 archives, " "the old volume"
silent out "^PD200001" "and not the other"
says out "^1 of 1 volumes would be read$" "is counted"

exits 0 "a budget of a byte" $PD --json audit --budget 1K
ok "reads the oldest archive" jq -e '[.results[] | [.volume, .archive, .status]] ==
    [["PD100001", "d.0002", "ok"]] and .good == 1 and .oldest == "PD200001"' "$T/out"
exits 0 "which is no more stale" $PD safe --verified-within 60d "$T/src"
exits 0 "a budget of time" $PD --json audit --budget 1h --older-than 30d
ok "does for the rest" jq -e '.good == 3 and .picked == 1 and all(.results[]; .volume == "PD200001")' "$T/out"
exits 0 "all is fresh" $PD safe --verified-within 1h "$T/src"
exits 0 "so nothing is to do" $PD audit --older-than 1h
says out "^nothing to do$" "it says so"

# a clock that was wrong proves nothing
older PD100001 -700
exits 0 "volumes" $PD volumes PD100001
says out ", in the future" "says what it sees"
exits 1 "a verification of the future" $PD safe --verified-within 1h --unsafe "$T/src"
says out "^stale .*last verified 20.*in the future\)" "is none"
exits 0 "an audit" $PD --json audit --older-than 30d
ok "reads it again" jq -e '.good == 3 and all(.results[]; .volume == "PD100001")' "$T/out"
exits 0 "then it counts" $PD safe --verified-within 1h "$T/src"

# damage
file=$(echo "$T"/a/*/0001-*)
cp "$file" "$T/kept"
printf 'X' | dd of="$file" bs=1 seek=100000 conv=notrunc status=none
older PD100001 100
older PD200001 90
exits 1 "damage is found" $PD audit --older-than 30d
says out "^PD100001 .*BAD: 1 records" "and named"
says out "record 1 file " "with its file"
says err "1 of 6 copies are bad, 0 out of reach" "and summed up"
exits 1 "it is not safe" $PD safe "$T/src"
ok "the copy is bad" test "$(catalog_sql "SELECT COUNT(*) FROM copy WHERE state = 'bad'")" -eq 1
printf 'X' | dd of="$(echo "$T"/b/*/0001-*)" bs=1 seek=100000 conv=notrunc status=none
exits 3 "on both copies it is a loss" $PD --json audit
ok "as JSON" jq -e '.status == "failed" and .exit == 3 and .bad == 2 and .files_lost > 0' "$T/out"
older PD100001 100
exits 3 "and is one still, when what else is on the volume is read" $PD audit --older-than 30d
says out "^PD100001  last verified 20.*, 100 days ago: 3 of 3 archives" "by the age of what counts"
says err "1 of 3 copies are bad" "the rest is good"
cp "$T/kept" "$file"
cp "$T/kept" "$(echo "$T"/b/*/0001-*)"
exits 0 "mended" $PD verify

# out of reach
older PD100001 100
older PD200001 50
mv "$T/a" "$T/away"
exits 1 "a volume out of reach is not called good" $PD audit --older-than 30d
says out "^PD100001  not read: .*PD100001 is not found" "it is named"
same "$(grep -c '^PD100001  not read' "$T/out")" 1 "once"
says out "^2 of 2 volumes, 3 copies read back .*: 3 good, 0 bad; 3 unreachable$" "the other was read"
exits 1 "nor the next time" $PD audit --older-than 30d
exits 0 "told where it is" $PD audit --older-than 30d --at "disk:$T/away"
mv "$T/away" "$T/a"
exits 0 "catalog check" $PD catalog check

# killed: what was read is recorded, the rest stays the oldest. Volumes of one place are read in turn.
older PD100001 110
older PD200001 100
mv "$T/b/PD200001" "$T/a/"
catalog_sql "UPDATE volume SET location = 'fault:read@12=kill:disk:$T/a' WHERE label = 'PD200001'"
$PD audit >/dev/null 2>&1
same $? 137 "killed"
fresh() {
    catalog_sql "SELECT COUNT(*) FROM copy c JOIN volume v ON v.id = c.volume_id WHERE v.label = '$1'
        AND c.state = 'verified' AND c.changed > (SELECT MAX(started) FROM dump)"
}
same "$(fresh PD100001)" 3 "what was read before is recorded"
ok "what was not read is not" test "$(fresh PD200001)" -lt 3
exits 0 "an audit of the rest" $PD --json audit --older-than 30d --at "disk:$T/a"
ok "reads that alone" jq -e '.due == 1 and .good == 3 and all(.results[]; .volume == "PD200001")' "$T/out"
exits 0 "all is fresh" $PD safe --verified-within 1h "$T/src"
exits 0 "catalog check" $PD catalog check --no-media

# a library: each volume is fetched, and brought back
export XDG_STATE_HOME=$T/state-library
library_new lib 2 6 PD0001L6 PD0002L6 PD0003L6 PD0004L6
printf '[pool lib]\ncopy1 = mock:%s?capacity=1600K\ncopy2 = mock:%s?capacity=1600K\nchanger = cmd:%s\n' \
    "$T/lib.0" "$T/lib.1" "$T/lib.robot" >"$T/conf"
exits 0 "a dump to two pairs" $PD -c "$T/conf" dump --pool lib --block-size 64K --batch-size 700K "$T/src"
exits 0 "an audit" $PD -c "$T/conf" --json audit --budget 1h
ok "reads all four" jq -e '.picked == 4 and .good == .copies and .unreachable == 0 and
    ([.results[].volume] | unique) == ["PD0001", "PD0002", "PD0003", "PD0004"]' "$T/out"
exits 0 "one archive" $PD -c "$T/conf" audit --budget 64K
same "$(grep -c ' slot [0-9] -> drive ' "$T/err")" 1 "moves one cartridge"
ok "all are back" test -z "$(awk '$1 == "drive" && $3 != "empty"' "$T/lib")"
tap_done
