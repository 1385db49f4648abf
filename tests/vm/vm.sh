# shellcheck shell=bash
# vm: what the tests in the virtual machine share. A test sources this instead of tap.sh.
#
# The operator's hands are mtx; cartridge PD000nL6 has slot n. Where they fail the test is over.
export TMPDIR=/var/tmp
mkdir -p "$TMPDIR"
# shellcheck source=tests/lib/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/tap.sh"
PD="timeout 600 $PD" # only ends what hangs
one="--to tape:/dev/nst0"
two="--to tape:/dev/nst0 --to tape:/dev/nst1"

by_hand() {
    "$@" >"$T/.hand" 2>&1 || {
        echo "Bail out! $*: $(tr '\n' ' ' <"$T/.hand")"
        exit 1
    }
}

image() { # SLOT
    printf '/tapes/PD%04dL6' "$1"
}

lies() { # DRIVE: the slot of what lies in it
    mtx status | sed -n "s/^Data Transfer Element $1:Full (Storage Element \([0-9]*\) .*/\1/p"
}

# Who was killed has left the door locked.
unlock() {
    by_hand mt -f /dev/nst0 unlock
    by_hand mt -f /dev/nst1 unlock
}

# put DRIVE [SLOT]: the cartridge of that slot, or none, is in the drive
put() {
    local old
    old=$(lies "$1")
    if [ -n "$old" ]; then
        by_hand mtx unload "$old" "$1"
    fi
    if [ -n "${2:-}" ]; then
        by_hand mtx load "$2" "$1"
    fi
}

# put_two SLOT SLOT: into both drives
put_two() {
    put 0
    put 1
    put 0 "$1"
    put 1 "$2"
}

# blank SLOT...: cartridges in their slots become new ones
blank() {
    local slot
    for slot in "$@"; do
        : >"$(image "$slot")"
        rm -f "$(image "$slot").conf"
    done
}

# like SLOT TEXT: how the cartridge behaves when it is put in next (machine/README.md)
like() {
    printf '%b\n' "$2" >"$(image "$1").conf"
}

sums() { # SLOT...: what is on them
    local slot
    for slot in "$@"; do
        sha256sum "$(image "$slot")"
    done
}

show_out() {
    sed 's/^/# /' "$T/out" "$T/err"
}

# hold N DEVICE COMMAND...: stopped as a thread begins its Nth write to the drive, until let_go; its
# output in $T/out and $T/err
hold() {
    local n=$1 device=$2
    shift 2
    : >"$T/trace"
    strace -f -qq -o "$T/trace" -e trace=write -P "$device" \
        -e inject="write:signal=STOP:when=$n" "$@" >"$T/out" 2>"$T/err" &
    holder=$!
    until grep -q 'stopped by SIGSTOP' "$T/trace"; do
        kill -0 "$holder" 2>/dev/null || break
        sleep 0.1
    done
    held=$(pgrep -P "$holder")
    ok "is held at a write to $device" grep -q 'stopped by SIGSTOP' "$T/trace"
}

# let_go CODE NAME: it goes on, and ends with this code
let_go() {
    kill -CONT "$held"
    wait "$holder"
    same $? "$1" "$2"
}
