# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that measure and grow file systems: what they are asked, and what their answers mean."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import ClusterSilent, RbdError, TimedOut
from ansible_collections.cephclient.rbd.plugins.module_utils._superblock import Geometry
from ansible_collections.cephclient.rbd.plugins.module_utils._system.command import Completed, HostCommands
from ansible_collections.cephclient.rbd.plugins.module_utils._system.filesystems import HostFileSystems
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeCommands
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence

OLD = Geometry(1000, 4096, group=32768, member=2)

# xfsprogs 6.1
XFS = """\
meta-data=/dev/rbd1              isize=512    agcount=4, agsize=32768 blks
         =                       sectsz=512   attr=2, projid32bit=1
data     =                       bsize=4096   blocks=131072, imaxpct=25
         =                       sunit=0      swidth=0 blks
log      =internal log           bsize=4096   blocks=16384, version=2
realtime =none                   extsz=4096   blocks=0, rtextents=0
"""
# btrfs-progs 6.2
BTRFS = """\
Label: none  uuid: 1fe0b7df-2402-4b7a-bfeb-4b6998c78a11
\tTotal devices 2 FS bytes used 147456
\tdevid    1 size 4294967296 used 562036736 path /dev/rbd0
\tdevid    2 size 1073741824 used 562036736 path /dev/rbd1
"""


def ask(said: str, fstype: str) -> Geometry:
    return HostFileSystems(FakeCommands(Completed(0, said, ""))).mounted_geometry(OLD, fstype, "/srv", 30)


def test_the_blocks_of_a_mounted_xfs() -> None:
    assert ask(XFS, "xfs").blocks == 131072


def test_the_blocks_of_the_one_device_of_a_mounted_btrfs() -> None:
    assert ask(BTRFS, "btrfs").blocks == 262144


def test_the_superblock_of_a_mounted_ext4_is_never_old() -> None:
    commands = FakeCommands()
    assert HostFileSystems(commands).mounted_geometry(OLD, "ext4", "/srv", 30) == OLD
    assert commands.ran == []


@pytest.mark.parametrize("fstype", ["xfs", "btrfs"])
def test_an_answer_that_is_not_understood_is_an_error(fstype: str) -> None:
    with pytest.raises(RbdError, match="answer is not understood: what now") as refused:
        ask("what\nnow\n", fstype)
    assert is_sentence(refused.value)


@pytest.mark.parametrize(
    ("fstype", "argv"),
    [
        ("ext4", ("resize2fs", "/dev/rbd0", "2000")),
        ("xfs", ("xfs_growfs", "-D", "2000", "/srv")),
        ("btrfs", ("btrfs", "filesystem", "resize", "2:8192000", "/srv")),
    ],
)
def test_each_is_grown_to_exactly_so_many_blocks(fstype: str, argv: tuple[str, ...]) -> None:
    commands = FakeCommands(Completed(0, "", ""))
    HostFileSystems(commands).grow(OLD, fstype, "/dev/rbd0", "/srv", 2000)
    assert commands.ran == [argv]


def test_a_refusal_is_the_cause() -> None:
    with pytest.raises(RbdError, match=r"^Cannot grow the xfs at /srv: no\. ") as refused:
        HostFileSystems(FakeCommands(Completed(1, "", "no\n"))).grow(OLD, "xfs", "/dev/rbd0", "/srv", 2000)
    assert is_sentence(refused.value)


class Silent(FakeCommands):
    """Programs that wait for a cluster that is away, until their time is over."""

    def run(self, argv: Sequence[str], timeout: float) -> Completed:
        raise TimedOut(f"run {argv[0]}", f"it did not end within {timeout:g} seconds and was stopped")


def test_a_look_without_an_answer_is_the_clusters_silence() -> None:
    filesystems = HostFileSystems(Silent())
    with pytest.raises(ClusterSilent, match="dd had no answer within 30 seconds") as refused:
        filesystems.geometry("/dev/rbd0", "xfs", 30)
    assert is_sentence(refused.value)
    with pytest.raises(ClusterSilent, match="xfs_growfs had no answer within 30 seconds"):
        filesystems.mounted_geometry(OLD, "xfs", "/srv", 30)


@pytest.mark.skipif(not shutil.which("mkfs.ext4", path="/usr/sbin:/sbin"), reason="needs mkfs.ext4")
def test_the_superblock_is_read_from_the_device(tmp_path: Path) -> None:
    path = tmp_path / "device"
    with path.open("wb") as handle:
        handle.truncate(64 << 20)
    subprocess.run([shutil.which("mkfs.ext4", path="/usr/sbin:/sbin") or "", "-q", str(path)], check=True)
    assert HostFileSystems(HostCommands()).geometry(str(path), "ext4", 30).size == 64 << 20


def test_a_device_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RbdError, match=r"^Cannot read the size of the xfs on .*No such file") as refused:
        HostFileSystems(HostCommands()).geometry(str(tmp_path / "gone"), "xfs", 30)
    assert is_sentence(refused.value)
