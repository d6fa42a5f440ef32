#!/usr/bin/env bash
# All tests, and all that they need. People and CI call this one script.
#
#   tests/run.sh            installs what is missing (Debian packages, as root or through sudo), then checks and tests
#   tests/run.sh --no-setup leaves the machine as it is; tests that miss a part say so loudly, and fail where CI is set
set -euo pipefail
cd "$(dirname "$0")/.."

# mosquitto: the real broker.  user-mode-linux, iproute2, e2fsprogs: a kernel with CAN and a disk that loses
# power.  python3-venv: cantools, the peer of the decoder.  systemd: verifies the unit.  procps: the unit reloads with
# /bin/kill.  build-essential: ring is partly C.
packages=(mosquitto user-mode-linux iproute2 e2fsprogs python3-venv systemd procps build-essential)

setup() {
    local missing=() package
    for package in "${packages[@]}"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    local root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    echo "installing: ${missing[*]}"
    "${root[@]}" apt-get update -q
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

[ "${1:-}" = "--no-setup" ] || setup

step() { printf '\n== %s\n' "$*"; "$@"; }

command -v cargo-clippy >/dev/null && command -v cargo-fmt >/dev/null || rustup component add clippy rustfmt
step cargo fmt --check
step cargo clippy --locked --all-targets -- -D warnings
step cargo clippy --locked --no-default-features -- -D warnings
step cargo test --locked --no-fail-fast
