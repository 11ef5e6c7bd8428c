# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What blkid and the ends of a device say, on plain files of the size of small devices."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._filesystem import Content
from ansible_collections.cephclient.rbd.plugins.module_utils._system.blockdev import END_BYTES, HostBlockDevices
from ansible_collections.cephclient.rbd.plugins.module_utils._system.command import Completed, HostCommands
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeCommands
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence

SIZE = 8 * END_BYTES
devices = HostBlockDevices(HostCommands())
needs_tools = pytest.mark.skipif(
    not shutil.which("blkid", path="/usr/sbin:/sbin:/usr/bin") or not shutil.which("mkfs.ext4", path="/usr/sbin:/sbin"),
    reason="needs blkid and mkfs.ext4",
)


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    path = tmp_path / "device"
    with path.open("wb") as handle:
        handle.truncate(SIZE)
    return path


def write(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as handle:
        handle.seek(offset)
        handle.write(content)


@needs_tools
class TestContent:
    def test_blank(self, blank: Path) -> None:
        assert devices.content(str(blank)) == Content(None, ambivalent=False, ends_zero=True)

    @pytest.mark.parametrize("offset", [0, END_BYTES - 1, SIZE - END_BYTES, SIZE - 1])
    def test_one_byte_at_either_end_is_not_blank(self, blank: Path, offset: int) -> None:
        write(blank, offset, b"\1")
        assert not devices.content(str(blank)).ends_zero

    def test_a_file_system_that_was_made(self, blank: Path) -> None:
        devices.mkfs(str(blank), "ext4", ["-L", "app"])
        assert devices.content(str(blank)) == Content("ext4", ambivalent=False, ends_zero=False)

    def test_two_signatures(self, blank: Path) -> None:
        devices.mkfs(str(blank), "ext4", [])
        write(blank, 4096 - 10, b"SWAPSPACE2")
        write(blank, 1024, b"\1\0\0\0\1\0\0\0")
        assert devices.content(str(blank)).ambivalent

    def test_a_partition_table_is_content(self, blank: Path) -> None:
        write(
            blank, 446, bytes([0, 0, 2, 0, 0x83, 0, 0, 0]) + (2048).to_bytes(4, "little") + (4096).to_bytes(4, "little")
        )
        write(blank, 510, b"\x55\xaa")
        assert devices.content(str(blank)).signature == "dos"

    def test_a_device_that_is_gone_is_an_error_and_not_blank(self, tmp_path: Path) -> None:
        with pytest.raises(RbdError, match=r"^Cannot read .*: No such file") as refused:
            devices.content(str(tmp_path / "gone"))
        assert is_sentence(refused.value)


class TestBlkid:
    @pytest.mark.parametrize(
        ("rc", "stdout", "signature", "ambivalent"),
        [(0, "xfs\n", "xfs", False), (2, "", None, False), (8, "", None, True), (0, "ext4\ngpt\n", "ext4", False)],
    )
    def test_what_it_says(self, blank: Path, rc: int, stdout: str, signature: str | None, ambivalent: bool) -> None:
        content = HostBlockDevices(FakeCommands(Completed(rc, stdout, ""))).content(str(blank))
        assert content == Content(signature, ambivalent, ends_zero=True)

    @pytest.mark.parametrize("rc", [1, 4, 127])
    def test_any_other_end_is_an_error(self, blank: Path, rc: int) -> None:
        with pytest.raises(RbdError, match=r"^Cannot read what is on") as refused:
            HostBlockDevices(FakeCommands(Completed(rc, "", "sorry"))).content(str(blank))
        assert is_sentence(refused.value)


class TestMkfs:
    def test_no_force_of_our_own(self) -> None:
        commands = FakeCommands(Completed(0, "", ""))
        HostBlockDevices(commands).mkfs("/dev/rbd0", "xfs", ["-L", "app"])
        assert commands.ran == [("mkfs.xfs", "-q", "-L", "app", "/dev/rbd0")]

    def test_its_complaint_is_the_cause(self) -> None:
        with pytest.raises(RbdError, match=r"^Cannot make xfs on /dev/rbd0: sorry\.") as refused:
            HostBlockDevices(FakeCommands(Completed(1, "", "sorry\n"))).mkfs("/dev/rbd0", "xfs", [])
        assert is_sentence(refused.value)
