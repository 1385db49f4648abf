#!/bin/bash
# The server of the catalog dies while a dump that needs several pairs is under way, and stays away: the
# dump finishes on the media and exits 6, its pairs labelled with what it had reserved. While the server is
# back and the dump is not resumed, others keep off its volumes, and off the labels that it had reserved: the
# media that bear them may be on the shelf.
export ENGINE=mysql TMPDIR=${TMPDIR:-/dev/shm}
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/resume.sh"

SOURCE=$T/src
whole_source "$SOURCE"
printf '[catalog]\nwait = 1s\n' >"$T/brief"
DUMP_OPTIONS+=(--batch-files 40)
whole_reference "$SOURCE"

# labels KIND DIR: the volumes in a folder
labels() {
    if [ "$1" = disk ]; then
        find "$2" -mindepth 1 -maxdepth 1 -type d -printf '%f\n'
    else
        find "$2" -name '*.tap' -size +0 -printf 'x\n'
    fi | sort
}

# All media of the dump but the first pair are put away, and come back. Numbers of reserved labels stay out
# of use meanwhile.
to_shelf() {
    local side
    for side in a b; do
        mkdir -p "$T/shelf/$side"
        find "$T/$name-$side" -mindepth 1 -maxdepth 1 -name 'PD*' | sort | tail -n +2 |
            xargs mv -t "$T/shelf/$side"
    done
}

from_shelf() {
    local side
    for side in a b; do
        ok "no label is given twice" test -z "$(ls "$T/shelf/$side" "$T/$name-$side" | grep '^PD' | sort | uniq -d)"
        mv "$T/shelf/$side"/* "$T/$name-$side"
    done
    rm -r "$T/shelf"
}

exits 0 "a catalog" $PD catalog init
for kind in disk mock; do
    # killed when the first pair is being written, and once while files are still being listed
    for moment in write list; do
        name=$kind-$moment
        a=$T/$name-a b=$T/$name-b
        mkdir "$a" "$b"
        options="capacity=1600K"
        if [ $kind = mock ]; then
            options="$options&slots=12"
        fi
        slow=3000000
        if [ $moment = list ]; then
            slow=50000000
        fi
        $PD -c "$T/brief" dump --name "$name" "${DUMP_OPTIONS[@]}" \
            --to "fault:write@1+=slow=$slow:$kind:$a?$options" \
            --to "fault:write@1+=slow=$slow:$kind:$b?$options" "$SOURCE" >"$T/dump-out" 2>"$T/dump-err" &
        pid=$!
        for try in $(seq 500); do
            if [ $moment = list ]; then
                state=$(catalog_sql "SELECT COUNT(*) FROM volume WHERE state = 'reserved'" 2>/dev/null)
                [ "${state:-0}" -ge 8 ] && break
            elif [ -n "$(find "$b" -type f -size +100k)" ]; then
                break
            fi
            sleep 0.01
        done
        kill_server
        gone=$(microseconds)
        { wait "$pid"; } 2>/dev/null
        code=$?
        echo "# ended $((($(microseconds) - gone) / 1000)) ms after the server"
        same "$code" 6 "$name: exit code without the catalog"
        ok "$name: took more than one pair ($(labels $kind "$a" | wc -l))" \
            test "$(labels $kind "$a" | wc -l)" -gt 2
        grep -q 'reserved' "$T/dump-err" || sed 's/^/# /' "$T/dump-err"
        ok "$name: says what it did" grep -q 'label was reserved' "$T/dump-err"
        revive_server
        { wait "$reviver"; } 2>/dev/null
        if [ $moment = write ]; then
            exits 0 "$name: catalog check" $PD catalog check
            says err "PD1[0-9]+: is only reserved in the catalog, and holds . tape files" "tells of them"
            to_shelf
        fi
        exits 0 "$name: another dump meanwhile" $PD dump --name "$name-other" "${DUMP_OPTIONS[@]}" \
            --to "$kind:$a?$options" --to "$kind:$b?$options" "$SOURCE/small"
        if [ $moment = write ]; then
            from_shelf
        fi
        exits 0 "$name: resume" $PD resume "$name"
        ok "$name: and nothing is missing" is_whole "$name" $kind "$a?$options" "$b?$options"
        same "$(catalog_sql "SELECT COUNT(*) FROM volume WHERE state = 'reserved'")" 0 \
            "$name: no label is left reserved"
    done
done

# Stopped in its first archive on a pair, which it had labelled; another dump uses that pair; what the first one's
# journal says of it is old when it is told.
for number in 1 2; do
    a=$T/stop$number-a b=$T/stop$number-b
    export XDG_STATE_HOME=$T/stop$number
    mkdir "$a" "$b"
    exits 0 "a catalog" $PD catalog init
    $PD -c "$T/brief" dump --name stopped "${DUMP_OPTIONS[@]}" \
        --to "fault:write@1+=slow=700000:disk:$a?capacity=1600K" \
        --to "fault:write@1+=slow=700000:disk:$b?capacity=1600K" "$SOURCE" >"$T/dump-out" 2>"$T/dump-err" &
    pid=$!
    until [ -n "$(find "$b" -type f -size +100k)" ]; do sleep 0.01; done
    kill_server
    until [ -e "$b/PD20000$number/0000-label.tar" ]; do sleep 0.01; done
    sleep 0.2
    kill -INT $pid
    { wait "$pid"; } 2>/dev/null
    same "$?" 130 "stopped on pair $number"
    revive_server
    { wait "$reviver"; } 2>/dev/null
    exits 0 "another dump meanwhile" $PD dump --name other "${DUMP_OPTIONS[@]}" \
        --to "disk:$a?capacity=1600K" --to "disk:$b?capacity=1600K" "$SOURCE/small"
    exits 0 "resume" $PD resume stopped
    ok "and nothing is missing" is_whole stopped disk "$a?capacity=1600K" "$b?capacity=1600K"
    exits 0 "of the other dump neither" $PD safe "$SOURCE/small"
done
tap_done
