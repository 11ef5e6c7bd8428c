#!/usr/bin/env bash
# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Puts a key that is nobody's where the search must find it, and removes it again. A log keeps what it has heard.
set -euo pipefail

key=AQBCDEFGAAAAABAAQ0FOQVJZQ0FOQVJZQ0FOQQ
files=(/tmp/planted /var/tmp/planted /root/.ansible/tmp/planted /etc/fstab~ /etc/ceph/.rbdmap.planted /etc/ceph/rbdmap.bak
    /var/log/planted /run/planted /etc/ceph/ceph.client.faults.keyring~)

# Wait until the program runs in a session of its own: before that, it ends with the terminal of this script.
await() {
    until [ "$(ps -o sid= -o comm= -p "$1" | xargs)" = "$1 python3" ]; do sleep 0.1; done
    echo "$1" >> /run/planted.pids
}

case $1 in
    plant)
        mkdir -p /root/.ansible/tmp
        for file in "${files[@]}"; do echo "key = $key" > "$file"; done
        logger "key = $key"
        echo "key = $key" > /dev/kmsg
        # As sysfs would show it: in a name.
        rbd create --id faults --size 4M "faults/$key"
        rbd device map --id faults "faults/$key"
        # Each as a program that ends at once, and one that stays.
        /bin/true "$key"
        KEY=$key /bin/true
        setsid python3 -c 'import time; time.sleep(3600)' "$key" > /dev/null 2>&1 < /dev/null &
        await $!
        KEY=$key setsid python3 -c 'import time; time.sleep(3600)' > /dev/null 2>&1 < /dev/null &
        await $!
        ;;
    remove)
        xargs kill < /run/planted.pids
        rm "${files[@]}" /run/planted.pids
        rbd device unmap --id faults "faults/$key"
        rbd remove --id faults --no-progress "faults/$key"
        ;;
esac
