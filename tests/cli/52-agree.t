#!/bin/bash
# Catalog and media: what one says and the other does not is found, named and not changed; what cannot
# be looked at is not called good.
. "$(dirname "$0")/../lib/tap.sh"

mkdir "$T/src"
for i in $(seq 1 6); do
    head -c 300000 /dev/urandom >"$T/src/file$i"
done

for kind in disk mock; do
    export XDG_STATE_HOME=$T/state-$kind
    mkdir "$T/$kind-a" "$T/$kind-b"
    exits 0 "$kind: a new catalog" $PD catalog init
    exits 0 "$kind: nothing to look at" $PD catalog check
    says out "^0 volumes with 0 archives looked at, 0 volumes out of reach$" "it says so"
    for name in one two; do
        exits 0 "$kind: dump $name" $PD dump --name $name --block-size 64K --batch-size 700K \
            --to "$kind:$T/$kind-a" --to "$kind:$T/$kind-b" "$T/src"
    done
    exits 0 "$kind: they agree" $PD catalog check
    same "$(tail -1 "$T/out")" "2 volumes with 12 archives looked at, 0 volumes out of reach" "the last line counts"
    ok "$kind: nothing else is said" test ! -s "$T/err"
    exits 0 "$kind: as JSON" $PD --json catalog check
    ok "$kind: the same facts" jq -e '.status == "ok" and .volumes == 2 and .archives == 12 and
        .unreachable == 0 and .problems == [] and .warnings == []' "$T/out"

    # a place that is not there
    mv "$T/$kind-b" "$T/$kind-c"
    exits 1 "$kind: a place that is not there" $PD catalog check
    says err "warning: PD200001: .*$T/$kind-b" "the volume and its place are named"
    says out "^1 volumes with 6 archives looked at, 1 volumes out of reach$" "the other one was looked at"
    says err "1 volumes could not be compared.*\[unverified\]" "and it is not called good"
    exits 1 "$kind: as JSON" $PD --json catalog check
    ok "$kind: the same facts" jq -e '.status == "unverified" and .unreachable == 1 and
        .warnings[0].volume == "PD200001" and .problems == []' "$T/out"
    exits 0 "$kind: without media it is no matter" $PD catalog check --no-media
    silent out "looked at" "and nothing is said of volumes"
    exits 0 "$kind: told where it is" $PD catalog check --at "$kind:$T/$kind-c"
    says out "^2 volumes with 12 archives" "all of it was looked at"
    mv "$T/$kind-c" "$T/$kind-b"

    # a volume that the catalog does not know
    exits 0 "$kind: a volume of another catalog" env XDG_STATE_HOME="$T/other-$kind" \
        $PD label "$kind:$T/$kind-b" STRANGE
    exits 6 "$kind: is a contradiction" $PD catalog check
    says out "^STRANGE: " "it is named"
    exits 0 "$kind: the catalog by itself has none" $PD catalog check --no-media
    rm -rf "$T/$kind-b"/STRANGE*

    # rows that say something else
    catalog_sql "UPDATE volume SET tape_files = tape_files + 1 WHERE label = 'PD100001'"
    exits 6 "$kind: a tape file too many in the catalog" $PD catalog check
    says out "^PD100001: holds 9 tape files, the catalog says 10" "volume and numbers"
    catalog_sql "UPDATE volume SET tape_files = tape_files - 2 WHERE label = 'PD100001'"
    exits 6 "$kind: one too few" $PD catalog check
    says out "^PD100001: two.index: tape file 8 is not in the catalog" "volume and what it holds"
    exits 6 "$kind: as JSON" $PD --json catalog check
    ok "$kind: the same facts" jq -e '.status == "catalog" and (.problems | length) == 1' "$T/out"
    catalog_sql "UPDATE volume SET tape_files = tape_files + 1 WHERE label = 'PD100001'"
    catalog_sql "UPDATE volume SET uuid = '00000000-0000-4000-8000-000000000000' WHERE label = 'PD200001'"
    # a cartridge may lie on a shelf, but another one of its name is in its place
    exits 6 "$kind: another UUID" $PD catalog check
    says out "^PD200001: " "the volume is named"
done

export XDG_STATE_HOME=$T/state-disk
uuid=$(grep -a -m1 -o 'Volume-UUID: .*' "$T/disk-b/PD200001/0000-label.tar" | cut -d' ' -f2)
catalog_sql "UPDATE volume SET uuid = '$uuid' WHERE label = 'PD200001'"
exits 0 "disk: mended, they agree" $PD catalog check
a=$T/disk-a/PD100001
mv "$a/0001-one.0001.tar" "$T/kept"
exits 6 "disk: a tape file that is gone" $PD catalog check
says out "^PD100001: one.0001: .*\[missing\]" "volume and archive"
cp "$a/0002-one.0002.tar" "$a/0001-one.0001.tar"
exits 6 "disk: another one in its place" $PD catalog check
says out "^PD100001: one.0001: tape file 1 holds one.0002: " "volume, archive and what is there"
head -c 65536 "$T/kept" >"$a/0001-one.0001.tar"
exits 6 "disk: cut" $PD catalog check
says out "^PD100001: one.0001: .*\[truncated\]" "volume and archive"
rm "$a/0001-one.0001.tar"
ln -s "$T/kept" "$a/0001-one.0001.tar"
exits 6 "disk: a link out of the volume is not followed" $PD catalog check
rm "$a/0001-one.0001.tar"
exits 1 "disk: verify finds it missing" $PD verify --dump one
exits 0 "disk: what is known to be bad may be gone" $PD catalog check
says err "warning: PD100001: tape file 1 is missing" "but is told"
mv "$T/kept" "$a/0001-one.0001.tar"
exits 0 "disk: it comes back" $PD verify --dump one

# a name from the medium does not reach the terminal as it is
mkdir "$T/evil"
name=$(printf 'x\033[31m\n.0001')
mkdir "$T/evil/$name"
: >"$T/evil/$name/bagit.txt"
tar -C "$T/evil" -b 128 -cf "$a/0009-x.tar" "$name"
exits 6 "disk: a name with control characters" $PD catalog check
says out "^PD100001: x%1B\[31m%0A.0001: tape file 9 is not in the catalog" "is escaped"
rm "$a/0009-x.tar"

# a dump at work
$PD dump --name slow --block-size 64K --batch-size 700K --to "disk:$T/disk-a" \
    --to "fault:write@1+=slow=1000000:disk:$T/disk-b" "$T/src" >/dev/null 2>&1 &
pid=$!
seen=0 wrong=0
while kill -0 $pid 2>/dev/null; do
    $PD catalog check >"$T/out" 2>"$T/err" || wrong=$((wrong + 1))
    grep -q 'slow\.' "$T/err" && seen=$((seen + 1))
done
wait $pid
same $? 0 "a dump goes on while disks are looked at"
same "$wrong" 0 "and is no contradiction at any time"
ok "but is told ($seen times)" test "$seen" -gt 0
exits 0 "when it is done they agree" $PD catalog check

# one that is killed
for kill in 12 24; do
    $PD dump --name "kill$kill" --block-size 64K --batch-size 700K --to "disk:$T/disk-a" \
        --to "fault:write@$kill=kill:disk:$T/disk-b" "$T/src" >/dev/null 2>&1
    exits 0 "killed at write $kill: no contradiction" $PD catalog check
    says err "warning: PD[12]0000[1-9]: kill$kill\..*\[interrupted\]" "but it is told"
done

export XDG_STATE_HOME=$T/state-tape
mkdir "$T/tape-a" "$T/tape-b"
exits 0 "tape: dump" $PD dump --name t --block-size 64K --to "mock:$T/tape-a" --to "mock:$T/tape-b" "$T/src"
$PD dump --name tkill --block-size 64K --to "mock:$T/tape-a" \
    --to "fault:write@12=kill:mock:$T/tape-b" "$T/src" >/dev/null 2>&1
exits 0 "tape: killed while writing: no contradiction" $PD catalog check
says err "PD200001: .* behind its last filemark" "the records that no filemark ends are told"
$PD dump --name tslow --block-size 64K --to "mock:$T/tape-a" \
    --to "fault:write@1+=slow=1000000:mock:$T/tape-b" "$T/src" >/dev/null 2>&1 &
pid=$!
sleep 0.7
exits 4 "tape: a drive that is writing is busy" $PD catalog check
wait $pid

exits 2 "--at and --no-media" $PD catalog check --no-media --at "disk:$T/disk-a"
exits 2 "--at is no option of export" $PD catalog export --at "disk:$T/disk-a"
exits 2 "--at takes a target" $PD catalog check --at "floppy:a"
tap_done
