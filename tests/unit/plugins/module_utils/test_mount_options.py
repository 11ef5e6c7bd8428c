# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared mount options against those of live mounts, in lines as Linux 6.1 and later show them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._mount_options import (
    Difference,
    FilesystemState,
    differences,
    fault,
    wants_writing,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._mountinfo import Mount

HEALTHY = FilesystemState()
# What /proc/fs/ext4/rbd0/options lists, of a file system whose own default is to discard.
EXT4_LISTS = FilesystemState(("rw", "discard", "delalloc", "barrier", "errors=continue", "commit=5", "data=ordered"))


def live(
    opts: str = "rw,relatime", fstype: str = "xfs", super_opts: str = "rw,attr2,inode64,logbufs=8,noquota"
) -> Mount:
    return Mount(50, 1, (252, 0), "/", "/srv/app", opts, fstype, "/dev/rbd0", super_opts)


def told(opts: str, mount: Mount, state: FilesystemState = HEALTHY, read_only: bool = False) -> list[tuple[str, str]]:
    return [(found.wanted, found.actual) for found in differences(opts, mount, state, read_only)]


@pytest.mark.parametrize(
    ("opts", "mount"),
    [
        ("defaults", live()),
        ("noauto,_netdev", live()),
        # Words that mount(8) and systemd keep for themselves, or that the kernel spells in ways of its own.
        ("noauto,_netdev,nofail,x-systemd.requires=a.service,comment=ro,uid=0,auto,nouser,logbsize=32768", live()),
        ('context="system_u:object_r:ro,c1",rw', live()),
        ("ro", live("ro,relatime", super_opts="ro")),
        # Another mount of the same file system may well write.
        ("ro", live("ro,relatime")),
        ("noatime", live("rw,noatime")),
        ("atime", live()),
        ("strictatime", live("rw")),
        ("noatime,strictatime", live()),
        ("noatime,nostrictatime", live()),
        ("nosuid,nodev,noexec,nodiratime,nosymfollow", live("rw,nosuid,nodev,noexec,nodiratime,nosymfollow,relatime")),
        ("user", live("rw,nosuid,nodev,noexec,relatime")),
        ("users,exec", live("rw,nosuid,nodev,relatime")),
        ("owner,suid", live("rw,nodev,relatime")),
        ("ro,rw", live()),
        ("sync,lazytime", live(super_opts="rw,sync,lazytime,attr2")),
        ("discard", live(super_opts="rw,discard")),
        ("discard,nodiscard", live()),
        ("discard", live(fstype="btrfs", super_opts="rw,discard=async,space_cache=v2,subvolid=5,subvol=/")),
        ("discard=async", live(fstype="btrfs", super_opts="rw,discard=async")),
        ("rw", live(fstype="btrfs", super_opts="rw,discard=async")),
        ("discard", live(fstype="f2fs", super_opts="rw")),
        ("commit=30,errors=remount-ro", live(fstype="ext4", super_opts="rw,errors=remount-ro,commit=30")),
        ("commit=0", live(fstype="ext4", super_opts="rw,commit=30")),
        ("commit=30", live(super_opts="rw,commit=5")),
    ],
)
def test_no_difference(opts: str, mount: Mount) -> None:
    assert told(opts, mount) == []


@pytest.mark.parametrize(
    ("opts", "mount", "wanted", "actual"),
    [
        ("noauto,_netdev", live("ro,relatime", super_opts="ro,attr2"), "rw", "ro"),
        # A file system that is read-only is not written to, whatever the mount says.
        ("defaults", live(super_opts="ro"), "rw", "ro"),
        ("rw,ro", live(), "ro", "rw"),
        ("nosuid", live(), "nosuid", "suid"),
        ("defaults", live("rw,nosuid,relatime"), "suid", "nosuid"),
        ("defaults", live("rw,nodev,relatime"), "dev", "nodev"),
        ("noexec,exec", live("rw,noexec,relatime"), "exec", "noexec"),
        ("noatime", live(), "noatime", "relatime"),
        ("defaults", live("rw,noatime"), "relatime", "noatime"),
        ("defaults", live("rw"), "relatime", "strictatime"),
        ("strictatime", live("rw,noatime"), "strictatime", "noatime"),
        ("nodiratime", live(), "nodiratime", "diratime"),
        ("nosymfollow", live(), "nosymfollow", "symfollow"),
        ("sync", live(), "sync", "async"),
        ("defaults", live(super_opts="rw,sync"), "async", "sync"),
        ("defaults", live(super_opts="rw,lazytime"), "nolazytime", "lazytime"),
        ("discard", live(), "discard", "nodiscard"),
        ("defaults", live(super_opts="rw,discard"), "nodiscard", "discard"),
        ("nodiscard", live(fstype="btrfs", super_opts="rw,discard=async"), "nodiscard", "discard"),
        ("errors=remount-ro", live(fstype="ext4", super_opts="rw,errors=panic"), "errors=remount-ro", "errors=panic"),
    ],
)
def test_a_difference(opts: str, mount: Mount, wanted: str, actual: str) -> None:
    assert told(opts, mount) == [(wanted, actual)]


def test_a_read_only_device_is_not_the_mounts_fault() -> None:
    read_only = live("ro,relatime", super_opts="ro")
    assert told("defaults", read_only, read_only=True) == []
    assert told("defaults", read_only) == [("rw", "ro")]
    assert told("ro", live(), read_only=True) == [("ro", "rw")]


@pytest.mark.parametrize(("opts", "writes"), [("noauto", True), ("ro", False), ("ro,defaults", False), ("ro,rw", True)])
def test_whether_it_shall_be_written_to(opts: str, writes: bool) -> None:
    assert wants_writing(opts) is writes


class TestDefaultsOfAnExt4:
    mount = live(fstype="ext4", super_opts="rw,stripe=16")

    def test_an_option_that_the_mount_table_leaves_out_is_in_force(self) -> None:
        assert told("discard,errors=continue,commit=5", self.mount, EXT4_LISTS) == []

    def test_one_that_nobody_has_asked_for_is_meant(self) -> None:
        assert told("defaults", self.mount, EXT4_LISTS) == []

    def test_what_contradicts_them_is_a_difference(self) -> None:
        assert told("nodiscard,errors=remount-ro,commit=30", self.mount, EXT4_LISTS) == [
            ("nodiscard", "discard"),
            ("commit=30", "commit=5"),
            ("errors=remount-ro", "errors=continue"),
        ]


@pytest.mark.parametrize(("fstype", "remountable"), [("ext4", True), ("xfs", False), ("btrfs", True)])
def test_xfs_learns_to_discard_when_it_is_mounted(fstype: str, remountable: bool) -> None:
    found = differences("discard,noatime", live(fstype=fstype, super_opts="rw"), HEALTHY, False)
    assert found == (Difference("noatime", "relatime"), Difference("discard", "nodiscard", remountable))


class TestFault:
    bind = replace(live(), mount_id=51, path="/mnt")

    @pytest.mark.parametrize(
        ("mount", "state", "clause"),
        [
            (live(), HEALTHY, None),
            (live("ro,relatime", super_opts="ro"), HEALTHY, None),
            (live("ro,relatime"), HEALTHY, None),
            (live(super_opts="ro"), HEALTHY, "it is read-only though mounted for writing"),
            (live(super_opts="rw,emergency_ro", fstype="ext4"), HEALTHY, "it is read-only though mounted for writing"),
            (live(super_opts="rw,shutdown", fstype="ext4"), HEALTHY, "the kernel has shut it down after an error"),
            (live(), FilesystemState(shut_down=True), "the kernel has shut it down after an error"),
            (live(fstype="ext4"), FilesystemState(errors=3), "ext4 has recorded errors in it (3)"),
        ],
    )
    def test_an_error_is_told_from_a_remount_by_hand(
        self, mount: Mount, state: FilesystemState, clause: str | None
    ) -> None:
        found = fault(mount, (mount,), state)
        assert found is None if clause is None else found is not None and found.startswith(clause)

    def test_a_remount_by_hand_at_another_path_is_no_error(self) -> None:
        mount = live(super_opts="ro")
        by_hand = replace(self.bind, opts="ro,relatime", super_opts="ro")
        assert fault(mount, (mount, by_hand), HEALTHY) is None
        assert fault(mount, (mount, replace(by_hand, devno=(252, 16))), HEALTHY) is not None
