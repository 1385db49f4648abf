#!/bin/bash
# Wrong usage is refused with exit 2 before anything is touched; every command has help.
. "$(dirname "$0")/../lib/tap.sh"

exits 2 "no command" $PD
says err "no command" "it says so"
exits 2 "unknown command" $PD frobnicate
exits 2 "unknown option" $PD dump --frobnicate
exits 2 "option without its argument" $PD dump --to
exits 0 "overview" $PD help
commands=$(awk '/^commands:/ {on = 1; next} /^$/ {on = 0} on {print $1}' "$T/out")
ok "the overview lists commands" test "$(echo "$commands" | wc -w)" -ge 17
for command in $commands; do
    exits 0 "$command --help" $PD "$command" --help
    says out "^usage: pairdump $command" "$command --help shows its usage"
    ok "$command --help is no wider than 100 columns" bash -c '! grep -E "^.{101}" "$1"' _ "$T/out"
    ok "the manual tells of $command" grep -q "^\.S[SH] .*\b$command\b" "$tap_top/man/pairdump.1"
    for option in $(grep -oE -- '--[a-z-]+' "$T/out" | sort -u); do
        [ "$option" = --help ] || ok "the manual tells of $command $option" \
            grep -qF -- "${option//-/\\-}" "$tap_top/man/pairdump.1"
    done
done
exits 0 "version" $PD --version
says out "^pairdump [0-9.]+$" "version is one line"
exits 0 "completion" $PD completion bash
ok "completion is a valid script" bash -n "$T/out"
exits 2 "completion of another shell" $PD completion fish

mkdir "$T/a" "$T/b" "$T/src"
echo hello >"$T/src/file"
exits 2 "dump without target" $PD dump "$T/src"
exits 2 "dump without path" $PD dump --to "disk:$T/a" --to "disk:$T/b"
exits 2 "dump with unknown scheme" $PD dump --to "floppy:$T/a" "$T/src"
exits 2 "dump to a folder that is not there" $PD dump --to "disk:$T/nowhere" --to "disk:$T/b" "$T/src"
exits 2 "dump with a bad size" $PD dump --batch-size 12Q --to "disk:$T/a" --to "disk:$T/b" "$T/src"
exits 2 "dump with a bad record size" $PD dump --block-size 100K --to "disk:$T/a" --to "disk:$T/b" "$T/src"
exits 2 "dump with a bad policy" $PD dump --verify some --to "disk:$T/a" --to "disk:$T/b" "$T/src"
exits 2 "dump of one place twice" $PD dump --to "disk:$T/a" --to "disk:$T/a" "$T/src"
exits 2 "unknown fault" $PD dump --to "fault:write@1=EWHAT:disk:$T/a" --to "disk:$T/b" "$T/src"
exits 2 "no such pool" $PD dump --pool science "$T/src"
exits 2 "bad dump name" $PD dump --name ../x --to "disk:$T/a" --to "disk:$T/b" "$T/src"
ok "nothing was written" bash -c '[ -z "$(ls -A "$1" "$2" | grep -v : )" ]' _ "$T/a" "$T/b"
exits 6 "catalog that is not there" $PD --catalog "sqlite:$T/none.db" dumps
exits 2 "missing configuration" $PD -c "$T/none.conf" dumps
printf '[pairdump]\nbufer = 1G\n' >"$T/bad.conf"
exits 2 "unknown key" $PD -c "$T/bad.conf" dumps
says err "bad.conf:2.*bufer" "file, line and key are named"
printf '[catalog]\nurl = sqlite:%s\ncredentials = %s\n' "$T/c.db" "$T/my.cnf" >"$T/cred.conf"
exits 2 "missing credentials file" $PD -c "$T/cred.conf" doctor
: >"$T/my.cnf"
chmod 600 "$T/my.cnf"
exits 2 "empty credentials file" $PD -c "$T/cred.conf" doctor
printf '[client]\nuser = u\npassword = geheim\n' >"$T/my.cnf"
chmod 644 "$T/my.cnf"
exits 2 "credentials that others can read" $PD -c "$T/cred.conf" doctor
says out "chmod 600" "the chmod to run is named"
chmod 600 "$T/my.cnf"
exits 0 "good credentials file" $PD -c "$T/cred.conf" doctor
silent out geheim "no password is printed"
exits 2 "restore needs to be told what" $PD restore
exits 3 "standard output that is full is no success" bash -c '"$1" help >/dev/full' _ "$PAIRDUMP"
tap_done
