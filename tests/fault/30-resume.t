#!/bin/bash
# Dumps are killed or stopped at random instants, and so are the resumes that follow: in the end
# everything is as if nothing had happened. SEED repeats a run, KILLS says how many dumps are hit.
TMPDIR=${TMPDIR:-/dev/shm}
export TMPDIR
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/resume.sh"

KILLS=${KILLS:-50}
SEED=${SEED:-$(($(date +%N | sed 's/^0*//') % 32768))}
RANDOM=$SEED
echo "# SEED=$SEED KILLS=$KILLS"
SOURCE=$T/src
whole_source "$SOURCE"
whole_reference "$SOURCE"

# four pairs of targets, each with a catalog; a few dumps go to each before it is made anew
KINDS=(disk mock disk mock)
SIZES=("" "" "?capacity=3M" "?capacity=3M")
read -ra SIGNALS <<<"${SIGNALS:-KILL KILL KILL INT TERM}"
state_homes=()

# use I: pair I, its kind and targets
use() {
    i=$1 kind=${KINDS[$1]} a=$T/pair$1/a${SIZES[$1]} b=$T/pair$1/b${SIZES[$1]}
    export XDG_STATE_HOME=${state_homes[$1]:-}
}

renew() {
    rm -rf "$T/pair$1" "${state_homes[$1]:-$T/none}"
    mkdir -p "$T/pair$1/a" "$T/pair$1/b"
    state_homes[$1]=$T/state$1-$2
    use "$1"
    $PD catalog init >/dev/null
}

# plan NAME [FAULT [FAULT]]: the words of a dump to this pair; no function, so that signals hit the program
plan() {
    dumped=$1
    # shellcheck disable=SC2206 # a command and its options
    dump=($PD dump --name "$1" "${DUMP_OPTIONS[@]}" --to "${2:-}$kind:$a" --to "${3:-}$kind:$b" "$SOURCE")
}

# How long does it take here and now? In the middle of other dumps' volumes, too.
for i in 0 1 2 3; do
    renew $i first
    took[i]=1000000000
    for name in first second; do
        plan $name
        began=$(microseconds)
        exits 0 "a dump on pair $i" "${dump[@]}"
        us=$(($(microseconds) - began))
        took[i]=$((us < took[i] ? us : took[i]))
    done
    ok "is whole" is_whole second "$kind" "$a" "$b"
done
echo "# undisturbed: ${took[*]} us"

# state_of DUMP: "STATE RESUMABLE", nothing if it is not known
state_of() {
    $PD --json dumps | jq -r --arg n "$1" '.dumps[] | select(.dump == $n) | .state + " " + .resumable'
}

# The dump was hit: what it left is as its exit code says.
is_as_told() {
    case "$code $state" in
    "0 done no") ;;
    "137 "*" here" | "137 " | "137 done no") ;;
    "130 "*" here" | "130 " | "143 ") ;;
    *)
        echo "exit $code, but it is now: $state"
        cat "$T/hit-err"
        false
        ;;
    esac
}

# instant N: into $us; anywhere, but one in three times early, when volumes are labelled, and one in three
# late, when they are indexed and verified and the last is recorded
instant() {
    us=$(((RANDOM << 15 | RANDOM) % took[i]))
    case $(($1 % 3)) in
    1) us=$((us / 3)) ;;
    2) us=$((took[i] - us / 3)) ;;
    esac
}

# Another dump comes to the same targets before the one that was broken off is resumed.
come_between() {
    $PD dump --name "other-$dumped" "${DUMP_OPTIONS[@]}" --to "$kind:$a" --to "$kind:$b" \
        "$SOURCE/small/1" >"$T/hit-out" 2>&1 || {
        echo "a dump between: exit $?"
        cat "$T/hit-out"
        return 1
    }
    how="$how, another dump"
}

# go_on: resumes until it is done, hit again now and then; $tries says how often
go_on() {
    local again=$((RANDOM % 3))
    tries=0 code=-1
    : >"$T/resumed-err"
    while [ "$code" -ne 0 ] && [ "$tries" -lt 8 ]; do
        tries=$((tries + 1))
        if [ "$tries" -le "$again" ]; then
            instant $((RANDOM % 3))
            hit "${SIGNALS[RANDOM % ${#SIGNALS[@]}]}" "$us" $PD -v resume "$dumped"
            cat "$T/hit-err" >>"$T/resumed-err"
            how="$how, resume: $code"
        else
            $PD -v resume "$dumped" >"$T/hit-out" 2>"$T/hit-err"
            code=$?
            cat "$T/hit-err" >>"$T/resumed-err"
            how="$how, resume: $code"
            [ "$code" -eq 0 ] || {
                echo "resume $dumped: exit $code"
                cat "$T/hit-err"
                return 1
            }
        fi
        case $code in 0 | 130 | 137 | 143) ;; *)
            echo "resume $dumped, hit: exit $code"
            cat "$T/hit-err"
            return 1
            ;;
        esac
    done
}

# One dump, hit, looked at, and resumed until it is done.
break_and_mend() {
    hit "$signal" "$us" "${dump[@]}"
    state=$(state_of "$dumped")
    how="exit $code, ${state:-unknown}"
    is_as_told || return 1
    if [ -z "$state" ]; then # killed before it was known: nothing was written, it is begun anew
        "${dump[@]}" || return 1
        state=new
    fi
    if [ "${state#* }" = here ]; then
        [ $((n % 5)) -ne 3 ] || come_between || return 1
        go_on || return 1
    fi
    is_whole "$dumped" "$kind" "$a" "$b"
}

# First at the calls that label a new pair, one by one: no volume is wasted.
KIND_CALLS_disk="load@1 write@1 sync@1 open@2"
KIND_CALLS_mock="load@1 write@1 write@2 mark@1 mark@2"
n=0
for i in 0 1; do
    calls=KIND_CALLS_${KINDS[i]}
    for call in ${!calls}; do
        for copy in 1 2; do
            n=$((n + 1))
            renew $i "call$n"
            if [ $copy = 1 ]; then
                plan "c$n" "fault:$call=kill:"
            else
                plan "c$n" "" "fault:$call=kill:"
            fi
            us=0 signal=CONT
            ok "killed at $call of copy $copy on pair $i" break_and_mend
            echo "# $how"
            states=$($PD --json volumes | jq -r '[.volumes[].state] | unique | join(" ")')
            same "$states" appendable "no volume is wasted"
            [ "$states" = appendable ] || {
                echo "# SEED=$SEED, $n: $how"
                $PD volumes | sed 's/^/# /'
                sed 's/^/# /' "$T/resumed-err"
            } >&2
        done
    done
done

# What was over before it was hit does not count, and tells that dumps are faster now.
declare -A phases
n=0 hits=0
while [ "$hits" -lt "$KILLS" ] && [ "$n" -lt $((2 * KILLS)) ]; do
    n=$((n + 1))
    use $((n % 4))
    [ $((n % 20)) -lt 4 ] && renew "$i" "$n"
    plan "k$n"
    signal=${SIGNALS[RANDOM % ${#SIGNALS[@]}]}
    instant $n
    failed=$tap_failed
    ok "$n: SIG$signal after $us us on pair $i" break_and_mend
    echo "# $how"
    state=${state:-unknown}
    if [ "$state" = "done no" ]; then
        took[i]=$((took[i] - took[i] / 16))
    else
        hits=$((hits + 1))
    fi
    phases[${state%% *}]=$((${phases[${state%% *}]:-0} + 1))
    [ "$tap_failed" -eq "$failed" ] || {
        echo "# SEED=$SEED, $n: $how" >&2
        [ -z "${KEEP:-}" ] || cp -r "$T/pair$i" "$XDG_STATE_HOME" "$KEEP"
        renew "$i" "$n-again"
    }
done
for phase in "${!phases[@]}"; do
    echo "# hit in $phase: ${phases[$phase]}"
done
ok "$hits were hit" test "$hits" -eq "$KILLS"
tap_done
