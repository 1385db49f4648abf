#!/bin/bash
# What must not be called good: files that only look like those held, copies that went missing,
# places that are one, dumps that are not whole.
. "$(dirname "$0")/../lib/tap.sh"

# fresh: a source, two empty folders and an empty catalog
run=0
fresh() {
    run=$((run + 1))
    W=$T/$run
    mkdir -p "$W/a" "$W/b" "$W/src/sub"
    echo content >"$W/src/sub/f"
    export XDG_STATE_HOME=$W/state
    pair=(--to "disk:$W/a" --to "disk:$W/b")
}

# ---- every path that was named ----
fresh
exits 1 "a path below another that is not there is named" $PD dump "${pair[@]}" "$W/src" "$W/src/nope"
says err nope "it is"
exits 1 "safe does not pass over it" $PD safe "$W/src" "$W/src/nope"
fresh
ln -s "$W/src/sub" "$W/link"
mkdir -p "$W/other"
echo behind >"$W/other/g"
ln -s "$W/other" "$W/src/out"
exits 0 "a path behind a link below another" $PD dump --name behind "${pair[@]}" "$W/src" "$W/src/out/g"
ok "is in the dump" $PD find --dump behind "$W/src/out/g"
same "$($PD --json ls --dump behind "$W/src/sub" | jq '.files // .found // .items | length')" 1 \
    "and what was walked is in it once"
fresh
mkdir -p "$W/real/deep/d" "$W/real/deep/data" "$W/data"
echo right >"$W/real/deep/data/f"
echo wrong >"$W/data/f"
ln -s "$W/real/deep/d" "$W/lnk"
exits 0 "a path with .. behind a link" $PD dump --name up "${pair[@]}" "$W/lnk/../data/f"
ok "leads where the system says" $PD find --dump up "$W/real/deep/data/f"
exits 0 "safe follows it too" $PD safe "$W/lnk/../data/f"
exits 1 "the other file is not safe" $PD safe "$W/data/f"
exits 0 "a link with a slash behind it" $PD dump --name slash "${pair[@]}" "$W/lnk/"
ok "means what it leads to" $PD find --dump slash "$W/real/deep/d"
if [ "$(id -u)" -eq 0 ] && mkdir "$W/src2" "$W/src2/home" && mount -t tmpfs none "$W/src2/home"; then
    echo precious >"$W/src2/home/p"
    exits 0 "a mounted file system named beside the one around it" \
        $PD dump -x --name mounted "${pair[@]}" "$W/src2" "$W/src2/home"
    ok "is in the dump" $PD find --dump mounted "$W/src2/home/p"
    exits 0 "and safe" $PD safe -x "$W/src2" "$W/src2/home"
    umount "$W/src2/home"
fi

# ---- files that only look like those held ----
fresh
mkdir -p "$W/new/sub"
echo CONTENT >"$W/new/sub/f"
touch -d '2020-01-01' "$W/src/sub/f" "$W/new/sub/f"
exits 0 "dump" $PD dump "${pair[@]}" "$W/src"
exits 0 "all is safe" $PD safe "$W/src"
rm -r "$W/src/sub"
mv "$W/new/sub" "$W/src/sub"
exits 1 "a file that came with a renamed folder is not" $PD safe "$W/src/sub/f"
exits 0 "and is dumped again" $PD --json dump --incremental "${pair[@]}" "$W/src/sub/f"
ok "it is written" jq -e '.files == 1 and .skipped == 0' "$T/out"

# ---- copies that are gone ----
fresh
exits 0 "dump" $PD dump "${pair[@]}" "$W/src"
rm -rf "${W:?}/b/"*
exits 1 "verify misses the copy" $PD verify
says out "not read" "and does not call it read"
exits 1 "then nothing is safe" $PD safe "$W/src"
exits 0 "and all is dumped again" $PD --json dump --incremental "${pair[@]}" "$W/src"
ok "all of it" jq -e '.skipped == 0' "$T/out"
fresh
exits 0 "dump" $PD dump "${pair[@]}" "$W/src"
rm "$W"/b/PD200001/0001*
echo more >"$W/src/g"
exits 0 "a dump sees that its volume was altered" $PD dump "${pair[@]}" "$W/src/g"
says err "set aside" "and says so"
exits 1 "what was on it is not safe any more" $PD safe "$W/src/sub/f"
exits 0 "what was dumped then is" $PD safe "$W/src/g"

# ---- places that were named ----
fresh
mkdir "$W/moved"
exits 0 "dump" $PD dump "${pair[@]}" "$W/src"
exits 0 "verify, with a place that holds nothing" $PD verify --at "disk:$W/moved"
says err "not at the place given" "tells what it read instead"
mv "$W/b/PD200001" "$W/moved"
exits 0 "a volume that was moved is found where it is named" $PD verify --at "disk:$W/moved"

# ---- copies that never were ----
fresh
exits 0 "one copy" $PD dump --to "disk:$W/a" "$W/src"
exits 1 "is not safe" $PD safe "$W/src"
exits 0 "but in one copy" $PD safe --copies 1 "$W/src"
exits 0 "a pair later" $PD --json dump --incremental "${pair[@]}" "$W/src"
ok "writes it all" jq -e '.skipped == 0' "$T/out"
exits 0 "then it is safe" $PD safe "$W/src"
fresh
exits 1 "a copy that could not be begun" $PD dump --name half --to "disk:$W/a" --to "fault:load@1+=EIO:disk:$W/b" "$W/src"
exits 1 "is missed by verify, of the dump" $PD verify --dump half
says out "1 missing" "and told"
exits 1 "and of all" $PD verify
fresh
exits 1 "not verified on request" $PD dump --verify none "${pair[@]}" "$W/src"
says out UNVERIFIED "is not called good"
exits 1 "nor safe" $PD safe "$W/src"
exits 0 "until it is read back" $PD verify
exits 0 "then it is" $PD safe "$W/src"
fresh
exits 1 "nothing to verify is nothing verified" bash -c '$1 catalog init && $1 verify' _ "$PD"

# ---- verdicts grow old ----
fresh
exits 0 "dump" $PD dump --name d "${pair[@]}" "$W/src"
for copy in a/PD100001 b/PD200001; do
    for archive in "$W/$copy"/0001*; do
        printf x | dd of="$archive" bs=1 seek=3000 conv=notrunc status=none
    done
    $PD verify >/dev/null 2>&1
    ok "dumps tells of bad copies" bash -c '$1 dumps | grep -E "$2"' _ "$PD" \
        "$([ "$copy" = a/PD100001 ] && echo degraded || echo failed)"
done
exits 1 "a json object also for wrong usage" bash -c '$1 --json nonsense | jq -e ".exit == 0"' _ "$PD"
exits 0 "that has the exit code" bash -c '$1 --json nonsense 2>/dev/null | jq -e ".exit == 2"' _ "$PD"

# ---- volumes by themselves ----
fresh
head -c 700000 /dev/urandom >"$W/src/big"
exits 0 "dump to a tape" $PD dump --block-size 64K --to "disk:$W/a" --to "mock:$W/b" "$W/src"
truncate -s 400000 "$W/b/PD200001.tap"
exits 3 "a tape cut in its first archive" $PD verify --target "mock:$W/b"
exits 2 "no volume at all" $PD verify --target "disk:$W/src"
mkdir "$W/empty"
exits 0 "a label" $PD label "disk:$W/empty" XX100001
exits 1 "is nothing that could be good" $PD verify --target "disk:$W/empty"
rm "$W"/a/PD100001/*index*
exits 1 "without its index not all can be checked" $PD verify --target "disk:$W/a"

# ---- places that are one ----
fresh
mkdir "$W/a/inner"
exits 2 "a target within the other" $PD dump --to "disk:$W/a" --to "disk:$W/a/inner" "$W/src"
ln -s "$W/a" "$W/also-a"
exits 2 "a target under two names" $PD dump --to "disk:$W/a" --to "disk:$W/also-a" "$W/src"
if [ "$(id -u)" -eq 0 ] && mount --bind "$W/a" "$W/b" 2>/dev/null; then
    exits 2 "a target mounted twice" $PD dump "${pair[@]}" "$W/src"
    umount "$W/b"
fi

# ---- restores that are not whole ----
fresh
exits 0 "dump" $PD dump "${pair[@]}" "$W/src"
echo more >"$W/src/g"
exits 0 "an increment" $PD dump --incremental "${pair[@]}" "$W/src"
exits 0 "restored by itself" $PD restore --all --to "$W/r"
says err "earlier dumps hold" "is said to be one"
exits 2 "an empty pattern is not everything" $PD restore --to "$W/r2" ""
fresh
for i in 1 2 3 4 5 6; do head -c 100000 /dev/urandom >"$W/src/f$i"; done
$PD dump --batch-files 1 --block-size 64K --to "disk:$W/a" --to "fault:write@14=kill:disk:$W/b" "$W/src" >/dev/null 2>&1
exits 1 "a dump that was killed is not restored as if it were whole" $PD restore --all --to "$W/r"
says err "never finished" "and that is why"

# ---- holes ----
fresh
truncate -s 10G "$W/src/hole"
echo end >>"$W/src/hole"
printf '[pairdump]\nstall-timeout = 3s\n' >"$W/conf"
exits 0 "a large hole is not taken for a hung drive" $PD -c "$W/conf" dump "${pair[@]}" "$W/src"
tap_done
