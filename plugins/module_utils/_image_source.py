# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file whose content a new image gets: which format it has, and whether it can be taken."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ._errors import RbdError

RAW = "raw"
QCOW2 = "qcow2"

# As much of a file's beginning as its format is told from.
HEAD = 4096

# The unit in which zeros are looked for: the default of `rbd import --sparse-size`.
BLOCK = 4096

_CONVERT = "Convert it first: qemu-img convert -O qcow2 {path} {path}.qcow2."
_DECOMPRESS = "Decompress it first: {tool} {{path}}."
_UNPACK = "Unpack it first, and import the image that is in it."

# What is taken for a raw image only if the user says so. Each is told by the bytes at an offset.
_FOREIGN = (
    (0, b"QFI\xfb\x00\x00\x00\x01", "a QCOW image of version 1", _CONVERT),
    (0, b"QED\x00", "a QED image", _CONVERT),
    (0, b"KDMV", "a VMDK image", _CONVERT),
    (0, b"COWD", "a VMDK image", _CONVERT),
    (0, b"# Disk DescriptorFile", "the descriptor of a VMDK image", _CONVERT),
    (0, b"vhdxfile", "a VHDX image", _CONVERT),
    (0, b"conectix", "a VHD image", _CONVERT),
    (64, b"\x7f\x10\xda\xbe", "a VDI image", _CONVERT),
    (0, b"WithoutFreeSpace", "a Parallels image", _CONVERT),
    (0, b"WithouFreSpacExt", "a Parallels image", _CONVERT),
    (0, b"\x1f\x8b\x08", "compressed with gzip", _DECOMPRESS.format(tool="gunzip")),
    (0, b"\xfd7zXZ\x00", "compressed with xz", _DECOMPRESS.format(tool="unxz")),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd", _DECOMPRESS.format(tool="unzstd")),
    (0, b"\x04\x22\x4d\x18", "compressed with lz4", _DECOMPRESS.format(tool="unlz4")),
    (4, b"1AY&SY", "compressed with bzip2", _DECOMPRESS.format(tool="bunzip2")),
    (0, b"PK\x03\x04", "a zip archive", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"rbd image v2\n", "an export of an image with its snapshots", "Use 'rbd import --export-format 2'."),
    (0, b"rbd diff v", "an export of the differences between snapshots", "Use 'rbd import-diff'."),
)

# docs/interop/qcow2.txt of QEMU: the header up to crypt_method, its least length, and the incompatible features.
_QCOW_MAGIC = b"QFI\xfb"
_HEADER = struct.Struct(">4sIQIIQI")
_HEADER_LENGTHS = {2: 72, 3: 104}
_INCOMPATIBLE = struct.Struct(">Q")
_INCOMPATIBLE_AT = 72
_DIRTY, _CORRUPT, _DATA_FILE = 1, 2, 4
# Those three, another compression, and extended L2 entries: of the latter two only qemu-img has to know.
_KNOWN_FEATURES = 0x1F

# QEMU's disks are made of whole sectors, and end at a signed 64-bit offset.
_SECTOR = 512
_LIMIT = 2**63

_ZEROS = bytes(BLOCK)


@dataclass(frozen=True)
class SourceFile:
    """A file that can be imported.

    :ivar format: ``raw`` or ``qcow2``.
    :ivar virtual_size: bytes that an image needs for its content.
    """

    path: str
    format: str
    virtual_size: int


@dataclass(frozen=True)
class QcowHeader:
    """What the header of a qcow2 file says.

    :ivar virtual_size: bytes.
    :ivar backing_file: name of the file that it was made on top of, as far as that is known; None without one.
    :ivar crypt_method: how its content is encrypted; 0 for not at all.
    :ivar incompatible: mask of the features without which it cannot be read.
    """

    version: int
    virtual_size: int
    backing_file: str | None
    crypt_method: int
    incompatible: int

    @classmethod
    def parse(cls, path: str, head: bytes) -> QcowHeader:
        """Read the header.

        :param head: the first :data:`HEAD` bytes of the file, or all of a shorter one.
        :raises RbdError: it is no header of a qcow2 file, of no known version, or ends early.
        """
        if not head.startswith(_QCOW_MAGIC):
            raise RbdError(doing(path), "it does not begin as a qcow2 image does", "Check the file, or its format.")
        version = int.from_bytes(head[4:8], "big")
        if len(head) >= 8 and version not in _HEADER_LENGTHS:
            raise RbdError(doing(path), f"it is a QCOW image of version {version}, neither 2 nor 3", _convert(path))
        if len(head) < _HEADER_LENGTHS.get(version, 8):
            raise _damaged(path, "it ends within its header")
        _magic, _version, name_at, name_length, _bits, size, crypt = _HEADER.unpack_from(head)
        name = head[name_at : name_at + name_length].decode("utf-8", "backslashreplace") if name_at else None
        (incompatible,) = _INCOMPATIBLE.unpack_from(head, _INCOMPATIBLE_AT) if version > 2 else (0,)
        return cls(version, size, name, crypt, incompatible)


def doing(path: str) -> str:
    """What fails if a file cannot be imported, as for :class:`RbdError`."""
    return f"import {path}"


def recognise(path: str, declared: str | None, head: bytes, size: int) -> SourceFile:
    """Tell what a file is, and whether it can be imported.

    :param declared: ``raw`` or ``qcow2``; None to tell it from the content.
    :param head: the first :data:`HEAD` bytes of the file, or all of a shorter one.
    :param size: bytes of the file.
    :raises RbdError: it is empty, of another format, or a qcow2 file that cannot be taken as it is.
    """
    if size == 0:
        raise RbdError(doing(path), "it is empty", "Check how it was made or copied.")
    found = declared or detect_format(path, head)
    if found == RAW:
        return SourceFile(path, RAW, size)
    header = QcowHeader.parse(path, head)
    _require_whole(path, header)
    _require_alone(path, header)
    return SourceFile(path, QCOW2, header.virtual_size)


def detect_format(path: str, head: bytes) -> str:
    """Tell a file's format from its content: what is not known to be anything else is raw.

    :param head: the first :data:`HEAD` bytes of the file, or all of a shorter one.
    :raises RbdError: it is of a format that is neither raw nor qcow2.
    """
    for offset, magic, name, advice in _FOREIGN:
        if head.startswith(magic, offset):
            raise RbdError(
                doing(path),
                f"it is {name}",
                f"{advice.format(path=path)} If an image shall have these very bytes, declare them as raw.",
            )
    return QCOW2 if head.startswith(_QCOW_MAGIC) else RAW


def data_runs(data: bytes) -> Iterator[tuple[int, int]]:
    """Where in a piece of data there is something else than zeros, as beginning and end.

    Zeros are looked for block by block (:data:`BLOCK`); blocks that follow each other are one run.
    """
    blocks = itertools.groupby(range(0, len(data), BLOCK), lambda start: _ZEROS.startswith(data[start : start + BLOCK]))
    for is_zero, starts in blocks:
        if not is_zero:
            run = list(starts)
            yield run[0], min(run[-1] + BLOCK, len(data))


def _require_whole(path: str, header: QcowHeader) -> None:
    """Refuse what is not as its writer wanted to leave it."""
    if header.incompatible & _CORRUPT:
        raise _damaged(path, "it is marked as corrupt")
    if header.incompatible & _DIRTY:
        raise RbdError(
            doing(path),
            "the program that wrote it has not closed it, and may still be at work",
            f"End that program, then mend the file: qemu-img check -r all {path}.",
        )
    if not 0 < header.virtual_size < _LIMIT or header.virtual_size % _SECTOR:
        raise _damaged(path, f"its disk would have {header.virtual_size} bytes")
    if header.incompatible & ~_KNOWN_FEATURES:
        unknown = header.incompatible & ~_KNOWN_FEATURES
        raise RbdError(doing(path), f"it has features of qcow2 that are not known here (0x{unknown:x})", _convert(path))


def _require_alone(path: str, header: QcowHeader) -> None:
    """Refuse what is not in the file itself.

    Another file is named by whoever made this one, so it could be any file of the host.
    """
    advice = f"If you trust what it names, make it complete: qemu-img convert -O qcow2 {path} {path}.qcow2."
    if header.backing_file is not None:
        name = f" {header.backing_file!r}" if header.backing_file else ""
        raise RbdError(doing(path), f"it holds only how it differs from its backing file{name}", advice)
    if header.incompatible & _DATA_FILE:
        raise RbdError(doing(path), "its content is in another file (external data file)", advice)
    if header.crypt_method:
        raise RbdError(doing(path), "it is encrypted", "Decrypt it first: qemu-img convert, with the secret.")


def _convert(path: str) -> str:
    return _CONVERT.format(path=path)


def _damaged(path: str, cause: str) -> RbdError:
    return RbdError(doing(path), cause, f"Check how it was made or copied: qemu-img check {path}.")
