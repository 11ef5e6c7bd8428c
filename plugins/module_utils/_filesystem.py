# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans a file system on an image: made only where the image is proven blank, or over what the user names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ._crypt_device import CryptDevice
from ._errors import RbdError
from ._image_facts import Extent, ImageFacts, Watcher
from ._image_spec import ImageSpec
from ._krbd_device import KrbdDevice
from ._plan import Action

FSTYPES = ("ext4", "xfs", "btrfs")

# What an image holds in which nothing but written extents can be told apart.
DATA = "data"

# Why what looks whole to blkid is not.
_UNFINISHED = {
    "xfs": "it is marked as not finished: mkfs.xfs was interrupted, or is running now",
    "crypto_LUKS": "it has no key slot: luksFormat was interrupted or is running now, or its keys were erased",
}


@dataclass(frozen=True)
class FilesystemRequest:
    """What file system an image shall have.

    :ivar mkfs_options: further arguments for mkfs.
    :ivar overwrite: what the image may hold and lose, each thing as :meth:`FilesystemCurrent.found` names it.
    :ivar grow: whether the file system shall be as large as the image.
    :ivar size: what the image shall have, in bytes; None where that is not declared.
    :ivar encrypted: whether the file system lies in what is opened on the image.
    """

    spec: ImageSpec
    fstype: str
    mkfs_options: tuple[str, ...] = ()
    overwrite: tuple[str, ...] = ()
    grow: bool = False
    size: int | None = None
    encrypted: bool = False

    @property
    def name(self) -> str:
        return str(self.spec)

    def place(self, device: KrbdDevice) -> KrbdDevice | CryptDevice | None:
        """The block device that holds the file system; None where an encrypted image is not open."""
        return device.opened if self.encrypted else device


@dataclass(frozen=True)
class Signature:
    """What a device is marked to hold.

    :ivar kind: a file system, a partition table or a volume, in blkid's words: ``xfs``, ``gpt``, ``crypto_LUKS``.
    :ivar uuid: empty for one that has none.
    """

    kind: str
    uuid: str = ""


@dataclass(frozen=True)
class Content:
    """What a mapped device holds, as read from the device itself.

    :ivar fstype: the type that blkid takes it for without a doubt, as mount does: ``xfs``, ``crypto_LUKS``.
    :ivar signatures: everything in it that libblkid knows, also what is damaged; not looked for where the type is
        the wanted one.
    :ivar ends_zero: both ends of the device could be read and are zero.
    :ivar partitions: the devices that the kernel has made for its partitions.
    :ivar held: something on this host has claimed the device or a partition of it: a mount, device-mapper, swap.
    :ivar unfinished: it is of the wanted type, but was never finished, and is of no use: no kernel mounts such an xfs,
        and no key opens such a LUKS header.
    """

    fstype: str | None = None
    signatures: tuple[Signature, ...] = ()
    ends_zero: bool = False
    partitions: tuple[str, ...] = ()
    held: bool = False
    unfinished: bool = False

    def is_whole(self, fstype: str) -> bool:
        """Whether it is of that type without a doubt, and finished."""
        return self.fstype == fstype and not self.unfinished


@dataclass(frozen=True)
class FilesystemCurrent:
    """One image as it is.

    :ivar facts: the image in the cluster, None without such an image.
    :ivar written: the first extent that was ever written; None for a blank image.
    :ivar device: its mapping on this host.
    :ivar content: what the mapped device holds; None where it is not mapped. For an encrypted image, what the opened
        device holds; None where it is not open.
    :ivar opened: what an encrypted image is opened as. What was never written there reads as noise.
    """

    facts: ImageFacts | None
    written: Extent | None
    device: KrbdDevice | None
    content: Content | None
    opened: CryptDevice | None = None

    @property
    def found(self) -> tuple[str, ...]:
        """Everything that would be lost, each by its kind and UUID; nothing for a blank image.

        What has no UUID goes by the image's id. So a name means these very data, and no others of the same kind.
        """
        if self.content is None or self.device is None:
            return ()
        here = self.device.image_id
        signatures = self.content.signatures
        names = {f"{signature.kind} {signature.uuid or here}" for signature in signatures}
        if self.content.fstype is not None and self.content.fstype not in {signature.kind for signature in signatures}:
            names.add(f"{self.content.fstype} {here}")
        if not names and self.written is not None:
            names = {f"{DATA} {here}"}
        return tuple(sorted(names))

    @property
    def foreign_watchers(self) -> list[Watcher]:
        """Who has the image open for writing, other than this host's kernel."""
        watchers = self.facts.watchers if self.facts else ()
        return [watcher for watcher in watchers if self.device is None or watcher.client != self.device.client]


@dataclass(frozen=True)
class MakeFilesystem(Action):
    """Make a file system.

    :ivar overwritten: what is there and is going to be lost; nothing for a blank image.
    """

    kind: ClassVar[str] = "mkfs"

    request: FilesystemRequest
    device: KrbdDevice | None
    overwritten: tuple[str, ...]

    def before(self) -> str:
        return ", ".join(self.overwritten) or "blank"

    def after(self) -> str:
        return self.request.fstype

    def result(self) -> dict[str, Any]:
        shown = {**super().result(), "fstype": self.request.fstype}
        return {**shown, "overwritten": list(self.overwritten)} if self.overwritten else shown


def plan_filesystem(
    index: int, request: FilesystemRequest, current: FilesystemCurrent, check_mode: bool
) -> list[Action]:
    """The step for one image: none where it has the file system, mkfs where it is proven blank or may be overwritten.

    :param check_mode: an image that is not there or not mapped yet may be one that earlier tasks
        of the same run would have created and mapped; what is written in it can be told all the same.
    :raises RbdError: the image is not blank, or it could not be proven to be.
    """
    what = f"make {request.fstype} on {request.spec}"
    make = MakeFilesystem(index, request.name, request, current.device, current.found)
    if current.content is None or current.device is None:
        return _plan_unmapped(what, make, current, check_mode)
    if current.content.is_whole(request.fstype):
        return []
    if current.found:
        _require_consent(what, request, current)
    _require_proof(what, current, check_mode)
    _require_alone(what, current)
    return [make]


def _plan_unmapped(what: str, make: MakeFilesystem, current: FilesystemCurrent, check_mode: bool) -> list[Action]:
    if not check_mode and current.device is not None:
        raise RbdError(what, "it is not opened on this host", "Open it first (rbd_luks, state opened).")
    if not check_mode:
        raise RbdError(what, "it is not mapped on this host", "Map it first (rbd_map, state mapped).")
    # A written image that is not mapped has, presumably, the file system that it is declared to have.
    return [] if current.written is not None else [make]


def _require_consent(what: str, request: FilesystemRequest, current: FilesystemCurrent) -> None:
    """What is there must be exactly what the user has said may be lost."""
    if set(request.overwrite) == set(current.found):
        return
    named = f", and overwrite names {_listed(request.overwrite)}" if request.overwrite else ""
    raise RbdError(
        what,
        f"it holds {', '.join(current.found)}{_detail_of(request, current)}{named}",
        f"Use another image; or, if what it holds may be lost, write overwrite: {_listed(current.found)}.",
    )


def _detail_of(request: FilesystemRequest, current: FilesystemCurrent) -> str:
    signatures = current.content.signatures if current.content else ()
    if current.content and current.content.unfinished and request.fstype in _UNFINISHED:
        return f" ({_UNFINISHED[request.fstype]})"
    if any(signature.kind == request.fstype for signature in signatures):
        return " (which is damaged, or not the only one)"
    if not signatures and current.written is not None:
        return f" (without a signature that blkid knows; the first at byte {current.written.offset})"
    return ""


def _require_proof(what: str, current: FilesystemCurrent, check_mode: bool) -> None:
    """What was found must be all that there is: the cluster and the device agree."""
    if current.facts is None and not check_mode:
        raise RbdError(what, "the cluster was not asked what is written in it", "Run again.")
    content = current.content
    if content is not None and content.partitions and not content.signatures:
        raise RbdError(
            what,
            f"the kernel has partitions of it ({', '.join(content.partitions)})",
            "Look at them with lsblk. If they are of no use, unmap the image and map it again.",
        )
    if content is not None and not content.ends_zero and not current.found and current.opened is None:
        raise RbdError(
            what,
            "its first and last blocks could not be read as zeros, so it is not proven to be blank",
            "Look at the device and at the kernel log.",
        )


def _require_alone(what: str, current: FilesystemCurrent) -> None:
    """Nobody else may read or write what is going to be written."""
    device, content = current.device, current.content
    if device is not None and device.read_only:
        raise RbdError(what, f"{device.path} is mapped read-only", "Map it without read_only.")
    if device is not None and content is not None and content.held:
        path = (current.opened or device).path
        raise RbdError(
            what,
            f"{path} is in use on this host: mounted, or held by device-mapper, swap or the like",
            f"See what uses it (lsblk {path}; findmnt {path}), and end that first.",
        )
    if current.foreign_watchers:
        names = ", ".join(str(watcher) for watcher in current.foreign_watchers)
        raise RbdError(
            what,
            f"it is in use elsewhere by {names}",
            "Unmap or close it there first; a client that has died is forgotten within 30 seconds.",
        )


def _listed(names: Sequence[str]) -> str:
    """A list as YAML takes it."""
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"
