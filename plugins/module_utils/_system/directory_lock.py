# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a directory: it outlives the renaming of the files in it, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from .._errors import NotBegun

# A writer of ours holds the lock for as long as the disk takes to flush one small file.
LOCK_TIMEOUT = 30.0
LOCK_POLL = 0.05

_LOCKS = "/proc/locks"


@contextlib.contextmanager
def locked(directory: str, what: str) -> Iterator[int]:
    """Hold the lock of a directory within the block.

    The kernel drops it when its holder dies, however that happens.

    :param what: what shall be done under it, as for :class:`RbdError`.
    :returns: a descriptor of the directory.
    :raises NotBegun: another process holds it for too long; the error names that one.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + LOCK_TIMEOUT
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise NotBegun(
                    what,
                    f"{_holder(descriptor)} has held the lock of {directory} for {LOCK_TIMEOUT:g} seconds",
                    "Wait for it to end, then run again.",
                )
            time.sleep(LOCK_POLL)
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    """Who holds the lock. The kernel does not show processes outside of this container, nor locks of every file system.

    A line of /proc/locks reads ``1: FLOCK ADVISORY WRITE <pid> <major>:<minor>:<inode> 0 EOF``; proc(5).
    """
    status = os.fstat(descriptor)
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with contextlib.suppress(OSError):
        with open(_LOCKS, encoding="ascii") as handle:
            fields = [line.split() for line in handle]
        pids = [line[4] for line in fields if line[1] == "FLOCK" and line[5] == place]
        for pid in pids:
            with open(f"/proc/{pid}/comm", encoding="utf-8", errors="backslashreplace") as handle:
                return f"process {pid} ({handle.read().strip()})"
    return "another process"
