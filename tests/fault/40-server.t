#!/bin/bash
# The server of the catalog is killed at random instants of a dump and comes back, or stays away: the dump
# goes on writing, and in the end everything is recorded. SEED repeats a run, KILLS says how many, LONG=1 lets
# the server be away for 1 to 10 s rather than mostly 1.
export ENGINE=mysql TMPDIR=${TMPDIR:-/dev/shm}
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/resume.sh"

KILLS=${KILLS:-20}
SEED=${SEED:-$((10#$(date +%N) % 32768))}
RANDOM=$SEED
echo "# SEED=$SEED KILLS=$KILLS"
SOURCE=$T/src
whole_source "$SOURCE"
whole_reference "$SOURCE"
printf '[catalog]\nwait = 40s\n' >"$T/patient"
printf '[catalog]\nwait = 1s\n' >"$T/brief"

# written: bytes that the second copy has so far
written() {
    find "$b" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }'
}

# starts a dump that is slow enough to be hit; its process is $pid
start() {
    kind=$1 dumped=$2 conf=$3
    a=$T/$kind-a b=$T/$kind-b
    $PD -c "$conf" dump --name "$dumped" "${DUMP_OPTIONS[@]}" --to "fault:write@1+=slow=2000000:$kind:$a" \
        --to "fault:write@1+=slow=2200000:$kind:$b" "$SOURCE" >"$T/dump-out" 2>"$T/dump-err" &
    pid=$!
}

finish() {
    { wait "$pid"; } 2>/dev/null
    code=$?
}

# The server is away: does the dump go on writing? Where it is finished already, or has no volume yet,
# that is no matter.
goes_on() {
    local before after
    before=$(written)
    sleep 0.7
    after=$(written)
    if [ "$after" -gt "$before" ]; then
        went_on=$((went_on + 1))
    fi
}

known() {
    $PD --json dumps | jq -r --arg n "$dumped" '.dumps[] | select(.dump == $n) | .state + " " + .resumable'
}

# end_well CODES: the dump has ended with one of these codes; what is open is resumed, or begun anew where
# the server was gone before the dump was known
end_well() {
    local state
    case " $1 " in *" $code "*) ;; *)
        echo "exit $code, not $1"
        cat "$T/dump-err"
        return 1
        ;;
    esac
    state=$(known)
    if [ -z "$state" ]; then
        [ "$code" -eq 6 ] || return 1
        $PD dump --name "$dumped" "${DUMP_OPTIONS[@]}" --to "$kind:$a" --to "$kind:$b" "$SOURCE" || return 1
    elif [ "$code" -eq 6 ]; then
        [ "${state#* }" = here ] || {
            echo "exit 6, but $state"
            return 1
        }
        $PD resume "$dumped" || return 1
    fi
    is_whole "$dumped" "$kind" "$a" "$b"
}

export XDG_STATE_HOME=$T/state
exits 0 "a catalog" $PD catalog init
mkdir "$T/disk-a" "$T/disk-b" "$T/mock-a" "$T/mock-b"
start disk first "$T/patient"
began=$(microseconds)
finish
took=$(($(microseconds) - began))
same "$code" 0 "a slow dump"
ok "is whole" is_whole first disk "$a" "$b"
echo "# undisturbed: $took us"

went_on=0 back=0 away=0
for n in $(seq "$KILLS"); do
    if [ $((n % 8)) -eq 0 ]; then # what is checked each time stays small
        rm -rf "$T"/disk-? "$T"/mock-? "$T"/state*
        export XDG_STATE_HOME=$T/state$n
        mkdir "$T/disk-a" "$T/disk-b" "$T/mock-a" "$T/mock-b"
        $PD catalog init >/dev/null
    fi
    kinds=(disk mock)
    us=$(((RANDOM << 15 | RANDOM) % took))
    if [ $((n % 4)) -ne 0 ]; then
        start "${kinds[n % 2]}" "k$n" "$T/patient"
        sleep "$((us / 1000000)).$(printf %06d $((us % 1000000)))"
        kill_server
        pause=$((RANDOM % 100 < 85 ? 1 : 2 + RANDOM % 4))
        if [ -n "${LONG:-}" ]; then
            pause=$((1 + RANDOM % 10))
        fi
        revive_server $pause
        goes_on
        finish
        { wait "$reviver"; } 2>/dev/null
        ok "$n: killed after $us us, back after $pause s ($kind, exit $code)" end_well "0 6"
        back=$((back + (code == 0)))
        [ "$code" -eq 0 ] || sed 's/^/# /' "$T/dump-err"
    else
        start "${kinds[n / 4 % 2]}" "k$n" "$T/brief"
        sleep "$((us / 1000000)).$(printf %06d $((us % 1000000)))"
        kill_server
        goes_on
        finish
        revive_server
        { wait "$reviver"; } 2>/dev/null
        ok "$n: killed after $us us, away until the end ($kind, exit $code)" end_well "0 6"
        away=$((away + (code == 6)))
    fi
done
ok "dumps went on writing ($went_on of $KILLS)" test "$went_on" -ge $((KILLS / 3))
ok "and ended well when it was back in time ($back)" test "$back" -ge $((KILLS / 2))
ok "and were resumed when it was not ($away)" test "$away" -ge $((KILLS / 8))
tap_done
