#!/usr/bin/env bash
# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Uses images in all the ways in which one can be in use, and ends all of that again.
#
#   foreign   map two images behind the back of everybody: one mounted with a file open, one with only its device open
#   look      tell what of them must never change, once the writer has written again
#   mount     use the file system on /srv/busy/app, and keep both file systems in another namespace
#   devices   map four images by hand, and use each without mounting it
#   release   end what mount and devices began
#   end       end what foreign began
set -euo pipefail

run=/run/busy

map() {
    rbd device map --id faults "faults/$1"
}

# Start a Python program that says when it is ready, and keep its process id.
start() {
    local name=$1
    shift
    rm -f "$run/$name.ready"
    setsid python3 -c "$@" > /dev/null 2>&1 < /dev/null &
    echo $! > "$run/$name.pid"
    await "$run/$name.ready"
}

await() {
    for _ in $(seq 150); do
        [ -e "$1" ] && return
        sleep 0.1
    done
    echo "$1 did not appear" >&2
    return 1
}

stop() {
    local pid
    pid=$(cat "$run/$1.pid")
    kill -9 "$pid"
    timeout 60 tail --pid "$pid" --sleep-interval 0.1 --follow /dev/null
    rm "$run/$1.pid"
}

# Hold a directory, an open file and a mapped one.
HOLD='
import mmap, os, pathlib, sys, time
os.chdir(sys.argv[1])
opened = open("opened", "wb+")
file = open("mapped", "wb+")
file.write(b"x" * 4096)
file.flush()
mapped = mmap.mmap(file.fileno(), 4096)
file.close()
pathlib.Path(sys.argv[2]).touch()
time.sleep(3600)
'

# Write a line to a file, and a block to a device, again and again, through the descriptors opened at first.
WRITE='
import os, pathlib, sys, time
file = open("/mnt/busy-foreign/written", "ab", buffering=0)
device = os.open(sys.argv[1], os.O_RDWR)
for number in range(1 << 30):
    file.write(b"%d\n" % number)
    os.pwrite(device, b"%d" % number, 0)
    pathlib.Path(sys.argv[2]).write_text(str(number))
    time.sleep(0.2)
'

# Keep a device open.
OPEN='
import os, pathlib, sys, time
device = os.open(sys.argv[1], os.O_RDONLY)
pathlib.Path(sys.argv[2]).touch()
time.sleep(3600)
'

case $1 in
    foreign)
        mkdir -p "$run" /mnt/busy-foreign
        device=$(map busy-foreign)
        mkfs.ext4 -q "$device"
        mount "$device" /mnt/busy-foreign
        start writer "$WRITE" "$(map busy-raw)" "$run/writer.ready"
        ;;
    look)
        pid=$(cat "$run/writer.pid")
        before=$(cat "$run/writer.ready")
        for _ in $(seq 150); do
            [ "$(cat "$run/writer.ready")" != "$before" ] && break
            sleep 0.1
        done
        [ "$(cat "$run/writer.ready")" != "$before" ] || { echo "the writer stands still" >&2; exit 1; }
        grep -l -E '^busy-(foreign|raw)$' /sys/bus/rbd/devices/*/name
        grep busy-foreign /proc/self/mountinfo
        cut -d ' ' -f 22 "/proc/$pid/stat"
        ls -l --time-style=+ "/proc/$pid/fd"
        ;;
    mount)
        start holder "$HOLD" /srv/busy/app "$run/holder.ready"
        mkdir /srv/busy/app/inside
        mount -t tmpfs busy-inside /srv/busy/app/inside
        fallocate -l 8M /srv/busy/app/disk
        losetup --find --show /srv/busy/app/disk > "$run/loop"
        dd if=/dev/zero of=/srv/busy/app/swap bs=1M count=4 status=none
        chmod 0600 /srv/busy/app/swap
        mkswap /srv/busy/app/swap > /dev/null
        swapon /srv/busy/app/swap
        unshare --mount --propagation private setsid python3 -c "$OPEN" /dev/null "$run/space.ready" > /dev/null 2>&1 < /dev/null &
        echo $! > "$run/space.pid"
        await "$run/space.ready"
        ;;
    devices)
        start opener "$OPEN" "$(map busy-opened)" "$run/opener.ready"
        mapper=$(map busy-mapper)
        echo "0 $(blockdev --getsz "$mapper") linear $mapper 0" | dmsetup create busy
        losetup --find --show "$mapper" > "$run/loop-device"
        swap=$(map busy-swap)
        mkswap "$swap" > /dev/null
        swapon "$swap"
        echo "$swap" > "$run/swap"
        mkdir -p /mnt/busy-lazy
        lazy=$(map busy-lazy)
        mkfs.ext4 -q "$lazy"
        mount "$lazy" /mnt/busy-lazy
        start lazy "$HOLD" /mnt/busy-lazy "$run/lazy.ready"
        umount --lazy /mnt/busy-lazy
        ;;
    release)
        stop space
        stop holder
        swapoff /srv/busy/app/swap "$(cat "$run/swap")"
        losetup --detach "$(cat "$run/loop")"
        losetup --detach "$(cat "$run/loop-device")"
        umount /srv/busy/app/inside
        stop opener
        dmsetup remove busy
        stop lazy
        ;;
    end)
        stop writer
        umount /mnt/busy-foreign
        rbd device unmap --id faults faults/busy-foreign
        rbd device unmap --id faults faults/busy-raw
        rmdir /mnt/busy-foreign /mnt/busy-lazy /srv/busy/app /srv/busy/log /srv/busy
        rm -r "$run"
        ;;
esac
