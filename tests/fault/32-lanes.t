#!/bin/bash
# Dumps to two pairs of drives are killed or stopped at random instants, and so are the resumes that
# follow: nothing is lost, nothing is there twice. SEED repeats a run, KILLS says how many are hit;
# LONG=1 hits many, at other instants each time.
TMPDIR=${TMPDIR:-/dev/shm}
export TMPDIR
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/resume.sh"

if [ -n "${LONG:-}" ]; then
    KILLS=${KILLS:-200}
    SEED=${SEED:-$(($(date +%N | sed 's/^0*//') % 32768))}
fi
KILLS=${KILLS:-16} SEED=${SEED:-1}
RANDOM=$SEED
echo "# SEED=$SEED KILLS=$KILLS"
SOURCE=$T/src
whole_source "$SOURCE"
whole_reference "$SOURCE"
KINDS=(disk mock disk mock)
SIZES=("" "" "?capacity=2M" "?capacity=2M")
read -ra SIGNALS <<<"${SIGNALS:-KILL KILL KILL INT TERM}"

# renew I N: four places, of kind I, with a catalog of their own
renew() {
    local place
    kind=${KINDS[$1]}
    D=$T/set$1-$2
    mkdir -p "$D/a" "$D/b" "$D/c" "$D/d"
    export XDG_STATE_HOME=$D/state
    targets=()
    for place in a b c d; do targets+=("$kind:$D/$place${SIZES[$1]}"); done
    $PD catalog init >/dev/null
}

# plan NAME [PLACE FAULT]: the words of a dump, with a fault before one of its targets (0 to 3). Each pair
# has a slow drive, so that none does everything before the other has begun.
plan() {
    local to=("${targets[@]}") target
    dumped=$1
    to[1]=fault:write@1+=slow=12M:${to[1]}
    to[2]=fault:write@1+=slow=12M:${to[2]}
    [ $# -eq 1 ] || to[$2]=$3${to[$2]}
    # shellcheck disable=SC2206 # a command and its options
    dump=($PD dump --name "$1" --pairs 2 "${DUMP_OPTIONS[@]}")
    for target in "${to[@]}"; do dump+=(--to "$target"); done
    dump+=("$SOURCE")
}

# count_side NAME COPY TARGET...: the media of that copy, of both pairs, hold each archive once
count_side() {
    local name=$1 copy=$2 target label
    shift 2
    : >"$T/side-all"
    for target in "$@"; do
        $PD --json volumes | jq -r --arg at "${target%%\?*}" '.volumes[] |
            select(.location | split("?")[0] == $at) | .volume' >"$T/labels"
        while read -r label; do
            jq -r --arg v "$label" '.copy_list[] | select(.volume == $v) | .archive' "$T/.show"
        done <"$T/labels" | LC_ALL=C sort >"$T/here"
        [ ! -s "$T/labels" ] || count_on_media "$name" "$target" "$T/here"
        cat "$T/here" >>"$T/side-all"
    done
    LC_ALL=C sort "$T/side-all" | cmp -s - "$T/.expected" ||
        complain "copy $copy of each archive is not once on the pairs"
}

# as is_whole of resume.sh, for two pairs
whole_on_two() {
    local name=$1 whole=0
    is_told_done "$name"
    run_quietly "catalog check" $PD catalog check
    run_quietly "verify --dump" $PD verify --dump "$name"
    has_all_twice "$name"
    jq -e '[.copy_list[] | {archive, number: .volume[3:]}] | group_by(.archive) |
        all(.[]; map(.number) | unique | length == 1)' "$T/.show" >/dev/null ||
        complain "an archive is on two pairs"
    jq -r '.copy_list[] | select(.copy == 1) | .archive' "$T/.show" | LC_ALL=C sort >"$T/.expected"
    count_side "$name" 1 "${targets[0]}" "${targets[2]}"
    count_side "$name" 2 "${targets[1]}" "${targets[3]}"
    is_restored "$name"
    is_left_tidy
    return "$whole"
}

state_of() {
    $PD --json dumps | jq -r --arg n "$1" '.dumps[] | select(.dump == $n) | .state + " " + .resumable'
}

# resumes until it is done, hit again up to twice
go_on() {
    local again=$((RANDOM % 3)) tries=0
    code=-1
    while [ "$code" -ne 0 ] && [ "$tries" -lt 6 ]; do
        tries=$((tries + 1))
        if [ "$tries" -le "$again" ]; then
            hit "${SIGNALS[RANDOM % ${#SIGNALS[@]}]}" $(((RANDOM << 15 | RANDOM) % took)) $PD -v resume "$dumped"
        else
            $PD -v resume "$dumped" >"$T/hit-out" 2>"$T/hit-err"
            code=$?
            [ "$code" -eq 0 ] || again=-1
        fi
        how="$how, resume: $code"
        case $code:$again in
        0:* | 130:[0-9]* | 137:[0-9]* | 143:[0-9]*) ;;
        *)
            echo "$how"
            cat "$T/hit-err"
            return 1
            ;;
        esac
    done
}

break_and_mend() {
    hit "$signal" "$us" "${dump[@]}"
    state=$(state_of "$dumped")
    how="exit $code, ${state:-unknown}"
    case $code in 0 | 130 | 137 | 143) ;; *)
        echo "$how"
        cat "$T/hit-err"
        return 1
        ;;
    esac
    if [ -z "$state" ]; then
        "${dump[@]}" || return 1
    fi
    if [ "${state#* }" = here ]; then
        go_on || return 1
    fi
    whole_on_two "$dumped"
}

# How long does it take here and now?
for i in 0 1; do
    renew $i first
    plan first
    began=$(microseconds)
    exits 0 "a dump to two pairs of kind $kind" "${dump[@]}"
    took=$(($(microseconds) - began))
    ok "is whole" whole_on_two first
done
echo "# undisturbed: $took us"

# at calls of each target, one by one: labels, archives, indexes
n=0
for call in write@1 write@6 write@19 sync@2 mark@2 mark@3 open@2; do
    for place in 0 3; do
        n=$((n + 1))
        renew $((n % 4)) "call$n"
        [ "$kind" = mock ] || [ "${call%@*}" != mark ] || continue
        plan "c$n" $place "fault:$call=kill:"
        us=0 signal=CONT
        ok "killed at $call of target $place, $kind" break_and_mend
        echo "# $how"
    done
done

# and at any instant
n=0 hits=0
while [ "$hits" -lt "$KILLS" ] && [ "$n" -lt $((2 * KILLS)) ]; do
    n=$((n + 1))
    renew $((n % 4)) "$n"
    plan "k$n"
    signal=${SIGNALS[RANDOM % ${#SIGNALS[@]}]}
    us=$(((RANDOM << 15 | RANDOM) % took))
    failed=$tap_failed
    ok "$n: SIG$signal after $us us, $kind" break_and_mend
    echo "# $how"
    if [ "${state:-}" = "done no" ]; then
        took=$((took - took / 16))
    else
        hits=$((hits + 1))
    fi
    if [ "$tap_failed" -ne "$failed" ]; then
        echo "# SEED=$SEED, $n: $how" >&2
        [ -z "${KEEP:-}" ] || cp -r "$D" "$KEEP"
    fi
    rm -rf "$D"
done
ok "$hits were hit" test "$hits" -eq "$KILLS"
tap_done
