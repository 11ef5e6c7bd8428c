# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Block devices: what is on them, and mkfs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

from .._errors import RbdError
from .._filesystem import Content
from .command import CommandRunner

# How much of each end must be zero in a blank device: room for every superblock, GPT and RAID header.
END_BYTES = 1 << 20

PROBE_TIMEOUT = 60.0
# mkfs discards the whole device first, which is slow on a large image.
MKFS_TIMEOUT = 1800.0

# blkid(8): 2 is "nothing found", and also "could not be read"; 8 is "ambivalent".
_NOTHING, _AMBIVALENT = 2, 8


class BlockDevices(Protocol):
    """Reads and formats block devices."""

    def content(self, device: str) -> Content:
        """What the device holds.

        :raises RbdError: it cannot be read.
        """

    def mkfs(self, device: str, fstype: str, options: Sequence[str]) -> None:
        """Make a file system; never with a force option of our own.

        :raises RbdError: mkfs failed.
        """


class HostBlockDevices:
    """The real devices."""

    def __init__(self, commands: CommandRunner) -> None:
        self._commands = commands

    def content(self, device: str) -> Content:
        zero = _ends_are_zero(device)
        argv = ["blkid", "--probe", "--output", "value", "--match-tag", "TYPE", "--match-tag", "PTTYPE", device]
        done = self._commands.run(argv, PROBE_TIMEOUT)
        if done.rc not in (0, _NOTHING, _AMBIVALENT):
            raise RbdError(f"read what is on {device}", done.complaint, "Look at the kernel log (dmesg).")
        words = done.stdout.split()
        return Content(signature=words[0] if words else None, ambivalent=done.rc == _AMBIVALENT, ends_zero=zero)

    def mkfs(self, device: str, fstype: str, options: Sequence[str]) -> None:
        done = self._commands.run([f"mkfs.{fstype}", "-q", *options, device], MKFS_TIMEOUT)
        if done.rc != 0:
            raise RbdError(f"make {fstype} on {device}", done.complaint, "Check mkfs_options.")


def _ends_are_zero(device: str) -> bool:
    """Read both ends: an error here is what blkid would take for "blank"."""
    try:
        descriptor = os.open(device, os.O_RDONLY)
        try:
            size = os.lseek(descriptor, 0, os.SEEK_END)
            length = min(END_BYTES, size)
            ends = (os.pread(descriptor, length, 0), os.pread(descriptor, length, size - length))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise RbdError(
            f"read {device}", error.strerror or str(error), "Look at the kernel log and at the cluster's health."
        ) from error
    return all(len(end) == length and not any(end) for end in ends)
