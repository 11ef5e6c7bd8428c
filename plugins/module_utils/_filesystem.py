# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans a file system on an image: made only where the image is proven blank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ._errors import RbdError
from ._image_facts import Extent, ImageFacts
from ._image_spec import ImageSpec
from ._krbd_device import KrbdDevice
from ._plan import Action

FSTYPES = ("ext4", "xfs", "btrfs")


@dataclass(frozen=True)
class FilesystemRequest:
    """What file system an image shall have.

    :ivar mkfs_options: further arguments for mkfs.
    """

    spec: ImageSpec
    fstype: str
    mkfs_options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return str(self.spec)


@dataclass(frozen=True)
class Content:
    """What a mapped device holds, as read from the device itself.

    :ivar signature: the type that blkid finds, for example ``xfs`` or ``crypto_LUKS``; None for nothing.
    :ivar ambivalent: blkid found several signatures that exclude each other.
    :ivar ends_zero: both ends of the device could be read and are zero.
    """

    signature: str | None
    ambivalent: bool
    ends_zero: bool


@dataclass(frozen=True)
class FilesystemCurrent:
    """One image as it is.

    :ivar facts: the image in the cluster, None without such an image.
    :ivar written: the first extent that was ever written; None for a blank image.
    :ivar device: its mapping on this host.
    :ivar content: what the mapped device holds; None where it is not mapped.
    """

    facts: ImageFacts | None
    written: Extent | None
    device: KrbdDevice | None
    content: Content | None


@dataclass(frozen=True)
class MakeFilesystem(Action):
    kind: ClassVar[str] = "mkfs"

    spec: ImageSpec
    fstype: str
    mkfs_options: tuple[str, ...]
    device: KrbdDevice | None
    facts: ImageFacts | None

    def before(self) -> str:
        return "blank"

    def after(self) -> str:
        return self.fstype

    def result(self) -> dict[str, Any]:
        return {**super().result(), "fstype": self.fstype}


def plan_filesystem(
    index: int, request: FilesystemRequest, current: FilesystemCurrent, check_mode: bool
) -> list[Action]:
    """The step for one image: none where it has the file system, mkfs where it is proven blank.

    :param check_mode: an image that is not there or not mapped yet may be one that earlier tasks
        of the same run would have created and mapped; what is written in it can be told all the same.
    :raises RbdError: the image is not blank, or it could not be proven to be.
    """
    what = f"make {request.fstype} on {request.spec}"
    make = MakeFilesystem(
        index, request.name, request.spec, request.fstype, request.mkfs_options, current.device, current.facts
    )
    if current.content is None:
        return _plan_unmapped(what, make, current, check_mode)
    if current.content.ambivalent:
        raise RbdError(what, "it has several signatures that contradict each other", "Look at it with wipefs -n.")
    if current.content.signature is not None:
        return _keep(what, request, current.content.signature)
    _require_blank(what, current, check_mode)
    return [make]


def _plan_unmapped(what: str, make: MakeFilesystem, current: FilesystemCurrent, check_mode: bool) -> list[Action]:
    if not check_mode:
        raise RbdError(what, "it is not mapped on this host", "Map it first (rbd_map, state mapped).")
    # A written image that is not mapped has, presumably, the file system that it is declared to have.
    return [] if current.written is not None else [make]


def _keep(what: str, request: FilesystemRequest, signature: str) -> list[Action]:
    if signature != request.fstype:
        raise RbdError(what, f"it holds {signature}", "Declare that type, or use another image.")
    return []


def _require_blank(what: str, current: FilesystemCurrent, check_mode: bool) -> None:
    if current.facts is None and not check_mode:
        raise RbdError(what, "the cluster was not asked what is written in it", "Run again.")
    if current.written is not None:
        raise RbdError(
            what,
            f"it holds data (first at byte {current.written.offset}), though blkid knows no signature in it",
            "Use another image; if this one's data is of no use, remove the image and create it anew.",
        )
    if current.content is not None and not current.content.ends_zero:
        raise RbdError(
            what,
            "its first and last blocks could not be read as zeros, so it is not proven to be blank",
            "Look at the device and at the kernel log.",
        )
    if current.device is not None and current.device.read_only:
        raise RbdError(what, f"{current.device.path} is mapped read-only", "Map it without read_only.")
