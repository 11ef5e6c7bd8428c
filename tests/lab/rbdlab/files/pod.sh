#!/bin/sh
# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The inside of the cluster's "pod". It is the first process of new mount, PID, UTS and IPC namespaces in the
# laboratory's network namespace, and everything below it ends with it.
#
# usage: pod.sh ROOTFS DIRECTORY HOSTNAME     (DIRECTORY has logs/ and mnt/; the PID is written there)
set -eu
rootfs=$1 directory=$2 hostname=$3
# /proc is still the machine's, so this is the PID as the machine knows it.
read -r pid _ < /proc/self/stat
exec 3> "$directory/pid"
trap '[ $? = 0 ] || echo failed >&3' EXIT

mount --make-rprivate /
# Whatever the daemons write lives in memory and goes with the namespace.
mount -t tmpfs -o mode=0755,size=75% lab "$directory/mnt"
root=$directory/mnt/root
mkdir "$root" "$directory/mnt/upper" "$directory/mnt/work"
mount -t overlay -o "lowerdir=$rootfs,upperdir=$directory/mnt/upper,workdir=$directory/mnt/work" lab "$root" ||
    { echo "no overlay file system here: copying the root file system into memory"
      umount "$root" 2> /dev/null || :
      cp -a "$rootfs/." "$root/"; }

mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=0755 run "$root/run"
mount -t tmpfs -o mode=0755 dev "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm" "$root/run/sshd" "$root/run/lock" "$root/run/ceph"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
    name=${node%%:*} numbers=${node#*:}
    mknod -m 0666 "$root/dev/$name" c "${numbers%:*}" "${numbers#*:}"
done
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mkdir -p "$root/var/log/ceph"
mount --bind "$directory/logs" "$root/var/log/ceph"
hostname "$hostname"
echo "$hostname" > "$root/etc/hostname"

mkdir "$root/.machine"
cd "$root"
pivot_root . .machine
# From here on the machine is out of sight. The shell stays as the reaper of the daemons.
# shellcheck disable=SC2016  # the inner shell expands it
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 /bin/sh -euc '
    trap "echo failed >&3" EXIT
    cd /
    umount -l /.machine
    rmdir /.machine
    trap - EXIT
    trap "exit 0" TERM
    echo "$0" >&3
    exec 3>&-
    while :; do sleep 3600 & wait $! || :; done
' "$pid"
