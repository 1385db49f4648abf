#!/bin/bash
# Volumes that are retired, kept until a day, given up, and labelled anew: at no time does the catalog
# count on what is overwritten, and nothing is overwritten that somebody may count on.
. "$(dirname "$0")/../lib/tap.sh"

mkdir -p "$T/src" "$T/a" "$T/b"
head -c 300000 /dev/urandom >"$T/src/one"
A=mock:$T/a B=mock:$T/b
exits 0 "a dump" $PD dump --name one --block-size 64K --to "$A" --to "$B" "$T/src"
state() { # LABEL
    $PD --json volumes "$1" | jq -r '.volumes[0].state'
}
image() {
    sha256sum <"$T/$1/$2.tap"
}
before=$(image a PD100001)

# ---- states ----
exits 2 "a volume that is not known" $PD volumes NOBODY
exits 2 "two things at a time" $PD volumes --retire --scratch PD100001
exits 2 "nothing named" $PD volumes --retire
exits 2 "what goes with another" $PD volumes --give-up PD100001
for day in 2036-13-01 soon 1960-01-01 2036-12-31T; do
    exits 2 "no day: $day" $PD volumes --retain "$day" PD100001
done
exits 0 "keep until a day" $PD volumes --retain 2099-12-31 PD100001
says out "^PD100001 appendable .* keep until 2099-12-31T00:00:00Z " "it is shown"
exits 2 "not given up before that day" $PD volumes --scratch --give-up PD100001
says err "kept until 2099-12-31T00:00:00Z.*\[held\]" "and told so"
exits 0 "no day" $PD volumes --retain none PD100001
silent out "keep until" "none is shown"
exits 0 "retire one" $PD volumes --retire PD100001
says out "^PD100001 retired " "it is retired"
same "$(state PD200001)" "appendable" "and only it"
exits 0 "what it holds counts" $PD safe "$T/src"
mkdir "$T/more"
head -c 100000 /dev/urandom >"$T/more/two"
exits 0 "the next dump" $PD dump --name two --block-size 64K --to "$A" --to "$B" "$T/more"
same "$(image a PD100001)" "$before" "nothing is written to it"
same "$(catalog_sql "SELECT COUNT(*) FROM copy c JOIN volume v ON v.id = c.volume_id WHERE v.pair = 2")" 2 \
    "the dump took another pair"
exits 0 "retired twice" $PD volumes --retire PD100001

# ---- giving up ----
exits 0 "give one up, while the other has it" $PD volumes --scratch PD100001
same "$(state PD100001)" "scratch" "it is scratch"
exits 2 "the last copy is kept" $PD volumes --scratch PD200001
says err "no other verified copy of 1 archives, as one.0001; .*--give-up.*\[held\]" "and told why"
exits 2 "scratch is not retired" $PD volumes --retire PD100001
exits 0 "the first dump" $PD show one
says out "copy 1 on PD100001 .*bad .*\[given-up\] volume PD100001 was given up" "its copy is bad"
exits 0 "files of the first dump come from the other" $PD restore --dump one --all --to "$T/back"
says out "from 1 volumes" "and from it alone"
exits 1 "safe counts it no longer" $PD safe "$T/src"
exits 1 "verify misses a copy" $PD verify --dump one
says out "1 copies read back .*1 good, 0 bad; 0 unreachable, 1 missing" "and does not read what was given up"
exits 3 "nor when asked to" $PD verify PD100001
says err "PD100001 is scratch" "as it is scratch"
exits 0 "catalog check" $PD catalog check
exits 0 "the last copy, when that is said" $PD volumes --scratch --give-up PD200001
exits 3 "then nothing is left" $PD restore --dump one --all --to "$T/none"
exits 3 "and verify says so" $PD verify --dump one
exits 0 "what was given up on all volumes is missed by nobody" $PD verify
exits 0 "catalog check again" $PD catalog check

# ---- a run has it ----
mkdir "$T/c" "$T/d"
$PD dump --name three --block-size 64K --to "mock:$T/c" --to "fault:write@2=kill:mock:$T/d" "$T/src" >/dev/null 2>&1
exits 4 "an interrupted dump keeps its volumes" $PD volumes --scratch --give-up PD100003
says err "interrupted run, dump three; resume that one first.*\[busy\]" "and is named"
exits 4 "also from being labelled" $PD label --relabel PD100003 "mock:$T/c" PD100003
exits 0 "resume" $PD resume three
exits 0 "it lost nothing by that" $PD verify --dump three

# ---- another label ----
uuid=$($PD --json volumes PD100001 | jq -r '.volumes[0].uuid')
exits 2 "not on a volume that counts" $PD label --relabel PD100002 "$A" PD100002
says err "PD100002 is appendable; give it up first.*\[held\]" "it is told how"
exits 2 "not under a label that is taken" $PD label --relabel PD100001 "$A" PD100002
exits 2 "in a library the barcode stays" $PD label --relabel PD100001 "$A" NEW1
says err "barcode: it stays PD100001.*\[unsupported\]" "it is told"
exits 2 "not what is not there" $PD label --relabel NOBODY "$A" NOBODY
exits 0 "no date keeps it" $PD volumes --retain 2099-01-01 PD100001
exits 2 "a date does" $PD label --relabel PD100001 "$A" PD100001
exits 0 "none again" $PD volumes --retain none PD100001
chmod 444 "$T/a/PD100001.tap"
exits 2 "write protected" $PD label --relabel PD100001 "$A" PD100001
says err "\[write-protected\]" "and told so"
same "$(state PD100001)" "scratch" "nothing came of all that"
chmod 644 "$T/a/PD100001.tap"
same "$(image a PD100001)" "$before" "nor on the medium"
mkdir "$T/disk1" "$T/disk2"
$PD dump --name disks --label-prefix DK --to "disk:$T/disk1" --to "disk:$T/disk2" "$T/src" >/dev/null 2>&1 ||
    $PD dump --name disks --to "disk:$T/disk1" --to "disk:$T/disk2" "$T/src" >/dev/null 2>&1
folder=$(basename "$T"/disk1/*)
$PD volumes --scratch "$folder" >/dev/null
exits 2 "a folder is its owner's to remove" $PD label --relabel "$folder" "disk:$T/disk1" "$folder"
says err "remove its folder.*\[unsupported\]" "he is told"
ok "it is still there" test -f "$T/disk1/$folder/README.txt"
same "$(state "$folder")" "scratch" "and the catalog has it"

exits 0 "label it anew" $PD label --relabel PD100001 --pool other "$A" PD100001
same "$(state PD100001)" "appendable" "it can be written"
ok "with a new UUID" test "$uuid" != "$($PD --json volumes PD100001 | jq -r '.volumes[0].uuid')"
same "$($PD --json volumes "$uuid" | jq -r '.volumes[0] | .state + " " + .location')" "gone " "the old one is gone"
exits 0 "the medium is the new one" $PD --json tape status "$A" PD100001
ok "it holds nothing" jq -e '.tape_files == 1 and .pool == "other"' "$T/out"
exits 0 "the first dump" $PD show one
says out "copy 1 on ~[0-9]+ .*volume PD100001 was given up" "knows that its copy is lost"
exits 0 "catalog check" $PD catalog check

# ---- killed in between ----
$PD volumes --retire PD100002 PD200002 >/dev/null
for at in load@2 write@1 mark@1; do
    exits 0 "$at: given up" $PD volumes --scratch --give-up PD200001
    uuid=$($PD --json volumes PD200001 | jq -r '.volumes[0].uuid')
    held=$(image b PD200001)
    exits 137 "$at: killed" $PD label --relabel PD200001 "fault:$at=kill:$B" PD200001
    same "$(catalog_sql "SELECT COUNT(*) FROM copy c JOIN volume v ON v.id = c.volume_id WHERE v.uuid = '$uuid'
        AND c.state <> 'bad'")" 0 "$at: the catalog counts on nothing on it"
    case $at in
    load*) [ "$(image b PD200001) $(state PD200001)" = "$held scratch" ] ;;
    write*) [ "$(image b PD200001)" = "$held" ] && ! $PD volumes PD200001 >/dev/null 2>&1 ;;
    *) [ "$(image b PD200001)" != "$held" ] ;;
    esac
    same $? 0 "$at: the medium is as it was until the catalog knew"
    if [ "$at" = load@2 ]; then
        exits 0 "$at: catalog check" $PD catalog check
    else
        exits 6 "$at: catalog check" $PD catalog check
        says out "^PD200001: is at mock:.* not in the catalog" "$at: finds a volume that is not known"
    fi
    if [ "$at" = mark@1 ]; then # labelled, and the catalog was not told
        mkdir "$T/g"
        cp "$T/b/PD200001.tap" "$T/g"
        exits 2 "$at: the catalog does not know it" $PD label --relabel PD200001 "$B" PD200001
        says err "does not know PD200001; .*--give-up.*\[held\]" "$at: that has to be said"
        exits 0 "$at: again" $PD label --relabel PD200001 --give-up "$B" PD200001
    else
        exits 0 "$at: again" $PD label --relabel PD200001 "$B" PD200001
    fi
    same "$(state PD200001)" appendable "$at: it can be written"
    exits 0 "$at: catalog check again" $PD catalog check
done

# ---- foreign ----
printf 'not ours' >"$T/foreign"
mkdir "$T/f"
cp "$T/b/PD200001.tap" "$T/f/PD100009.tap"
exits 2 "a cartridge of another label" $PD label --relabel PD100009 --give-up "mock:$T/f" PD100009
says err "\[wrong-volume\]" "is told"
ok "and left alone" cmp "$T/b/PD200001.tap" "$T/f/PD100009.tap"
held=$(image g PD200001)
exits 2 "another volume of the same label" $PD label --relabel PD200001 --give-up "mock:$T/g" PD200001
says err "the catalog's PD200001 is .*; the one in the drive is another.*\[wrong-volume\]" "is told"
same "$(image g PD200001)" "$held" "and left alone"
python3 -c 'import struct,sys; d=b"x"*4096; open(sys.argv[1],"wb").write(struct.pack("<I",4096)+d+struct.pack("<I",4096)+b"\0"*4)' "$T/f/PD100009.tap"
held=$(image f PD100009)
exits 2 "what is no volume" $PD label --relabel PD100009 --give-up "mock:$T/f" PD100009
says err "\[foreign\]" "is told"
same "$(image f PD100009)" "$held" "and left alone"
: >"$T/f/PD100009.tap"
exits 2 "a blank one" $PD label --relabel PD100009 --give-up "mock:$T/f" PD100009
says err "\[blank\]" "is told"
tap_done
