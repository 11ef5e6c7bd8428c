# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans a mount: its line in fstab, its mount point, and the live mount."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ._crypt_device import crypt_path
from ._errors import ItemErrors, ItemFailure, RbdError
from ._fstab_file import FstabEntry, FstabFile, redact
from ._image_spec import ImageSpec
from ._krbd_device import KrbdDevice, mounts_of
from ._mountinfo import Mount, at
from ._ownership import NO_OWNERSHIP, Ownership, PathFacts
from ._plan import Action, EditFile

# The states in which the line is in fstab.
KEPT = ("mounted", "present")


@dataclass(frozen=True)
class MountRequest:
    """What a mount shall be.

    :ivar state: ``mounted``, ``present``, ``unmounted`` or ``absent``.
    :ivar path: absolute and tidy; None (to remove only) stands for every mount of the image.
    :ivar encrypted: whether the file system lies in what is opened on the image.
    """

    spec: ImageSpec
    state: str
    path: str | None
    fstype: str
    opts: str
    dump: int
    passno: int
    ownership: Ownership = NO_OWNERSHIP
    encrypted: bool = False

    @property
    def source(self) -> str:
        """The device that fstab names."""
        return crypt_path(self.spec) if self.encrypted else self.spec.device

    @property
    def name(self) -> str:
        return f"{self.spec} at {self.path}" if self.path else str(self.spec)

    def entry(self) -> FstabEntry:
        """The line that belongs into fstab."""
        return FstabEntry(self.source, self.path or "", self.fstype, self.opts, self.dump, self.passno)


@dataclass(frozen=True)
class MountCurrent:
    """One image's mount as it is on this host.

    :ivar devices: the image's mappings.
    :ivar linked: the one of them that the link under ``/dev/rbd`` leads to: what mount would take.
    :ivar path: the mount point, as far as it had to be looked at.
    """

    fstab: FstabFile
    mounts: tuple[Mount, ...] = ()
    devices: tuple[KrbdDevice, ...] = ()
    linked: KrbdDevice | None = None
    path: PathFacts | None = None

    @property
    def own(self) -> tuple[Mount, ...]:
        """Where the image is mounted."""
        return tuple(mount for device in self.devices for mount in mounts_of(device, self.mounts))


@dataclass(frozen=True)
class MakeMountPoint(Action):
    kind: ClassVar[str] = "make_directory"

    def before(self) -> str:
        return "absent"

    def after(self) -> str:
        return "directory"


@dataclass(frozen=True)
class MountImage(Action):
    kind: ClassVar[str] = "mount"

    spec: ImageSpec
    ownership: Ownership

    def before(self) -> str:
        return "not mounted"

    def after(self) -> str:
        owned = f", {self.ownership}" if self.ownership else ""
        return f"{self.spec} mounted{owned}"

    def result(self) -> dict[str, Any]:
        return {**super().result(), "image": str(self.spec)}


@dataclass(frozen=True)
class SetOwnership(Action):
    kind: ClassVar[str] = "set_ownership"

    actual: Ownership
    ownership: Ownership

    def before(self) -> str:
        return str(self.actual.restricted_to(self.ownership))

    def after(self) -> str:
        return str(self.ownership)


@dataclass(frozen=True)
class Unmount(Action):
    kind: ClassVar[str] = "unmount"

    spec: ImageSpec
    mount: Mount

    def before(self) -> str:
        return f"{self.spec} mounted"

    def after(self) -> str:
        return "not mounted"

    def result(self) -> dict[str, Any]:
        return {**super().result(), "image": str(self.spec)}


def tidy_path(path: str) -> str:
    """A mount point in the one form that fstab, mountinfo and systemd compare by.

    :raises RbdError: it is not an absolute path, or it has a ``..`` (which means another place once a part
        of it is a symbolic link), or it is the root directory.
    """
    what = f"use the mount point {path!r}"
    if not path.startswith("/"):
        raise RbdError(what, "it is not an absolute path", "Begin it with a slash.")
    if "\0" in path:
        raise RbdError(what, "it has a NUL byte", "Write the path without.")
    if ".." in path.split("/"):
        raise RbdError(what, "it has a '..' in it", "Write the path without.")
    tidy = "/" + posixpath.normpath(path).lstrip("/")
    if tidy == "/":
        raise RbdError(what, "it is the root directory", "Choose a directory below it.")
    return tidy


def plan_unmount(index: int, request: MountRequest, current: MountCurrent) -> list[Action]:
    """The live steps before the edit of fstab: unmount what is to go.

    :raises RbdError: something else is mounted over it, and would be unmounted in its stead.
    """
    if request.state not in ("unmounted", "absent"):
        return []
    real = current.path.real if current.path else None
    going = [mount for mount in current.own if request.path is None or mount.path in (request.path, real)]
    for mount in going:
        _refuse_covered(request, mount, current)
    # The mount made last lies on top of earlier ones at the same path.
    return [Unmount(index, mount.path, request.spec, mount) for mount in reversed(going)]


def _refuse_covered(request: MountRequest, mount: Mount, current: MountCurrent) -> None:
    """The program umount takes the topmost mount at a path, whosever it is."""
    stack = [other for other in current.mounts if other.path == mount.path]
    above = [other for other in stack[stack.index(mount) :] if other not in current.own]
    if above or at(current.mounts, mount.path) not in current.own:
        raise RbdError(
            f"unmount {request.spec} from {mount.path}",
            f"{above[-1].source if above else 'something'} is mounted over it",
            "Unmount that first.",
        )


def unmounts_first(actions: Sequence[Action]) -> list[Unmount]:
    """The unmounts of a plan, the deepest first: a mount inside another one holds that one busy."""
    unmounts = [action for action in actions if isinstance(action, Unmount)]
    return sorted(unmounts, key=_depth, reverse=True)


def mounts_last(actions: Sequence[Action]) -> list[Action]:
    """The other live steps, the least deep first: a mount hides what was mounted below it before."""
    return sorted((action for action in actions if not isinstance(action, Unmount)), key=_depth)


def _depth(action: Action) -> int:
    return action.subject.count("/")


def plan_mount(index: int, request: MountRequest, current: MountCurrent, check_mode: bool) -> list[Action]:
    """The live steps after the edit of fstab: mount point, mount, ownership.

    :param check_mode: an image that is not mapped may be one that an earlier task of the same run
        would have mapped.
    :raises RbdError: the image is not mapped, or the mount point is taken.
    """
    _refuse_other_lines(request, current.fstab)
    if request.state != "mounted" or request.path is None or current.path is None:
        return []
    what = f"mount {request.spec} at {request.path}"
    if current.linked is None and not check_mode:
        raise RbdError(what, f"{request.spec} is not mapped on this host", "Map it first (rbd_map, state mapped).")
    if current.linked is not None and not check_mode and not _is_there(request, current.linked):
        raise RbdError(what, "it is not opened on this host", "Open it first (rbd_luks, state opened).")
    if _mounted_there(what, current, current.path):
        differing = request.ownership.differing_from(current.path.ownership)
        return [SetOwnership(index, request.path, current.path.ownership, differing)] if differing else []
    refuse_mount_point(what, request.path, current.path)
    made: list[Action] = [MakeMountPoint(index, request.path)] if current.path.kind == "absent" else []
    return [*made, MountImage(index, request.path, request.spec, request.ownership)]


def _is_there(request: MountRequest, device: KrbdDevice) -> bool:
    """Whether the mapping shows the device that fstab names: an encrypted image has to be opened for that."""
    return not request.encrypted or request.source in [crypt.path for crypt in device.crypts]


def _mounted_there(what: str, current: MountCurrent, path: PathFacts) -> bool:
    """Whether the image is mounted where it shall be; refuses where something else is in the way."""
    there = at(current.mounts, path.real)
    if there is not None and there in current.own:
        return True
    if there is not None:
        raise RbdError(what, f"{there.source} is mounted there", "Unmount that, or choose another mount point.")
    if current.own:
        raise RbdError(
            what,
            f"it is mounted at {', '.join(sorted(mount.path for mount in current.own))} already",
            "Unmount it there first (rbd_fstab, state absent, with that path).",
        )
    return False


def refuse_mount_point(what: str, wanted: str, path: PathFacts) -> None:
    """Refuse to mount over a file, over content, or through a symbolic link.

    :raises RbdError: the mount point is none of nothing and an empty directory.
    """
    if path.real != wanted:
        raise RbdError(
            what,
            f"the path leads through a symbolic link to {path.real}, the name that the mount table would have for it",
            f"Write {path.real}.",
        )
    if path.kind == "other":
        raise RbdError(what, "the mount point is not a directory", "Choose another one, or remove what is there.")
    if path.kind == "directory" and not path.empty:
        raise RbdError(
            what,
            "the directory is not empty, and the mount would hide what is in it",
            "Move its content away, or choose another mount point.",
        )


def _refuse_other_lines(request: MountRequest, fstab: FstabFile) -> None:
    """Refuse a line that would contradict another: one path twice, or one image at two paths.

    ``rbdmap map`` mounts by the device alone; of two lines it would take the first.
    """
    if request.state not in KEPT:
        return
    what = f"add {request.spec} at {request.path} to fstab"
    source = request.source
    own = fstab.find(source=source, path=request.path)
    for line in fstab.find(path=request.path):
        if line not in own and line.entry is not None:
            raise RbdError(
                what,
                f"line {line.number} mounts {line.entry.source} there",
                "Remove that line, or choose another mount point.",
            )
    for line in fstab.find(source=source):
        if line not in own and line.entry is not None:
            raise RbdError(
                what,
                f"line {line.number} mounts the same image at {line.entry.path}",
                "Remove that line first (rbd_fstab, state absent, with that path).",
            )


def refuse_conflicts(requests: Sequence[MountRequest]) -> None:
    """Refuse a list that asks for two images at one path, for one image at two, or for a mount and its removal.

    :raises ItemErrors: two of the requests exclude each other.
    """
    for index, request in enumerate(requests):
        for other in requests[:index]:
            clash = _clash(request, other)
            if clash:
                error = RbdError(f"keep {request.name} {request.state}", f"the same list has {other.name}", clash)
                raise ItemErrors([ItemFailure(index, request.name, error)], len(requests))


def _clash(one: MountRequest, other: MountRequest) -> str | None:
    same_image, same_path = one.spec == other.spec, one.path == other.path
    if one.state in KEPT and other.state in KEPT:
        if same_image or same_path:
            return "One image is mounted at one path, and one path takes one image."
    elif same_image and (one.state in KEPT or other.state in KEPT) and (same_path or None in (one.path, other.path)):
        return "Either mount it there or remove it."
    return None


def plan_fstab_file(path: str, text: str | None, requests: Sequence[MountRequest]) -> list[Action]:
    """One edit of fstab for all the requests, or none where it says already what it shall.

    :param text: the file's content, or None where there is no file.
    """

    def edit(content: str) -> str:
        return _edited(content, requests).encode()

    new = edit(text or "")
    return [] if new == (text or "") else [EditFile(None, path, text, new, edit, redact)]


def _edited(content: str, requests: Sequence[MountRequest]) -> FstabFile:
    lines = FstabFile.decode(content)
    for request in requests:
        # unmounted leaves the line alone, as in ansible.posix.mount.
        if request.state in KEPT:
            lines = lines.set(request.entry())
        elif request.state == "absent":
            lines = lines.remove(source=request.source, path=request.path)
    return lines


def fstab_faults(path: str, text: str | None, requests: Sequence[MountRequest]) -> list[str]:
    """A sentence for each line that mount will not read as it seems to be meant, even after the edit."""
    faults = _edited(text or "", requests).faults()
    return [f"{path}:{line.number}: {line.fault}. The line is kept as it is." for line in faults]
