#!/bin/bash
# Faults on either copy, at the first, a middle and the last call of each operation, on disks and on
# tapes: never exit 0 unless both copies are good, never a crash, never a hang; the catalog stays true.
. "$(dirname "$0")/../lib/tap.sh"

mkdir "$T/src"
for i in 1 2 3 4; do
    head -c 300000 /dev/urandom >"$T/src/file$i"
done
printf '[pairdump]\nstall-timeout = 500ms\n[retry default]\ntries = 1\n' >"$T/conf"
sed 's/500ms/10s/' "$T/conf" >"$T/patient" # slow is not hung, on a busy machine too
run=0

# dump_with FAULT COPY KIND: the dump of every drill, in $T/$run
dump_with() {
    local url_a=$3:$T/$run/a url_b=$3:$T/$run/b conf=$T/conf
    [[ $1 != *slow* ]] || conf=$T/patient
    mkdir "$T/$run" "$T/$run/a" "$T/$run/b" "$T/$run/state"
    [ "$2" = 1 ] && url_a=fault:$1:$url_a || url_b=fault:$1:$url_b
    XDG_STATE_HOME=$T/$run/state timeout -s KILL 60 $PD -v -c "$conf" dump --name d \
        --block-size 64K --batch-size 600K --to "$url_a" --to "$url_b" "$T/src" \
        >"$T/$run/out" 2>"$T/$run/err"
}

# A copy is good when both of its archives pass without the catalog.
is_good() {
    XDG_STATE_HOME=$T/$run/state $PD verify --target "$1" >"$T/$run/seen" 2>&1 &&
        [ "$(grep -c ' d\.000[12] .* ok,' "$T/$run/seen")" -eq 2 ]
}

# drill FAULT COPY KIND: a dump with the fault on one copy, judged by other means
drill() {
    local what="$1 on copy $2 ($3)" code good=0
    run=$((run + 1))
    dump_with "$@"
    code=$?
    case $code in
    0 | 1 | 2 | 3 | 5) ;;
    *)
        ok "$what ends in order (exit $code)" false
        return
        ;;
    esac
    is_good "$3:$T/$run/a" && good=$((good + 1))
    is_good "$3:$T/$run/b" && good=$((good + 1))
    if [ "$code" -eq 0 ]; then
        same "$good" 2 "$what: exit 0 and both copies are good"
    elif [ "$code" -ne 5 ]; then # no volume left, when the fault strikes the next one too
        ok "$what: exit $code, the other copy is good" test "$good" -ge 1
    fi
    ok "$what: catalog is true" env XDG_STATE_HOME="$T/$run/state" $PD catalog check
    rm -rf "${T:?}/$run"
}

# calls OP: how often it was called in the run of dump_with, in the reader or in the writer
calls() {
    sed -n "s/.*fault filter: calls.* $1@\([0-9]*\).*/\1/p" "$T/$run/err" | sort -n | tail -1
}

drill_operation() {
    local op=$1 copy=$2 kind=$3 last=$4 at effect
    shift 4
    for at in $(printf '%s\n' 1 $(((last + 1) / 2)) "$last" | sort -nu); do
        for effect in "$@"; do
            drill "$op@$at=$effect" "$copy" "$kind"
        done
    done
}

for kind in disk mock; do
    for copy in 1 2; do
        run=$((run + 1))
        dump_with sync@1000000=EIO "$copy" "$kind"
        for op in open load write mark sync read; do
            eval "last_$op=$(calls $op)"
        done
        # shellcheck disable=SC2154
        {
            ok "all operations were counted ($kind)" test \
                "$((last_open * last_load * last_write * last_mark * last_sync * last_read))" -gt 0
            drill_operation write "$copy" "$kind" "$last_write" EIO ENOSPC short flip hang=1
            drill_operation read "$copy" "$kind" "$last_read" EIO short flip hang=1
            drill_operation mark "$copy" "$kind" "$last_mark" EIO ENOSPC hang=1
            drill_operation sync "$copy" "$kind" "$last_sync" EIO ENOSPC
            drill_operation open "$copy" "$kind" "$last_open" EIO hang=1
            drill_operation load "$copy" "$kind" "$last_load" EIO
        }
        drill "write@3+=slow=4000000" "$copy" "$kind"
        drill "read@3+=slow=4000000" "$copy" "$kind"
        rm -rf "${T:?}/$run"
    done
done

# no target takes the label of the second pair, for which one is reserved: what they said is told
mkdir "$T/all-a" "$T/all-b"
export XDG_STATE_HOME=$T/state-all
exits 3 "no copy can be labelled" $PD -c "$T/conf" dump --block-size 64K --batch-size 320K \
    --to "fault:load@2+=EIO:disk:$T/all-a?capacity=900K" --to "fault:load@2+=EIO:disk:$T/all-b?capacity=900K" "$T/src"
says err "^pairdump: PD200002: injected fault at load 2.*\[io-error\]$" "tells why"
silent err "\[internal\]" "and of no fault inside"
tap_done
