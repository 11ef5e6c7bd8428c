# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the host: read whole, written atomically, locked against a second writer."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from typing import Callable, Protocol

from .._errors import RbdError
from .._ownership import NO_OWNERSHIP, Ownership, PathFacts

# A writer of ours holds the lock for milliseconds.
LOCK_TIMEOUT = 10.0
LOCK_POLL = 0.05

_KEPT = ("security.selinux", "system.posix_acl_access")


class Files(Protocol):
    """Reads and edits text files."""

    def read(self, path: str) -> str | None:
        """The content, or None where no file is. Undecodable bytes become surrogates.

        :raises RbdError: the file exists but cannot be read.
        """

    def edit(self, path: str, change: Callable[[str], str], mode: int) -> None:
        """Replace the content by ``change`` of it: atomic, durable, alone.

        A symbolic link is followed, not replaced. Owner, mode and SELinux context stay.

        :param mode: permissions of a file that did not exist before.
        :raises RbdError: the file cannot be written; its old content is intact.
        """

    def look(self, path: str) -> PathFacts:
        """A path's kind, ownership and, for a directory, whether it is empty."""

    def resolve(self, path: str) -> PathFacts:
        """Where a path leads, without a look at what is there (its kind is ``unknown``)."""

    def make_directory(self, path: str, mode: int) -> None:
        """Make a directory with that mode, and the ones above it that are missing; one that is there stays as it is."""

    def set_ownership(self, path: str, ownership: Ownership) -> None:
        """Set owner, group and mode, as far as each is given."""


class HostFiles:
    """The real files."""

    def read(self, path: str) -> str | None:
        try:
            with open(path, "rb") as handle:
                return handle.read().decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RbdError(f"read {path}", _reason(error), "Check the path and run as root.") from error

    def edit(self, path: str, change: Callable[[str], str], mode: int) -> None:
        target = os.path.realpath(path)
        try:
            with _locked_directory(os.path.dirname(target), path):
                old = self.read(target)
                new = change(old or "")
                if new != old:
                    _replace(target, new.encode("utf-8", "surrogateescape"), mode)
        except OSError as error:
            raise RbdError(
                f"write {path}", _reason(error), "The file is as it was. Remove the cause and run again."
            ) from error

    def look(self, path: str) -> PathFacts:
        real = os.path.realpath(path)
        try:
            status = os.stat(path)
            ownership = Ownership(status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))
            if not stat.S_ISDIR(status.st_mode):
                return PathFacts(real, "other", False, ownership)
            with os.scandir(path) as entries:
                return PathFacts(real, "directory", next(entries, None) is None, ownership)
        except FileNotFoundError:
            return PathFacts(real, "absent", True, NO_OWNERSHIP)
        except NotADirectoryError:
            return PathFacts(real, "other", False, NO_OWNERSHIP)
        except OSError as error:
            raise RbdError(f"look at {path}", _reason(error), "Check the path and run as root.") from error

    def resolve(self, path: str) -> PathFacts:
        return PathFacts(os.path.realpath(path), "unknown", False, NO_OWNERSHIP)

    def make_directory(self, path: str, mode: int) -> None:
        try:
            # The task's umask must not decide whether services reach the mount point.
            umask = os.umask(0o022)
            try:
                os.makedirs(path, mode=mode, exist_ok=True)
            finally:
                os.umask(umask)
        except OSError as error:
            raise RbdError(f"make the directory {path}", _reason(error), "Check what is above it.") from error

    def set_ownership(self, path: str, ownership: Ownership) -> None:
        try:
            if ownership.uid is not None or ownership.gid is not None:
                os.chown(path, _or_keep(ownership.uid), _or_keep(ownership.gid))
            if ownership.mode is not None:
                os.chmod(path, ownership.mode)
        except OSError as error:
            raise RbdError(
                f"set {ownership} on {path}", _reason(error), "A read-only file system keeps its own: leave them out."
            ) from error


def _or_keep(number: int | None) -> int:
    """For chown(2), -1 leaves as it is."""
    return -1 if number is None else number


@contextlib.contextmanager
def _locked_directory(directory: str, path: str) -> Iterator[None]:
    """Hold the lock of the directory: it outlives the rename of the file and leaves nothing behind."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline = time.monotonic() + LOCK_TIMEOUT
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise RbdError(
                    f"write {path}",
                    f"another process has held the lock of {directory} for {LOCK_TIMEOUT:g} seconds",
                    "Wait for the other run to end, then run again.",
                )
            time.sleep(LOCK_POLL)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _replace(target: str, content: bytes, mode: int) -> None:
    """Write beside the target, flush to the disk, rename over it: a reader sees the old or the new file."""
    directory = os.path.dirname(target)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(target)}.", dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            _take_over(handle.fileno(), target, mode)
            handle.flush()
            os.fsync(handle.fileno())
        os.rename(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_directory(directory)


def _take_over(descriptor: int, target: str, mode: int) -> None:
    """Give the new file the owner, mode and extended attributes (SELinux, ACLs) of the old one."""
    try:
        old = os.stat(target)
    except FileNotFoundError:
        os.fchmod(descriptor, mode)
        return
    new = os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
    for name in _attributes(target):
        os.setxattr(descriptor, name, os.getxattr(target, name))


def _attributes(target: str) -> list[str]:
    """Label, ACL and the user's own; others, such as security.evm, belong to the old content."""
    try:
        return [name for name in os.listxattr(target) if name in _KEPT or name.startswith("user.")]
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise


def _sync_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror}{where}"
