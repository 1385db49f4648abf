#!/bin/bash
# A volume is made anew from the best records of all copies: on disks and tapes, whatever ails the old
# ones, also for a dump that never had all its copies.
. "$(dirname "$0")/../lib/tap.sh"

mkdir "$T/src"
for i in 1 2 3 4 5 6; do
    head -c 400000 /dev/urandom >"$T/src/file$i"
done
flip() { # FILE OFFSET
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf "%b" "\\x$(printf %02x $((byte ^ 1)))" |
        dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
state() { # LABEL
    $PD --json volumes "$1" | jq -r '.volumes[0].state'
}
fresh() { # NAME KIND: a dump of two copies; $a and $b are its places
    a=$T/$1-a b=$T/$1-b to=$T/$1-to
    mkdir "$a" "$b" "$to"
    export XDG_STATE_HOME=$T/$1-state
    exits 0 "$1: a dump" $PD dump --name "$1" --block-size 64K --batch-size 1M --to "$2:$a" --to "$2:$b" "$T/src"
}
healed() { # NAME: all is as if nothing had happened
    exits 0 "$1: verify" $PD verify --dump "$1"
    exits 0 "$1: safe" $PD safe "$T/src"
    exits 0 "$1: catalog check" $PD catalog check
    exits 0 "$1: restore" $PD restore --dump "$1" --all --to "$T/$1-r"
    ok "$1: all is back" diff -r "$T/src" "$T/$1-r$T/src"
}

# ---- disks: records bad here and there, none bad on both ----
fresh disk disk
fa=$(echo "$a"/*/0001-*) fb=$(echo "$b"/*/0002-*)
flip "$fa" 200000
flip "$fa" 700000
flip "$fb" 300000
rm "$a"/*/0003-*
exits 1 "disk: verify finds the damage" $PD verify --dump disk
exits 2 "no target" $PD repair PD100001
exits 2 "no volume of that name" $PD repair NOBODY --to "disk:$to"
exits 2 "not a label" $PD repair PD100001 --to "disk:$to" --label "a/b"
exits 0 "disk: repair" $PD repair PD100001 --to "disk:$to"
says out "^PD100002 +disk.0001 +ok, written and read back" "each archive is told"
says out "^copy 1: 3 archives, 3 good \(0 of them made before\), 0 not copied" "and the sum"
same "$(state PD100001)" retired "the old one is retired"
exits 0 "show" $PD show disk
says out "copy 1 on PD100001 .*bad .*\[replaced\] replaced by the copy on PD100002" "its copies are replaced"
says out "copy 1 on PD100002 .*verified" "by the new ones"
exits 0 "the new volume verifies by itself" $PD --catalog sqlite:"$T/no" verify --target "disk:$to"
exits 0 "repair once more" $PD repair PD100001 --to "disk:$to"
says out "nothing is left to be made in place of PD100001" "has nothing to do"
same "$(find "$to" -name '*.tar' | wc -l)" 5 "and does nothing"
exits 1 "the other copy is still bad" $PD verify --dump disk
mkdir "$T/disk-to2"
exits 0 "repair that one too, in JSON" $PD --json repair PD200001 --to "disk:$T/disk-to2" --label OTHER
ok "the archives are listed" jq -e '.copy == 2 and (.archives | length == 3) and all(.archives[]; .status == "ok" and .volume == "OTHER") and .lost == []' "$T/out"
healed disk
exits 0 "the old ones may be given up" $PD volumes --scratch PD100001 PD200001
exits 0 "that changes nothing" $PD safe "$T/src"
exits 0 "and the catalog is true" $PD catalog check


# ---- what there is no sense in, or no truth ----
fresh place disk
exits 2 "place: into the folder of the other copy" $PD repair PD100001 --to "disk:$b"
says err "has copy 2 on PD200001; a further copy needs another place" "place: is refused"
same "$(ls "$b")" PD200001 "place: nothing was made there"
exits 2 "place: a third copy there, too" $PD copy place --to "disk:$a"
exits 0 "place: into the folder of the old one" $PD repair PD100001 --to "disk:$a"
says err "place-a and .*place-b, with copy 2 on PD200001, are on one file system" "place: one failure takes both"
exits 2 "place: the other one, onto that" $PD repair PD200001 --to "disk:$a"
exits 2 "place: a volume that never was" $PD repair PD300001 --to "disk:$to"
says err "no volume PD300001 in the catalog" "place: is told"
same "$($PD --json volumes | jq '.volumes | length')" 3 "place: and not made up"
exits 3 "place: in place of one that is replaced" $PD repair --in-place PD100001
says err "nothing on PD100001 counts any more" "place: there is nothing to mend"
exits 3 "place: nor to copy" $PD copy PD100001 --to "disk:$to"
healed place

# ---- the new one is given up, too ----
fresh heir disk
exits 0 "heir: repair" $PD repair PD100001 --to "disk:$to"
exits 0 "heir: the new one is given up" $PD volumes --scratch PD100002
exits 3 "heir: nothing stands in its place" $PD repair PD100001 --to "disk:$to"
says err "what took the place .* was given up, too; copy its dumps instead" "heir: that is said"
exits 1 "heir: safe" $PD safe "$T/src"
mkdir "$T/heir-c"
exits 0 "heir: so they are copied" $PD copy heir --to "disk:$T/heir-c"
says out "^copy 1: 3 archives, 3 good" "heir: as copy 1"
exits 0 "heir: verify" $PD verify --dump heir
exits 0 "heir: catalog check" $PD catalog check

# ---- tapes, the old volume gone ----
fresh tape mock
rm "$a"/*.tap
exits 0 "tape: repair from the other copy" $PD repair PD100001 --to "mock:$to"
exits 0 "tape: the new volume verifies by itself" $PD --catalog sqlite:"$T/no" verify --target "mock:$to"
healed tape

# ---- several volumes, as the first gets full ----
fresh span disk
exits 0 "span: repair" $PD repair PD200001 --to "mock:$to?capacity=1500K"
same "$(find "$to" -name '*.tap' | wc -l)" 3 "span: onto three tapes"
exits 0 "span: each verifies by itself" $PD --catalog sqlite:"$T/no" verify --target "mock:$to"
healed span
exits 5 "an archive that fits no volume" $PD repair PD100001 --to "mock:$T/span-a?capacity=300K"

# ---- a record bad on all copies ----
fresh lost disk
fa=$(echo "$a"/*/0001-*) fb=$(echo "$b"/*/0001-*)
flip "$fa" 500000
flip "$fb" 500100
exits 3 "lost: verify" $PD verify --dump lost
exits 3 "lost: repair" $PD --json repair PD100001 --to "disk:$to"
ok "the file is named with its record" jq -e '.lost | length >= 1 and all(.[]; .archive == "lost.0001" and .record == 7 and (.file | test("/src/file")))' "$T/out"
ok "the others are healed" jq -e '[.archives[] | select(.status == "ok")] | length == 2' "$T/out"
ok "that one is not called good" jq -e '.archives[] | select(.archive == "lost.0001") | .status == "failed"' "$T/out"
exits 1 "safe knows" $PD safe "$T/src"
exits 0 "catalog check" $PD catalog check
exits 0 "its old copies stand as they were" $PD show lost
says out "copy 1 on PD100001 .*bad .*\[bad-record\]" "bad"
exits 0 "what is healed verifies by itself" $PD --catalog sqlite:"$T/no" verify --target "disk:$to"
# the damage is mended: the rest follows
flip "$fa" 500000
exits 0 "lost: repair goes on where it can" $PD repair PD100001 --to "disk:$to"
says out "1 archives, 1 good \(0" "with the one that was left"
exits 0 "two indexes, and all verifies by itself" $PD --catalog sqlite:"$T/no" verify --target "disk:$to"

# on a tape nothing is left of what was given up
fresh rest disk
mkdir "$T/src2" "$T/rest-to2"
head -c 600000 /dev/urandom >"$T/src2/more"
exits 0 "rest: a second dump" $PD dump --name rest2 --block-size 64K --to "disk:$a" --to "disk:$b" "$T/src2"
flip "$(echo "$a"/*/*-rest2.0001.tar)" 300000
flip "$(echo "$b"/*/*-rest2.0001.tar)" 300000
exits 3 "rest: its last archive is lost" $PD repair PD100001 --to "mock:$to"
exits 0 "rest: the tape verifies by itself" $PD --catalog sqlite:"$T/no" verify --target "mock:$to"

# ---- out of reach is not lost ----
fresh away disk
fa=$(echo "$a"/*/0001-*)
flip "$fa" 500000
mv "$b" "$T/elsewhere"
exits 1 "away: repair" $PD repair PD100001 --to "disk:$to"
says out "away.0001 .*NOT COPIED: .*record 7: none of 1 copy is good" "one is not copied"
silent out "LOST: " "and none called lost"
mv "$T/elsewhere" "$b"
exits 0 "away: at hand again" $PD repair PD100001 --to "disk:$to"
healed away

# ---- degraded dumps ----
mkdir "$T/deg-a" "$T/deg-b" "$T/deg-to"
export XDG_STATE_HOME=$T/deg-state
exits 1 "a writer fails" $PD dump --name deg --block-size 64K --batch-size 1M --to "disk:$T/deg-a" --to "fault:write@25=EIO:disk:$T/deg-b" "$T/src"
exits 1 "deg: not safe" $PD safe "$T/src"
exits 0 "deg: repair makes what was never begun, too" $PD repair PD200001 --to "disk:$T/deg-to"
says out "^copy 2: 3 archives, 3 good" "all three"
healed deg
exits 0 "deg: dumps is content" $PD dumps

mkdir "$T/none-a" "$T/none-b" "$T/none-to"
export XDG_STATE_HOME=$T/none-state
exits 1 "a volume never comes to be" $PD dump --name none --block-size 64K --to "disk:$T/none-a" --to "fault:load@1+=EIO:disk:$T/none-b" "$T/src"
exits 0 "none: repair by the label that it would have" $PD repair PD200001 --to "disk:$T/none-to"
healed none

# ---- the new medium fails ----
fresh new disk
flip "$(echo "$a"/*/0001-*)" 200000
exits 1 "new: it does not hold what was written" $PD repair PD100001 --to "fault:write@20=flip:disk:$to"
says out "new.0002 .*NOT COPIED: .*\[bad-record\]" "one archive is bad"
same "$(state PD100002)" bad "the volume gets nothing more"
exits 0 "catalog check" $PD catalog check
exits 0 "new: another volume takes the rest" $PD repair PD100001 --to "disk:$to"
says out "^PD100003 +new.0002 +ok" "on a volume of its own"
healed new
fresh eio disk
exits 1 "eio: it fails" $PD repair PD100001 --to "fault:write@20=EIO:disk:$to"
says err "write 20|injected" "told why"
exits 0 "eio: run again" $PD repair PD100001 --to "disk:$to"
says out "1 of them made before|3 archives, 3 good|2 archives, 2 good" "it goes on"
healed eio

# ---- what was replaced is not asked, unless nothing else is known to be good ----
fresh old disk
flip "$(echo "$a"/*/0001-*)" 200000
exits 0 "old: repair" $PD repair PD100001 --to "disk:$to"
exits 0 "old: restore" $PD --json restore --dump old --all --to "$T/old-r"
ok "old: the replaced copy is not spoken of" jq -e '.avoided == [] and .volumes == 2' "$T/out"
rm -rf "$T/old-r"
flip "$(echo "$to"/*/0001-*)" 700000
flip "$(echo "$b"/*/0001-*)" 700000
exits 3 "old: both that count are bad" $PD verify --dump old
exits 0 "old: its record is good" $PD restore --dump old --all --to "$T/old-r"
ok "old: all is back" diff -r "$T/src" "$T/old-r$T/src"

# ---- what was replaced is not forgotten while it is there ----
fresh gone disk
exits 0 "gone: repair" $PD repair PD100001 --to "disk:$to"
mv "$b" "$b.away"
mv "$to" "$to.away"
exits 0 "gone: the replaced volume alone is at hand" $PD restore --all --to "$T/gone-r1"
ok "gone: all is back" diff -r "$T/src" "$T/gone-r1$T/src"
mkdir "$T/gone-again"
exits 0 "gone: a copy of it" $PD repair PD200001 --to "disk:$T/gone-again"
rm -r "$T/gone-again"
mv "$b.away" "$b"
mv "$to.away" "$to"
for file in "$b"/*/0001-* "$to"/*/0001-*; do
    flip "$file" 600000
done
exits 0 "gone: a record is good on it alone" $PD restore --all --to "$T/gone-r2"
ok "gone: all is back" diff -r "$T/src" "$T/gone-r2$T/src"
exits 0 "gone: as a stream" bash -c "$PD restore --all --to - >'$T/gone.tar'"
mkdir "$T/gone-r3" "$T/gone-whole"
ok "gone: that is whole" tar -C "$T/gone-r3" -xf "$T/gone.tar"
ok "gone: and right" diff -r "$T/src" "$T/gone-r3$T/src"
exits 0 "gone: and a repair has it" $PD repair PD200003 --to "disk:$T/gone-whole"
rm -r "$T/gone-whole"
for file in "$a"/*/0001-*; do
    flip "$file" 600000
done
exits 3 "gone: a record is good nowhere" $PD restore --all --to "$T/gone-r4"
same 1 "$(grep -c 'warning: .*/src/file' "$T/err")" "gone: one file is named, once"
tap_done
