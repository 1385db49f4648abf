#!/bin/bash
# In the virtual machine (tests/vm/run): 200 MiB on tapes of 64 MiB, put in by hand. Every archive is
# whole on one pair, nothing is lost or there twice. One of the tapes is smaller than the others.
#vm TAPE_VM_CAPACITY=64
#vm TAPE_VM_SLOTS=20
# shellcheck disable=SC2086,SC2154 # $PD is several words; T comes from tap.sh
. "$(dirname "$0")/vm.sh"

mkdir -p "$T/src/small"
for i in $(seq 34); do
    head -c 6M /dev/urandom >"$T/src/$i"
done
head -c 300k /dev/urandom | split -b 3k - "$T/src/small/"
ok "200 MiB" test "$(du -sm --apparent-size "$T/src" | cut -f1)" -ge 200

# ---- dump
like 4 'size 40'
put_two 1 2
exits 5 "a dump that fills its tapes" $PD dump --name big --batch-size 12M $two "$T/src"
says err 'put in a blank one' "asks for more"
says err 'PD100001 is full' "and says which is full"
slot=3 code=5
while [ "$code" -eq 5 ] && [ "$slot" -lt 19 ]; do
    put_two "$slot" $((slot + 1))
    slot=$((slot + 2))
    $PD resume big >"$T/out" 2>"$T/err"
    code=$?
done
same "$code" 0 "goes on with new ones to its end"
show_out
pairs=$(((slot - 1) / 2))

# ---- what the catalog knows
exits 0 "show" $PD --json show big
ok "two verified copies of each archive" jq -e '(.copy_list | length) == 2 * .archives and
    .archives >= 17 and .problems == 0 and all(.copy_list[]; .state == "verified")' "$T/out"
copies=$(jq '.copy_list | length' "$T/out")
ok "each on one pair" jq -e '[.copy_list | group_by(.archive)[] |
    (length == 2 and .[0].volume[3:] == .[1].volume[3:] and ([.[].copy] | sort) == [1, 2] and
     .[0].tape_file == .[1].tape_file)] | all' "$T/out"
same "$(jq -r '.copy_list[].volume' "$T/out" | sort -u | tr '\n' ' ')" "$(
    printf 'PD1%05d ' $(seq "$pairs") && printf 'PD2%05d ' $(seq "$pairs"))" "on as many pairs as were put in"
on() {
    jq --arg v "$1" '[.copy_list[] | select(.volume == $v)] | length' "$T/out"
}
ok "the small tape ends its pair" test "$(on PD100002)" -lt "$(on PD100001)"
exits 0 "find" $PD --json find --dump big '*'
ok "every file once" cmp <(jq -r '.files[] | select(.kind == "f") | .path' "$T/out" | sort) \
    <(find "$T/src" -type f | sort)
exits 1 "the catalog agrees with what is in the drives" $PD catalog check
says out "2 volumes with .* looked at, $((2 * pairs - 2)) volumes out of reach" "and names the others"

# ---- what is on the tapes
with() { # PAIR: its tapes are in the drives
    put_two $((2 * $1 - 1)) $((2 * $1))
}
good=0
for n in $(seq "$pairs"); do
    with "$n"
    exits 1 "verify with pair $n in the drives" $PD --json verify --dump big
    ok "blames no copy that is not there" jq -e '.bad == 0 and .missing == 0 and .good > 0' "$T/out"
    good=$((good + $(jq .good "$T/out")))
done
same "$good" "$copies" "every copy was good"

# ---- all comes back; what is not in the drives is asked for
for n in $(seq "$pairs"); do
    with "$n"
    exits 3 "restore with pair $n in the drives" $PD restore --dump big --all --to "$T/back"
    says err "volume PD10000$((n % pairs + 1)) is not found" "asks for the others"
    silent err "volume PD.0000$n is not found" "and not for that"
done
# what came back later changed the time of a folder that was there already
ok "identical" diff -r "$T/src" "$T/back$T/src"
tap_done
