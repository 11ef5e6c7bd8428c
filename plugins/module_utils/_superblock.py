# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How large a file system is, and how large it could be: read from its superblock.

``df`` tells neither: it leaves out what a file system needs for itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ._errors import RbdError

# What has to be read of a device: btrfs' superblock is the one that lies farthest from the beginning.
SUPERBLOCK_BYTES = 68 << 10

_EXT4, _BTRFS = 1 << 10, 64 << 10

# ext4, s_feature_incompat: blocks are counted with 64 bits.
_EXT4_64BIT = 0x80
# mke2fs leaves a last group away that has no more than this room for data (ext2fs_initialize()), and rounds a file
# system down to whole memory pages; the largest that there are have 64 KiB.
_EXT4_ROOM = 50
_PAGE = 64 << 10

# XFS_MIN_AG_BLOCKS: neither mkfs nor the kernel makes a smaller allocation group.
_XFS_LEAST = 64


@dataclass(frozen=True)
class Geometry:
    """The blocks of a file system.

    :ivar blocks: how many it has.
    :ivar block_size: bytes.
    :ivar group: blocks of an allocation group; 0 where it has none.
    :ivar least: blocks that the last group must have; a shorter rest of the device stays unused.
    :ivar first: the block at which the first group begins.
    :ivar step: blocks, of which their number is a multiple.
    :ivar member: btrfs' number for the device.
    """

    blocks: int
    block_size: int
    group: int = 0
    least: int = 0
    first: int = 0
    step: int = 1
    member: int = 0

    @property
    def size(self) -> int:
        """Bytes."""
        return self.blocks * self.block_size

    def reach(self, device_size: int) -> int:
        """The blocks that it would have on a device of that size.

        The same as its own program counts, so that what was just made or grown is not grown again.

        :param device_size: bytes.
        """
        blocks = device_size // self.block_size
        blocks -= blocks % self.step
        rest = (blocks - self.first) % self.group if self.group else 0
        return blocks - rest if rest < self.least else blocks


def geometry_of(fstype: str, begin: bytes, device: str) -> Geometry:
    """Read the superblock of a file system.

    :param begin: the first :data:`SUPERBLOCK_BYTES` of the device.
    :raises RbdError: there is no such superblock.
    """
    read = {"ext4": _ext4, "xfs": _xfs, "btrfs": _btrfs}[fstype]
    geometry = read(begin) if len(begin) == SUPERBLOCK_BYTES else None
    if geometry is None or 0 in (geometry.blocks, geometry.block_size):
        raise RbdError(
            f"read the size of the {fstype} on {device}",
            "its first superblock is not whole",
            f"Check the file system: fsck.{fstype} for ext4, xfs_repair -n, or btrfs check.",
        )
    return geometry


def _ext4(begin: bytes) -> Geometry | None:
    """``struct ext4_super_block``, little-endian."""

    def field(form: str, offset: int) -> int:
        return int(struct.unpack_from(f"<{form}", begin, _EXT4 + offset)[0])

    if field("H", 0x38) != 0xEF53:
        return None
    block_size = 1 << (10 + field("I", 0x18))
    group = field("I", 0x20)
    wide = field("I", 0x60) & _EXT4_64BIT
    blocks = field("I", 0x04) | (field("I", 0x150) << 32 if wide else 0)
    # What the last group needs for itself: copies of the superblock and of the descriptors, bitmaps, inodes.
    descriptors = -(-blocks // max(group, 1)) * (field("H", 0xFE) if wide else 32)
    inodes = field("I", 0x28) * (field("H", 0x58) if field("I", 0x4C) else 128)
    tables = 1 + -(-descriptors // block_size) + field("H", 0xCE) + 2 + -(-inodes // block_size)
    cluster = 1 << max(field("I", 0x1C) - field("I", 0x18), 0)
    step = max(_PAGE // block_size, 1)
    return Geometry(blocks, block_size, group, tables + _EXT4_ROOM + cluster, field("I", 0x14), step)


def _xfs(begin: bytes) -> Geometry | None:
    """``struct xfs_dsb``, big-endian."""
    magic, block_size, blocks = struct.unpack_from(">4sIQ", begin)
    (group,) = struct.unpack_from(">I", begin, 84)
    return Geometry(blocks, block_size, group, _XFS_LEAST) if magic == b"XFSB" else None


def _btrfs(begin: bytes) -> Geometry | None:
    """``struct btrfs_super_block`` with the ``btrfs_dev_item`` of this device, little-endian."""
    if begin[_BTRFS + 0x40 : _BTRFS + 0x48] != b"_BHRfS_M":
        return None
    (block_size,) = struct.unpack_from("<I", begin, _BTRFS + 0x90)
    member, size = struct.unpack_from("<QQ", begin, _BTRFS + 0xC9)
    return Geometry(size // block_size if block_size else 0, block_size, member=member)
