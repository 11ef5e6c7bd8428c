# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans the encryption of an image: its key file, its LUKS header, its opened device, and its hook for the boot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from ._crypt_device import CryptDevice, crypt_name, crypt_path
from ._errors import RbdError
from ._filesystem import FilesystemCurrent, FilesystemRequest, MakeFilesystem, plan_filesystem
from ._image_spec import ImageSpec
from ._krbd_device import KrbdDevice
from ._luks_hook import HOOK_MODE, hook_path, hook_text, is_ours
from ._mountinfo import Mount
from ._ownership import Ownership, TextFile
from ._plan import Action, EditFile

# As blkid calls a LUKS header, of version 1 as well as 2.
LUKS = "crypto_LUKS"

KEY_ROOT = "/etc/ceph/luks/"
KEY_MODE = 0o600
KEY_ROOT_MODE = 0o700

# The states in which the key file and the hook are there.
KEPT = ("opened", "present")

# The largest sector of LUKS2: an opened device is as large as fits, in whole sectors.
_SECTOR = 4096

_MAKE_ONE = (
    "Make one that holds a random key, for example with (umask 077; head -c 48 /dev/urandom | base64 -w 0 > {path}), "
    "and keep a copy of it elsewhere: who loses it loses the data."
)


@dataclass(frozen=True)
class LuksRequest:
    """What an image's encryption shall be.

    :ivar state: ``opened``, ``present``, ``closed`` or ``absent``.
    :ivar key_file: where the key is, or shall be placed, on the host.
    :ivar key: what shall be in it, or None: the file must be there.
    :ivar format: how a blank image is formatted.
    """

    spec: ImageSpec
    state: str
    key_file: str
    format: FilesystemRequest
    key: str | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return str(self.spec)


@dataclass(frozen=True)
class LuksCurrent:
    """One image as it is on this host.

    :ivar key: the key file.
    :ivar hook: what ``rbdmap`` would run for the image.
    :ivar image: what is in the image; read only where it is to be opened.
    :ivar offset: the bytes of the image before the data of the opened device; None where it is not open.
    :ivar devices: the image's mappings.
    """

    key: TextFile
    hook: TextFile
    image: FilesystemCurrent | None = None
    offset: int | None = None
    devices: tuple[KrbdDevice, ...] = ()
    mounts: tuple[Mount, ...] = ()


@dataclass(frozen=True)
class PlaceKey(Action):
    """Write the key file; neither the action nor its diff shows the key."""

    kind: ClassVar[str] = "place_key"

    key: str = field(repr=False)

    def before(self) -> str:
        return "absent"

    def after(self) -> str:
        return "the key that is given"


@dataclass(frozen=True)
class SetAccess(Action):
    """Set owner, group and mode of the key file or the hook."""

    kind: ClassVar[str] = "set_ownership"

    actual: Ownership
    ownership: Ownership

    def before(self) -> str:
        return str(self.actual)

    def after(self) -> str:
        return str(self.ownership)


@dataclass(frozen=True)
class FormatLuks(MakeFilesystem):
    """Write a LUKS2 header with one key, where :class:`MakeFilesystem` would make a file system."""

    kind: ClassVar[str] = "luks_format"

    key_file: str

    def after(self) -> str:
        return "LUKS2"


@dataclass(frozen=True)
class CryptAction(Action):
    """A step for an opened device.

    :ivar device: the mapping below it; None where it is not mapped yet.
    """

    spec: ImageSpec
    key_file: str
    device: KrbdDevice | None

    def result(self) -> dict[str, Any]:
        return {**super().result(), "device": crypt_path(self.spec)}


@dataclass(frozen=True)
class OpenCrypt(CryptAction):
    kind: ClassVar[str] = "open"

    def before(self) -> str:
        return "closed"

    def after(self) -> str:
        return f"opened as {crypt_path(self.spec)}"


@dataclass(frozen=True)
class ResizeCrypt(CryptAction):
    """Give the opened device the size of the image.

    :ivar size: bytes that it has.
    :ivar wanted: bytes that it will have.
    """

    kind: ClassVar[str] = "resize"

    size: int
    wanted: int

    def before(self) -> str:
        return f"opened with {self.size} bytes"

    def after(self) -> str:
        return f"opened with {self.wanted} bytes"


@dataclass(frozen=True)
class CloseCrypt(CryptAction):
    kind: ClassVar[str] = "close"

    def before(self) -> str:
        return f"opened as {crypt_path(self.spec)}"

    def after(self) -> str:
        return "closed"


@dataclass(frozen=True)
class RemoveHook(Action):
    kind: ClassVar[str] = "remove_file"

    def before(self) -> str:
        return "the hook that opens and closes it"

    def after(self) -> str:
        return "absent"


def default_key_file(spec: ImageSpec) -> str:
    """Where the key of an image lies unless the user names another place; its snapshots have the same key."""
    return f"{KEY_ROOT}{crypt_name(spec.head)}.key"


def plan_luks(index: int, request: LuksRequest, current: LuksCurrent, check_mode: bool) -> list[Action]:
    """The steps for one image.

    :param check_mode: the image, its mapping or the key file may be what an earlier task of the same run would have
        made, and what is mounted may be what it would have unmounted.
    :raises RbdError: a key is missing or contradicts what is there, or the image is neither LUKS nor proven blank, or
        the opened device is in use.
    """
    if request.state not in KEPT:
        return _plan_closed(index, request, current, check_mode)
    hook = _plan_hook(index, request, current.hook)
    actions = _plan_key(index, request, current.key, check_mode)
    if request.state == "opened" and current.image is not None:
        actions.extend(_plan_opened(index, request, current, current.image, check_mode))
    # Last: the boot shall not wait for what could not be opened now.
    return [*actions, *hook]


def _plan_key(index: int, request: LuksRequest, found: TextFile, check_mode: bool) -> list[Action]:
    path = request.key_file
    if found.text is None and request.key is not None:
        return [PlaceKey(index, path, request.key)]
    if found.text is None and not check_mode:
        raise RbdError(
            f"encrypt {request.spec}",
            f"there is no key file {path}, and no key is given",
            _MAKE_ONE.format(path=path),
        )
    if found.text == "":
        raise RbdError(f"encrypt {request.spec}", f"the key file {path} is empty", _MAKE_ONE.format(path=path))
    if request.key is None or found.text is None:
        return []
    if found.text != request.key:
        raise RbdError(
            f"place the key of {request.spec}",
            f"{path} holds another one, which may be the only copy of the key that opens the image",
            "To change the key, add the new one to the image (cryptsetup luksAddKey), and move that file away.",
        )
    private = Ownership(0, 0, KEY_MODE)
    return [SetAccess(index, path, found.ownership, private)] if is_exposed(found) else []


def is_exposed(key: TextFile) -> bool:
    """Whether anybody but root may read or replace the key file."""
    return bool(key.ownership.uid or (key.ownership.mode or 0) & 0o077)


def exposure(request: LuksRequest, key: TextFile) -> str | None:
    """A warning for a key file that is left as it is though others can read it, or None."""
    if request.state not in KEPT or request.key is not None or not is_exposed(key):
        return None
    path = request.key_file
    return f"{path} has {key.ownership}: others than root can read it. Run: chown root: {path}; chmod 0600 {path}."


def _plan_opened(
    index: int, request: LuksRequest, current: LuksCurrent, image: FilesystemCurrent, check_mode: bool
) -> list[Action]:
    device = image.device
    makes = [
        FormatLuks(make.index, make.subject, make.request, make.device, make.overwritten, request.key_file)
        for make in plan_filesystem(index, request.format, image, check_mode)
        if isinstance(make, MakeFilesystem)
    ]
    crypt = device.opened if device else None
    if device is not None and crypt is not None:
        return _plan_size(index, request, device, crypt, current.offset or 0)
    if device is not None and device.crypts:
        raise RbdError(
            f"open {request.spec}",
            f"it is opened as {device.crypts[0].path} already, which is not the name that fstab and the hook know",
            f"Unmount and close that first: cryptsetup close {device.crypts[0].name}.",
        )
    return [*makes, OpenCrypt(index, request.name, request.spec, request.key_file, device)]


def _plan_size(index: int, request: LuksRequest, device: KrbdDevice, crypt: CryptDevice, offset: int) -> list[Action]:
    wanted = max(device.size, request.format.size or 0) - offset
    if crypt.size > wanted:
        raise RbdError(
            f"use {crypt.path}",
            f"it has {crypt.size} bytes, but {device.path} has room for {wanted} only",
            "The image was shrunk while it was open: grow the image again to at least its former size.",
        )
    wanted -= wanted % _SECTOR
    if crypt.size >= wanted:
        return []
    return [ResizeCrypt(index, request.name, request.spec, request.key_file, device, crypt.size, wanted)]


def _plan_hook(index: int, request: LuksRequest, found: TextFile) -> list[Action]:
    path, text = hook_path(request.spec), hook_text(request.spec, request.key_file)

    def edit(content: str) -> str:
        if content and not is_ours(content):
            raise RbdError(
                f"write the hook {path}",
                "there is one already that this collection has not made",
                "Move it away, or open and close the image in it as guide_encryption describes.",
            )
        return text

    actions: list[Action] = []
    if edit(found.text or "") != found.text:
        actions.append(EditFile(index, path, found.text, text, edit, str))
    owned = Ownership(0, 0, HOOK_MODE)
    if found.text is not None and found.ownership != owned:
        actions.append(SetAccess(index, path, found.ownership, owned))
    return actions


def _plan_closed(index: int, request: LuksRequest, current: LuksCurrent, check_mode: bool) -> list[Action]:
    actions: list[Action] = []
    for device in current.devices:
        crypt = device.opened
        if crypt is None:
            continue
        held = sorted({mount.path for mount in current.mounts if mount.devno == crypt.devno})
        if held and not check_mode:
            raise RbdError(
                f"close {request.spec}",
                f"{crypt.path} is mounted at {', '.join(held)}",
                "Unmount it first (rbd_fstab, state unmounted or absent).",
            )
        actions.append(CloseCrypt(index, request.name, request.spec, request.key_file, device))
    if request.state == "absent" and current.hook.text is not None and is_ours(current.hook.text):
        actions.append(RemoveHook(index, hook_path(request.spec)))
    return actions
