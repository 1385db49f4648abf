#!/bin/bash
# Files hashed with each of four algorithms: to disks and to mock tapes, verified with and without a
# catalog, restored, checked by other programs, and a flipped byte found.
. "$(dirname "$0")/../lib/tap.sh"

mkdir -p "$T/src/sub/empty" "$T/odd"
for i in 1 2 3; do
    head -c $((i * 90000)) /dev/urandom >"$T/src/sub/file$i"
done
: >"$T/src/nothing"
printf 'raw' >"$T/src/$(printf 'b\377\376y')"
printf 'nl' >"$T/src/$(printf 'new\nline \\ 100%%25')"
ln "$T/src/sub/file1" "$T/src/hard"
truncate -s 300K "$T/src/hole"
printf end >>"$T/src/hole"
ln -s sub/file2 "$T/src/link"

bagit() {
    case $1 in
    sha3-256) echo sha3256 ;;
    *) echo "$1" ;;
    esac
}

# by_hand ALG: what README.txt says, in the folder of an archive; silent, or something is wrong
by_hand() {
    local sum=sha256sum M
    case $1 in
    sha256) ;;
    sha512) sum=sha512sum ;;
    blake2b512) sum=b2sum ;;
    sha3-256)
        for M in tagmanifest-sha3256.txt manifest-sha3256.txt; do
            eval "$openssl" || return 1
        done
        return
        ;;
    esac
    eval "$(printf '%s\n' "$check" | sed "s/sha256sum/$sum/g; s/manifest-sha256/manifest-$1/g")"
}


for alg in sha256 sha512 sha3-256 blake2b512; do
    bag=$(bagit $alg)
    export XDG_STATE_HOME=$T/state-$alg
    for kind in disk mock; do
        to=$T/$alg-$kind
        mkdir -p "$to/a" "$to/b"
        exits 0 "$alg, $kind: dump" $PD dump --digest $alg --name d --batch-size 300K \
            --to "$kind:$to/a" --to "$kind:$to/b" "$T/src"
        exits 0 "$alg, $kind: verify by the catalog" $PD --json verify --dump d
        ok "$alg, $kind: all is good" jq -e '.bad == 0 and .good > 0 and .copies == .good' "$T/out"
        exits 0 "$alg, $kind: verify without a catalog" \
            $PD --catalog "sqlite:$T/none.db" verify --target "$kind:$to/b"
        exits 0 "$alg, $kind: restore" $PD restore --all --to "$to/back"
        ok "$alg, $kind: the tree is back" "$TOOLS/tree_diff" "$T/src" "$to/back$T/src"
        $PD --json find "$T/src/sub/file3" >"$T/out"
        digest=$(openssl dgst -$alg -r "$T/src/sub/file3" | cut -d' ' -f1)
        ok "$alg, $kind: find has the digest" jq -e --arg a $alg --arg d "$digest" \
            '.files[0] | .digest_algorithm == $a and .digest == $d and
             (if $a == "sha256" then .sha256 == $d else .sha256 == null end)' "$T/out"
        $PD --json show d >"$T/out"
        ok "$alg, $kind: show names it" jq -e --arg a $alg '.digest_algorithm == $a' "$T/out"
        exits 0 "$alg, $kind: the catalog is consistent" $PD catalog check
        rm -rf "$XDG_STATE_HOME.$kind"
        mv "$XDG_STATE_HOME" "$XDG_STATE_HOME.$kind"
    done

    # by other programs, as README.txt has it
    to=$T/$alg-disk
    mkdir "$to/hand"
    for archive in "$to"/a/*/*-d.0*.tar; do
        LC_ALL=C tar -C "$to/hand" --warning=no-unknown-keyword -xf "$archive"
    done
    tar -C "$to" -xf "$(echo "$to"/a/*/0000-label.tar)"
    readme=$(find "$to" -maxdepth 2 -name README.txt | head -1)
    check=$(sed -n '/^CHECK$/,$p' "$readme" | sed -n '/^  sha256sum -c/p;/^  LC_ALL=C sed/,/sha256sum/p')
    openssl=$(sed -n '/^CHECK$/,$p' "$readme" | sed -n '/^  cut -c/,/diff/p')
    for folder in "$to"/hand/d.0*; do
        ok "$alg: ${folder##*/} has the manifests of it alone" test \
            "$(cd "$folder" && echo ./*manifest*)" = "./manifest-$bag.txt ./tagmanifest-$bag.txt"
        cd "$folder" || exit 1
        ok "$alg: ${folder##*/} as README.txt checks it" by_hand $alg
        cd "$tap_top" || exit 1
    done
    folder=$(echo "$to"/hand/d.0001)
    file=$(find "$folder/data" -type f -size +1k | head -n 1)
    printf x | dd of="$file" bs=1 conv=notrunc status=none
    cd "$folder" || exit 1
    ok "$alg: README.txt finds what is wrong" eval '! by_hand $alg'
    cd "$tap_top" || exit 1

    # a byte of a file, without the tape file being of another length
    export XDG_STATE_HOME=$T/state-$alg.disk
    head -c 50000 "$T/src/sub/file2" | tail -c 16 >"$T/bytes"
    hit=0
    for archive in "$to"/b/*/*-d.0*.tar; do
        at=$(perl -0777 -e 'open B, "<", $ARGV[0]; open F, "<", $ARGV[1]; print index(<F>, <B>)' \
            "$T/bytes" "$archive")
        [ "$at" -ge 0 ] || continue
        hit=1
        printf '\377\000\377' | dd of="$archive" bs=1 seek="$at" conv=notrunc status=none
    done
    same "$hit" 1 "$alg: a place to damage"
    exits 1 "$alg: the damage is found by the catalog" $PD verify --dump d
    says out "src/sub/file2" "$alg: and the file named"
    exits 3 "$alg: and without it" $PD --catalog "sqlite:$T/none.db" verify --target "disk:$to/b"
    says out "src/sub/file2" "$alg: there too"
    rm -r "$to"/b/*/*index.tar
    exits 3 "$alg: by its own manifest" $PD --catalog "sqlite:$T/none.db" verify --target "disk:$to/b"
    says out "src/sub/file2" "$alg: named by that as well"
    rm -rf "$to/back"
    exits 0 "$alg: restore takes the other copy" $PD restore --all --to "$to/back"
    ok "$alg: all is back" "$TOOLS/tree_diff" "$T/src" "$to/back$T/src"
done
tap_done
