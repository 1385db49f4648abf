#!/bin/bash
# Faults on either copy, at the first, a middle and the last call of each operation: never exit 0
# unless both copies are good, never a crash, never a hang; the catalog stays true.
. "$(dirname "$0")/../lib/tap.sh"

mkdir "$T/src"
for i in 1 2 3 4; do
    head -c 300000 /dev/urandom >"$T/src/file$i"
done
printf '[pairdump]\nstall-timeout = 1s\n[retry default]\ntries = 1\n' >"$T/conf"
run=0

# drill FAULT COPY: a dump with the fault on one copy, judged by other means
drill() {
    local fault=$1 copy=$2 url_a url_b code good
    run=$((run + 1))
    mkdir "$T/$run" "$T/$run/a" "$T/$run/b" "$T/$run/state"
    url_a=disk:$T/$run/a url_b=disk:$T/$run/b
    [ "$copy" = 1 ] && url_a=fault:$fault:$url_a || url_b=fault:$fault:$url_b
    XDG_STATE_HOME=$T/$run/state timeout -s KILL 60 $PD -c "$T/conf" dump --name d --block-size 64K \
        --batch-size 600K --to "$url_a" --to "$url_b" "$T/src" >"$T/out" 2>"$T/err"
    code=$?
    case $code in
    0 | 1 | 2 | 3 | 5) ;;
    *)
        ok "$fault on copy $copy ends in order (exit $code)" false
        return
        ;;
    esac
    good=0
    for side in a b; do
        XDG_STATE_HOME=$T/$run/state $PD verify --target "disk:$T/$run/$side" >/dev/null 2>&1 &&
            [ "$(ls "$T/$run/$side"/*/*-d.0* 2>/dev/null | wc -l)" -eq 2 ] && good=$((good + 1))
    done
    if [ "$code" -eq 0 ]; then
        same "$good" 2 "$fault on copy $copy: exit 0 and both copies are good"
    else
        ok "$fault on copy $copy: exit $code, the other copy is good" test "$good" -ge 1
    fi
    ok "$fault on copy $copy: catalog is true" env XDG_STATE_HOME="$T/$run/state" $PD catalog check
    rm -rf "${T:?}/$run"
}

for copy in 1 2; do
    for at in 1 9 26; do
        for effect in EIO ENOSPC short flip hang=2; do
            drill "write@$at=$effect" $copy
        done
    done
    for at in 1 2; do
        for fault in "mark@$at=EIO" "open@$at=EIO" "load@$at=EIO" "sync@$at=EIO"; do
            drill "$fault" $copy
        done
    done
    for at in 1 9 20; do
        for effect in EIO short flip; do
            drill "read@$at=$effect" $copy
        done
    done
    drill "write@3+=slow=2000000" $copy
done
tap_done
