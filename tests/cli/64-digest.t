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
    for kind in disk mock; do
        export XDG_STATE_HOME=$T/state-$alg-$kind
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
    done

    # a further copy, and catalogs made anew: from indexes, and from manifests
    to=$T/$alg-disk
    export XDG_STATE_HOME=$T/state-$alg-disk
    mkdir "$to/c" "$to/e"
    exits 0 "$alg: a third copy" $PD copy d --to "disk:$to/c"
    exits 0 "$alg: it is good by itself" $PD --catalog "sqlite:$T/none.db" verify --target "disk:$to/c"
    cp -r "$to"/a/* "$to/e"
    rm "$to"/e/*/*index.tar
    for from in a c e; do
        export XDG_STATE_HOME=$T/state-$alg-anew-$from
        whole=0 # but without indexes owners and the like are not told
        [ $from != e ] || whole=1
        exits $whole "$alg: a catalog from $from" $PD rebuild "disk:$to/$from"
        exits 0 "$alg: $from: it is consistent" $PD catalog check
        $PD --json find "$T/src/sub/file3" >"$T/out"
        ok "$alg: $from: it has the digests" jq -e --arg a $alg --arg d "$digest" \
            '.files[0] | .digest_algorithm == $a and .digest == $d' "$T/out"
        exits 1 "$alg: $from: the other copy was not given" $PD --json verify --dump d
        ok "$alg: $from: the archives are as it says" jq -e '.good == 3 and .bad == 0 and .missing > 0' "$T/out"
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
    export XDG_STATE_HOME=$T/state-$alg-disk
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
# ---- which one it is ----

export XDG_STATE_HOME=$T/state-config
mkdir "$T/c1" "$T/c2" "$T/c3" "$T/c4"
exits 2 "an algorithm that is not known" $PD dump --digest md5 --to "disk:$T/c1" --to "disk:$T/c2" "$T/src"
says err "sha256, sha512, sha3-256, blake2b512" "the names are told"
ok "nothing was written" test -z "$(find "$T/c1" -mindepth 1)"
printf '[pairdump]\ndigest = sha1\n' >"$T/bad.conf"
exits 2 "nor in a configuration" $PD -c "$T/bad.conf" dumps
says err "bad.conf:2: \"sha1\".*sha256, sha512, sha3-256, blake2b512" "line and names are told"
cat >"$T/conf" <<END
[pool one]
copy1 = disk:$T/c1
copy2 = disk:$T/c2
[pool two]
copy1 = disk:$T/c3
copy2 = disk:$T/c4
label-prefix = Q
digest = sha512
[pairdump]
digest = blake2b512
END
alg_of() {
    $PD --json show "$1" | jq -r .digest_algorithm
}
exits 0 "a pool has that of [pairdump]" $PD -c "$T/conf" dump --pool one --name one "$T/src"
same "$(alg_of one)" blake2b512 "it has"
exits 0 "or its own" $PD -c "$T/conf" dump --pool two --name two "$T/src"
same "$(alg_of two)" sha512 "that one"
exits 0 "the option outweighs both" $PD -c "$T/conf" dump --digest sha3-256 --pool two --name three "$T/src"
same "$(alg_of three)" sha3-256 "the option's"
exits 0 "targets have that of [pairdump]" \
    $PD -c "$T/conf" dump --to "disk:$T/c1" --to "disk:$T/c2" --name four "$T/src"
same "$(alg_of four)" blake2b512 "they have"
exits 0 "without a word it is SHA-256" $PD dump --to "disk:$T/c1" --to "disk:$T/c2" --name five "$T/src"
same "$(alg_of five)" sha256 "SHA-256"
exits 0 "a volume may hold several" $PD --catalog "sqlite:$T/none.db" verify --target "disk:$T/c1"
cp -r "$T/c3" "$T/c5"
rm "$T"/c5/Q100001/*index.tar
mv "$T/c5/Q100001/0003-three.0001.tar" "$T/c5/Q100001/0002-three.0001.tar"
exits 1 "and tells them apart without indexes" $PD --catalog "sqlite:$T/none.db" verify --target "disk:$T/c5"
same "$(grep -c "its files pass by its own manifest" "$T/out")" 2 "each by its own manifest"
exits 0 "the catalog is consistent" $PD catalog check

# what is unchanged is held, whatever it was hashed with; what is restored may come from both
exits 0 "an incremental dump with another one" $PD dump --incremental --digest sha512 --to "disk:$T/c1" \
    --to "disk:$T/c2" --name six "$T/src"
says out "^  [0-9]+ files left out: held already" "leaves out what is held"
exits 0 "safe asks not for the algorithm" $PD safe "$T/src/sub"

# a dump goes on with its own
mkdir "$T/r1" "$T/r2"
$PD dump --digest sha512 --name broken --block-size 64K --batch-size 200K --to "disk:$T/r1" \
    --to "fault:write@9=kill:disk:$T/r2" "$T/src" >/dev/null 2>&1
exits 0 "what was killed is resumed with another one configured" $PD -c "$T/conf" resume broken
same "$(alg_of broken)" sha512 "it keeps its own"
exits 0 "in all its archives" $PD --json find --dump broken '*'
ok "each file" jq -e 'all(.files[] | select(.kind == "f"); .digest_algorithm == "sha512" and (.digest | length) == 128)' \
    "$T/out"
ok "no other manifests" bash -c '! for f in "$1"/r?/*/*-broken.0*.tar; do tar -tf "$f"; done | grep "manifest-" | grep -v sha512' _ "$T"
exits 0 "it is whole" $PD verify --dump broken
exits 0 "and so is each volume" $PD --catalog "sqlite:$T/none.db" verify --target "disk:$T/r2"
exits 0 "the catalog is consistent then" $PD catalog check

# the catalog says another one than the archives have
catalog_sql "UPDATE archive SET digest_algorithm = 'blake2b512' WHERE digest_algorithm = 'sha512'"
exits 3 "the archives contradict the catalog" $PD verify --dump two
says out "BAD" "it is told"
catalog_sql "UPDATE archive SET digest_algorithm = 'sha3-256' WHERE digest_algorithm = 'blake2b512'"
exits 6 "the check finds what cannot be" $PD catalog check
says out "not of its archive's algorithm" "by the digests' length"
tap_done
