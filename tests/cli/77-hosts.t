#!/bin/bash
# Several hosts on one catalog: a place is one of the host that recorded it. What another host has at a
# place of that name says nothing of the volume, unless it is that volume: then both have the place.
. "$(dirname "$0")/../lib/tap.sh"

here=$(uname -n)
mkdir "$T/src"
for i in 1 2 3; do
    head -c 200000 /dev/urandom >"$T/src/file$i"
done

# recorded_by HOST [LABEL-PATTERN]
recorded_by() {
    catalog_sql "UPDATE volume SET host = '$1' WHERE label LIKE '${2:-%}'"
}

copies() {
    catalog_sql "SELECT state, COUNT(*) FROM copy GROUP BY state ORDER BY state" | tr '\t' '|'
}

is_safe() {
    same "$(copies)" "verified|$1" "$2: no copy is doubted"
    exits 0 "$2: safe says so" $PD safe "$T/src"
}

for kind in disk mock; do
    export XDG_STATE_HOME=$T/state-$kind
    P=$T/$kind
    mkdir -p "$P/a" "$P/b" "$P/lab-1" "$P/own-a" "$P/own-b"
    exits 0 "$kind: a dump" $PD dump --name one --block-size 64K --to "$kind:$P/a" --to "$kind:$P/b" "$T/src"
    recorded_by lab-1

    # a share: both hosts have the place
    exits 0 "$kind: a place that both hosts have: verify" $PD verify
    says out "2 good, 0 bad; 0 unreachable" "reads both copies back"
    exits 0 "$kind: catalog check" $PD catalog check
    says out "^2 volumes with 2 archives looked at, 0 volumes out of reach$" "looks at them"
    exits 0 "$kind: restore" $PD restore --dump one --all --to "$P/back-share"
    ok "$kind: the files are back" diff -r "$T/src" "$P/back-share$T/src"
    is_safe 2 "$kind"

    # what another host has is out of reach as a cartridge on a shelf is: first one of two, then both
    for side in b a; do
        mkdir "$P/lab-1/$side"
        mv "$P/$side"/PD* "$P/lab-1/$side"
        exits 1 "$kind: $side is at another host: verify" $PD verify
        tail -n 1 "$T/err" >"$T/verdict"
        says out "^PD200001  one.0001 .* not read: PD200001: .*: volume PD200001 is not found; it is on host lab-1; run this there, or give --at; looked at: $kind:$P/b \(no such volume there\): .*\[not-found\]$" \
            "the host is named"
        tail -n 1 "$T/out" >"$T/sum"
        silent out "\[missing\]|BAD" "nothing is missed"
        is_safe 2 "$kind: $side"
        exits 1 "$kind: as JSON" $PD --json verify
        ok "$kind: the same facts" jq -e --arg side $side '.unreachable == (if $side == "b" then 1 else 2 end) and .bad == 0 and
            .files_lost == 0 and all(.results[] | select(.status != "ok"); .status == "not-found")' "$T/out"
        if [ $kind = mock ]; then
            recorded_by "$here"
            exits 1 "$kind: a cartridge on the shelf" $PD verify
            ok "$kind: has the same verdict" cmp <(tail -n 1 "$T/err") "$T/verdict"
            ok "$kind: and sum" cmp <(tail -n 1 "$T/out") "$T/sum"
            silent out "on host" "of a volume of this host no other is named"
            recorded_by lab-1
        fi
    done
    exits 1 "$kind: catalog check" $PD catalog check
    says out "^0 volumes with 0 archives looked at, 2 volumes out of reach$" "counts them, and knows of no contradiction"
    says err "warning: PD100001: .*on host lab-1; run this there, or give --at" "names volume and host"
    says err "2 volumes could not be compared.*\[unverified\]" "and does not call them good"
    exits 1 "$kind: as JSON" $PD --json catalog check
    ok "$kind: the same facts" jq -e '.status == "unverified" and .problems == [] and .unreachable == 2 and
        (.warnings | length) == 2' "$T/out"
    exits 0 "$kind: without media it is no matter" $PD catalog check --no-media
    exits 3 "$kind: restore" $PD restore --dump one --all --to "$P/back-none"
    says err "warning: PD100001: .*on host lab-1; run this there, or give --at" "names volume and host"
    says err "$T/src/file1: no volume with it can be reached: .*on host lab-1" "of each file that it cannot bring back"
    is_safe 2 "$kind: after it"

    # told where they are, on a copy or on disks that came here
    at=(--at "$kind:$P/lab-1/a" --at "$kind:$P/lab-1/b")
    exits 0 "$kind: verify --at" $PD verify "${at[@]}"
    exits 0 "$kind: catalog check --at" $PD catalog check "${at[@]}"
    says out "^2 volumes with 2 archives looked at, 0 volumes out of reach$" "looks at them"
    exits 0 "$kind: restore --at" $PD restore --dump one --all --to "$P/back-at" "${at[@]}"
    ok "$kind: the files are back" diff -r "$T/src" "$P/back-at$T/src"
    exits 1 "$kind: --at where they are not" $PD verify --at "$kind:$P/own-a"
    says out "not read: .*on host lab-1; run this there, or give --at; looked at: $kind:$P/own-a .*, $kind:$P/b" "tells of both places"
    is_safe 2 "$kind: after it"

    # volumes of this host at places of the same name
    exits 0 "$kind: a dump of this host" $PD dump --name two --block-size 64K --to "$kind:$P/own-a" \
        --to "$kind:$P/own-b" "$T/src"
    mv "$P/own-a"/PD* "$P/a"
    mv "$P/own-b"/PD* "$P/b"
    catalog_sql "UPDATE volume SET location = '$kind:$P/a' WHERE label = 'PD100002'"
    catalog_sql "UPDATE volume SET location = '$kind:$P/b' WHERE label = 'PD200002'"
    recorded_by "$here" "PD_00002"
    exits 0 "$kind: verify of what is here" $PD verify --dump two
    exits 1 "$kind: verify of all" $PD verify
    says out "2 good, 0 bad; 2 unreachable" "tells them apart"
    exits 1 "$kind: catalog check" $PD catalog check
    says out "^2 volumes with 2 archives looked at, 2 volumes out of reach$" "tells them apart, too"
    is_safe 4 "$kind: both"
    exits 0 "$kind: volumes" $PD volumes
    says out "^PD100001 appendable copy 1 .* $kind:$P/a on host lab-1$" "the other host is told"
    says out "^PD100002 appendable copy 1 .* $kind:$P/a$" "this one is not"
    exits 0 "$kind: as JSON" $PD --json volumes
    ok "$kind: each has its host" jq -e --arg here "$here" --arg at "$kind:$P/a" '[.volumes[] | select(.copy == 1) |
        [.volume, .host, .location]] == [["PD100001", "lab-1", $at], ["PD100002", $here, $at]]' "$T/out"

    # on the host that has them
    recorded_by moved "PD_00002"
    recorded_by "$here" "PD_00001"
    if [ $kind = disk ]; then
        exits 6 "$kind: the host that recorded a volume misses it: catalog check" $PD catalog check
        says out "^PD100001: volume PD100001 is not found; looked at: .*\[missing\]$" "names it"
        silent out "^PD100001: .*on host" "and no host"
        exits 3 "$kind: verify" $PD verify
        same "$(copies | tr '\n' ' ')" "verified|2 written|2 " "doubts its copies, and no others"
        recorded_by "" "PD_00001"
        exits 6 "$kind: where no host is known it is missed as well: catalog check" $PD catalog check
    fi
    mv "$P/a"/PD* "$P/own-a"
    mv "$P/b"/PD* "$P/own-b"
    mv "$P/lab-1/a"/PD* "$P/a"
    mv "$P/lab-1/b"/PD* "$P/b"
    exits 0 "$kind: when they are back: verify" $PD verify --dump one
    exits 1 "$kind: catalog check" $PD catalog check
    says out "^2 volumes with 2 archives looked at, 2 volumes out of reach$" "those of the other host are not here"
    is_safe 4 "$kind: and all are"

    # another volume of that label, from a catalog that this host had of its own
    recorded_by lab-1
    mv "$P/a"/PD* "$P/b"/PD* "$P/lab-1"
    exits 0 "$kind: a dump with another catalog" env XDG_STATE_HOME="$P/other" $PD dump --name other \
        --block-size 64K --to "$kind:$P/a" --to "$kind:$P/b" "$T/src"
    exits 1 "$kind: another volume of that label: verify" $PD verify --dump one
    says out "^PD100001 .*not read: .*on host lab-1; .*another volume of that label.*\[not-found\]$" "is not the one that is sought"
    exits 1 "$kind: catalog check" $PD catalog check
    says out "^0 volumes with 0 archives looked at, 4 volumes out of reach$" "knows of no contradiction"
    is_safe 4 "$kind: with them"
    exits 6 "$kind: where the place is looked at, what is there is unknown" $PD catalog check --at "$kind:$P/a"
    says out "^PD100001: is at $kind:$P/a with UUID .*, and not in the catalog, which has another one of that label on host lab-1: " \
        "and is told from the other"
    says out "^0 volumes .* 4 volumes out of reach$" "which is out of reach as before"
done

# a label that a dump holds for a volume that it may need
export XDG_STATE_HOME=$T/state-reserved
R=$T/reserved
mkdir -p "$R/a" "$R/b"
exits 0 "a dump" $PD dump --name one --block-size 64K --to "disk:$R/a" --to "disk:$R/b" "$T/src"
exits 0 "a volume that bears a label" env XDG_STATE_HOME="$R/other" $PD label "disk:$R/a" PD100009
uuid=$(awk '{sub(",", "", $2); print $2}' "$T/out")
for label in PD100008 PD100009; do
    catalog_sql "INSERT INTO volume (label, uuid, pool, copy, pair, state, location, block_size, used,
        tape_files, created, last_written, last_verified, host) VALUES ('$label',
        '$([ $label = PD100009 ] && echo "$uuid" || echo 7d1f2f5a-0000-4000-8000-000000000001)', 'default', 1,
        ${label#PD10000}, 'reserved', 'disk:$R/a', 65536, 0, 0, 1, 0, 0, '$here')"
done
exits 0 "labels that are reserved: catalog check" $PD catalog check
says out "^2 volumes with 2 archives looked at, 0 volumes out of reach$" "does not look for them"
ok "and says nothing of them" test ! -s "$T/err"
exits 0 "verify" $PD verify
silent out "PD10000[89]" "does not look for them"
exits 1 "verify of one of them reads nothing, and does not call that good" $PD verify PD100008
says out "^0 archives, 0 copies" "has nothing to read"
exits 0 "restore" $PD restore --dump one --all --to "$R/back"
ok "the files are back" diff -r "$T/src" "$R/back$T/src"
exits 0 "safe" $PD safe "$T/src"
exits 0 "volumes" $PD volumes
says out "^PD100008 reserved   copy 1 +0 B in 0 archives, 0 bad  written -  verified -  disk:$R/a$" "shows them"
exits 0 "as JSON" $PD --json volumes
ok "with their state" jq -e '[.volumes[] | select(.state == "reserved") | .volume] == ["PD100008", "PD100009"]' "$T/out"

# label records places as a dump does
export XDG_STATE_HOME=$T/state-label
mkdir -p "$T/l/m"
ln -s m "$T/l/link"
exits 0 "label at a place given in another way" bash -c "cd '$T/l' && $PD label 'fault:read@99=EIO:disk:./link/../link?capacity=1G' LAB001"
exits 0 "volumes" $PD --json volumes
ok "the place is absolute, without faults, and has its host" jq -e --arg here "$here" \
    --arg at "disk:$(realpath "$T/l/m")?capacity=1G" '.volumes[0] | .location == $at and .host == $here' "$T/out"
exits 0 "where they are from does not matter" bash -c "cd / && $PD catalog check"
says out "^1 volumes with 0 archives looked at, 0 volumes out of reach$" "it is found"
recorded_by lab-1
exits 2 "the same label again" $PD label "disk:$T/l" LAB001
says err "has a volume LAB001 already, at disk:.*/l/m\?capacity=1G on host lab-1" "tells where it is"
exits 2 "a place that is not there" $PD label "disk:$T/l/nowhere" LAB002
tap_done
