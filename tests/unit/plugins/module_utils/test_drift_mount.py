# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What disagrees about the lines in fstab and the live mounts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._crypt_device import CryptDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._drift_host import Declared
from ansible_collections.cephclient.rbd.plugins.module_utils._mount_options import FilesystemState
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.drift_values import (
    AT_PATH,
    FSTAB,
    WHOLE,
    causes,
    host,
    kinds,
    rows,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import APP, device, mount

HERE = mount("/srv/app")
READ_ONLY = replace(HERE, opts="ro,relatime", super_opts="ro")
FOUND = Declared(APP, known=False)


@pytest.mark.parametrize(
    ("line", "cause", "expected", "actual"),
    [
        ("/srv/app ext4 noauto,_netdev 0 0", "type ext4 instead of xfs", "xfs", "ext4"),
        ("/srv/app xfs defaults 0 0", "options defaults instead of noauto,_netdev", "noauto,_netdev", "defaults"),
        ("/srv/app xfs noauto,_netdev 1 0", "dump field 1 instead of 0", "0", "1"),
        ("/srv/app xfs noauto,_netdev 0 2", "passno field 2 instead of 0", "0", "2"),
    ],
)
def test_the_line_is_not_as_declared(line: str, cause: str, expected: str, actual: str) -> None:
    (found,) = rows(host(fstab=f"/dev/rbd/rbd/app {line}\n"))
    assert (found.kind, found.cause) == ("fstab_line_differs", f"line 1 of fstab has the {cause}")
    assert (found.expected, found.actual, found.repair) == (expected, actual, "run")


@pytest.mark.parametrize(
    "line",
    ["/srv/app xfs noauto,_netdev", "/srv//app/ xfs noauto,_netdev 0", "/srv/app\txfs\tnoauto,_netdev\t0\t0 # me"],
)
def test_a_line_that_means_what_is_declared_is_no_drift(line: str) -> None:
    assert kinds(host(fstab=f"/dev/rbd/rbd/app {line}\n")) == []


def test_an_encrypted_image_is_mounted_by_what_is_opened_on_it() -> None:
    mapping = replace(device(), crypts=(CryptDevice("rbd-rbd-app", (253, 3), 1 << 30),))
    seen = host(
        fstab=FSTAB.replace("/dev/rbd/rbd/app", "/dev/mapper/rbd-rbd-app"),
        devices=(mapping,),
        mounts=(mount("/srv/app", (253, 3)),),
    )
    assert kinds(seen, replace(WHOLE, encrypted=True)) == []
    (found,) = rows(seen)
    assert (found.kind, found.repair) == ("fstab_line_differs", "hand")
    assert found.cause == "line 2 of fstab has the source /dev/mapper/rbd-rbd-app instead of /dev/rbd/rbd/app"
    broken = replace(seen, states={50: FilesystemState(errors=1)})
    assert rows(broken, replace(WHOLE, encrypted=True))[0].steps[1] == "xfs_repair /dev/mapper/rbd-rbd-app"


def test_a_line_that_mount_does_not_read_is_told() -> None:
    (found,) = rows(host(fstab="/dev/rbd/rbd/app /srv/app xfs noauto,_netdev # why\n"))
    assert found.cause.startswith("line 1 of fstab does not do what it seems to: libmount reads no comment")
    assert (found.kind, found.repair) == ("fstab_line_ineffective", "run")


def test_a_second_line_is_told() -> None:
    seen = host(fstab=FSTAB + "/dev/rbd/rbd/app /srv/app/ xfs noauto,_netdev 0 0\n")
    assert causes(seen) == ["fstab has more than one line for it (lines 2, 3)"]
    assert kinds(seen, FOUND) == ["fstab_line_repeated"]


def test_a_line_for_another_path_is_told_and_not_edited() -> None:
    (found,) = rows(host(fstab=FSTAB + "/dev/rbd/rbd/app /data xfs noauto,_netdev # no\n"))[1:]
    assert (found.kind, found.repair) == ("fstab_line_elsewhere", "hand")
    assert found.cause == "line 3 of fstab mounts it at /data instead of /srv/app"
    (first, _second) = rows(host(fstab=FSTAB + "/dev/rbd/rbd/app /data xfs noauto,_netdev # no\n"))
    assert (first.kind, first.repair) == ("fstab_line_ineffective", "hand")


def test_mounted_at_another_path() -> None:
    found = rows(host(mounts=(mount("/data"),)))
    assert [row.kind for row in found] == ["not_mounted", "mounted_elsewhere"]
    assert (found[1].cause, found[1].steps) == ("it is mounted at /data instead of /srv/app", ("umount /data",))


def test_bind_mounts_beside_its_own_mount_are_no_drift() -> None:
    binds = tuple(replace(mount(f"/var/lib/pod/{number}", number=number), opts="ro,noexec") for number in (51, 52))
    for declared in (WHOLE, FOUND, AT_PATH):
        assert kinds(host(mounts=(HERE, *binds)), declared) == []


def test_another_mount_instead_of_its_own_is_drift() -> None:
    seen = host(mounts=(mount("/var/lib/pod", number=51),))
    assert causes(seen, FOUND) == [
        "fstab mounts it at /srv/app, but it is not mounted there",
        "it is mounted at /var/lib/pod, but fstab has no such line: it will not be mounted there at boot",
    ]


def test_another_mount_over_its_own_is_told() -> None:
    (found,) = rows(host(mounts=(HERE, mount("/srv/app", (8, 2), 51, 50))))
    assert (found.kind, found.cause) == ("mount_covered", "/dev/sdb1 is mounted over it at /srv/app, and hides it")


class TestOptions:
    def test_that_a_remount_changes(self) -> None:
        for declared in (WHOLE, AT_PATH):
            (found,) = rows(host(mounts=(replace(READ_ONLY, opts="ro,noatime"),)), declared)
            assert (found.kind, found.repair, found.steps) == ("mount_options", "run", ())
            assert (found.expected, found.actual) == ("rw,relatime", "ro,noatime")
            assert found.cause == "it is mounted at /srv/app with ro,noatime instead of rw,relatime"

    def test_are_those_of_the_line_where_nothing_is_declared(self) -> None:
        seen = host(fstab=FSTAB.replace("_netdev", "_netdev,ro"))
        assert [(row.kind, row.repair) for row in rows(seen, FOUND)] == [("mount_options", "hand")]
        assert kinds(seen, replace(AT_PATH, opts="noauto,_netdev")) == ["fstab_line_differs"]

    def test_are_not_declared_without_a_path(self) -> None:
        seen = host(fstab=FSTAB.replace("_netdev", "_netdev,noatime"), mounts=(replace(HERE, opts="rw,noatime"),))
        assert kinds(seen, replace(WHOLE, path=None, fstype="ext4")) == []

    def test_that_only_a_mount_changes(self) -> None:
        opts = "noauto,_netdev,discard"
        (found,) = rows(host(fstab=FSTAB.replace("noauto,_netdev", opts)), replace(WHOLE, opts=opts))
        assert (found.kind, found.repair) == ("mount_options_of_old", "unmount")
        assert found.steps == ("umount /srv/app", "mount /srv/app")

    def test_of_a_read_only_mapping(self) -> None:
        seen = host(devices=(device(read_only=True),), mounts=(READ_ONLY,))
        assert kinds(seen) == ["mapping_read_only"]


class TestError:
    @pytest.mark.parametrize(
        ("fstype", "check"),
        [("ext4", "fsck -f -p /dev/rbd0"), ("xfs", "xfs_repair /dev/rbd0"), ("btrfs", "btrfs check /dev/rbd0")],
    )
    def test_stands_for_all_the_rest(self, fstype: str, check: str) -> None:
        wrong = replace(HERE, fstype=fstype, opts="rw,noatime", super_opts="ro", source="/dev/rbd0")
        (found,) = rows(host(fstab=FSTAB.replace("xfs", fstype), mounts=(wrong,)), AT_PATH)
        assert (found.kind, found.repair) == ("mount_error", "fsck")
        assert found.steps == ("umount /srv/app", check, "mount /srv/app")
        assert "it is read-only though mounted for writing, as the kernel makes it after an error" in found.cause

    @pytest.mark.parametrize("state", [FilesystemState(errors=2), FilesystemState(shut_down=True)])
    def test_that_the_mount_table_does_not_show(self, state: FilesystemState) -> None:
        assert kinds(host(states={HERE.mount_id: state})) == ["mount_error"]
        assert kinds(host(states={1: state})) == []


@pytest.mark.parametrize(
    ("fstype", "expected"), [("auto", []), ("ext4", ["mount_fstype"]), ("fuse.thing", []), ("xfs", [])]
)
def test_another_file_system_than_is_declared(fstype: str, expected: list[str]) -> None:
    assert kinds(host(fstab=FSTAB.replace("xfs", fstype)), AT_PATH) == expected
