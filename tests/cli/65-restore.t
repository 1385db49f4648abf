#!/bin/bash
# What restores ask for: several dumps, points in time, tar streams, the volumes that are needed, and in
# which order they are read.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/library.sh"

# begin NAME [FOLDER]...: a folder $D with these, and a catalog of its own
begin() {
    D=$T/$1
    mkdir "$D"
    export XDG_STATE_HOME=$D/state
    shift
    for folder in "$@"; do mkdir "$D/$folder"; done
}
told() {
    ok "$1" jq -e "$2" "$T/out"
}
# started DUMP TIME: when it is to have started
started() {
    catalog_sql "UPDATE dump SET started = $(date -u -d "$2" +%s)000000000 WHERE name = '$1'"
}
# flip FILE OFFSET: another byte
flip() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf "%b" "\\x$(printf %02x $((byte ^ 1)))" |
        dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
# random FILE...: a file of 300000 bytes each
random() {
    for file in "$@"; do head -c 300000 /dev/urandom >"$file"; done
}

# ---- what cannot be ----

begin usage a b src
random "$D/src/f"
exits 0 "a dump" $PD dump --name one --to "disk:$D/a" --to "disk:$D/b" "$D/src"
exits 2 "JSON and a stream" $PD --json restore --all --to -
exits 2 "a time and a dump" $PD restore --all --dump one --as-of 2030-01-01 --to "$D/r"
exits 2 "a host without a time" $PD restore --all --host here --to "$D/r"
exits 2 "a time that is none" $PD restore --all --as-of yesterday --to "$D/r"
exits 2 "a dump twice" $PD restore --all --dump one --dump one --to "$D/r"
exits 2 "a time before all dumps" $PD restore --all --as-of 1999-12-31 --to "$D/r"
says err 'no dump had started by 1999-12-31' "and that is said"
exits 2 "a host without dumps" $PD restore --all --as-of 2099-12-31 --host nowhere --to "$D/r"
ok "nothing was made" test ! -e "$D/r"
ok "a terminal gets no stream" script -qec "$PD restore --all --to - 2>$D/err; test \$? -eq 2" /dev/null
ok "and that is said" grep -q 'does not go to a terminal' "$D/err"
exits 2 "nor does a closed output" bash -c "$PD restore --all --to - >&-"
exits 0 "where it is not looked at, it may go" bash -c "$PD restore --all --to - >/dev/null"

# ---- points in time ----

begin time a b src src/folder src/sub
AB=(--to "disk:$D/a" --to "disk:$D/b")
random "$D/src/same" "$D/src/changes" "$D/src/goes" "$D/src/folder/in" "$D/src/first"
ln "$D/src/first" "$D/src/second"
touch -d 2001-02-03 "$D/src"
cp -a "$D/src" "$D/at1"
exits 0 "a full dump" $PD dump --name full "${AB[@]}" "$D/src"
started full 2026-03-01T10:00:00Z
random "$D/src/changes" "$D/src/sub/comes"
rm -r "$D/src/folder" "$D/src/first" && echo file >"$D/src/folder" && echo other >"$D/src/first"
cp -a "$D/src" "$D/at2"
exits 0 "an incremental one" $PD dump --incremental --name inc1 "${AB[@]}" "$D/src"
started inc1 2026-03-02T10:00:00.5Z
catalog_sql "UPDATE dump SET started = started + 500000000 WHERE name = 'inc1'"
rm "$D/src/goes"
random "$D/src/sub/comes" "$D/src/later"
cp -a "$D/src" "$D/at3"
exits 0 "another" $PD dump --incremental --name inc2 "${AB[@]}" "$D/src"
started inc2 2026-03-04T10:00:00Z
exits 0 "as of the first day" $PD restore --all --as-of 2026-03-01 --to "$D/r1"
ok "that is the full dump" "$TOOLS/tree_diff" "$D/at1" "$D/r1$D/src"
exits 0 "as of the second dump's second" $PD --json restore --all --as-of 2026-03-02T10:00:00Z --to "$D/r2"
ok "the newest of each path" "$TOOLS/tree_diff" "$D/at2" "$D/r2$D/src"
told "both dumps were taken" '.dumps == ["inc1", "full"]'
told "each volume once" '[.by_volume[].mounts] | max == 1'
exits 0 "before it" $PD restore --all --as-of 2026-03-02T09:59:59Z --to "$D/r3"
ok "that is the full dump still" "$TOOLS/tree_diff" "$D/at1" "$D/r3$D/src"
exits 0 "another zone" $PD restore --all --as-of 2026-03-02T10:30:00+01:00 --to "$D/r4"
ok "its times are understood" "$TOOLS/tree_diff" "$D/at1" "$D/r4$D/src"
exits 0 "as of the last" $PD restore --all --as-of 2026-03-04 --to "$D/r5"
ok "what was deleted comes too" cmp "$D/at2/goes" "$D/r5$D/src/goes"
rm "$D/r5$D/src/goes" && touch -r "$D/at3" "$D/r5$D/src"
ok "and else all is as it was" "$TOOLS/tree_diff" "$D/at3" "$D/r5$D/src"
exits 0 "several dumps by name" $PD restore --all --dump full --dump inc1 --to "$D/r6"
ok "are the same" "$TOOLS/tree_diff" "$D/at2" "$D/r6$D/src"
exits 0 "patterns" $PD restore --as-of 2026-03-04 --to "$D/r7" "$D/src/sub" "$D/src/sec*" "$D/src/changes"
same "changes second sub/comes" "$(cd "$D/r7$D/src" && find . -type f -printf '%P\n' | sort | xargs)" \
    "take what any of them says"
ok "from the dumps that have it" cmp "$D/at3/sub/comes" "$D/r7$D/src/sub/comes"
exits 2 "what a newer file hides is not there" $PD restore --as-of 2026-03-04 --to "$D/r8" "$D/src/folder/in"
exits 0 "before, it was" $PD restore --as-of 2026-03-01 --to "$D/r8" "$D/src/folder/in"
exits 0 "without either it is the latest alone" $PD --json restore --all --to "$D/r9"
told "as ever" '.dumps == ["inc2"]'
ok "what it skipped is not in it" test ! -e "$D/r9$D/src/same"
says err 'is incremental' "and that is said"
catalog_sql "UPDATE dump SET state = 'write' WHERE name = 'inc1'"
exits 0 "a dump broken off, with one after it" $PD restore --all --as-of 2026-03-04 --to "$D/r10"
exits 1 "the last one broken off" $PD restore --all --as-of 2026-03-03 --to "$D/r11"
says err 'inc1 was never finished' "and that is said"
catalog_sql "UPDATE dump SET state = 'done' WHERE name = 'inc1'"
catalog_sql "UPDATE dump SET host = 'elsewhere' WHERE name = 'inc2'"
exits 2 "dumps of two hosts" $PD restore --all --as-of 2026-03-04 --to "$D/r12"
says err '\-\-host' "and how to choose is said"
exits 0 "one of them" $PD --json restore --all --as-of 2026-03-04 --host elsewhere --to "$D/r12"
told "is taken" '.dumps == ["inc2"]'

# ---- the order of reading ----

begin order src a b c d
for i in $(seq 1 16); do random "$D/src/file$i"; done
exits 0 "two pairs of drives share a dump" $PD dump --name one --pairs 2 --block-size 64K \
    --batch-size 320K --to "mock:$D/a" --to "mock:$D/b" --to "mock:$D/c" --to "mock:$D/d" "$D/src"
exits 0 "a restore" $PD --json restore --all --to "$D/r"
ok "brings it back" diff -r "$D/src" "$D/r$D/src"
told "from four tapes" '.by_volume | length == 4'
told "each mounted once" '[.by_volume[].mounts] | max == 1'
records=$(catalog_sql "SELECT SUM(records) FROM archive")
same "$records" "$(jq '[.by_volume[].records] | add' "$T/out")" "each record was read once"

begin library src
for i in $(seq 1 12); do random "$D/src/file$i"; done
library_new lib 2 8 PD0001L6 PD0002L6 PD0003L6 PD0004L6 PD0005L6 PD0006L6
printf '[pool lib]\ncopy1 = mock:%s\ncopy2 = mock:%s\nchanger = cmd:%s\nblock-size = 64K\nbatch-size = 1M\n%s' \
    "$T/lib.0" "$T/lib.1" "$T/lib.robot" $'capacity = 3M\n' >"$D/conf"
run() { $PD -c "$D/conf" "$@"; }
exits 0 "a dump over several cartridges" run dump --name one "$D/src"
random "$D/src/file2" "$D/src/file12"
exits 0 "another" run dump --incremental --name two "$D/src"
used=$($PD --json volumes | jq '[.volumes[] | select(.archives > 0)] | length')
ok "more than there are drives" test "$used" -gt 2
library_where lib PD0001L6 >"$D/where"
exits 0 "a dry run" run --json restore --all --as-of 2099-12-31 --dry-run --to "$D/r"
told "names the cartridges in order" '[.by_volume[] | select(.archives > 0) | .volume] |
    . == sort and length > 1'
told "what lies on them" '([.by_volume[].files] | add) == .files and ([.by_volume[].bytes] | add) == .bytes'
told "all of them at hand" 'all(.by_volume[]; .reached)'
same "$(cat "$D/where")" "$(library_where lib PD0001L6)" "and moves none"
ok "nor makes anything" test ! -e "$D/r"
exits 0 "the restore" run --json restore --all --as-of 2099-12-31 --to "$D/r"
ok "brings all back" diff -r "$D/src" "$D/r$D/src"
told "each cartridge was mounted once" '[.by_volume[].mounts] | max == 1'

# ---- what is out of reach ----

begin reach src a b c d
random "$D/src/one" "$D/src/two"
exits 0 "a dump" $PD dump --name one --to "disk:$D/a" --to "disk:$D/b" "$D/src/one"
exits 0 "one on another pair" $PD dump --name two --to "disk:$D/c" --to "disk:$D/d" "$D/src/two"
mv "$D/a" "$D/a.away"
exits 0 "a dry run without a volume" $PD restore --all --dump one --dump two --dry-run --to "$D/r"
says out 'PD100001 .*not needed' "it is not needed"
says out 'OUT OF REACH: ' "and out of reach"
says out 'PD200001 .*1 archives, [0-9]+ files' "the other one is needed"
mv "$D/b" "$D/b.away"
exits 3 "without both" $PD --json restore --all --dump one --dump two --dry-run --to "$D/r"
told "that is told" '[.by_volume[] | select(.reached | not) | .volume] == ["PD100001", "PD200001"]'
told "what lies there is counted" '.lost > 0 and .files > 0'
exits 3 "the restore too" $PD --json restore --all --dump one --dump two --to "$D/r"
told "names it" "[.troubled[].file] | index(\"$D/src/one\") != null"
ok "and brings what it can" cmp "$D/src/two" "$D/r$D/src/two"
ok "but not the other" test ! -e "$D/r$D/src/one"

# ---- as a stream ----

begin stream a b src tmp
exits 0 "the odd tree" "$TOOLS/odd_tree" "$D/src"
touch -d 2001-02-03T04:05:06.789 "$D/src"
exits 0 "a dump" $PD dump --name one --to "disk:$D/a" --to "disk:$D/b" "$D/src"
TMPDIR=$D/tmp $PD restore --all --to - >"$D/s.tar" 2>"$D/err"
same 0 $? "a stream"
ok "its summary goes to standard error" grep -q 'restored .* to the stream' "$D/err"
ok "nothing of it stays" rmdir "$D/tmp"
mkdir "$D/x"
ok "GNU tar takes it" tar -C "$D/x" --xattrs --xattrs-include='*' --acls --warning=none -xpf "$D/s.tar"
"$TOOLS/tree_diff" "$D/src" "$D/x$D/src" >"$D/diff" 2>/dev/null
# GNU tar has its own mind of fractions of seconds before 1970, and takes names of attributes as escaped
grep -v -e ': modified: -' -e 'extended attribute user\.sp' -e 'extended attribute user\.raw' "$D/diff" >"$D/rest"
ok "and all is as it was" test ! -s "$D/rest"
exits 0 "one pattern" bash -c "$PD -q restore --to - '$D/src/links' | tar -t --warning=none >'$D/list'"
ok "is all that is in it" bash -c '! grep -v "^${1#/}/links" "$2"' _ "$D/src" "$D/list"
exits 3 "a pipe that nobody reads" bash -c "set -o pipefail; $PD -q restore --all --to - 2>'$D/err' | head -c 1000 >'$D/head'"
ok "ends with a word" grep -q 'nobody reads the tar stream' "$D/err"
exits 0 "a dry run" $PD restore --all --dry-run --to -
same 0 "$(stat -c %s "$T/out")" "puts nothing on standard output"
exits 5 "a full disk" bash -c "$PD -q restore --all --to - >/dev/full"

begin user a b src src/closed src/open
chmod 755 "$T" "$D"
random "$D/src/one" "$D/src/closed/two" "$D/src/open/four"
ln "$D/src/one" "$D/src/closed/three"
chmod 600 "$D/src/one"
truncate -s 5M "$D/src/holes"
printf x | dd of="$D/src/holes" bs=1 seek=3000000 conv=notrunc status=none
touch -d 2001-02-03T04:05:06.789 "$D/src/closed/two"
chmod 555 "$D/src/closed"
touch -d 2002-02-03 "$D/src/closed" "$D/src/open" "$D/src"
[ "$(id -u)" != 0 ] || chown -R 65534:65534 "$D/src"
exits 0 "a dump in many archives" $PD dump --name one --batch-size 320K --to "disk:$D/a" --to "disk:$D/b" "$D/src"
$PD -q restore --all --to - >"$D/s.tar"
same 0 $? "a stream of it"
mkdir "$D/x"
chmod 644 "$D/s.tar"
if [ "$(id -u)" = 0 ]; then
    chown 65534:65534 "$D/x"
    ok "somebody else extracts it" setpriv --reuid 65534 --regid 65534 --clear-groups \
        tar -C "$D/x" -xpf "$D/s.tar"
else
    ok "the user extracts it" tar -C "$D/x" -xpf "$D/s.tar"
fi
ok "with a closed folder, holes and links" "$TOOLS/tree_diff" "$D/src" "$D/x$D/src"

# damage
begin damage a b src
random "$D/src/f1" "$D/src/f2" "$D/src/f3"
exits 0 "a dump" $PD dump --name one --block-size 64K --to "disk:$D/a" --to "disk:$D/b" "$D/src"
fa=$(echo "$D"/a/*/0001-*) fb=$(echo "$D"/b/*/0001-*)
flip "$fa" 500000
exits 0 "a flip on one copy" bash -c "$PD restore --all --to - 2>'$D/err' >'$D/s.tar'"
ok "is avoided" grep -q 'PD100001: .*bad-record' "$D/err"
flip "$fb" 500001
exits 3 "on both" bash -c "$PD restore --all --to - 2>'$D/err' >'$D/s.tar'"
mkdir "$D/x"
ok "the stream is whole" tar -C "$D/x" -xf "$D/s.tar"
hit=$(sed -n "s|^pairdump: warning: $D/src/\(f[123]\): .*|\1|p" "$D/err")
ok "what was hit is named ($hit)" test -n "$hit"
for file in f1 f2 f3; do
    if [ "$file" = "$hit" ]; then
        ok "$file is left out" test ! -e "$D/x$D/src/$file"
    else
        ok "$file is there" cmp "$D/src/$file" "$D/x$D/src/$file"
    fi
done
rm -r "$D/a"
exits 3 "a volume gone besides" $PD restore --all --to "$D/r"
ok "nothing wrong comes" test ! -e "$D/r$D/src/$hit"
rm -r "$D/b"
exits 3 "and the other" bash -c "$PD restore --all --to - 2>'$D/err' >'$D/s.tar'"
same "" "$(tar -tf "$D/s.tar")" "there is nothing in the stream"

# ---- a folder that only what lies in it tells of, where an older dump has a file ----
export XDG_STATE_HOME=$T/turned-state
mkdir "$T/turned" "$T/turned-a" "$T/turned-b"
to=(--to "disk:$T/turned-a" --to "disk:$T/turned-b")
echo old >"$T/turned/path"
exits 0 "a file" $PD dump --name was "${to[@]}" "$T/turned"
rm "$T/turned/path"
mkdir "$T/turned/path"
echo new >"$T/turned/path/file"
exits 0 "a folder that was not asked for" $PD dump --name is "${to[@]}" "$T/turned/path/file"
exits 0 "both dumps" $PD restore --all --dump was --dump is --to "$T/turned-r"
ok "the newer one counts" cmp "$T/turned/path/file" "$T/turned-r$T/turned/path/file"
exits 0 "as a stream" bash -c "$PD restore --all --dump was --dump is --to - >'$T/turned.tar'"
mkdir "$T/turned-x"
ok "that can be unpacked" tar -C "$T/turned-x" -xf "$T/turned.tar"
ok "with the newer one" cmp "$T/turned/path/file" "$T/turned-x$T/turned/path/file"
tap_done
