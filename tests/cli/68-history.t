#!/bin/bash
# What became of volumes and files: each reading back, and the damage that concerns a file.
. "$(dirname "$0")/../lib/tap.sh"

mkdir "$T/src" "$T/a" "$T/b"
for i in 1 2 3 4; do
    head -c 300000 /dev/urandom >"$T/src/file$i"
done
ln "$T/src/file1" "$T/src/link1"
DAY=86400000000000

exits 0 "a dump" $PD dump --name one --block-size 64K --batch-size 4M --to "disk:$T/a" --to "disk:$T/b" "$T/src"
catalog_sql "UPDATE verification SET started = started - $((100 * DAY)), finished = finished - $((100 * DAY))"
catalog_sql "UPDATE copy SET changed = changed - $((100 * DAY))"
then=$(date -u -d '50 days ago' +%F)
exits 0 "the same again" $PD dump --name two --block-size 64K --batch-size 4M --to "disk:$T/a" --to "disk:$T/b" "$T/src"

exits 0 "history of one volume" $PD history PD100001
same "$(grep -c 'PD100001 ' "$T/out") $(grep -c PD200001 "$T/out")" "2 0" "its readings only"
exits 0 "of two" $PD history PD200001 PD100001
same "$(cut -d' ' -f2 "$T/out" | uniq -c | tr -s ' \n' ' ')" " 2 PD200001 2 PD100001 " "in the order asked for"
exits 0 "since a day" $PD --json history --since "$then"
ok "the later ones" jq -e '(.history | length) == 2 and all(.history[]; .archive | startswith("two."))' "$T/out"
exits 2 "a day that is none" $PD history --since yesterday
exits 2 "a volume that is not known" $PD history PD100001 PD300001

# damage to file1, in the first archive of the first dump
byte=$(od -An -tu1 -j 200000 -N 1 "$T/a/PD100001/0001-one.0001.tar")
printf "%b" "\\x$(printf %02x $((byte ^ 1)))" |
    dd of="$T/a/PD100001/0001-one.0001.tar" bs=1 seek=200000 conv=notrunc status=none
exits 1 "damage" $PD verify PD100001
hit=$(sed -n 's/.* file \(.*\/file[0-9]\)$/\1/p' "$T/out" | head -n 1)
ok "hits a file" test -n "$hit"
exits 0 "history of a file" $PD history --file "$hit"
same "$(grep -c "^$hit in " "$T/out")" 2 "in both archives"
says out "^  PD100001 copy 1, tape file 1: bad .*, 0 minutes ago \[bad-(record|file)\]$" "the bad copy"
says out "^  PD200001 copy 2, tape file 1: verified .*, 100 days ago$" "the good one"
says out "^      bad-record record 3 file $hit$" "the damage to it"
exits 0 "as JSON" $PD --json history --file "$hit" PD100001
ok "the same facts" jq -e --arg hit "$hit" '(.files | length) == 2 and all(.files[]; .path == $hit and
    (.copies | length) == 1 and .copies[0].volume == "PD100001") and ([.files[] | select(.archive == "one.0001") |
    .copies[0].verifications[] | [.status != "ok", .named]] == [[false, false], [true, true]]) and
    (.files[] | select(.archive == "one.0001") | .copies[0].verifications[1].damage[0].file) == $hit' "$T/out"
exits 0 "since a day" $PD --json history --since "$then" --file "$hit"
ok "the later ones" jq -e '[.files[] | select(.archive == "one.0001") | .copies[] | .verifications | length] == [1, 0]' "$T/out"
other=$(grep -vxF "$hit" <<<"$T/src/file1"$'\n'"$T/src/file2" | head -n 1)
exits 0 "history of its neighbour" $PD history --file "$other"
says out "damages, none names this file$" "says that it is not named"
if [ "$hit" = "$T/src/file1" ]; then
    exits 0 "history of its other name" $PD history --file "$T/src/link1"
    says out "bad-record record 3 file $T/src/file1$" "the damage counts for it too"
fi
exits 0 "a pattern" $PD --json history --file "$T/src/file?"
ok "all that it fits" jq -e '[.files[].path] | unique | length == 4' "$T/out"
exits 2 "a file that is not known" $PD history --file "$hit" --file /no/such
says err "/no/such" "is named"
tap_done
