# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mount table is read whole, and mount and umount are asked for no more than is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._system.command import Completed
from ansible_collections.cephclient.rbd.plugins.module_utils._system.mounts import HostMounts
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeCommands
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence

DONE = Completed(0, "", "")
REFUSED = Completed(32, "", "mount: /srv/app: wrong fs type.\n")


def test_the_table_has_the_root_mount() -> None:
    assert "/" in [mount.path for mount in HostMounts(FakeCommands()).table()]


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
