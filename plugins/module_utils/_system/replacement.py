# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are read whole and replaced whole, also if the process, or the machine, dies in the middle of it."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Callable

from .._errors import RbdError

# How often the change is made anew because a program that knows nothing of the lock changed the file meanwhile.
ATTEMPTS = 20

_KEPT = ("security.selinux", "system.posix_acl_access")
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass(frozen=True)
class _Old:
    """A file as it was read: all of it from one descriptor, so that the parts belong together."""

    content: bytes
    status: os.stat_result
    attributes: Mapping[str, bytes]


def read_file(path: str) -> bytes:
    """The content of a regular file.

    :raises RbdError: it is something else, which could keep a reader waiting for ever.
    """
    with _opened(path, path) as handle:
        return handle.read()


def edit_file(path: str, directory: int, change: Callable[[bytes | None], bytes], mode: int) -> None:
    """Replace a file by ``change`` of it.

    :param path: of the file itself, not of a symbolic link to it.
    :param directory: a descriptor of its directory, whose lock the caller holds.
    :param change: gets None for a file that does not exist.
    :param mode: permissions of a new file.
    :raises OSError: the file is as it was.
    :raises RbdError: the file is as it was, unless the error says something else.
    """
    name = os.path.basename(path)
    temporary = f".{name}.cephclient-rbd"
    # Under the lock this can only be what a run that was killed has left.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=directory)
    for _attempt in range(ATTEMPTS):
        old = _read(path, name, directory)
        content = change(old.content if old else None)
        if old is not None and content == old.content:
            return
        try:
            _write(temporary, directory, content, old, mode)
            if _identity(old.status if old else None) == _identity(_look(name, directory)):
                os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
                break
            os.unlink(temporary, dir_fd=directory)
        except BaseException:
            # The first error is the one to be told.
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=directory)
            raise
    else:
        raise RbdError(
            f"write {path}",
            f"another program has changed it {ATTEMPTS} times in the meantime",
            "Wait until that program is done, then run again.",
        )
    _flush_directory(path, directory)


def _read(path: str, name: str, directory: int) -> _Old | None:
    try:
        with _opened(path, name, directory) as handle:
            descriptor = handle.fileno()
            return _Old(handle.read(), os.fstat(descriptor), _attributes(descriptor))
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _opened(path: str, name: str, directory: int | None = None) -> Iterator[BinaryIO]:
    """Open a file without waiting for a writer at the other end of what is a pipe."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=directory)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = next((kind for is_kind, kind in _KINDS if is_kind(mode)), "something else")
            raise RbdError(f"read {path}", f"it is {kind}, not a file", "Give the path of a file.")
        with os.fdopen(descriptor, "rb", closefd=False) as handle:
            yield handle
    finally:
        os.close(descriptor)


def _write(temporary: str, directory: int, content: bytes, old: _Old | None, mode: int) -> None:
    """Write beside the file, and flush to the disk. Nobody else can read it until it has the rights of the old one."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, 0o600, dir_fd=directory), "wb") as handle:
        handle.write(content)
        handle.flush()
        if old is None:
            os.fchmod(handle.fileno(), mode)
        else:
            _take_over(handle.fileno(), old)
        os.fsync(handle.fileno())


def _take_over(descriptor: int, old: _Old) -> None:
    """Give the new file the owner, label, access list and mode of the old one.

    The mode comes last: on a file without its access list yet, the mask of that list would be the group's rights.
    """
    new = os.fstat(descriptor)
    if (old.status.st_uid, old.status.st_gid) != (new.st_uid, new.st_gid):
        os.fchown(descriptor, old.status.st_uid, old.status.st_gid)
    inherited = _attributes(descriptor)
    for name in inherited.keys() - old.attributes.keys():
        os.removexattr(descriptor, name)
    for name, value in old.attributes.items():
        if inherited.get(name) != value:
            os.setxattr(descriptor, name, value)
    os.fchmod(descriptor, stat.S_IMODE(old.status.st_mode))


def _attributes(descriptor: int) -> dict[str, bytes]:
    """Label, access list and the user's own; others, such as security.evm, belong to the old content."""
    try:
        names = os.listxattr(descriptor)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    kept = [name for name in names if name in _KEPT or name.startswith("user.")]
    return {name: os.getxattr(descriptor, name) for name in kept}


def _look(name: str, directory: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _identity(status: os.stat_result | None) -> tuple[int, ...]:
    """What is another one after anybody has changed or replaced the file."""
    if status is None:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _flush_directory(path: str, directory: int) -> None:
    try:
        os.fsync(directory)
    except OSError as error:
        # Some file systems cannot flush a directory, and say so.
        if error.errno != errno.EINVAL:
            raise RbdError(
                f"flush {os.path.dirname(path)} to the disk",
                error.strerror or str(error),
                f"The new content of {path} is in place, but a power failure could bring the old one back. "
                "Look at the kernel log (dmesg).",
            ) from error
