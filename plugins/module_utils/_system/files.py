# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the host: read whole, written atomically, locked against a second writer."""

from __future__ import annotations

import errno
import os
import stat
from typing import Callable, Protocol

from .._errors import RbdError
from .._ownership import NO_OWNERSHIP, Ownership, PathFacts
from .directory_lock import locked
from .replacement import edit_file, read_file

_ADVICE = {
    errno.EACCES: "Run as root.",
    errno.EDQUOT: "Free space in {directory}, or raise the quota.",
    errno.EIO: "Look at the kernel log (dmesg).",
    errno.ENOENT: "Make the directory {directory} first.",
    errno.ENOSPC: "Free space in {directory}.",
    errno.EPERM: "Run as root. If that is so, look for an immutable file or directory: lsattr -d {directory} {target}.",
    errno.EROFS: "Look why (findmnt --target {directory}; dmesg), and make it writable.",
}


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

    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is removed already.

        :raises RbdError: it cannot be removed.
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
            return _decode(read_file(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RbdError(f"read {path}", _reason(error), "Check the path and run as root.") from error

    def edit(self, path: str, change: Callable[[str], str], mode: int) -> None:
        def change_bytes(old: bytes | None) -> bytes:
            return change(_decode(old or b"")).encode("utf-8", "surrogateescape")

        target = os.path.realpath(path)
        directory = os.path.dirname(target)
        try:
            with locked(directory, f"write {path}") as place:
                edit_file(target, place, change_bytes, mode)
        except OSError as error:
            raise _unwritten(path, target, error) from error

    def remove(self, path: str) -> None:
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise RbdError(f"remove {path}", _reason(error), "Check the path and run as root.") from error

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


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _unwritten(path: str, target: str, error: OSError) -> RbdError:
    """Why a file could not be replaced, and what to do."""
    if error.errno == errno.EBUSY:
        return RbdError(
            f"write {path}",
            "it is a mount point itself, as in some containers, and so cannot be replaced as a whole",
            f"The file is as it was. Change the file that is mounted there (findmnt {target}).",
        )
    advice = _ADVICE.get(error.errno or 0, "Remove the cause and run again.")
    advice = advice.format(directory=os.path.dirname(target), target=target)
    return RbdError(f"write {path}", error.strerror or str(error), f"The file is as it was. {advice}")


def _reason(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror}{where}"
