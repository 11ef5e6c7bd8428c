# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed mkfs.xfs or luksFormat leaves does not count as made; it is made anew where the user names it."""

from __future__ import annotations

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._filesystem import Content, Signature
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Extent
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.filesystem import FilesystemOperation
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.luks import LuksOperation
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations import test_filesystem, test_luks
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import ritual, run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import CANARY

UUID = test_filesystem.UUID
XFS = Content("xfs", (Signature("xfs", UUID),), unfinished=True)
HEADER = Content("crypto_LUKS", (Signature("crypto_LUKS", UUID),), unfinished=True)


@pytest.fixture
def host() -> test_luks.Host:
    host = test_luks.Host()
    host.cluster.written = {"rbd/app": Extent(0, 4096)}
    return host


@pytest.mark.parametrize("check", [True, False])
def test_an_xfs_is_refused_with_the_word_that_lets_it_be_overwritten(host: test_luks.Host, check: bool) -> None:
    host.devices.contents = {"/dev/rbd0": XFS}
    end = run(FilesystemOperation, host, test_filesystem.options(image="app"), check)
    assert end.result["msg"] == (
        f"Cannot make xfs on rbd/app: it holds xfs {UUID} (it is marked as not finished: mkfs.xfs was interrupted, or "
        f'is running now). Use another image; or, if what it holds may be lost, write overwrite: ["xfs {UUID}"].'
    )
    assert (host.devices.made, host.filesystems.log) == ([], [])


def test_an_xfs_is_made_anew_with_that_word(host: test_luks.Host) -> None:
    host.devices.contents = {"/dev/rbd0": XFS}
    end = ritual(FilesystemOperation, host, test_filesystem.options(image="app", overwrite=[f"xfs {UUID}"]))
    assert end.result["actions"][0]["overwritten"] == [f"xfs {UUID}"]
    assert "erase /dev/rbd0" in host.devices.log


def test_an_xfs_that_mkfs_is_making_now_is_not_overwritten(host: test_luks.Host) -> None:
    host.devices.contents = {"/dev/rbd0": Content("xfs", XFS.signatures, held=True, unfinished=True)}
    end = run(FilesystemOperation, host, test_filesystem.options(image="app", overwrite=[f"xfs {UUID}"]))
    assert "/dev/rbd0 is in use on this host" in end.result["msg"]
    assert host.devices.made == []


@pytest.mark.parametrize("check", [True, False])
def test_a_luks_header_is_refused_with_the_word_that_lets_it_be_overwritten(host: test_luks.Host, check: bool) -> None:
    host.devices.contents = {"/dev/rbd0": HEADER}
    end = run(LuksOperation, host, test_luks.options(image="app", key=CANARY), check)
    assert end.result["msg"] == (
        f"Cannot make crypto_LUKS on rbd/app: it holds crypto_LUKS {UUID} (it has no key slot: luksFormat was "
        "interrupted or is running now, or its keys were erased). Use another image; or, if what it holds may be lost, "
        f'write overwrite: ["crypto_LUKS {UUID}"].'
    )
    assert (host.luks.log, host.files.texts) == ([], {})


def test_a_luks_header_is_made_anew_with_that_word(host: test_luks.Host) -> None:
    host.devices.contents = {"/dev/rbd0": HEADER}
    end = ritual(LuksOperation, host, test_luks.options(image="app", key=CANARY, overwrite=[f"crypto_LUKS {UUID}"]))
    assert [kind for kind, _subject in end.done] == ["place_key", "luks_format", "open", "edit_file"]
    assert host.luks.log[0] == "format /dev/rbd0"
    assert "erase /dev/rbd0" in host.devices.log
