# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hook of an encrypted image: the program that ``rbdmap`` runs after it has mapped it and before it unmaps it.

``rbdmap map`` runs ``/etc/ceph/rbd.d/<pool>/[<namespace>/]<image>[@<snap>] map <device>``, ``rbdmap unmap`` and
``unmap-all`` run it with ``unmap <device>``. Neither looks at how it ends.
"""

from __future__ import annotations

import re
import shlex

from ._crypt_device import crypt_name
from ._image_spec import ImageSpec

HOOK_ROOT = "/etc/ceph/rbd.d/"
HOOK_MODE = 0o755

# What tells our hooks from those of others, and from those that may not be run twice.
MARK = "# cephclient.rbd.luks"

_BLANK = re.compile(r"@([a-z_]+)@")
_HOOK = r"""#!/bin/sh
@mark@
# Made by cephclient.rbd (rbd_luks), which overwrites changes. rbdmap runs it as "map <device>" once the image is
# mapped, and as "unmap <device>" before it is unmapped. To run it again does no harm.
image=@image@
name=@name@
key_file=@key_file@

LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH

opened=/dev/mapper/$name

# As rbdmap itself tells what it has done.
tell() {
    logger -p daemon.debug -t rbdmap -- "$1"
}

fail() {
    logger -p daemon.err -t rbdmap -- "Cannot $1"
    if [ -t 2 ]; then
        printf 'Cannot %s\n' "$1" >&2
    fi
    exit 1
}

# The device below the opened one, or nothing where it is not open.
lower() {
    cryptsetup status "$name" | sed -n 's/^ *device: *//p'
}

is_mounted() {
    findmnt --kernel --source "$opened" >/dev/null
}

open_it() {
    [ -r "$key_file" ] || fail "open $image: there is no key file $key_file. Place it, then run: $0 map $1."
    mode=
    [ "$(blockdev --getro "$1")" = 0 ] || mode=--readonly
    # shellcheck disable=SC2086  # without a mode there is to be no argument for it
    said=$(cryptsetup open --batch-mode --type luks $mode --key-file "$key_file" "$1" "$name" 2>&1) ||
        fail "open $image ($1): $said Check the key in $key_file, then run: $0 map $1."
    tell "Opened '$image' as '$opened'"
}

mount_it() {
    if is_mounted || ! findmnt --fstab --source "$opened" >/dev/null; then
        return
    fi
    said=$(mount "$opened" 2>&1) || fail "mount $image ($opened): $said. Check its line in fstab, then run: $0 map $1."
    tell "Mounted '$opened'"
}

close_it() {
    advice="Stop what uses it; it is left as it is."
    while is_mounted; do
        said=$(umount "$opened" 2>&1) || fail "unmount $image ($opened): $said. $advice"
        tell "Unmounted '$opened'"
    done
    said=$(cryptsetup close "$name" 2>&1) || fail "close $image ($opened): $said $advice"
    tell "Closed '$image'"
}

if [ "$#" != 2 ]; then
    echo "Usage: $0 map <device> | unmap <device>" >&2
    exit 2
fi
below=$(lower)
same=no
[ -n "$below" ] && [ "$(readlink -f "$below")" = "$(readlink -f "$2")" ] && same=yes

case $1 in
    map)
        [ -n "$below" ] || open_it "$2"
        [ -z "$below" ] || [ "$same" = yes ] ||
            fail "open $image ($2): $opened lies on another device, $below. Close that first: cryptsetup close $name."
        mount_it "$2"
        ;;
    unmap)
        [ "$same" = no ] || close_it
        ;;
esac
"""


def hook_path(spec: ImageSpec) -> str:
    """Where ``rbdmap`` looks for an image's hook."""
    return HOOK_ROOT + str(spec)


def hook_text(spec: ImageSpec, key_file: str) -> str:
    """The hook of an encrypted image. It names the key file and never holds a key.

    :raises RbdError: as for :func:`crypt_name`.
    """
    words = {"image": str(spec), "name": crypt_name(spec), "key_file": key_file}
    values = {"mark": MARK, **{name: shlex.quote(word) for name, word in words.items()}}
    return _BLANK.sub(lambda blank: values[blank.group(1)], _HOOK)


def is_ours(text: str) -> bool:
    """Whether a hook is one of this collection."""
    return MARK in text.splitlines()
