# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# After all packages: where uml.sh mounts, the program by which the kernel starts again, and the initramfs.
set -eu
root=$1
mkdir -p "$root/proc" "$root/dev" "$root/tmp" "$root/machine" "$root/disk" "$root/initramfs/bin"
ln -s usr/lib64 "$root/lib64"

# At a reboot the kernel starts itself again, in the same process, by the name it was started with. Its tap would
# stay open, and taken. So that name is this program's, which closes everything but the console.
cat > "$root/usr/bin/uml" <<'EOF'
#!/usr/bin/busybox sh
for path in /proc/self/fd/*; do
    number=${path##*/}
    [ "$number" -le 2 ] || eval "exec $number>&-"
done
exec -a /usr/bin/uml /usr/bin/linux.uml "$@"
EOF
chmod 755 "$root/usr/bin/uml"

cd "$root/initramfs"
cp "$root/usr/bin/busybox" bin/
mkdir dev proc root
mknod dev/console c 5 1
cat > init <<'EOF'
#!/bin/busybox sh
# Mount the disk, give it this guest's name, address and keys once, and show it the kernel's modules, which are
# outside of it. Where a command fails, this ends, and with it the kernel: it panics.
set -eu
bb=/bin/busybox
$bb mount -t proc proc /proc
$bb mount -t devtmpfs dev /dev
$bb mount -t ext4 /dev/ubda /root
if [ ! -e /root/etc/.lab-seeded ]; then
    $bb tar -C /root -xpf /lab-seed.tar
    : > /root/etc/.lab-seeded
    $bb sync
fi
modules=/lib/modules/$($bb uname -r)
$bb mkdir -p "/root/usr$modules"
$bb mount -t hostfs -o "ro,/usr/lib/uml/modules/${modules##*/}" modules "/root/usr$modules"
$bb umount /dev /proc
exec $bb switch_root /root /sbin/init
EOF
chmod 755 init
find . | "$root/usr/bin/busybox" cpio -o -H newc | gzip > "$root/../initrd"
cd /
rm -r "$root/initramfs"
chmod 644 "$root/../initrd"
