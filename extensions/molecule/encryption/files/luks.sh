#!/usr/bin/env bash
# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Fills images that must not be encrypted, and looks at encrypted ones.
#
#   fill      map two images: one with ext4, one with a LUKS encryption whose header lies elsewhere
#   hashes    tell what is in the two, and in the header of the one that is encrypted
#   end       unmap the two
set -euo pipefail

device() {
    readlink -f "/dev/rbd/faults/luks-$1"
}

case $1 in
    fill)
        for image in ext4 detached; do
            rbd device map --id faults "faults/luks-$image"
        done
        udevadm settle
        mkfs.ext4 -q "$(device ext4)"
        header=$(mktemp)
        truncate --size 16M "$header"
        printf detached > "$header.key"
        cheap=(--pbkdf pbkdf2 --pbkdf-force-iterations 1000)
        cryptsetup luksFormat --batch-mode "${cheap[@]}" --header "$header" --key-file "$header.key" "$(device detached)"
        cryptsetup open --header "$header" --key-file "$header.key" "$(device detached)" luks-detached
        printf 'somebody needs this' | dd of=/dev/mapper/luks-detached bs=4096 seek=2048 conv=sync,fsync status=none
        cryptsetup close luks-detached
        rm "$header" "$header.key"
        ;;
    hashes)
        for image in ext4 detached; do
            sha256sum < "$(device "$image")"
        done
        cryptsetup luksDump "$(device app)" | sha256sum
        ;;
    end)
        for image in ext4 detached; do
            rbd device unmap "$(device "$image")"
        done
        ;;
esac
