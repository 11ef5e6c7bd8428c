#!/usr/bin/env bash
# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Install the Debian packages that are missing, and only those.
#
#   packages.sh tools        what the checks need beside Python packages
#   packages.sh file LIST    the packages named in LIST, one per line, # for comments
#
# Root's rights are asked for (sudo) only when something has to be installed.

set -euo pipefail

wanted_tools() {
    local python="${PYTHON:-python3}"
    command -v git >/dev/null || echo git
    command -v shellcheck >/dev/null || echo shellcheck
    # The oracles of the unit tests: what systemd makes of an fstab, and what the kernel unpacks.
    [[ -x /usr/lib/systemd/system-generators/systemd-fstab-generator ]] ||
        [[ -x /lib/systemd/system-generators/systemd-fstab-generator ]] || echo systemd
    command -v cpio >/dev/null || echo cpio
    # Kills a run at a system call of our choice.
    command -v strace >/dev/null || echo strace
    # A Python of another origin than Debian brings these two along.
    "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

wanted_from_file() {
    # The list may be absent in a source tree without the laboratory.
    [[ ! -f "$1" ]] || sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$1"
}

missing() {
    local package
    while read -r package; do
        [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] ||
            echo "$package"
    done
}

install() {
    local -a become=()
    if [[ "$(id -u)" -ne 0 ]]; then
        command -v sudo >/dev/null || {
            echo "Cannot install $*: neither root nor sudo. Install these packages, then run make again." >&2
            exit 1
        }
        become=(sudo)
    fi
    echo "Installing Debian packages: $*" >&2
    # A stale or unreachable extra repository need not matter: the installation decides.
    "${become[@]}" apt-get update --quiet --quiet || true
    "${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes \
        --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null >&2
}

case "${1:-}" in
tools) wanted=$(wanted_tools) ;;
file) wanted=$(wanted_from_file "$2") ;;
*)
    echo "Usage: $0 tools | file LIST" >&2
    exit 2
    ;;
esac

if [[ -n "$wanted" ]] && ! command -v dpkg-query >/dev/null; then
    echo "This is no Debian system. Needed here, by their Debian names: ${wanted//$'\n'/ }" >&2
    exit 0
fi
mapfile -t packages < <(missing <<<"$wanted" | sed '/^$/d')
if [[ ${#packages[@]} -gt 0 ]]; then
    install "${packages[@]}"
fi
