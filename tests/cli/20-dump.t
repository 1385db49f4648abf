#!/bin/bash
# The main job: a tree to two disks and to two mock tapes, and back, identical; readable by hand.
. "$(dirname "$0")/../lib/tap.sh"

mkdir -p "$T/src/sub/empty"
for i in 1 2 3 4 5 6 7 8 9; do
    head -c $((i * 70000)) /dev/urandom >"$T/src/file$i"
done
printf 'x' >"$T/src/sub/one"
: >"$T/src/sub/nothing"
printf 'raw' >"$T/src/$(printf 'b\377\376y')"
printf 'nl' >"$T/src/$(printf 'new\nline')"
printf 'pct' >"$T/src/100%25"
ln -s nowhere "$T/src/dangling"
ln -s sub/one "$T/src/link"
ln "$T/src/file1" "$T/src/hard"
truncate -s 3M "$T/src/hole"
printf end >>"$T/src/hole"
mkfifo "$T/src/fifo"
touch -d '1965-03-04 05:06:07.123456789 UTC' "$T/src/old"
touch -d '2137-01-01 UTC' "$T/src/future"
chmod 1751 "$T/src/sub"

for kind in disk mock; do
    a=$kind:$T/$kind-a b=$kind:$T/$kind-b
    mkdir "$T/$kind-a" "$T/$kind-b"
    exits 0 "$kind: dry run" $PD dump -n --to "$a" --to "$b" "$T/src"
    ok "$kind: dry run wrote nothing" test -z "$(find "$T/$kind-a" -name "PD*")"
    exits 0 "$kind: dump" $PD --json dump --batch-size 200K --name "$kind" --to "$a" --to "$b" "$T/src"
    ok "$kind: json is valid" jq -e '.status == "ok" and .exit == 0 and .archives > 3' "$T/out"
    ok "$kind: all copies are verified" jq -e 'all(.copies[]; .archives_verified == .archives_written)' "$T/out"
    exits 0 "$kind: verify" $PD verify --dump "$kind"
    exits 0 "$kind: verify without catalog" $PD --catalog "sqlite:$T/none.db" verify --target "$a"
    exits 0 "$kind: restore" $PD restore --dump "$kind" --all --to "$T/$kind-r"
    ok "$kind: restored tree is identical" "$TOOLS/tree_diff" "$T/src" "$T/$kind-r$T/src"
    exits 0 "$kind: restore one file" $PD restore --dump "$kind" --to "$T/$kind-1" "$T/src/file7"
    ok "$kind: the file" cmp "$T/src/file7" "$T/$kind-1$T/src/file7"
    exits 1 "$kind: existing files are kept" $PD restore --dump "$kind" --to "$T/$kind-1" "$T/src/file7"
    exits 2 "$kind: no such file" $PD restore --dump "$kind" --to "$T/$kind-1" "$T/src/file77"
    exits 0 "$kind: append" $PD dump --name "$kind-2" --to "$a" --to "$b" "$T/src/sub"
    exits 0 "$kind: volumes" $PD --json volumes
    ok "$kind: one pair holds both dumps" \
        jq -e --arg l "$kind" '[.volumes[] | select(.location | startswith($l))] | length == 2' "$T/out"
    exits 0 "$kind: safe" $PD safe "$T/src"
done
exits 0 "catalog check" $PD catalog check
says out consistent "catalog is consistent"
exits 0 "find" $PD find "$T/src/file3"
same "$(wc -l <"$T/out")" 2 "find shows the file of both dumps"
exits 0 "ls" $PD ls --dump disk "$T/src/sub"
same "$(wc -l <"$T/out")" 3 "ls shows what lies in the folder"
exits 0 "history" $PD history
exits 0 "show" $PD show disk
exits 0 "export" $PD catalog export
says out "^dump.*name=disk" "export has the dump"
exits 0 "tape status" $PD tape status "mock:$T/mock-a"
exits 0 "doctor" $PD doctor "disk:$T/disk-a"

# both copies are bit-identical, and read by hand
ok "copies are bit-identical" bash -c 'cd "$1" && for f in */000[1-9]-disk.0*; do
    cmp "$f" "$2"/*/"$(basename "$f")" || exit 1; done' _ "$T/disk-a" "$T/disk-b"
ok "tar lists every tape file" bash -c 'for f in "$1"/*/*.tar; do tar -tf "$f" >/dev/null || exit 1; done' _ "$T/disk-a"
mkdir "$T/hand"
ok "tar extracts every archive" bash -c 'for f in "$1"/*/*-disk.[0-9]*.tar; do tar -C "$2" -xf "$f" || exit 1; done' _ "$T/disk-a" "$T/hand"
for bag in "$T"/hand/*; do
    ok "an independent check calls $(basename "$bag") a valid bag" \
        python3 "$tap_top/tests/tools/bagcheck.py" "$bag"
    ok "sha256sum agrees with the tag manifest of $(basename "$bag")" \
        bash -c 'cd "$1" && sha256sum --quiet -c tagmanifest-sha256.txt' _ "$bag"
done

# sources that are not as they should be
mkdir "$T/c" "$T/d"
exits 1 "a path that is not there degrades" $PD dump --name gone --to "disk:$T/c" --to "disk:$T/d" "$T/src/sub" "$T/src/nope"
says err nope "it is named"
exits 2 "nothing at all" $PD dump --to "disk:$T/c" --to "disk:$T/d" "$T/src/nope"
exits 0 "incremental, nothing new" $PD --json dump --incremental --name inc1 --to "disk:$T/c" --to "disk:$T/d" "$T/src/sub"
ok "nothing was written again" jq -e '.archives == 0 and .skipped > 0' "$T/out"
echo more >"$T/src/sub/new"
exits 0 "incremental, one new" $PD --json dump --incremental --name inc2 --to "disk:$T/c" --to "disk:$T/d" "$T/src/sub"
ok "only the new file and its folder" jq -e '.files == 2' "$T/out"
exits 2 "a dump's name is unique" $PD dump --name inc2 --to "disk:$T/c" --to "disk:$T/d" "$T/src/sub"
exits 0 "list of paths from standard input" bash -c 'printf "%s\0" "$1" | $2 dump --name list -0 -T - --to "$3" --to "$4"' \
    _ "$T/src/sub/new" "$PD" "disk:$T/c" "disk:$T/d"
exits 0 "exclude" $PD --json dump --name excl --exclude 'file*' --exclude "$T/src/sub" --to "disk:$T/c" --to "disk:$T/d" "$T/src"
ok "excluded files are not in it" bash -c '! $1 find --dump excl "*file3" && ! $1 find --dump excl "*/sub*"' _ "$PD"
mkdir "$T/foreign"
echo mine >"$T/foreign/letter"
exits 2 "a foreign folder is refused" $PD dump --to "disk:$T/foreign" --to "disk:$T/d" "$T/src"
ok "and left alone" test "$(ls "$T/foreign")" = letter
exits 0 "test-dump" $PD test-dump --size 3M --files 30 --folder "$T"
tap_done
