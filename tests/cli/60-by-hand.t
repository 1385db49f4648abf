#!/bin/bash
# README.txt on the volume suffices to restore by hand; verification reads the medium.
. "$(dirname "$0")/../lib/tap.sh"

mkdir -p "$T/src/sub" "$T/a" "$T/b" "$T/hand"
for i in 1 2 3 4 5; do
    head -c $((i * 200000)) /dev/urandom >"$T/src/sub/file$i"
done
printf pct >"$T/src/100%25"
ln "$T/src/sub/file1" "$T/src/hard"
ln -s sub/file2 "$T/src/link"
touch -d '2001-02-03 04:05:06.789 UTC' "$T/src/sub/file3"
exits 0 "dump" $PD dump --name d --to "disk:$T/a" --to "disk:$T/b" "$T/src"

# the commands are taken out of README.txt, which is taken out of the label
ok "the label is a tar" tar -C "$T" -xf "$(echo "$T"/a/*/0000-label.tar)"
readme=$(find "$T" -maxdepth 2 -name README.txt | head -1)
ok "README.txt tells how to restore" grep -q '^RESTORE FROM DISK$' "$readme"
archive=$(echo "$T"/b/*/0001-d.0001.tar)
command=$(sed -n '/^RESTORE FROM DISK$/,/^RESTORE A PART/p' "$readme" | sed -n 's/^  //p' |
    sed "s|NNNN-NAME.tar|$archive|")
ok "its command extracts the archive" bash -c "cd '$T/hand' && $command"
ok "everything is back, with times" "$TOOLS/tree_diff" "$T/src" "$T/hand/d.0001/data$T/src"
ok "its check of the tag files" bash -c "cd '$T/hand/d.0001' && sha256sum -c tagmanifest-sha256.txt"
# the line of README.txt that turns escapes back and checks the manifest
check=$(sed -n '/^CHECK$/,$p' "$readme" | sed -n '/^  LC_ALL=C sed/,/sha256sum/p')
ok "its check of the files" bash -c "cd '$T/hand/d.0001' && $check"

# the medium is read: O_DIRECT, or the cache is dropped first
# leak checks do not work in a traced process
exits 0 "verify under strace" env ASAN_OPTIONS=detect_leaks=0 strace -f -o "$T/trace" -e trace=openat,fadvise64 \
    $PD --catalog "sqlite:$T/no" verify --target "disk:$T/a"
ok "the archive is read past the page cache" \
    bash -c 'grep -q "0001-d.0001.tar.*O_DIRECT" "$1" || grep -q "FADV_DONTNEED" "$1"' _ "$T/trace"
tap_done
