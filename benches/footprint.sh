#!/bin/sh
# What the daemon takes, as a table with the budgets of docs/performance.md: size, start, memory, processor, flash.
#
#   benches/footprint.sh [--drive SECONDS] [--virtual-drive SECONDS] [--gap SECONDS]
#
# Builds the binary as for the target (release, no demo) and measures it on the bench hil/uml/run: a real kernel with
# vcan and an ext4 image, but slower than the machine it runs on. Needs what hil/README.md lists, and mosquitto.
#
#   --drive SECONDS          real time at the wheel for memory and processor (60)
#   --virtual-drive SECONDS  virtual time at the wheel for the flash (3600); scaled to an hour
#   --gap SECONDS            virtual time without a link (3600); a day and more fills the store

set -eu

drive=60 virtual=3600 gap=3600
while [ $# -gt 0 ]; do
    case $1 in
    --drive) drive=$2 ;;
    --virtual-drive) virtual=$2 ;;
    --gap) gap=$2 ;;
    *) echo "unknown option $1; see the head of this file" >&2 && exit 64 ;;
    esac
    shift 2
done

cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
hil/uml/run --check
cargo build --release --no-default-features --target-dir "$target/footprint"
daemon=$(realpath "$target/footprint/release/telltaled")
bench=$(cargo bench --no-run --bench footprint --message-format short 2>&1 | tee /dev/stderr |
    sed -n 's/.*Executable.*(\(.*\))$/\1/p')
[ -n "$bench" ] || { echo "cargo did not name the bench's executable" >&2 && exit 70; }

work=$(mktemp -d "${TMPDIR:-/tmp}/telltale-footprint.XXXXXX")
trap 'rm -rf "$work"' EXIT
truncate -s 512M "$work/disk.img"
mkfs.ext4 -q "$work/disk.img"
mkdir "$work/disk"

kib=$(($(wc -c <"$daemon") / 1024))
echo
echo "| what                                       |      budget |           figure |        |"
echo "|--------------------------------------------|-------------|------------------|--------|"
printf '| %-42s | %11s | %16s | %-6s |\n' "binary, stripped, $(uname -m)" "10 MiB" "$kib KiB" \
    "$([ "$kib" -lt 10240 ] && echo met || echo MISSED)"
export FOOTPRINT_DAEMON="$daemon" FOOTPRINT_DISK="$work/disk" FOOTPRINT_DRIVE_S="$drive" \
    FOOTPRINT_VIRTUAL_S="$virtual" FOOTPRINT_GAP_S="$gap"
"$bench"
hil/uml/run --can vcan0,vcan1,vcan2 --disk "$work/disk.img:$work/disk" --mem 512 --timeout 3600 -- "$bench"
