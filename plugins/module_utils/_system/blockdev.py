# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Block devices: what is on them, and mkfs."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from .._crypt_device import CryptDevice
from .._errors import RbdError
from .._filesystem import Content, Signature
from .._krbd_device import KrbdDevice
from .command import CommandRunner, Completed
from .device_program import ask

# How much of each end must be zero in a blank device: room for every superblock, GPT and RAID header.
END_BYTES = 1 << 20

# A discard of the whole device, which mkfs begins with where there is something to discard, is slow on a large image.
MKFS_TIMEOUT = 1800.0

# Nothing needs to be discarded in a blank image, and to try would take a request for each of its objects.
_NO_DISCARD = {"ext4": ("-E", "nodiscard"), "xfs": ("-K",), "btrfs": ("--nodiscard",)}

# blkid(8): 2 is "nothing found", and also "could not be read"; 8 is "ambivalent".
_NOTHING, _AMBIVALENT = 2, 8
# cmp(1) ends so for a difference; for trouble, with 2.
_DIFFERENT = 1

_SIZE_POLL = 0.1

# xfs_dsb.sb_inprogress: mkfs.xfs clears this byte last, and the kernel mounts nothing in which it is set.
_XFS_INPROGRESS = 126
# What cryptsetup luksDump shows of a LUKS2 header without any key slot: the next heading follows at once.
_NO_KEY_SLOT = re.compile(r"^Keyslots:\n(?=\S|\Z)", re.MULTILINE)


class BlockDevices(Protocol):
    """Reads and formats block devices."""

    def content(self, device: str, fstype: str, timeout: float) -> Content:
        """What the device holds; it is looked at closely only if it is not that file system already.

        :param timeout: seconds that each look may take.
        :raises RbdError: it cannot be read.
        """

    def held(self, device: KrbdDevice | CryptDevice) -> contextlib.AbstractContextManager[None]:
        """Hold the device open, so that it cannot be unmapped and its node not become another device.

        :raises RbdError: the node is not that device.
        """

    def await_size(self, device: str, size: int, timeout: float) -> int:
        """Wait until the device has at least that size; an image that has just been grown tells the kernel so.

        :param timeout: seconds to wait at most.
        :returns: the size that it has.
        """

    def erase(self, device: str, timeout: float) -> None:
        """Erase all signatures of a device that nothing on this host has claimed."""

    def mkfs(self, device: str, fstype: str, options: Sequence[str], blank: bool) -> None:
        """Make a file system; never with a force option of our own.

        :param blank: there is nothing that would have to be discarded first.
        :raises RbdError: mkfs failed.
        """


class HostBlockDevices:
    """The real devices."""

    def __init__(self, commands: CommandRunner) -> None:
        self._commands = commands

    def content(self, device: str, fstype: str, timeout: float) -> Content:
        found = self._blkid(device, timeout)
        unfinished = found == fstype and self._is_unfinished(device, fstype, timeout)
        if found == fstype and not unfinished:
            return Content(fstype=found)
        self._flush(device, timeout)
        return Content(
            fstype=found,
            signatures=self._signatures(device, timeout),
            ends_zero=self._ends_are_zero(device, timeout),
            partitions=_partitions(device),
            held=_is_held(device),
            unfinished=unfinished,
        )

    @contextlib.contextmanager
    def held(self, device: KrbdDevice | CryptDevice) -> Iterator[None]:
        descriptor = _open(device.path)
        try:
            node = os.fstat(descriptor)
            if not stat.S_ISBLK(node.st_mode) or (os.major(node.st_rdev), os.minor(node.st_rdev)) != device.devno:
                raise RbdError(
                    f"use {device.path}",
                    f"it is not the block device {device.devno[0]}:{device.devno[1]} that the kernel shows",
                    "Look at it with ls -l, and at systemd-udevd.",
                )
            yield
        finally:
            os.close(descriptor)

    def await_size(self, device: str, size: int, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while (now := _size(device)) < size and time.monotonic() < deadline:
            time.sleep(_SIZE_POLL)
        return now

    def erase(self, device: str, timeout: float) -> None:
        self._look(f"erase the signatures of {device}", ["wipefs", "--all", "--quiet", device], timeout)

    def mkfs(self, device: str, fstype: str, options: Sequence[str], blank: bool) -> None:
        first = _NO_DISCARD[fstype] if blank else ()
        done = self._commands.run([f"mkfs.{fstype}", "-q", *first, *options, device], MKFS_TIMEOUT)
        if done.rc != 0:
            raise RbdError(f"make {fstype} on {device}", done.complaint, "Check mkfs_options.")

    def _blkid(self, device: str, timeout: float) -> str | None:
        argv = ["blkid", "--probe", "--output", "value", "--match-tag", "TYPE", device]
        done = self._look(f"read what is on {device}", argv, timeout, ends=(0, _NOTHING, _AMBIVALENT))
        return done.stdout.strip() or None

    def _is_unfinished(self, device: str, fstype: str, timeout: float) -> bool:
        """Whether its program has not come to the end; blkid looks at the beginning of a superblock only."""
        if fstype == "xfs":
            mark = ["--bytes=1", f"--ignore-initial={_XFS_INPROGRESS}:0"]
            argv = ["cmp", "--silent", *mark, device, "/dev/zero"]
            return self._look(f"read {device}", argv, timeout, ends=(0, _DIFFERENT)).rc == _DIFFERENT
        if fstype == "crypto_LUKS":
            said = self._look(f"read the LUKS header of {device}", ["cryptsetup", "luksDump", device], timeout).stdout
            # What is open is not to be taken for useless: its data are there for as long as it stays so.
            return _NO_KEY_SLOT.search(said) is not None and not _is_held(device)
        return False

    def _flush(self, device: str, timeout: float) -> None:
        """Write back what is in the page cache: librbd is going to be asked, and knows nothing of that."""
        self._look(f"write back what is cached of {device}", ["sync", device], timeout)

    def _signatures(self, device: str, timeout: float) -> tuple[Signature, ...]:
        """All that there are: unlike blkid, wipefs goes on after the first, and knows damaged ones."""
        done = self._look(f"read what is on {device}", ["wipefs", "--no-act", "--json", device], timeout)
        found = json.loads(done.stdout or "{}").get("signatures", [])
        return tuple(Signature(str(entry["type"]), str(entry.get("uuid") or "")) for entry in found)

    def _ends_are_zero(self, device: str, timeout: float) -> bool:
        """Read both ends: an error here is what blkid and wipefs take for "nothing"."""
        size = _size(device)
        length = min(END_BYTES, size)
        for skipped in (0, size - length):
            argv = ["cmp", "--silent", f"--bytes={length}", f"--ignore-initial={skipped}:0", device, "/dev/zero"]
            if self._look(f"read {device}", argv, timeout, ends=(0, _DIFFERENT)).rc == _DIFFERENT:
                return False
        return size > 0

    def _look(self, what: str, argv: Sequence[str], timeout: float, ends: tuple[int, ...] = (0,)) -> Completed:
        return ask(self._commands, what, argv, timeout, ends)


def _size(device: str) -> int:
    descriptor = _open(device)
    try:
        return os.lseek(descriptor, 0, os.SEEK_END)
    finally:
        os.close(descriptor)


def _is_held(device: str) -> bool:
    """Whether anything has claimed the device or one of its partitions, as every mount does in whatever namespace."""
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        if error.errno == errno.EBUSY:
            return True
        raise _cannot_open(device, error) from error
    return False


def _partitions(device: str) -> tuple[str, ...]:
    name = os.path.basename(device)
    with contextlib.suppress(FileNotFoundError):
        entries = os.listdir(f"/sys/class/block/{name}")
        return tuple(sorted(f"/dev/{entry}" for entry in entries if entry.startswith(f"{name}p")))
    return ()


def _open(device: str) -> int:
    try:
        return os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _cannot_open(device, error) from error


def _cannot_open(device: str, error: OSError) -> RbdError:
    return RbdError(f"open {device}", error.strerror or str(error), "Check that it is still mapped: rbd device list.")
