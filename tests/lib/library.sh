# shellcheck shell=bash
# library: tape libraries of mock drives, for TAP scripts that have sourced tap.sh.

# library_new NAME DRIVES SLOTS BARCODE...: $T/NAME.robot is its changer (cmd:$T/NAME.robot), $T/NAME
# its state and $T/NAME.tapes the cartridges in its slots, as tests/lib/mock-mtx has them; $T/NAME.0 and so
# on are its drives (mock:$T/NAME.0). The cartridges are blank and lie in the first slots; the last slot is
# an import/export slot. A mock drive takes barcodes of up to 8 characters.
library_new() {
    local name=$1 drives=$2 slots=$3 i kind
    shift 3
    mkdir "$T/$name.tapes"
    for ((i = 0; i < drives; i++)); do
        mkdir "$T/$name.$i"
        echo "drive $i empty - - $T/$name.$i"
    done >"$T/$name"
    for ((i = 1; i <= slots; i++)); do
        kind=slot
        [ "$i" -lt "$slots" ] || kind=port
        if [ $# -gt 0 ]; then
            : >"$T/$name.tapes/$1.tap"
            echo "$kind $i full - $1"
            shift
        else
            echo "$kind $i empty - -"
        fi
    done >>"$T/$name"
    cat >"$T/$name.robot" <<EOF
#!/bin/sh
exec "$tap_top/tests/lib/mock-mtx" -f "$T/$name" "\$@"
EOF
    chmod +x "$T/$name.robot"
}

# library_drive NAME NUMBER: the URL of a drive
library_drive() {
    echo "mock:$T/$1.$2?changer=cmd:$T/$1.robot&drive=$2"
}

# library_where NAME BARCODE: "slot 3", "drive 0"...
library_where() {
    awk -v barcode="$2" '$5 == barcode {print $1, $2}' "$T/$1"
}
