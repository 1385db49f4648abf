#!/bin/bash
# The catalog anew, from volumes alone: it knows what the old one knew, but for what no medium can know.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/library.sh"

S=$T/src
mkdir -p "$S/sub/empty" "$S/more"
for i in 1 2 3 4 5 6 7; do
    head -c $((i * 40000)) /dev/urandom >"$S/file$i"
done
printf 'raw' >"$S/$(printf 'b\377\376y')"
printf 'nl' >"$S/$(printf 'new\nline\tand tab')"
printf 'pct' >"$S/100%25"
ln -s "nowhere
at all" "$S/dangling"
ln "$S/file1" "$S/hard"
ln "$S/file1" "$S/more/harder"
truncate -s 1M "$S/hole"
printf end >>"$S/hole"
mkfifo "$S/fifo"
touch -d '1965-03-04 05:06:07.123456789 UTC' "$S/old"
SMALL=(--block-size 64K --batch-size 320K)

# What no medium can know is left out: which process dumped, and when it had done so; what was read back, so
# how good copies are, and the verdict; when a volume was last written to the nanosecond, and whether it
# was full; what an operator decided about it; how far journals were taken. Nor can it know the numbers of
# rows: names stand for them here.
known() {
    $PD catalog export | LC_ALL=C grep -aEv '^(applied|verification|damage|drive_report|end)	' |
        LC_ALL=C sed -E '/^dump	/s/	(pid|status|finished)=[^	]*//g
            /^volume	/s/	(state|last_written|last_verified|retain_until)=[^	]*//g
            /^copy	/s/	(state|reason|message|changed)=[^	]*//g
            /^problem	/s/	id=[^	]*//
            /^copy	/s/	id=[^	]*//' |
        LC_ALL=C awk -F '\t' -v OFS='\t' '
            BEGIN { names["dump"] = "name"; names["volume"] = "label"; names["archive"] = "name"; names["folder"] = "path" }
            {
                id = ""
                for (i = 2; i <= NF; i++) {
                    at = index($i, "=")
                    column = substr($i, 1, at - 1)
                    value = substr($i, at + 1)
                    if (column == "id") { id = value; $i = "" }
                    if (column == names[$1]) name[$1, id] = value
                    if (column ~ /_id$/) $i = column "=" name[substr(column, 1, length(column) - 3), value]
                }
                print
            }' | LC_ALL=C sort
}

# lose: the catalog and the state folder are gone
lose() {
    local name
    rm -rf "$XDG_STATE_HOME"
    [ "${ENGINE:-}" = mysql ] || return 0
    name=pd_$(printf %s "$XDG_STATE_HOME" | sha256sum | cut -c1-16)
    mariadb_sql "$TAP_DB" "DROP DATABASE IF EXISTS $name"
    rm -f "$TAP_DB/$name.cnf"
}
forget() {
    known >"$T/old"
    lose
}

# again CODE NAME TARGET...: rebuild
again() {
    local code=$1 name=$2
    shift 2
    exits "$code" "$name" $PD --json rebuild "$@"
}
told() {
    ok "$1" jq -e "$2" "$T/out"
}
equals() {
    known >"$T/new"
    ok "$1" diff "$T/old" "$T/new"
}
consistent() {
    exits 0 "catalog check: $1" $PD catalog check
}
# begin NAME: folders and a state of its own
begin() {
    D=$T/$1
    export XDG_STATE_HOME=$D/state
    mkdir -p "$D/a" "$D/b" "$D/c" "$D/state"
}

for kind in disk mock; do
    begin $kind
    a="$kind:$D/a" b="$kind:$D/b" c="$kind:$D/c"
    exits 1 "$kind: a dump with a problem" $PD dump "${SMALL[@]}" --name one --to "$a" --to "$b" "$S" "$T/no %ne"
    cp -a "$S" "$D/changed"
    exits 0 "$kind: another on the same pair" $PD dump "${SMALL[@]}" --name two --to "$a" --to "$b" "$D/changed"
    echo new >"$D/changed/new"
    exits 0 "$kind: an incremental one" $PD dump "${SMALL[@]}" --incremental --name three --to "$a" --to "$b" "$D/changed"
    forget
    ok "$kind: the problems were kept" grep -aq "^problem	" "$T/old"
    ok "$kind: so was what was held already" grep -aEq "^dump	.*incremental=1.*skipped=[1-9]" "$T/old"
    again 0 "$kind: from both copies" "$a" "$b"
    told "$kind: all of it is new" '.new_volumes == 2 and .new_dumps == 3 and .new_copies == 2 * .new_archives and
        .read_whole == 0 and .findings == []'
    equals "$kind: the catalog is what it was"
    consistent "$kind"
    again 0 "$kind: a second time" "$b" "$a"
    told "$kind: adds nothing" '.new_volumes + .new_dumps + .new_archives + .new_copies == 0 and .copies > 0'
    equals "$kind: and changes nothing"
    exits 1 "$kind: nothing is safe" $PD safe "$D/changed/file1"
    says out unverified "$kind: because nothing was verified"
    exits 0 "$kind: show" $PD --json show one
    told "$kind: the dump is not called good" '.status == "ok" and ([.. | .state? // empty] | index("verified")) == null'
    exits 0 "$kind: verify" $PD verify
    exits 0 "$kind: then it is safe" $PD safe "$D/changed/file1" "$D/changed/new"
    exits 0 "$kind: restore" $PD restore --dump one --all --to "$D/back"
    ok "$kind: what was dumped" "$TOOLS/tree_diff" "$S" "$D/back$S"
    exits 0 "$kind: the next dump" $PD --json dump "${SMALL[@]}" --name four --to "$a" --to "$b" "$S/sub"
    same "$($PD --json volumes | jq '.volumes | length')" 2 "$kind: is appended to the same pair"
    again 0 "$kind: rebuild knows that one" "$a" "$b"
    told "$kind: it was there" '.new_copies == 0'
    consistent "$kind: after that"
    exits 0 "$kind: verify all" $PD verify

    # one copy, then the other
    forget
    again 0 "$kind: from one copy only" "$a"
    told "$kind: one volume" '.new_volumes == 1 and .new_copies == .new_archives'
    consistent "$kind: with one copy"
    exits 1 "$kind: nothing is safe with one copy" $PD safe "$S/file1"
    exits 1 "$kind: verify misses the other" $PD --json verify
    told "$kind: it says so" '.missing > 0 and .bad == 0'
    again 0 "$kind: the other copy" "$b"
    told "$kind: is added" '.new_volumes == 1 and .new_archives == 0 and .new_copies > 0'
    exits 0 "$kind: verify both" $PD verify
    exits 0 "$kind: safe with both" $PD safe "$S/file1"
    consistent "$kind: with both"
done

# a library: its cartridges are read through one drive, and are the place of its copies at both
begin library
library_new lib 2 8 PD0003L6 CLN001L6 PD0001L6 PD0002L6 PD0004L6
a=$(library_drive lib 0) b=$(library_drive lib 1)
printf '[pool lib]\ncopy1 = mock:%s\ncopy2 = mock:%s\nchanger = cmd:%s\nblock-size = 64K\nbatch-size = 1M\n' \
    "$T/lib.0" "$T/lib.1" "$T/lib.robot" >"$T/lib.conf"
exits 0 "a dump in a library" $PD -c "$T/lib.conf" dump --pool lib --name one "$S"
forget
again 0 "from the library" "$a" "$b"
told "two of the cartridges are volumes" '.new_volumes == 2 and .new_copies == 2 * .new_archives and .findings == []'
equals "the catalog is what it was"
silent err 'drive 1' "the other drive has not read them again"
exits 0 "the next dump" $PD -c "$T/lib.conf" --json dump --pool lib --name two "$S"
told "is appended to them" '[.copies[].volumes] == ["PD0001", "PD0002"]'
consistent "in the library"

# other algorithms: from indexes, and from the archives alone
for alg in sha512 sha3-256 blake2b512; do
    begin "$alg"
    a="disk:$D/a" b="disk:$D/b" c="mock:$D/c"
    exits 0 "$alg: a dump" $PD dump "${SMALL[@]}" --digest "$alg" --name one --to "$a" --to "$b" --to "$c" "$S"
    forget
    again 0 "$alg: rebuild" "$a" "$b" "$c"
    equals "$alg: the catalog is what it was"
    consistent "$alg"
    again 0 "$alg: a second time" "$a" "$b" "$c"
    told "$alg: adds nothing" '.new_archives + .new_copies == 0 and .copies > 0'
    exits 0 "$alg: verify" $PD verify
    exits 0 "$alg: safe" $PD safe "$S/file1"
    rm "$D"/[ab]/*/*.index.tar
    lose
    again 1 "$alg: without any index" "$a" "$b"
    consistent "$alg, from archives"
    exits 0 "$alg: verify by what was learned" $PD verify PD100001 PD200001
    exits 0 "$alg: restore" $PD restore --all --to "$D/back"
    ok "$alg: a file" cmp "$S/file7" "$D/back$S/file7"
    again 0 "$alg: with an index of another copy" "$c"
    exits 0 "$alg: verify all" $PD verify
    consistent "$alg, with all"
done

# a tape file that is gone does not take the others with it
begin gap
a="disk:$D/a" b="disk:$D/b"
exits 0 "a dump" $PD dump "${SMALL[@]}" --name one --to "$a" --to "$b" "$S"
exits 0 "another behind it" $PD dump "${SMALL[@]}" --name two --to "$a" --to "$b" "$S/sub" "$S/file1"
rm "$D"/[ab]/*/*-one.index.tar
lose
again 1 "without the first index" "$a" "$b"
told "the gap is named" 'any(.findings[]; .kind == "left-out" and (.error.message | test("is missing")))'
told "both dumps are known" '.new_dumps == 2 and .read_whole > 2 and .new_copies == 2 * .new_archives'
exits 6 "catalog check sees the gap" $PD catalog check
exits 0 "verify all of it" $PD verify
rm "$D"/[ab]/*/000[1-9]-*
lose
mkdir "$D/a/PD100001/0005-x.tar"
truncate -s 1M "$D/a/PD100001/0003-x.tar"
again 3 "nothing that can be read is not called good" "$a"

# a volume and the one that was made in its place: two of one number are one copy
begin heir
a="disk:$D/a" b="disk:$D/b"
exits 0 "a dump" $PD dump "${SMALL[@]}" --name one --to "$a" --to "$b" "$S"
exits 0 "one volume is made anew, where it was" $PD repair PD100001 --to "$a"
again 0 "the catalog knows all" "$a" "$b"
told "nothing is new" '.new_volumes + .new_copies == 0'
exits 0 "show" $PD show one
same "$(grep -cE "on PD100001 .* bad .*replaced" "$T/out")" "$(grep -c "on PD100001 " "$T/out")" "what was replaced stays so"
lose
again 0 "a new catalog, the other copy lost" "$a"
exits 1 "verify misses the other" $PD --json verify
told "it says so" '.missing > 0 and .bad == 0'
exits 1 "nothing is safe in one folder" $PD safe "$S/file1"
again 0 "the other copy is found" "$b"
exits 0 "verify" $PD verify
exits 0 "now it is safe" $PD safe "$S/file1"
consistent "two of one number"

# copies that were made later tell as much of the dump as those that it wrote, and of its algorithm
for alg in sha256 sha512; do
    begin "later-$alg"
    a="disk:$D/a" b="disk:$D/b" c="disk:$D/c"
    mkdir "$D/d"
    exits 1 "$alg: a dump with a problem" $PD dump "${SMALL[@]}" --digest "$alg" --name one --to "$a" --to "$b" "$S" "$T/no"
    exits 0 "$alg: a third copy" $PD copy one --to "$c"
    exits 0 "$alg: a new first one" $PD repair PD100001 --to "disk:$D/d"
    exits 0 "$alg: they verify by themselves" $PD --catalog "sqlite:$T/none.db" verify --target "$c"
    exits 0 "$alg: both" $PD --catalog "sqlite:$T/none.db" verify --target "disk:$D/d"
    known | grep -a "^dump\|^problem\|^file\|^archive" >"$T/old"
    for from in "$c" "disk:$D/d"; do
        lose
        again 0 "$alg: from one of them" "$from"
        ok "$alg: the dump is what it was" diff "$T/old" <(known | grep -a "^dump\|^problem\|^file\|^archive")
        exits 1 "$alg: verify misses the other" $PD --json verify
        told "$alg: it says so" '.missing > 0 and .bad == 0'
    done
    again 0 "$alg: from all" "$a" "$b" "$c"
    consistent "$alg: all"
    exits 0 "$alg: verify" $PD verify
done

# several pairs, three copies
begin three
a="disk:$D/a?capacity=1M" b="disk:$D/b?capacity=1M" c="mock:$D/c?capacity=1M"
exits 0 "three copies on several volumes" $PD dump "${SMALL[@]}" --name wide --to "$a" --to "$b" --to "$c" "$S"
same "$($PD --json volumes | jq '[.volumes[].pair] | max > 1')" true "more than one pair"
forget
again 0 "from all" "$c" "$a" "$b"
told "three copies each" '.new_copies == 3 * .new_archives'
equals "the catalog is what it was"
consistent "three copies"
forget
mv "$D/a/PD100001" "$D/a1"
mv "$D/b/PD200001" "$D/b1"
mv "$D/c/PD300001.tap" "$D/c1"
again 1 "without the first volumes" "$a" "$b" "$c"
told "what lacks is named" '.lacking == 1 and any(.findings[]; .kind == "lacking" and (.error.message | test("wide")))'
consistent "with a gap"
exits 0 "dumps" $PD --json dumps
told "the dump is not called whole" '.dumps[0].verdict == "missing"'
mv "$D/a1" "$D/a/PD100001"
mv "$D/b1" "$D/b/PD200001"
mv "$D/c1" "$D/c/PD300001.tap"
again 0 "with them" "$a" "$b" "$c"
exits 0 "dumps again" $PD --json dumps
told "the dump is whole" '.dumps[0].verdict == "unverified"'
exits 0 "verify" $PD verify
consistent "after the gap was filled"

# without indexes, and with damage
begin damage
a="disk:$D/a" b="disk:$D/b"
exits 0 "a dump" $PD dump "${SMALL[@]}" --name one --to "$a" --to "$b" "$S"
cp -a "$D/a" "$D/b" "$D/c"
forget
mend() {
    lose
    rm -rf "$D/a" "$D/b"
    cp -a "$D/c/a" "$D/c/b" "$D"
}
rm "$D"/a/*/*.index.tar
again 0 "without one index" "$a" "$b"
told "archives are read whole" '.read_whole > 2 and .new_copies == 2 * .new_archives'
known | sed 's/	tape_files=[^	]*//' >"$T/new"
ok "the catalog is what it was" diff <(sed 's/	tape_files=[^	]*//' "$T/old") "$T/new"
consistent "without one index"
exits 0 "verify" $PD verify
mend
rm "$D"/[ab]/*/*.index.tar
again 1 "without any index" "$a" "$b"
told "all is read whole" '.read_whole == .new_copies'
told "whether there was more is not known" '.lacking == 1 and (.findings[0].error.message | test("broken off"))'
exits 0 "dumps" $PD --json dumps
told "the dump is not called whole" '.dumps[0].verdict == "truncated"'
known >"$T/new"
# inodes, the problem and the tape file are in the index alone
coarse() {
    sed -E 's/	(dev|ino|tape_files|problems|skipped)=[^	]*//g; /^problem/d' "$1"
}
ok "but for inodes all files are as they were" diff <(coarse "$T/old") <(coarse "$T/new")
consistent "without any index"
exits 0 "verify by what was learned" $PD verify
exits 0 "restore" $PD restore --all --to "$D/back"
ok "a file" cmp "$S/file7" "$D/back$S/file7"
exits 1 "inodes are not known: nothing is safe" $PD safe "$S/file1"
rm -rf "$D/b"
cp -a "$D/c/b" "$D"
again 0 "with an index of the other copy" "$b"
exits 0 "verify that copy" $PD verify PD200001
exits 0 "dumps, with it" $PD --json dumps
told "nothing lacks" '.dumps[0].verdict == "unverified"'
ok "now inodes are known" test -z "$($PD catalog export | grep -a "^file	.*	ino=-1	")"
consistent "inodes were added"

mend
printf '\377' | dd of="$D/a/PD100001/0001-one.0001.tar" bs=1 seek=100000 conv=notrunc status=none
again 0 "a flipped byte is not seen by index" "$a" "$b"
exits 1 "but by verify" $PD verify
mend
printf '\377' | dd of="$D/a/PD100001/0001-one.0001.tar" bs=1 seek=100000 conv=notrunc status=none
rm "$D"/a/*/*.index.tar
again 1 "it is, where the archive is read" "$a" "$b"
told "and named" '.left_out == 1 and .findings[0].archive == "one.0001" and .findings[0].volume == "PD100001"'
exits 0 "show" $PD --json show one
told "one copy is bad" '[.. | objects | select(.state? == "bad")] | length == 1'
consistent "with a bad copy"
mend
rm -rf "$D/b"
printf '\377' | dd of="$D/a/PD100001/0001-one.0001.tar" bs=1 seek=100000 conv=notrunc status=none
rm "$D"/a/*/*.index.tar
again 3 "nothing else tells of it" "$a"
told "it is left out, the rest is not" '.left_out == 1 and .new_archives > 1 and .lacking == 2'
consistent "with an archive left out"
mend
truncate -s -65536 "$D/a/PD100001/0002-one.0002.tar"
again 1 "an archive that was cut" "$a" "$b"
told "is seen by its length" '.findings[0].error.status == "truncated" and .findings[0].archive == "one.0002"'
exits 0 "volumes" $PD --json volumes
told "nothing is appended to that volume" '.volumes[] | select(.volume == "PD100001") | .state == "retired"'
consistent "with a copy that was cut"
mend
index=$(echo "$D"/a/*/*.index.tar)
printf '\377' | dd of="$index" bs=1 seek=3000 conv=notrunc status=none
again 1 "an index that is damaged" "$a" "$b"
told "is named, archives are read instead" '.findings[0].archive == "index" and .read_whole > 2 and
    .new_copies == 2 * .new_archives'
consistent "with a damaged index"

# what the catalog says otherwise
mend
again 0 "from the beginning" "$a" "$b"
known >"$T/before"
other="DUMP-NO"
catalog_sql "UPDATE dump SET name = '$other'"
again 6 "another name of the dump" "$a" "$b"
told "a contradiction" '.contradictions == 1 and (.findings[0].error.message | test("name of the dump"))'
catalog_sql "UPDATE dump SET name = 'one'"
catalog_sql "UPDATE archive SET payload_bytes = payload_bytes + 1 WHERE seq = 2"
again 6 "another size of an archive" "$a" "$b"
told "the archive is named" '.contradictions == 2 and all(.findings[]; .archive == "one.0002")'
catalog_sql "UPDATE archive SET payload_bytes = payload_bytes - 1 WHERE seq = 2"
mode=$(catalog_sql "SELECT mode FROM file WHERE archive_id = 1 AND seq = 1")
catalog_sql "UPDATE file SET mode = 511 WHERE archive_id = 1 AND seq = 1"
again 6 "another mode of a file" "$a" "$b"
told "its archive is named" '.findings[0].archive == "one.0001"'
catalog_sql "UPDATE file SET mode = $mode WHERE archive_id = 1 AND seq = 1"
catalog_sql "UPDATE copy SET tape_file = 77 WHERE id = 1"
again 6 "another place" "$a" "$b"
told "of one copy" '.contradictions == 1 and (.findings[0].error.message | test("tape file"))'
catalog_sql "UPDATE copy SET tape_file = 1 WHERE id = 1"
catalog_sql "UPDATE volume SET block_size = 131072 WHERE label = 'PD100001'"
again 6 "another block size" "$a" "$b"
told "the volume is named" '.findings[0].volume == "PD100001"'
catalog_sql "UPDATE volume SET block_size = 65536 WHERE label = 'PD100001'"
again 0 "nothing was changed" "$a" "$b"
known >"$T/new"
ok "as it was before" diff "$T/before" "$T/new"
catalog_sql "UPDATE copy SET state = 'bad', reason = 'bad-record' WHERE id = 1"
again 0 "a copy that the catalog knows as bad" "$a" "$b"
exits 0 "show" $PD --json show one
told "stays bad" '[.. | objects | select(.state? == "bad")] | length == 1'
catalog_sql "UPDATE dump SET state = 'write'"
catalog_sql "UPDATE volume SET tape_files = tape_files - 1"
before=$(catalog_sql "SELECT tape_files FROM volume")
again 1 "a dump that has not ended" "$a" "$b"
same "$(catalog_sql "SELECT tape_files FROM volume" | tr '\n' ' ')" "$(tr '\n' ' ' <<<"$before")" \
    "what that wrote is its own"
told "is left to resume" '.findings[0].kind == "left-out" and (.findings[0].error.message | test("resume"))'

# a catalog that lacks one dump
mend
mkdir "$D/e" "$D/f"
exits 0 "the catalog is that of another dump" $PD dump "${SMALL[@]}" --name zwei --to "disk:$D/e" --to "disk:$D/f" "$S/sub"
again 6 "volumes that have the same labels" "$a" "$b"
told "are not taken" '.contradictions == 2 and .new_copies == 0'
consistent "it is as it was"
again 0 "a catalog that lacks a dump" "disk:$D/e" "disk:$D/f"
told "has the other" '.new_copies == 0 and .copies == 2'
mend
exits 0 "a dump on the same pair" $PD rebuild "$a" "$b"
exits 0 "follows" $PD dump "${SMALL[@]}" --name later --to "$a" --to "$b" "$S/sub"
known >"$T/old"
for table in verification file copy applied; do
    case $table in
    verification) catalog_sql "DELETE FROM verification WHERE copy_id IN (SELECT c.id FROM copy c
        JOIN archive a ON a.id = c.archive_id JOIN dump d ON d.id = a.dump_id WHERE d.name = 'later')" ;;
    applied) catalog_sql "DELETE FROM applied" ;;
    *) catalog_sql "DELETE FROM $table WHERE archive_id IN (SELECT a.id FROM archive a
        JOIN dump d ON d.id = a.dump_id WHERE d.name = 'later')" ;;
    esac
done
catalog_sql "DELETE FROM archive WHERE name = 'later.0001'"
catalog_sql "DELETE FROM dump WHERE name = 'later'"
catalog_sql "UPDATE volume SET used = used - 65536, tape_files = tape_files - 2"
consistent_but_for_volumes() {
    ! $PD catalog check 2>&1 | grep -v 'PD[12]00001\|catalog\|contradictions\|looked at'
}
ok "a catalog that lacks one dump of these volumes" consistent_but_for_volumes
again 0 "gets it" "$a" "$b"
told "and nothing else" '.new_volumes == 0 and .new_dumps == 1 and .new_archives == 1 and .new_copies == 2'
equals "and is as it was"
consistent "with the dump it lacked"
exits 0 "an append to that" $PD dump "${SMALL[@]}" --name latest --to "$a" --to "$b" "$S/sub"

# doubles, names, strangers
mend
cp -a "$D/a" "$D/double"
again 6 "one volume at two places" "$a" "disk:$D/double" "$b"
told "the second is not taken" '.contradictions == 1 and .new_volumes == 2 and (.findings[0].error.message | test("UUID"))'
exits 0 "verify" $PD verify
mend
again 0 "a target that is named twice" "$a" "$a" "$b"
told "is read once" '.volumes == 2'
mend
mkdir -p "$D/s2" "$D/x" "$D/y"
exits 0 "another dump of that name" env XDG_STATE_HOME="$D/s2" $PD dump "${SMALL[@]}" --name one --to "disk:$D/x" --to "disk:$D/y" "$S/sub"
again 6 "volumes and dumps of the same names" "$a" "$b" "disk:$D/y"
told "the first are taken" '.new_volumes == 2 and .new_dumps == 1 and .contradictions >= 1'
consistent "of the first"
exits 0 "verify them" $PD verify
mkdir "$D/none"
exits 2 "no volume there" $PD rebuild "disk:$D/none"
exits 2 "no target" $PD rebuild
says err 'of what' "that is said"

# killed: archives without an index, and one that was not finished
for kind in disk mock; do
    begin "killed-$kind"
    a="$kind:$D/a" b="$kind:$D/b"
    exits 137 "$kind: a dump is killed" $PD dump "${SMALL[@]}" --name one --to "fault:write@12=kill:$a" --to "$b" "$S"
    again 1 "$kind: the catalog knows the dump" "$a" "$b"
    told "$kind: it is left to resume" '.findings | length > 0'
    lose
    exits 1 "$kind: rebuild" $PD --json rebuild "$a" "$b"
    told "$kind: whole archives are taken" '.new_archives >= 1 and .read_whole == .new_copies and
        .lacking == 1 and any(.findings[]; .error.message | test("broken off"))'
    consistent "$kind: killed"
    $PD --json verify >"$T/out" 2>/dev/null # one copy may be an archive ahead
    told "$kind: what was taken is good" '.bad == 0 and .good >= 2'
    exits 0 "$kind: dumps" $PD --json dumps
    told "$kind: the dump is not called whole" '.dumps[0].verdict == "truncated"'
done
# what was made by repair and copy tells as much of its dump
begin mended
exits 1 "a dump with a problem" $PD dump "${SMALL[@]}" --name one --to "disk:$D/a" --to "disk:$D/b" "$S" "$T/no %ne"
exits 0 "is repaired" $PD repair PD100001 --to "disk:$D/c"
known | grep -aEv '^(volume|copy)	' >"$T/old"
lose
again 0 "from the new volume alone" "disk:$D/c"
known | grep -aEv '^(volume|copy)	' >"$T/new"
ok "the dump, its files and problems are what they were" diff "$T/old" "$T/new"

tap_done
