# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# After all packages: a quick boot, a persistent journal, SSH; ceph-common stays as it is shipped.
set -eu
rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/apt/sources.list" "$1/etc/apt/apt.conf.d/99mmdebstrap"
rm -f "$1"/etc/apt/sources.list.d/*
mkdir -p "$1/var/log/journal" "$1/root/.ssh" "$1/etc/ssh/sshd_config.d" "$1/var/cache/compiled_once"
echo 'import compiled_once' > "$1/usr/lib/python3/dist-packages/compiled_once.pth"
chmod 700 "$1/root/.ssh"
printf 'LABEL=root / ext4 defaults 0 1\n' > "$1/etc/fstab"
cat > "$1/etc/ssh/sshd_config.d/lab.conf" <<'EOF'
HostKey /etc/ssh/ssh_host_ed25519_key
KexAlgorithms curve25519-sha256
UseDNS no
PrintMotd no
PrintLastLog no
EOF
# At boot udev looks at disks, the network and the console only: what else it would find are drivers that nobody uses,
# and an emulated processor takes half a boot for them.
mkdir -p "$1/etc/systemd/system/systemd-udev-trigger.service.d"
cat > "$1/etc/systemd/system/systemd-udev-trigger.service.d/lab.conf" <<'EOF'
[Service]
ExecStart=
ExecStart=-udevadm trigger --action=add --subsystem-match=virtio --subsystem-match=block --subsystem-match=net
ExecStart=-udevadm trigger --action=add --subsystem-match=tty --sysname-match=ttyS0
EOF
chroot "$1" systemctl set-default multi-user.target
chroot "$1" systemctl enable systemd-networkd.service
# Housekeeping that a guest of some minutes does not need, and that would compete with the tests.
chroot "$1" systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    fstrim.timer man-db.timer e2scrub_reap.service getty@tty1.service
kernel=$(find "$1/boot" -name 'vmlinuz-*' | sort -V | tail -n 1)
version=${kernel##*/vmlinuz-}
mv "$kernel" "$1/../vmlinuz"
mv "$1/boot/initrd.img-$version" "$1/../initrd"
chmod 644 "$1/../vmlinuz" "$1/../initrd"
rm -f "$1"/vmlinuz* "$1"/initrd.img*
