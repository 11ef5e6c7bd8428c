# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""File systems on block devices: how large they are, and growing them while they are mounted."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Protocol

from .._errors import RbdError
from .._superblock import SUPERBLOCK_BYTES, Geometry, geometry_of
from .command import CommandRunner
from .device_program import ask

# A large ext4 takes its time.
GROW_TIMEOUT = 600.0

_BLOCK = 4096


class FileSystems(Protocol):
    """Measures and grows file systems."""

    def geometry(self, device: str, fstype: str, timeout: float) -> Geometry:
        """What the superblock on the device says. That of a mounted xfs or btrfs may be older than the file system.

        :param timeout: seconds that reading may take.
        :raises RbdError: it cannot be read, or is none.
        """

    def mounted_geometry(self, geometry: Geometry, fstype: str, path: str, timeout: float) -> Geometry:
        """What the kernel says of a mounted file system.

        :param geometry: what its superblock says.
        :param path: where it is mounted.
        """

    def grow(self, geometry: Geometry, fstype: str, device: str, path: str, blocks: int) -> None:
        """Grow a mounted file system to exactly so many blocks.

        :raises RbdError: its program refused.
        """


class HostFileSystems:
    """The real file systems."""

    def __init__(self, commands: CommandRunner) -> None:
        self._commands = commands

    def geometry(self, device: str, fstype: str, timeout: float) -> Geometry:
        # In a process of its own, since the kernel waits for a cluster that is away as long as it takes.
        argv = ["dd", f"if={device}", f"bs={_BLOCK}", f"count={SUPERBLOCK_BYTES // _BLOCK}", "status=none"]
        begin = self._say(f"read the size of the {fstype} on {device}", argv, timeout)
        return geometry_of(fstype, begin.encode("utf-8", "surrogateescape"), device)

    def mounted_geometry(self, geometry: Geometry, fstype: str, path: str, timeout: float) -> Geometry:
        what = f"read the size of the {fstype} at {path}"
        if fstype == "xfs":
            said = self._say(what, ["xfs_growfs", "-n", path], timeout)
            blocks = _number(what, r"^data .*\bblocks=(\d+)", said)
            return replace(geometry, blocks=blocks)
        if fstype == "btrfs":
            said = self._say(what, ["btrfs", "filesystem", "show", "--raw", path], timeout)
            size = _number(what, rf"\bdevid +{geometry.member} +size +(\d+)", said)
            return replace(geometry, blocks=size // geometry.block_size)
        # ext4 keeps its superblock in the device's own page cache, from which it was read.
        return geometry

    def grow(self, geometry: Geometry, fstype: str, device: str, path: str, blocks: int) -> None:
        argv = {
            "ext4": ["resize2fs", device, str(blocks)],
            "xfs": ["xfs_growfs", "-D", str(blocks), path],
            "btrfs": ["btrfs", "filesystem", "resize", f"{geometry.member}:{blocks * geometry.block_size}", path],
        }
        what = f"grow the {fstype} at {path}"
        done = self._commands.run(argv[fstype], GROW_TIMEOUT)
        if done.rc != 0:
            raise RbdError(what, done.complaint, "Look at the kernel log (dmesg).")

    def _say(self, what: str, argv: list[str], timeout: float) -> str:
        return ask(self._commands, what, argv, timeout).stdout


def _number(what: str, pattern: str, said: str) -> int:
    found = re.search(pattern, said, re.MULTILINE)
    if found is None:
        raise RbdError(what, f"its program's answer is not understood: {' '.join(said.split())}", "Report this.")
    return int(found.group(1))
