# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Before the kernel is installed: a small initramfs, and the step that gives a guest its identity.
set -eu
mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/etc/initramfs-tools/scripts/init-bottom" \
    "$1/usr/share/initramfs-tools/modules.d"
cat > "$1/etc/initramfs-tools/conf.d/lab" <<'EOF'
MODULES=list
BUSYBOX=n
RESUME=none
FSTYPE=ext4
EOF
printf 'virtio_pci\nvirtio_blk\next4\n' > "$1/usr/share/initramfs-tools/modules.d/lab"
# The modules above are loaded without udev, which would take a third of an emulated boot; files of the same name in
# /etc stand for those of the package (mkinitramfs).
mkdir -p "$1/etc/initramfs-tools/hooks" "$1/etc/initramfs-tools/scripts/init-top"
for name in hooks/udev scripts/init-top/udev scripts/init-bottom/udev; do
    printf '#!/bin/sh\nexit 0\n' > "$1/etc/initramfs-tools/$name"
    chmod 755 "$1/etc/initramfs-tools/$name"
done
cat > "$1/etc/initramfs-tools/scripts/init-bottom/lab-seed" <<'EOF'
#!/bin/sh
# The laboratory appends an archive with this guest's name, address and keys to the initramfs.
[ "$1" = prereqs ] && exit 0
if [ -e /lab-seed.tar ] && [ ! -e "${rootmnt}/etc/.lab-seeded" ]; then
    chroot "${rootmnt}" /bin/tar -C / -xpf - < /lab-seed.tar && : > "${rootmnt}/etc/.lab-seeded"
    sync
fi
EOF
chmod 755 "$1/etc/initramfs-tools/scripts/init-bottom/lab-seed"
