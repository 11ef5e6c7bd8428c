# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What uses a file system or a device, read from ``/proc`` and ``/sys``.

No path on a file system that is looked for is ever opened or stat'ed, since that could wait for a cluster that is away.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
from collections.abc import Collection, Iterator, Sequence
from typing import Optional, Protocol

from .._errors import RbdError
from .._fstab_file import unescape
from .._holders import Block, Handle, Handles, MountSpace, Surroundings
from .._krbd_device import parse_devno
from .._mountinfo import Mount, parse

PROC = "/proc"
SYS = "/sys"

# The maps of a process that waits for a dead device may not be readable for as long as it waits.
SCAN_TIMEOUT = 10.0

# What was there a moment ago: processes end, and devices go.
_GONE = (errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.ENOTDIR, errno.EINVAL)

# How a process uses something, and the mount or the device that it uses.
_Use = tuple[str, Optional[int], Optional[tuple[int, int]]]


class Holders(Protocol):
    """Tells what uses file systems and devices."""

    def surroundings(self) -> Surroundings:
        """All mount tables, block devices, swap and exports of this host."""

    def handles(self, mounts: Sequence[Mount], devices: Collection[tuple[int, int]]) -> Handles:
        """What processes use of these mounts and devices."""


class HostHolders:
    """The real host."""

    def surroundings(self) -> Surroundings:
        try:
            return _surroundings()
        except OSError as error:
            raise RbdError(f"read {error.filename}", error.strerror or str(error), "Run as root.") from error

    def handles(self, mounts: Sequence[Mount], devices: Collection[tuple[int, int]]) -> Handles:
        scan = _Scan(mounts, devices)
        # A thread that waits for a process's maps is killed with this one; it is not waited for.
        worker = threading.Thread(target=scan.run, daemon=True)
        worker.start()
        worker.join(SCAN_TIMEOUT)
        return Handles(tuple(scan.found), scan.unseen + len(scan.pids))


class _Scan:
    """One look at all processes.

    :ivar pids: those that are still to be looked into.
    """

    def __init__(self, mounts: Sequence[Mount], devices: Collection[tuple[int, int]]) -> None:
        self._mounts = tuple(mounts)
        self._ids = {mount.mount_id for mount in mounts}
        self._paths = tuple({mount.path for mount in mounts})
        self._numbers = frozenset(devices)
        # As /proc/PID/maps writes them, between blanks.
        self._marks = {f" {major:02x}:{minor:02x} ".encode(): (major, minor) for major, minor in _numbers(mounts)}
        self.pids = [pid for pid in _pids() if pid != os.getpid()]
        self.found: list[Handle] = []
        self.unseen = 0

    def run(self) -> None:
        while self.pids:
            try:
                self._look_into(self.pids[-1])
            except OSError as error:
                self.unseen += error.errno not in _GONE
            self.pids.pop()

    def _look_into(self, pid: int) -> None:
        base = f"{PROC}/{pid}"
        for text, mount_id, devno in self._uses(base):
            if mount_id in self._ids or devno in self._numbers:
                command = (_text(f"{base}/comm") or "").strip()
                self.found.append(Handle(pid, command, text, mount_id, devno))

    def _uses(self, base: str) -> Iterator[_Use]:
        for name in os.listdir(f"{base}/fd"):
            # A file that was closed meanwhile says nothing about the others.
            path = _link(f"{base}/fd/{name}") or ""
            if self._may_lie_on_them(path):
                yield f"open {path}", _mount_id(f"{base}/fdinfo/{name}"), None
            elif self._numbers and path.startswith("/dev/"):
                yield f"open {path}", None, _block_number(f"{base}/fd/{name}")
        if self._mounts:
            yield from self._places(base)
            yield from self._maps(base)

    def _may_lie_on_them(self, path: str) -> bool:
        return bool(self._paths) and path.startswith(self._paths)

    def _places(self, base: str) -> Iterator[_Use]:
        for name, words in (("cwd", "working directory"), ("root", "root directory")):
            path = _link(f"{base}/{name}") or ""
            if self._may_lie_on_them(path):
                yield f"{words} {path}", _mount_id_of_place(f"{base}/{name}"), None

    def _maps(self, base: str) -> Iterator[_Use]:
        with open(f"{base}/maps", "rb") as handle:
            content = handle.read()
        for mark in (mark for mark in self._marks if mark in content):
            lines = (line for line in content.split(b"\n") if mark in line)
            for path in sorted({os.fsdecode(line.split(None, 5)[-1]) for line in lines}):
                yield f"mapped {path}", self._mount_of(path, self._marks[mark]), None

    def _mount_of(self, path: str, devno: tuple[int, int]) -> int | None:
        """The mount on which a mapped file lies: maps name the file system, not the mount."""
        under = [mount for mount in self._mounts if mount.devno == devno and path.startswith(mount.path)]
        return max(under, key=lambda mount: len(mount.path)).mount_id if under else None


def _surroundings() -> Surroundings:
    own = _text(f"{PROC}/self/mountinfo")
    if own is None:
        raise RbdError(f"read {PROC}/self/mountinfo", "there is no such file", "Mount /proc.")
    spaces, unseen = _other_spaces()
    return Surroundings(
        own=parse(own),
        others=spaces,
        blocks=tuple(_blocks()),
        swaps=tuple(unescape(row[0]) for row in _rows(f"{PROC}/swaps")[1:]),
        exports=tuple(_exports()),
        alive=tuple(_alive()),
        unseen=unseen,
    )


def _numbers(mounts: Sequence[Mount]) -> set[tuple[int, int]]:
    return {mount.devno for mount in mounts}


def _pids() -> list[int]:
    return sorted(int(name) for name in os.listdir(PROC) if name.isdigit())


def _mount_id(fdinfo: str) -> int | None:
    found = re.search(r"^mnt_id:\s*([0-9]+)$", _text(fdinfo) or "", re.MULTILINE)
    return int(found.group(1)) if found else None


def _mount_id_of_place(link: str) -> int | None:
    """The mount of a directory. O_PATH takes hold of it without asking its file system anything."""
    descriptor = os.open(link, os.O_PATH)
    try:
        return _mount_id(f"/proc/self/fdinfo/{descriptor}")
    finally:
        os.close(descriptor)


def _block_number(link: str) -> tuple[int, int] | None:
    try:
        found = os.stat(link)
    except FileNotFoundError:
        return None
    return (os.major(found.st_rdev), os.minor(found.st_rdev)) if stat.S_ISBLK(found.st_mode) else None


def _other_spaces() -> tuple[tuple[MountSpace, ...], int]:
    """Every mount namespace but our own, and how many processes did not let us see theirs."""
    members: dict[str, list[int]] = {}
    unseen = 0
    for pid in _pids():
        try:
            members.setdefault(os.readlink(f"{PROC}/{pid}/ns/mnt"), []).append(pid)
        except OSError as error:
            unseen += error.errno not in _GONE
    members.pop(os.readlink(f"{PROC}/self/ns/mnt"), None)
    spaces = (_space(pids) for pids in members.values())
    return tuple(space for space in spaces if space is not None), unseen


def _space(pids: Sequence[int]) -> MountSpace | None:
    """A namespace as the first of its processes sees it that has not ended, if possible one without a chroot."""
    for pid in sorted(pids, key=lambda pid: (_link(f"{PROC}/{pid}/root") != "/", pid)):
        table = _text(f"{PROC}/{pid}/mountinfo")
        if table:
            return MountSpace(pid, (_text(f"{PROC}/{pid}/comm") or "").strip(), parse(table))
    return None


def _blocks() -> Iterator[Block]:
    for name in _names(f"{SYS}/block"):
        base = f"{SYS}/block/{name}"
        parts = [part for part in _names(base) if os.path.exists(f"{base}/{part}/partition")]
        yield from (_block(f"{base}/{part}", part, []) for part in parts)
        yield _block(base, name, parts)


def _block(base: str, name: str, parts: Sequence[str]) -> Block:
    return Block(
        name=name,
        devno=parse_devno(_text(f"{base}/dev") or "0:0"),
        above=(*parts, *_names(f"{base}/holders")),
        label=(_text(f"{base}/dm/name") or "").strip(),
        uuid=(_text(f"{base}/dm/uuid") or "").strip(),
        backing=(_text(f"{base}/loop/backing_file") or "").rstrip("\n"),
    )


def _exports() -> Iterator[tuple[str, str]]:
    for path, *clients in _rows(f"{PROC}/fs/nfsd/exports"):
        if not path.startswith("#"):
            yield from ((unescape(path), client.partition("(")[0]) for client in clients)


def _alive() -> Iterator[tuple[str, str]]:
    """The file systems that the kernel keeps, whether mounted or not. btrfs lists the devices of each."""
    for fstype in _names(f"{SYS}/fs"):
        for name in _names(f"{SYS}/fs/{fstype}"):
            yield fstype, name
            yield from ((fstype, device) for device in _names(f"{SYS}/fs/{fstype}/{name}/devices"))


def _rows(path: str) -> list[list[str]]:
    return [line.split() for line in (_text(path) or "").splitlines()]


def _names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        if error.errno in _GONE:
            return []
        raise


def _link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as handle:
            return handle.read()
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise
