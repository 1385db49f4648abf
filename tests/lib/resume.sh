# shellcheck shell=bash
# resume: what must hold of a dump after it was broken off and resumed. A test sources this after tap.sh.
#
# whole_source DIR makes a small tree, whole_reference DIR dumps it once, undisturbed; is_whole NAME
# KIND A B then judges the dump NAME on two targets of that kind against it.

# Many small files, so that listing takes time too; what is odd in names and kinds 20-dump.t tries.
whole_source() {
    local i
    mkdir -p "$1/empty"
    for i in 1 2 3 4 5 6 7 8; do
        mkdir -p "$1/small/$i"
        seq -f "$1/small/$i/%g" 1 40 | while read -r file; do printf %s "$file" >"$file"; done
    done
    for i in $(seq 12); do
        head -c 260000 /dev/urandom >"$1/big$i"
    done
    ln "$1/big1" "$1/small/hard"
    ln -s big2 "$1/soft"
    printf raw >"$1/$(printf 'b\377y\nte')"
}

DUMP_OPTIONS=(--block-size 64K --batch-size 640K)

whole_reference() {
    local state=$XDG_STATE_HOME
    mkdir "$T/ref-a" "$T/ref-b"
    export XDG_STATE_HOME=$T/ref-state
    exits 0 "an undisturbed dump" $PD dump --name ref "${DUMP_OPTIONS[@]}" --to "disk:$T/ref-a" \
        --to "disk:$T/ref-b" "$1"
    whole_files ref >"$T/ref-files"
    ok "has every file" test "$(wc -l <"$T/ref-files")" -eq "$(find "$1" -printf 'x\n' | wc -l)"
    export XDG_STATE_HOME=$state
}

# whole_files DUMP: every file of it with the number of its archive, but for names and times
whole_files() {
    $PD --json find --dump "$1" '*' | jq -c --arg dump "$1" '.files[] | select(.dump == $dump) |
        [.path, .kind, .whole, .size, .mode, .sha256, (.archive | ltrimstr($dump))]' | LC_ALL=C sort
}

# complain TEXT...: one more thing that does not hold
complain() {
    echo "$*" >&2
    whole=1
}

# run_quietly TEXT COMMAND...: it succeeds, or is shown
run_quietly() {
    local what=$1
    shift
    "$@" >"$T/.quiet" 2>&1 || {
        complain "$what: exit $?"
        tail -n 15 "$T/.quiet"
    }
}

# what the media of one side hold of the dump: archives and how often; nothing else but its index
count_on_media() {
    local name=$1 target=$2 expected=$3
    # what was given up at the end of a tape stays there until something is written over it
    $PD --json verify --target "$target" >"$T/.side" 2>"$T/.side-err" || jq -e '.status == "failed" and
        all(.results[] | select(.status != "ok"); .status == "truncated" and
            (.error.message | test("without a filemark")))' "$T/.side" >/dev/null || {
        complain "verify --target $target:"
        jq -c '.error, (.results[] | select(.status != "ok"))' "$T/.side"
    }
    jq -r --arg name "$name" '.results[].archive | select(startswith($name + "."))' "$T/.side" |
        LC_ALL=C sort >"$T/.on-media"
    cmp -s "$expected" "$T/.on-media" || {
        complain "archives on $target are not those of the catalog:"
        diff "$expected" "$T/.on-media"
    }
}

# The catalog calls the dump done, and good.
is_told_done() { # NAME
    local name=$1
    [ "$($PD --json dumps | jq -r --arg n "$name" '.dumps[] | select(.dump == $n) |
        .state + " " + .verdict + " " + .resumable')" = "done ok no" ] || {
        complain "dumps does not call it done:"
        $PD dumps
    }
}

# It knows each file where an undisturbed dump has it, and two verified copies of everything; what show
# says is left in $T/.show.
has_all_twice() { # NAME
    local name=$1
    whole_files "$name" >"$T/.files"
    cmp -s "$T/ref-files" "$T/.files" || {
        complain "files and archives are not those of an undisturbed dump:"
        diff "$T/ref-files" "$T/.files" | head -n 20
    }
    $PD --json show "$name" >"$T/.show"
    jq -e '(.copy_list | length) == 2 * .archives and .problems == 0 and
        all(.copy_list[]; .state == "verified")' "$T/.show" >/dev/null || {
        complain "not two verified copies of all"
        jq -c '[.archives, .problems], .copy_list[]' "$T/.show"
    }
}

is_whole() {
    local name=$1 kind=$2 a=$3 b=$4 whole=0 file
    is_told_done "$name"
    run_quietly "catalog check" $PD catalog check
    run_quietly "verify" $PD verify
    run_quietly "verify --dump" $PD verify --dump "$name"
    has_all_twice "$name"
    jq -r '.copy_list[] | select(.copy == 1) | .archive' "$T/.show" | LC_ALL=C sort >"$T/.expected"
    count_on_media "$name" "$kind:$a" "$T/.expected"
    count_on_media "$name" "$kind:$b" "$T/.expected"
    for file in "${a%%\?*}"/*/*.tar "${b%%\?*}"/*/*.tar; do
        if [ -e "$file" ]; then
            run_quietly "tar -tf $file" tar -tf "$file"
        fi
    done
    is_restored "$name"
    is_left_tidy
    return "$whole"
}

is_restored() {
    run_quietly "restore" $PD restore --dump "$1" --all --to "$T/.back"
    run_quietly "the tree comes back" "$TOOLS/tree_diff" "$SOURCE" "$T/.back$SOURCE"
    rm -rf "$T/.back"
}

# A run that is over leaves no claims and no journal. A kill while its folder was just being made may
# leave one with nothing in it, one while it was being removed, what the next run sweeps away.
is_left_tidy() {
    local left
    left=$(find "$XDG_STATE_HOME/pairdump/dumps" -type f -size +0 ! -path '*.gone/*' 2>/dev/null)
    [ -z "$left" ] || complain "left in the state folder: $left"
    left=$(catalog_sql "SELECT kind, name FROM claim UNION ALL SELECT 'run', what FROM run")
    [ -z "$left" ] || complain "left in the catalog: $left"
    left=$(find "$T" -name '*.partial*' 2>/dev/null)
    [ -z "$left" ] || complain "left on the volumes: $left"
}

# kill_server, revive_server [SECONDS]: the private server dies; it comes back (after a while, in a
# process of its own, whose number is in $reviver)
kill_server() {
    { kill -9 "$(cat "$TAP_DB/pid")" && sleep 0.02; } 2>/dev/null
}

revive_server() {
    (
        sleep "${1:-0}"
        mariadb_run "$TAP_DB" 2>/dev/null
    ) &
    reviver=$!
}

# hit SIGNAL US COMMAND...: the command, and after so many microseconds the signal; its end is in $code
hit() {
    local signal=$1 us=$2 pid
    shift 2
    "$@" >"$T/hit-out" 2>"$T/hit-err" &
    pid=$!
    sleep "$(printf %d.%06d $((us / 1000000)) $((us % 1000000)))"
    kill -s "$signal" "$pid" 2>/dev/null
    { wait "$pid"; } 2>/dev/null
    code=$?
}

microseconds() {
    echo $(($(date +%s%N) / 1000))
}
