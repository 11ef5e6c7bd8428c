# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images are mapped and mounted, and the files say so and nothing else."""

from __future__ import annotations

import pytest
from expected import FSTAB_BEFORE, KEYRING, MOUNTS, RBDMAP_BEFORE, UNMOUNTED
from testinfra.host import Host

PARAMETERS = f"id=app,keyring={KEYRING}"


def test_rbdmap_has_what_was_in_it_and_a_line_for_each_image(host: Host) -> None:
    assert host.file("/etc/ceph/rbdmap").content_string == host.file(RBDMAP_BEFORE).content_string + (
        f"molecule/existing {PARAMETERS}\n"
        f"molecule/fresh {PARAMETERS},options='lock_on_read,queue_depth=64'\n"
        f"molecule-data/team/notes {PARAMETERS}\n"
        f"molecule/existing@golden {PARAMETERS}\n"
    )


def test_fstab_has_what_was_in_it_and_a_line_for_each_mount(host: Host) -> None:
    assert host.file("/etc/fstab").content_string == host.file(FSTAB_BEFORE).content_string + (
        "\n"
        "/dev/rbd/molecule/existing\t/srv/existing\text4\tnoauto,_netdev\t0\t0\n"
        "/dev/rbd/molecule/fresh\t/srv/fresh\txfs\tnoauto,_netdev,noatime\t0\t0\n"
        "/dev/rbd/molecule-data/team/notes\t/srv/notes\text4\tnoauto,_netdev\t0\t0\n"
    )


@pytest.mark.parametrize("path", MOUNTS)
def test_the_image_is_mounted(host: Host, path: str) -> None:
    image, fstype = MOUNTS[path]
    device = host.check_output("readlink -f %s", f"/dev/rbd/{image}")
    mount = host.mount_point(path)
    assert (mount.exists, mount.device, mount.filesystem) == (True, device, fstype)


def test_a_snapshot_is_mapped_read_only_and_not_mounted(host: Host) -> None:
    device = host.check_output("readlink -f %s", f"/dev/rbd/{UNMOUNTED}")
    assert host.check_output("blockdev --getro %s", device) == "1"
    assert host.run("findmnt --source %s", device).rc == 1


def test_the_data_of_the_existing_image_is_there(host: Host) -> None:
    assert host.file("/srv/existing/data.txt").content_string == "written before the first mapping\n"


def test_the_mount_point_has_its_ownership(host: Host) -> None:
    fresh = host.file("/srv/fresh")
    assert (fresh.user, fresh.group, oct(fresh.mode)) == ("www-data", "www-data", "0o750")


def test_the_kernel_uses_the_map_options(host: Host) -> None:
    number = host.check_output("readlink -f /dev/rbd/molecule/fresh").removeprefix("/dev/rbd")
    config = host.check_output("cat /sys/bus/rbd/devices/%s/config_info", number)
    assert "queue_depth=64" in config
    assert "lock_on_read" in config


def test_the_keyring_is_private(host: Host) -> None:
    keyring = host.file(KEYRING)
    assert (keyring.user, keyring.group, oct(keyring.mode)) == ("root", "root", "0o600")


def test_the_service_is_enabled_and_active(host: Host) -> None:
    assert host.service("rbdmap").is_enabled
    assert host.service("rbdmap").is_running


def test_systemd_knows_the_mounts_as_remote(host: Host) -> None:
    shown = host.check_output("systemctl show --property After,Before,NeedDaemonReload srv-fresh.mount")
    assert "NeedDaemonReload=no" in shown
    assert "remote-fs-pre.target" in shown
