# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of its images: rbdmap, the kernel's mappings, fstab and the mount table; and what is declared."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ._crypt_device import crypt_path, from_crypt_path
from ._errors import RbdError
from ._fstab_file import FstabEntry, FstabFile, FstabLine, redact
from ._image_facts import ImageFacts
from ._image_spec import ImageSpec, from_device
from ._krbd_device import KrbdDevice, mapped_as, mounts_of
from ._map_options import MapOptions
from ._mount_options import FilesystemState
from ._mountinfo import Mount
from ._rbdmap_file import RbdmapEntry, RbdmapFile, RbdmapLine


@dataclass(frozen=True)
class Answer:
    """What the cluster says of one image.

    :ivar facts: None where it has no such image, or could not tell.
    :ivar refusal: why it could not tell, or None.
    """

    facts: ImageFacts | None
    refusal: str | None = None


@dataclass(frozen=True)
class Host:
    """All that a host says about its RBD images.

    :ivar fsid: the cluster that the declared images live in, or None to take any.
    :ivar answers: what that cluster says, by image-spec; nothing of images that it was not asked about.
    :ivar states: what the kernel tells of mounted file systems, by their mounts' ids.
    """

    rbdmap: RbdmapFile
    fstab: FstabFile
    devices: tuple[KrbdDevice, ...]
    mounts: tuple[Mount, ...]
    fsid: str | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)
    states: Mapping[int, FilesystemState] = field(default_factory=dict)


@dataclass(frozen=True)
class Declared:
    """An image that the caller expects on the host, or expects to be gone. None stands for what is not declared.

    :ivar path: where it shall (or shall no longer) be mounted; None: anywhere or nowhere.
    :ivar size: bytes.
    :ivar known: whether it is declared at all, and not merely found on the host.
    """

    spec: ImageSpec
    path: str | None = None
    absent: bool = False
    size: int | None = None
    user: str | None = None
    keyring: str | None = None
    options: MapOptions | None = None
    read_only: bool | None = None
    shared: bool | None = None
    encrypted: bool | None = None
    fstype: str | None = None
    opts: str | None = None
    dump: int | None = None
    passno: int | None = None
    known: bool = True

    @property
    def name(self) -> str:
        return str(self.spec)


@dataclass(frozen=True)
class Found:
    """One image in the four places.

    :ivar lines: its lines in the rbdmap file.
    """

    spec: ImageSpec
    lines: tuple[RbdmapLine, ...]
    devices: tuple[KrbdDevice, ...]
    fstab: tuple[FstabLine, ...]
    mounts: tuple[Mount, ...]

    @property
    def line(self) -> RbdmapEntry | None:
        """What the first of its lines in the rbdmap file says."""
        return self.lines[0].entry if self.lines else None

    def result(self) -> dict[str, Any]:
        """The image as the module returns it."""
        return {
            "image": str(self.spec),
            "rbdmap": self._line_result(),
            "mappings": [_device_result(device) for device in self.devices],
            "fstab": [
                {"line": line.number, "path": entry.path, "fstype": entry.fstype, "opts": entry.opts}
                for line in self.fstab
                for entry in shown(line)
            ],
            "mounts": [
                {
                    "path": mount.path,
                    "fstype": mount.fstype,
                    "opts": mount.opts,
                    "super_opts": mount.super_opts,
                    "source": mount.source,
                }
                for mount in self.mounts
            ],
        }

    def _line_result(self) -> dict[str, Any] | None:
        if self.line is None:
            return None
        return {
            "line": self.lines[0].number,
            "user": self.line.user,
            "keyring": self.line.keyring,
            "options": str(self.line.options),
            "read_only": self.line.read_only,
            "shared": self.line.shared,
        }


def _device_result(device: KrbdDevice) -> dict[str, Any]:
    return {
        "device": device.path,
        "fsid": device.fsid,
        "image_id": device.image_id,
        "size": device.size,
        "read_only": device.read_only,
        "user": device.user,
        "options": list(device.options),
    }


def shown(line: FstabLine) -> Iterable[FstabEntry]:
    """The line's entry, without secrets that its options may have."""
    decoded = FstabFile.decode(redact(line.text)).lines
    return tuple(found.entry for found in decoded if found.entry)


def sources(spec: ImageSpec) -> tuple[str, ...]:
    """What a line in fstab may call the image: its device, or what is opened on that if it is encrypted."""
    try:
        return spec.device, crypt_path(spec)
    except RbdError:
        # It has a name that no encrypted image may have.
        return (spec.device,)


def known_images(host: Host) -> tuple[ImageSpec, ...]:
    """Every image that any of the four places names, sorted."""
    specs = {device.spec for device in host.devices}
    specs.update(line.entry.image for line in host.rbdmap.lines if line.entry)
    for line in host.fstab.lines:
        source = line.entry.source if line.entry else ""
        spec = from_device(source) or from_crypt_path(source)
        if spec is not None:
            specs.add(spec)
    return tuple(sorted(specs, key=str))


def all_declared(declared: Sequence[Declared] | None, host: Host) -> tuple[Declared, ...]:
    """What the caller names, or else every image that the host knows."""
    if declared is not None:
        return tuple(declared)
    return tuple(Declared(spec, known=False) for spec in known_images(host))


def find(host: Host, spec: ImageSpec) -> Found:
    """One image in the four places."""
    devices = tuple(device for device in mapped_as(host.devices, spec) if host.fsid in (None, device.fsid))
    lines = [line for source in sources(spec) for line in host.fstab.find(source=source)]
    return Found(
        spec=spec,
        lines=host.rbdmap.find(spec),
        devices=devices,
        fstab=tuple(sorted(lines, key=lambda line: line.number)),
        mounts=tuple(mount for device in devices for mount in mounts_of(device, host.mounts)),
    )


def release(device: KrbdDevice, host: Host) -> tuple[str, ...]:
    """The commands that unmap a device, after whatever lies on it is unmounted and closed."""
    paths = sorted({mount.path for mount in mounts_of(device, host.mounts)}, key=lambda path: -path.count("/"))
    return (
        *(f"umount {shlex.quote(path)}" for path in paths),
        *(f"cryptsetup close {shlex.quote(crypt.name)}" for crypt in device.crypts),
        f"rbd device unmap {device.path}",
    )
