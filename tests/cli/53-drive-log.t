#!/bin/bash
# What tape drives count and complain of is kept with the volume; that it cannot be had changes nothing.
. "$(dirname "$0")/../lib/tap.sh"

mkdir -p "$T/src" "$T/a" "$T/b" "$T/bin" "$T/none"
head -c 300000 /dev/urandom >"$T/src/one"
touch "$T/a/sg" "$T/b/sg"
# says in each folder of a drive what the files say that are named like the pages
cat >"$T/bin/sg_logs" <<'EOF'
#!/bin/sh
page=$(dirname "$5")/${4#--page=}
echo "$*" >>"$(dirname "$5")/asked"
[ -f "$page" ] && exec cat "$page"
echo "log_sense: not supported" >&2
exit 9
EOF
chmod +x "$T/bin/sg_logs"
OLD_PATH=$PATH
export PATH=$T/bin:$OLD_PATH
printf '\056\0\0\012\0\001\0\001\0\0\003\0\001\0' >"$T/a/0x2e"
printf '\002\0\0\015\0\003\0\001\014\0\006\0\004\0\0\0\0' >"$T/a/0x02"
printf '\056\0\0\012\0\004\0\001\001\0\024\0\001\001' >"$T/b/0x2e"
printf '\003\0\0\005\0\006\0\001\002' >"$T/b/0x03"
exits 0 "a dump" $PD dump --name one --block-size 64K --to "mock:$T/a" --to "mock:$T/b" "$T/src"
says err "PD200001: the drive \(mock .*/b\) raises the alert 4 media, 20 cleaning-required" "alerts are warned of"
silent err "PD100001" "no alert is not"
same "$(cat "$T/a/asked" "$T/b/asked" | wc -l)" 12 "two drives were asked twice for three pages"
ok "read only, for raw pages" grep -qx -- "--raw --no_inq --readonly --page=0x2e $T/a/sg" "$T/a/asked"
exits 0 "history" $PD history PD200001
says out "PD200001 drive mock .*/b: alerts 4 media, 20 cleaning-required; read errors 2 not corrected$" "has it"
same "$(grep -c ' drive ' "$T/out")" 2 "of this volume alone, once written and once verified"
exits 0 "as JSON" $PD --json history
ok "with what is not known" jq -e '[.drive_reports[] | select(.volume == "PD100001")] | length == 2 and
    all(.alerts == "" and .write_corrected == 12 and .write_uncorrected == 0 and .read_corrected == null
        and .source == "sg_logs")' "$T/out"
exits 0 "volumes" $PD volumes
says out "^PD200001 .* drive trouble 2 times " "tells of trouble"
silent out "^PD100001 .* drive trouble" "where there was some"
exits 0 "catalog check" $PD catalog check

# trouble with sg_logs is none of the dump
reports() {
    catalog_sql "SELECT COUNT(*) FROM drive_report"
}
rm "$T"/[ab]/0x*
exits 0 "drives that do not know of it" $PD -v dump --name two --block-size 64K --to "mock:$T/a" --to "mock:$T/b" "$T/src"
says err "sg_logs cannot read page 2Eh: log_sense: not supported" "are told of at -v"
same "$(reports)" 4 "and nothing is kept"
head -c 70000 /dev/zero >"$T/a/0x2e"
printf 'garbage' >"$T/b/0x2e"
exits 0 "garbage" $PD dump --name three --block-size 64K --to "mock:$T/a" --to "mock:$T/b" "$T/src"
silent err "log page|sg_logs" "is not told of"
same "$(reports)" 4 "and nothing is kept"
rm "$T/bin/sg_logs"
for folder in ${OLD_PATH//:/ }; do
    find "$folder" -maxdepth 1 ! -type d ! -name sg_logs -exec ln -s -t "$T/none" {} + 2>/dev/null
done
exits 0 "not installed" env PATH="$T/none" $PD -v dump --name four --block-size 64K --to "mock:$T/a" --to "mock:$T/b" "$T/src"
same "$(grep -c 'sg_logs is not installed (package sg3-utils)' "$T/err")" 1 "is said once"
exits 0 "without -v" env PATH="$T/none" $PD dump --name five --block-size 64K --to "mock:$T/a" --to "mock:$T/b" "$T/src"
silent err "sg_logs" "not at all"
printf '#!/bin/sh\nkill -9 $$\n' >"$T/bin/sg_logs"
chmod +x "$T/bin/sg_logs"
exits 0 "killed" $PD dump --name six --block-size 64K --to "mock:$T/a" --to "mock:$T/b" "$T/src"
same "$(reports)" 4 "nothing is kept"

# a copy that fails: what does its drive say?
mkdir "$T/c" "$T/d" "$T/e" "$T/f"
touch "$T/d/sg"
printf '\056\0\0\005\0\006\0\001\001' >"$T/d/0x2e"
cat >"$T/bin/sg_logs" <<'EOF'
#!/bin/sh
exec cat "$(dirname "$5")/${4#--page=}"
EOF
exits 1 "a copy that fails" $PD dump --name bad --block-size 64K --to "mock:$T/c" --to "fault:write@3=EIO:mock:$T/d" "$T/src"
says err "the drive \(mock .*/d\) raises the alert 6 write-failure" "its drive says why"
exits 0 "and the catalog keeps it" $PD catalog export
says out "^drive_report.*alerts=6 write-failure" "with the volume"
exits 0 "catalog check again" $PD catalog check

exits 0 "disks have no drives" $PD -v dump --name disks --to "disk:$T/e" --to "disk:$T/f" "$T/bin"
silent err "drive" "and nothing is said"
tap_done
