# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
set -eu
rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/apt/sources.list" "$1/etc/apt/apt.conf.d/99mmdebstrap"
rm -f "$1"/etc/apt/sources.list.d/*
mkdir -p "$1/root/.ssh" "$1/var/lib/ceph/mon/ceph-a" "$1/var/lib/ceph/mgr/ceph-a" "$1/var/lib/ceph/osd/ceph-0"
chmod 700 "$1/root/.ssh"
