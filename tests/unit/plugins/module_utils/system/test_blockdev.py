# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libblkid and the ends of a device say, on plain files of the size of small devices; and mkfs."""

from __future__ import annotations

import binascii
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import ClusterUnavailable, RbdError, TimedOut
from ansible_collections.cephclient.rbd.plugins.module_utils._filesystem import Content, Signature
from ansible_collections.cephclient.rbd.plugins.module_utils._krbd_device import KrbdDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._system import blockdev
from ansible_collections.cephclient.rbd.plugins.module_utils._system.blockdev import END_BYTES, HostBlockDevices
from ansible_collections.cephclient.rbd.plugins.module_utils._system.command import Completed, HostCommands
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeCommands
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import device, is_sentence

SIZE = 8 * END_BYTES
PATH = "/usr/sbin:/sbin:/usr/bin"
BLANK = Content(ends_zero=True)
devices = HostBlockDevices(HostCommands())
needs_tools = pytest.mark.skipif(
    not all(shutil.which(name, path=PATH) for name in ("blkid", "wipefs", "mkfs.ext4", "mkswap")),
    reason="needs util-linux and e2fsprogs",
)


class OtherwiseNothing:
    """Answers one program as given; all the others find nothing."""

    def __init__(self, program: str, answer: Completed | RbdError) -> None:
        self.program = program
        self.answer = answer

    def run(self, argv: Sequence[str], timeout: float) -> Completed:
        assert timeout > 0
        if argv[0] != self.program:
            return Completed(2 if argv[0] == "blkid" else 0, "{}" if argv[0] == "wipefs" else "", "")
        if isinstance(self.answer, RbdError):
            raise self.answer
        return self.answer


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


def look(path: Path, fstype: str = "xfs") -> Content:
    return devices.content(str(path), fstype, 30)


def kinds(path: Path) -> set[str]:
    return {signature.kind for signature in look(path).signatures}


def gpt(path: Path) -> None:
    """A partition table of both kinds, with its copy at the end; made by hand, since sfdisk is not everywhere."""
    sectors = SIZE // 512
    entries = bytes(128 * 128)

    def header(here: int, other: int, table: int) -> bytes:
        body = b"EFI PART" + (0x10000).to_bytes(4, "little") + (92).to_bytes(4, "little") + bytes(8)
        for number in (here, other, 34, sectors - 34):
            body += number.to_bytes(8, "little")
        body += bytes(range(16)) + table.to_bytes(8, "little")
        body += (128).to_bytes(4, "little") * 2 + binascii.crc32(entries).to_bytes(4, "little")
        return body[:16] + binascii.crc32(body).to_bytes(4, "little") + body[20:]

    protective = bytes([0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF]) + (1).to_bytes(4, "little")
    write(path, 446, protective + (sectors - 1).to_bytes(4, "little"))
    write(path, 510, b"\x55\xaa")
    write(path, 512, header(1, sectors - 1, 2))
    write(path, SIZE - 512, header(sectors - 1, 1, sectors - 33))


@needs_tools
class TestContent:
    def test_blank(self, blank: Path) -> None:
        assert look(blank) == BLANK

    @pytest.mark.parametrize("offset", [0, END_BYTES - 1, SIZE - END_BYTES, SIZE - 1])
    def test_one_byte_at_either_end_is_not_blank(self, blank: Path, offset: int) -> None:
        write(blank, offset, b"\1")
        assert not look(blank).ends_zero

    def test_a_device_of_no_bytes_is_not_blank(self, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        assert not look(tmp_path / "empty").ends_zero

    def test_the_wanted_file_system_is_not_looked_at_any_closer(self, blank: Path) -> None:
        devices.mkfs(str(blank), "ext4", ["-L", "app"], blank=True)
        assert look(blank, "ext4") == Content("ext4")

    def test_another_file_system_by_its_uuid(self, blank: Path) -> None:
        uuid = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
        devices.mkfs(str(blank), "ext4", ["-U", uuid], blank=True)
        assert look(blank) == Content("ext4", (Signature("ext4", uuid),))

    def test_two_signatures(self, blank: Path) -> None:
        devices.mkfs(str(blank), "ext4", [], blank=True)
        write(blank, 4096 - 10, b"SWAPSPACE2")
        write(blank, 1024, b"\1\0\0\0\1\0\0\0")
        found = look(blank, "ext4")
        assert found.fstype is None
        assert {signature.kind for signature in found.signatures} == {"ext4", "swap"}

    def test_a_partition_table_is_content(self, blank: Path) -> None:
        write(
            blank, 446, bytes([0, 0, 2, 0, 0x83, 0, 0, 0]) + (2048).to_bytes(4, "little") + (4096).to_bytes(4, "little")
        )
        write(blank, 510, b"\x55\xaa")
        assert (look(blank).fstype, kinds(blank)) == (None, {"dos"})

    def test_a_gpt_is_content(self, blank: Path) -> None:
        gpt(blank)
        assert "gpt" in kinds(blank)

    def test_so_is_one_of_which_only_the_copy_at_the_end_is_left(self, blank: Path) -> None:
        gpt(blank)
        write(blank, 0, bytes(END_BYTES))
        assert (kinds(blank), look(blank).ends_zero) == ({"gpt"}, False)

    def test_a_damaged_file_system_is_content(self, blank: Path) -> None:
        write(blank, 0, b"XFSB" + bytes([0, 0, 16, 0]) + bytes(200))
        assert look(blank).fstype is None
        assert not look(blank).ends_zero

    def test_a_device_that_is_gone_is_an_error_and_not_blank(self, tmp_path: Path) -> None:
        with pytest.raises(RbdError) as refused:
            look(tmp_path / "gone")
        assert is_sentence(refused.value)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_one_that_may_not_be_read_is_an_error_and_not_blank(self, blank: Path) -> None:
        blank.chmod(0)
        with pytest.raises(RbdError):
            look(blank)


@needs_tools
class TestUnfinished:
    """What its program did not come to the end of is of that type to blkid, and of no use."""

    @pytest.mark.skipif(shutil.which("mkfs.xfs", path=PATH) is None, reason="needs mkfs.xfs")
    def test_an_xfs_by_the_mark_that_mkfs_takes_away_last(self, tmp_path: Path) -> None:
        path = tmp_path / "device"
        with path.open("wb") as handle:
            handle.truncate(400 << 20)
        devices.mkfs(str(path), "xfs", [], blank=True)
        assert look(path) == Content("xfs")
        # As mkfs.xfs 6.1 leaves it that was killed.
        write(path, 126, b"\1")
        found = look(path)
        assert (found.fstype, found.unfinished) == ("xfs", True)
        assert [signature.kind for signature in found.signatures] == ["xfs"]

    @pytest.mark.skipif(shutil.which("cryptsetup", path=PATH) is None, reason="needs cryptsetup")
    def test_a_luks_header_without_a_key(self, tmp_path: Path) -> None:
        path, key = tmp_path / "device", tmp_path / "key"
        key.write_text("key")
        with path.open("wb") as handle:
            handle.truncate(32 << 20)
        program = shutil.which("cryptsetup", path=PATH) or ""
        quick = ["--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", str(key)]
        subprocess.run([program, "luksFormat", "--batch-mode", *quick, str(path)], check=True)
        assert look(path, "crypto_LUKS") == Content("crypto_LUKS")
        # As luksFormat leaves it that was killed while it tried how many rounds this host can do.
        subprocess.run([program, "luksErase", "--batch-mode", str(path)], check=True)
        found = look(path, "crypto_LUKS")
        assert (found.fstype, found.unfinished) == ("crypto_LUKS", True)
        assert {signature.kind for signature in found.signatures} == {"crypto_LUKS"}

    def test_a_luks_header_that_is_open_is_of_use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(blockdev, "_is_held", lambda _device: True)
        commands = FakeCommands(Completed(0, "crypto_LUKS\n", ""), Completed(0, "Keyslots:\nTokens:\n", ""))
        assert HostBlockDevices(commands).content("/dev/rbd0", "crypto_LUKS", 30) == Content("crypto_LUKS")

    @pytest.mark.parametrize(
        "said", ["Version: 1\nKey Slot 0: DISABLED\n", "Keyslots:\n  0: luks2\nTokens:\n", "what\n"]
    )
    def test_only_a_luks2_header_that_says_so_is_without_a_key(self, said: str) -> None:
        commands = FakeCommands(Completed(0, "crypto_LUKS\n", ""), Completed(0, said, ""))
        assert HostBlockDevices(commands).content("/dev/rbd0", "crypto_LUKS", 30) == Content("crypto_LUKS")


class TestEachProgram:
    """No answer but the expected one is taken for "nothing"."""

    @pytest.mark.parametrize(
        ("program", "rc"),
        [("blkid", 1), ("blkid", 4), ("blkid", 127), ("wipefs", 1), ("cmp", 2), ("cmp", 127), ("sync", 1)],
    )
    def test_any_other_end_is_an_error(self, blank: Path, program: str, rc: int) -> None:
        commands = OtherwiseNothing(program, Completed(rc, "", "sorry"))
        with pytest.raises(RbdError, match=r": sorry\. Look at the kernel log") as refused:
            HostBlockDevices(commands).content(str(blank), "xfs", 30)  # type: ignore[arg-type]  # it only runs
        assert is_sentence(refused.value)

    @pytest.mark.parametrize("program", ["blkid", "wipefs", "cmp", "sync"])
    def test_no_answer_is_the_clusters_fault(self, blank: Path, program: str) -> None:
        commands = OtherwiseNothing(program, TimedOut("run it", "it did not end within 30 seconds and was stopped"))
        with pytest.raises(ClusterUnavailable, match=f"{program} had no answer within 30 seconds") as refused:
            HostBlockDevices(commands).content(str(blank), "xfs", 30)  # type: ignore[arg-type]  # it only runs
        assert is_sentence(refused.value)

    def test_what_is_cached_is_written_back_before_the_cluster_can_be_asked(self, blank: Path) -> None:
        ends = [Completed(2, "", ""), Completed(0, "", ""), Completed(0, "{}", ""), *[Completed(0, "", "")] * 2]
        commands = FakeCommands(*ends)
        HostBlockDevices(commands).content(str(blank), "xfs", 30)
        assert ("sync", str(blank)) in commands.ran


class TestPartitions:
    def test_are_those_that_the_kernel_shows(self, blank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shown = {"/sys/class/block/device": ["size", "devicep1", "holders", "devicep2"]}
        monkeypatch.setattr(blockdev.os, "listdir", shown.__getitem__)
        assert look(blank).partitions == ("/dev/devicep1", "/dev/devicep2")


class TestHeld:
    def test_a_node_that_is_not_the_device_is_refused(self, blank: Path) -> None:
        with (
            pytest.raises(RbdError, match="it is not the block device 252:0 that the kernel shows") as refused,
            devices.held(_at(blank)),
        ):
            raise AssertionError("it was held")
        assert is_sentence(refused.value)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
    def test_a_node_of_another_device_is_refused(self, tmp_path: Path) -> None:
        node = tmp_path / "node"
        ram = next((path for path in Path("/sys/block").iterdir()), None)
        if ram is None:
            pytest.skip("there is no block device on this machine")
        major, minor = (int(word) for word in (ram / "dev").read_text().split(":"))
        os.mknod(node, stat.S_IFBLK | 0o600, os.makedev(major, minor))
        with pytest.raises(RbdError), devices.held(_at(node, (major, minor + 1))):
            raise AssertionError("it was held")


def _at(node: Path, devno: tuple[int, int] = (252, 0)) -> KrbdDevice:
    """A mapping whose node lies elsewhere than in /dev."""

    class Elsewhere(KrbdDevice):
        path = str(node)  # type: ignore[assignment]  # a property there

    found = replace(device(), devno=devno)
    return Elsewhere(**{name: getattr(found, name) for name in found.__dataclass_fields__})


class TestAwaitSize:
    def test_a_device_that_has_it_is_not_waited_for(self, blank: Path) -> None:
        assert devices.await_size(str(blank), SIZE, 30) == SIZE

    def test_one_that_does_not_get_it_is_waited_for_in_bounded_time(self, blank: Path) -> None:
        begin = time.monotonic()
        assert devices.await_size(str(blank), SIZE + 1, 0.2) == SIZE
        assert 0.2 <= time.monotonic() - begin < 5


@needs_tools
class TestErase:
    def test_leaves_no_signature(self, blank: Path) -> None:
        devices.mkfs(str(blank), "ext4", [], blank=True)
        write(blank, 4096 - 10, b"SWAPSPACE2")
        devices.erase(str(blank), 30)
        assert look(blank).signatures == ()

    def test_its_complaint_is_the_cause(self) -> None:
        with pytest.raises(RbdError, match=r"^Cannot erase the signatures of /dev/rbd0: busy\.") as refused:
            HostBlockDevices(FakeCommands(Completed(1, "", "busy\n"))).erase("/dev/rbd0", 30)
        assert is_sentence(refused.value)


class TestMkfs:
    @pytest.mark.parametrize(
        ("fstype", "first"),
        [("xfs", ["-K"]), ("ext4", ["-E", "nodiscard"]), ("btrfs", ["--nodiscard"])],
    )
    def test_no_force_of_our_own_and_nothing_discarded_that_is_blank(self, fstype: str, first: list[str]) -> None:
        commands = FakeCommands(Completed(0, "", ""))
        HostBlockDevices(commands).mkfs("/dev/rbd0", fstype, ["-L", "app"], blank=True)
        assert commands.ran == [(f"mkfs.{fstype}", "-q", *first, "-L", "app", "/dev/rbd0")]

    def test_no_force_of_our_own_over_what_was_erased(self) -> None:
        commands = FakeCommands(Completed(0, "", ""))
        HostBlockDevices(commands).mkfs("/dev/rbd0", "xfs", [], blank=False)
        assert commands.ran == [("mkfs.xfs", "-q", "/dev/rbd0")]

    def test_its_complaint_is_the_cause(self) -> None:
        with pytest.raises(RbdError, match=r"^Cannot make xfs on /dev/rbd0: sorry\.") as refused:
            HostBlockDevices(FakeCommands(Completed(1, "", "sorry\n"))).mkfs("/dev/rbd0", "xfs", [], blank=True)
        assert is_sentence(refused.value)
