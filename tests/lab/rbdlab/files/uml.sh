#!/bin/sh
# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Start a guest as User-mode Linux. Its programs are processes of this machine, so it gets a PID namespace: they
# cannot outlive it, however it ends. It runs chrooted, without rights, and sees its own directory and the disk
# that its own is an overlay of, nothing else.
#
# usage: uml.sh TREE DIRECTORY DISK USER:GROUP KERNEL ARGUMENTS ...
#   DIRECTORY has the initramfs; the console's log, the overlay and the PID are written there
set -eu
tree=$1 directory=$2 disk=$3 user=$4
own=$directory/uml

if [ "${UML_INSIDE:-}" ]; then
    shift 4
    # /proc is still the machine's, so this is the PID as the machine knows it.
    read -r pid _ < /proc/self/stat
    echo "$pid" > "$directory/pid"
    mount --make-rprivate /
    mount -t proc proc "$tree/proc"
    mount -t tmpfs -o mode=0755,size=75% dev "$tree/dev"
    mkdir -m 1777 "$tree/dev/shm"  # the guest's memory is a file there
    mkdir "$tree/dev/net"
    mknod -m 666 "$tree/dev/null" c 1 3
    mknod -m 444 "$tree/dev/random" c 1 8
    mknod -m 444 "$tree/dev/urandom" c 1 9
    mknod -m 666 "$tree/dev/net/tun" c 10 200
    mount -t tmpfs -o mode=1777 tmp "$tree/tmp"
    mount --bind "$own" "$tree/machine"
    mount --bind -o ro "$disk" "$tree/disk"
    # Not "exec": this shell stays as the first process of the namespace, and reaps the others.
    env -i PATH="$PATH" chroot --userspec="$user" --groups= "$tree" "$@"
    exit
fi

: > "$directory/pid"
install -d -m 700 -o "${user%:*}" -g "${user#*:}" "$own"
install -m 600 -o "${user%:*}" -g "${user#*:}" "$directory/initrd" "$own/initrd"
UML_INSIDE=yes setsid --fork unshare --mount --uts --ipc --pid --fork --kill-child sh "$0" "$@" \
    < /dev/null >> "$directory/console.log" 2>&1
for _ in $(seq 100); do
    [ ! -s "$directory/pid" ] || exit 0
    sleep 0.1
done
echo "it was not ready after 10 s; see $directory/console.log" >&2
exit 1
