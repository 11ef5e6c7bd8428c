# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mount table is read whole, and mount and umount are asked for no more than is meant."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._mount_options import FilesystemState
from ansible_collections.cephclient.rbd.plugins.module_utils._system.command import Completed
from ansible_collections.cephclient.rbd.plugins.module_utils._system.mounts import HostMounts
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeCommands
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence, mount

DONE = Completed(0, "", "")
REFUSED = Completed(32, "", "mount: /srv/app: wrong fs type.\n")


def test_the_table_has_the_root_mount() -> None:
    assert "/" in [held.path for held in HostMounts(FakeCommands()).table()]


def test_a_table_that_cannot_be_read_is_an_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{HostMounts.__module__}.MOUNTINFO", str(tmp_path / "none"))
    with pytest.raises(RbdError, match=r"^Cannot read .*/none: No such file or directory\. Mount /proc\.") as refused:
        HostMounts(FakeCommands()).table()
    assert is_sentence(refused.value)


def test_a_mount_takes_all_but_its_path_from_fstab() -> None:
    commands = FakeCommands(DONE, DONE)
    HostMounts(commands).mount("/srv/app", "/etc/fstab")
    HostMounts(commands).mount("/srv/app", "/etc/other")
    assert commands.ran == [
        ("mount", "--target", "/srv/app"),
        ("mount", "--fstab", "/etc/other", "--target", "/srv/app"),
    ]


def test_an_unmount_is_neither_lazy_nor_forced() -> None:
    commands = FakeCommands(DONE)
    HostMounts(commands).unmount("/srv/app")
    assert commands.ran == [("umount", "/srv/app")]


def test_systemd_is_not_told_of_a_file_that_it_does_not_read() -> None:
    commands = FakeCommands()
    HostMounts(commands).reload("/etc/other")
    assert commands.ran == []


def test_a_refusal_has_the_programs_own_words() -> None:
    mounts = HostMounts(FakeCommands(REFUSED, REFUSED))
    with pytest.raises(RbdError, match=r"^Cannot mount /srv/app: mount: /srv/app: wrong fs type\. ") as refused:
        mounts.mount("/srv/app", "/etc/fstab")
    assert is_sentence(refused.value)
    with pytest.raises(RbdError, match=r"^Cannot unmount /srv/app: ") as refused:
        mounts.unmount("/srv/app")
    assert is_sentence(refused.value)


def test_a_remount_takes_the_rest_from_fstab() -> None:
    commands = FakeCommands(DONE, DONE)
    HostMounts(commands).remount("/srv/app", "rw,noatime", "/etc/fstab")
    HostMounts(commands).remount("/srv/app", "ro", "/etc/other")
    assert commands.ran == [
        ("mount", "--options", "remount,rw,noatime", "--target", "/srv/app"),
        ("mount", "--fstab", "/etc/other", "--options", "remount,ro", "--target", "/srv/app"),
    ]
    with pytest.raises(RbdError, match=r"^Cannot remount /srv/app with ro: mount: .*\. Stop what writes") as refused:
        HostMounts(FakeCommands(REFUSED)).remount("/srv/app", "ro", "/etc/fstab")
    assert is_sentence(refused.value)


class TestInspection:
    @pytest.fixture
    def mounts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostMounts:
        """A kernel that knows the ext4 on /dev/rbd0, which has device number 252:0."""
        for name, kept in (("SYS_BLOCK", "block"), ("SYS_EXT4", "sys"), ("PROC_EXT4", "proc")):
            (tmp_path / kept / "rbd0").mkdir(parents=True)
            monkeypatch.setattr(f"{HostMounts.__module__}.{name}", str(tmp_path / kept))
        (tmp_path / "block" / "252:0").symlink_to("rbd0")
        (tmp_path / "sys" / "rbd0" / "errors_count").write_text("2\n", encoding="utf-8")
        (tmp_path / "proc" / "rbd0" / "options").write_text("rw\nerrors=continue\n", encoding="utf-8")
        return HostMounts(FakeCommands())

    def test_an_ext4_lists_its_options_and_counts_its_errors(self, mounts: HostMounts) -> None:
        state = mounts.inspect(replace(mount("/srv/app"), fstype="ext4"))
        assert state == FilesystemState(("rw", "errors=continue"), 2)

    def test_one_that_the_kernel_does_not_know_has_nothing_to_tell(self, mounts: HostMounts) -> None:
        assert mounts.inspect(replace(mount("/srv/app", (252, 16)), fstype="ext4")) == FilesystemState()

    def test_an_xfs_that_fails_every_access_is_shut_down(
        self, mounts: HostMounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(path: str) -> None:
            raise OSError(errno.EIO, "Input/output error", path)

        assert mounts.inspect(mount(str(tmp_path))) == FilesystemState()
        assert mounts.inspect(mount(str(tmp_path / "none"))) == FilesystemState()
        monkeypatch.setattr(f"{HostMounts.__module__}.os.stat", fail)
        assert mounts.inspect(mount("/srv/app")) == FilesystemState(shut_down=True)
