#!/bin/sh
# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A second cluster beside the laboratory's own, on the same host: other ports, another fsid, and the same names.
# Usage: second_cluster.sh up|down
set -eu

conf=/etc/ceph/two.conf
home=/var/lib/ceph/two
address=$(sed -n 's/^mon_host = //p' /etc/ceph/ceph.conf)

down() {
    for file in "$home"/*.pid; do
        if [ -e "$file" ]; then kill -9 "$(cat "$file")" 2>/dev/null || true; fi
    done
    rm -rf "$home" "$conf"
}

up() {
    fsid=$(cat /proc/sys/kernel/random/uuid)
    mkdir -p "$home/mon" "$home/osd"
    {
        sed -e "s/^fsid = .*/fsid = $fsid/" -e "s/^mon_host = .*/mon_host = [v2:$address:3400,v1:$address:6889]/" \
            -e 's/^mon_initial_members = .*/mon_initial_members = b/' /etc/ceph/ceph.conf
        cat << EOF
[global]
mon_data = $home/mon
osd_data = $home/osd
keyring = $home/keyring
log_file = $home/\$name.log
pid_file = $home/\$name.pid
admin_socket = $home/\$name.asok
EOF
    } > "$conf"
    ceph-authtool --create-keyring "$home/keyring" --gen-key -n mon. --cap mon 'allow *'
    ceph-authtool "$home/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    ceph-authtool "$home/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
    monmaptool --create --fsid "$fsid" --addv b "[v2:$address:3400,v1:$address:6889]" "$home/monmap"
    ceph-mon -c "$conf" --mkfs -i b --monmap "$home/monmap" --keyring "$home/keyring"
    ceph-mon -c "$conf" -i b < /dev/null > "$home/start.log" 2>&1
    ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$fsid" > "$home/start.log" 2>&1
    ceph -c "$conf" --connect-timeout 60 osd new "$fsid" 0
    ceph-osd -c "$conf" -i 0 < /dev/null > "$home/start.log" 2>&1
    ceph -c "$conf" osd pool create faults 8
    rbd -c "$conf" pool init faults
}

case "$1" in
    up)
        down
        up
        ;;
    down) down ;;
esac
