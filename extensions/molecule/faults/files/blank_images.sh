#!/bin/sh
# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Each kind of content in two equal images: blank-<kind> for rbd_filesystem, and beside-<kind> for the module beside it.
# Usage: blank_images.sh POOL
set -eu

pool=$1
place=$(mktemp -d)
cd "$place"

for kind in blank ext4 mounted signatures mbr gpt gptcopy raw luks dirty discarded; do
    truncate -s 32M "$kind"
done

mke2fs -q -t ext4 -U 11111111-1111-4111-8111-111111111111 ext4
mke2fs -q -t ext4 -U 22222222-2222-4222-8222-222222222222 mounted

# What mkswap writes, beside the superblock of ext4.
mke2fs -q -t ext4 -U 33333333-3333-4333-8333-333333333333 signatures
printf 'SWAPSPACE2' | dd of=signatures bs=1 seek=4086 conv=notrunc status=none
printf '\001\000\000\000\001\000\000\000' | dd of=signatures bs=1 seek=1024 conv=notrunc status=none

# One partition of 8 MiB from 1 MiB on.
printf '\000\000\002\000\203\000\000\000\000\010\000\000\000\100\000\000' | dd of=mbr bs=1 seek=446 conv=notrunc status=none
printf '\125\252' | dd of=mbr bs=1 seek=510 conv=notrunc status=none
sgdisk --new 1:2048:+8M gpt > /dev/null
cp --sparse=always gpt gptcopy
dd if=/dev/zero of=gptcopy bs=1M count=1 conv=notrunc status=none

# One sector in the middle.
dd if=/dev/urandom of=raw bs=512 seek=34816 count=1 conv=notrunc status=none

# With an object map the kernel knows, without reading, that what was never written is zero.
for image in blank-unreadable blank-stuck beside-unreadable; do
    rbd create --size 32M --image-feature layering "$pool/$image"
done
for kind in *; do rbd import --no-progress "$kind" "$pool/blank-$kind"; done
for kind in ext4 signatures mbr raw luks; do rbd import --no-progress "$kind" "$pool/beside-$kind"; done
for kind in blank raw; do
    rbd snap create --no-progress "$pool/blank-$kind@base"
    rbd snap protect "$pool/blank-$kind@base"
done
rbd clone "$pool/blank-raw@base" "$pool/blank-clone"
rbd clone "$pool/blank-raw@base" "$pool/beside-clone"
rbd clone "$pool/blank-blank@base" "$pool/blank-blankclone"

rm -r "$place"
