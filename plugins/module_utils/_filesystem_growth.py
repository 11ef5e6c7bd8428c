# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans to grow a file system to the size of its image. Nothing here ever shrinks one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ._errors import RbdError
from ._filesystem import FilesystemRequest
from ._krbd_device import KrbdDevice, mounts_of
from ._mountinfo import Mount, at
from ._plan import Action
from ._size import format_size
from ._superblock import Geometry


@dataclass(frozen=True)
class GrowthCurrent:
    """A file system and its device as they are.

    :ivar device_size: bytes; in check mode what an earlier task of the same run would have grown the image to.
    :ivar mounts: where the file system is mounted.
    :ivar seen: those of them that are seen at their path, with nothing else mounted over them.
    """

    device: KrbdDevice
    geometry: Geometry
    device_size: int
    mounts: tuple[Mount, ...] = ()
    seen: tuple[Mount, ...] = ()

    @property
    def place(self) -> Mount | None:
        """Where it can be grown: a mount that is written to."""
        return next((mount for mount in self.seen if not _is_read_only(mount)), None)

    @property
    def room(self) -> bool:
        """Whether the file system could be larger."""
        return self.geometry.reach(self.device_size) > self.geometry.blocks


@dataclass(frozen=True)
class GrowFilesystem(Action):
    """Give a mounted file system the size of its device.

    :ivar path: where it is mounted.
    :ivar blocks: how many it will have.
    """

    kind: ClassVar[str] = "grow_filesystem"

    request: FilesystemRequest
    device: KrbdDevice
    path: str
    geometry: Geometry
    blocks: int

    @property
    def size(self) -> int:
        """Bytes that it will have."""
        return self.blocks * self.geometry.block_size

    def before(self) -> str:
        return f"{self.request.fstype} of {self.geometry.size} bytes ({format_size(self.geometry.size)})"

    def after(self) -> str:
        return f"{self.request.fstype} of {self.size} bytes ({format_size(self.size)})"

    def result(self) -> dict[str, Any]:
        return {**super().result(), "fstype": self.request.fstype, "size": self.size}


def plan_growth(index: int, request: FilesystemRequest, current: GrowthCurrent) -> list[Action]:
    """The step for one file system: none where it has the size of its device, or is not to be grown now.

    :raises RbdError: the device is smaller than its file system.
    """
    what = f"use the {request.fstype} of {request.spec}"
    if current.geometry.size > current.device_size:
        raise RbdError(
            what,
            f"it has {format_size(current.geometry.size)}, but {current.device.path} has only "
            f"{format_size(current.device_size)}",
            "The image was shrunk under its file system: grow the image again to at least that size.",
        )
    if not (request.grow and current.room and current.place) or current.device.read_only:
        return []
    blocks = current.geometry.reach(current.device_size)
    return [GrowFilesystem(index, request.name, request, current.device, current.place.path, current.geometry, blocks)]


def growth_waits(request: FilesystemRequest, current: GrowthCurrent) -> str | None:
    """Why a file system that is smaller than its device is not grown now, in a sentence; None where nothing waits."""
    if not request.grow or not current.room:
        return None
    stays = f"The {request.fstype} of {request.spec} is smaller than its image"
    if current.device.read_only:
        return f"{stays}, and stays so while the image is mapped read-only."
    if current.place is None and current.mounts:
        return f"{stays}, and stays so until it is mounted for writing, at a path where nothing is mounted over it."
    if current.place is None:
        return f"{stays}, and is grown once it is mounted."
    return None


def seen_mounts(device: KrbdDevice, table: tuple[Mount, ...]) -> tuple[Mount, ...]:
    """The mounts of a device at which programs find its file system, and not another one that is mounted over it."""
    return tuple(mount for mount in mounts_of(device, table) if at(table, mount.path) == mount)


def _is_read_only(mount: Mount) -> bool:
    return "ro" in (*mount.opts.split(","), *mount.super_opts.split(","))
