# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the host whose content new images get."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from typing import Any, Callable, Protocol

from .._errors import RbdError
from .._image_source import HEAD, QCOW2, SourceFile, data_runs, doing, recognise
from .._image_spec import ImageSpec
from .._size import format_size
from .bindings import rados, rbd
from .ceph_errors import explain
from .cluster import LibrbdSession
from .command import CommandRunner
from .images import LibrbdImages
from .progress import OnProgress
from .qemu_img import QemuImg, WriteTimedOut, image_name

# What is read at a time. A write never crosses a multiple of it, and so no object that is smaller or larger.
PIECE = 1 << 22

# What qemu-img has to be told of the session's settings.
_SETTINGS = ("keyring", "client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout")


class ImageSources(Protocol):
    """Reads files, and fills images with them. All methods raise RbdError."""

    def inspect(self, path: str, declared: str | None) -> SourceFile:
        """Tell what a file is, and whether it can be imported; needs no other program.

        :param declared: its format, ``raw`` or ``qcow2``; None to tell it from the content.
        """

    def fill(self, source: SourceFile, spec: ImageSpec, on_progress: OnProgress) -> None:
        """Write a file's content into an image.

        An image that could not be filled is left with some of the content.

        :param spec: an image that has never been written, of at least the source's virtual size.
        :param on_progress: is told how many bytes are done, and of how many.
        """


class HostImageSources:
    """The real files. A qcow2 file is read by qemu-img."""

    def __init__(self, session: LibrbdSession, commands: CommandRunner) -> None:
        self._session = session
        self._commands = commands

    def inspect(self, path: str, declared: str | None) -> SourceFile:
        with _opened(path) as descriptor:
            return _recognise(path, declared, descriptor)

    def fill(self, source: SourceFile, spec: ImageSpec, on_progress: OnProgress) -> None:
        with _opened(source.path, exclusive=True) as descriptor:
            before = _state(descriptor)
            if _recognise(source.path, source.format, descriptor) != source:
                raise _changed(source)
            if source.format == QCOW2:
                self._convert(source, descriptor, spec, on_progress)
            else:
                self._copy(source, descriptor, spec, on_progress)
            if _state(descriptor) != before:
                raise _changed(source)
        on_progress(source.virtual_size, source.virtual_size)

    @contextlib.contextmanager
    def _image(self, source: SourceFile, spec: ImageSpec) -> Iterator[Any]:
        what = doing(source.path)
        with self._session.open(spec, what, read_only=False) as image:
            size = int(image.size())
            if size < source.virtual_size:
                raise RbdError(
                    what,
                    f"{spec} has {format_size(size)}, less than the {format_size(source.virtual_size)} of the content",
                    "Use a larger image.",
                )
            yield image

    def _copy(self, source: SourceFile, descriptor: int, spec: ImageSpec, on_progress: OnProgress) -> None:
        # As many as the rbd command has in flight.
        depth = int(self._session.connected().conf_get("rbd_concurrent_management_ops"))
        with self._image(source, spec) as image:
            try:
                with _writes(image, depth) as write:
                    for offset, piece in pieces(descriptor, source):
                        for begin, end in data_runs(piece):
                            write(piece[begin:end], offset + begin)
                        on_progress(offset + len(piece), source.virtual_size)
            except (rados.Error, rbd.Error) as error:
                raise self._unwritten(source, spec, self._data_pool(image), error) from error

    def _convert(self, source: SourceFile, descriptor: int, spec: ImageSpec, on_progress: OnProgress) -> None:
        with self._image(source, spec) as image:
            data_pool = self._data_pool(image)
        tool = QemuImg(self._commands, source, descriptor)
        tool.check()
        try:
            tool.convert(image_name(spec, self._settings()), on_progress)
        except WriteTimedOut:
            timeout = rbd.OSError("write", errno=errno.ETIMEDOUT)
            raise self._unwritten(source, spec, data_pool, timeout) from None

    def _data_pool(self, image: Any) -> str:
        return str(self._session.connected().pool_reverse_lookup(image.data_pool_id()))

    def _unwritten(self, source: SourceFile, spec: ImageSpec, data_pool: str, error: Any) -> RbdError:
        """Why a write failed: a pool may have become full, and the data's may be another one than the image's."""
        obstacle = LibrbdImages(self._session).obstacle([data_pool, spec.pool])
        if obstacle is not None:
            return RbdError(doing(source.path), *obstacle)
        return explain(doing(source.path), error, spec, self._session.connection)

    def _settings(self) -> dict[str, str]:
        """What makes qemu-img the same client of the same cluster as this session."""
        connected = self._session.connected()
        settings = {name: str(connected.conf_get(name)) for name in _SETTINGS}
        return {"id": self._session.connection.user, "conf": self._session.connection.conf, **settings}


@contextlib.contextmanager
def _opened(path: str, exclusive: bool = False) -> Iterator[int]:
    """A descriptor of a file or block device; that it cannot be opened or read becomes a sentence.

    :param exclusive: refuse a block device that is mounted, or used by another one.
    """
    try:
        mode = os.stat(path).st_mode
        _require_content(path, mode)
        # On what is no block device O_EXCL means nothing.
        use = os.O_EXCL if exclusive and stat.S_ISBLK(mode) else 0
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | use)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unreadable(path, error) from error


def _require_content(path: str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise RbdError(doing(path), "it is a directory", "Name the file in it.")
    if not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):
        raise RbdError(doing(path), "it is neither a file nor a block device", "Name one of these.")


def _unreadable(path: str, error: OSError) -> RbdError:
    what = doing(path)
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return RbdError(
            what, "there is no such file on this host", "Check the path, or copy the file to this host first."
        )
    if isinstance(error, PermissionError):
        return RbdError(what, "this user may not read it", "Let the task become root.")
    if error.errno == errno.EBUSY:
        return RbdError(what, "it is mounted, or another device uses it", "Unmount it, or import a snapshot of it.")
    return RbdError(what, f"it cannot be read ({error.strerror})", "Look at the kernel log of this host.")


def _recognise(path: str, declared: str | None, descriptor: int) -> SourceFile:
    return recognise(path, declared, os.pread(descriptor, HEAD, 0), os.lseek(descriptor, 0, os.SEEK_END))


def _state(descriptor: int) -> tuple[int, ...]:
    """What is another one after the file was changed; nobody can set the time of the last change of status back."""
    seen = os.fstat(descriptor)
    return os.lseek(descriptor, 0, os.SEEK_END), seen.st_mtime_ns, seen.st_ctime_ns


def _changed(source: SourceFile) -> RbdError:
    return RbdError(doing(source.path), "it was changed meanwhile", "End what writes to it, and run again.")


def pieces(descriptor: int, source: SourceFile) -> Iterator[tuple[int, bytes]]:
    """The content outside of holes, as offset and data; none of them crosses a multiple of :data:`PIECE`."""
    for begin, end in _extents(descriptor, source.virtual_size):
        offset = begin
        while offset < end:
            piece = os.pread(descriptor, min(end, offset // PIECE * PIECE + PIECE) - offset, offset)
            if not piece:
                raise _changed(source)
            yield offset, piece
            offset += len(piece)


def _extents(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Where there are no holes, as beginning and end."""
    end = 0
    while end < size:
        try:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
            end = min(os.lseek(descriptor, begin, os.SEEK_HOLE), size)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            if error.errno != errno.EINVAL:
                raise
            # A block device knows no holes.
            begin, end = end, size
        yield begin, end


@contextlib.contextmanager
def _writes(image: Any, depth: int) -> Iterator[Callable[[bytes, int], None]]:
    """Write to an image, with several writes in flight; at the end of the block all of them are in the cluster.

    :param depth: how many of them may be in flight.
    """
    flags = rados.LIBRADOS_OP_FLAG_FADVISE_SEQUENTIAL | rados.LIBRADOS_OP_FLAG_FADVISE_NOCACHE
    flying: deque[Any] = deque()

    def write(data: bytes, offset: int) -> None:
        if len(flying) >= depth:
            _land(flying.popleft())
        flying.append(image.aio_write(data, offset, None, flags))

    try:
        yield write
        while flying:
            _land(flying.popleft())
        image.flush()
    finally:
        # Until then librbd may read from their buffers.
        for completion in flying:
            completion.wait_for_complete_and_cb()


def _land(completion: Any) -> None:
    completion.wait_for_complete_and_cb()
    code = completion.get_return_value()
    if code < 0:
        raise rbd.OSError("write", errno=-code)
