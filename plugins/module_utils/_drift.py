# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares, for each image, the four places that must agree: rbdmap, the kernel, fstab and the mount table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ._fstab_file import FstabEntry, FstabFile, FstabLine, path_key, redact
from ._image_spec import ImageSpec, from_device
from ._krbd_device import KrbdDevice, mapped_as, mounts_of
from ._mapping import live_differences
from ._mountinfo import Mount
from ._rbdmap_file import RbdmapEntry, RbdmapFile


@dataclass(frozen=True)
class Host:
    """All that a host says about its RBD images.

    :ivar fsid: the cluster that the declared images live in, or None to take any.
    """

    rbdmap: RbdmapFile
    fstab: FstabFile
    devices: tuple[KrbdDevice, ...]
    mounts: tuple[Mount, ...]
    fsid: str | None = None


@dataclass(frozen=True)
class Declared:
    """An image that the caller expects on the host, or expects to be gone.

    :ivar path: where it shall (or shall no longer) be mounted, or None: anywhere or nowhere.
    """

    spec: ImageSpec
    path: str | None = None
    absent: bool = False

    @property
    def name(self) -> str:
        return str(self.spec)


@dataclass(frozen=True)
class Found:
    """One image in the four places."""

    spec: ImageSpec
    line: RbdmapEntry | None
    line_number: int | None
    line_fault: str | None
    more_lines: tuple[int, ...]
    devices: tuple[KrbdDevice, ...]
    fstab: tuple[FstabLine, ...]
    mounts: tuple[Mount, ...]

    def result(self) -> dict[str, Any]:
        """The image as the module returns it."""
        return {
            "image": str(self.spec),
            "rbdmap": _line_result(self.line, self.line_number),
            "mappings": [_device_result(device) for device in self.devices],
            "fstab": [
                {"line": line.number, "path": entry.path, "fstype": entry.fstype, "opts": entry.opts}
                for line in self.fstab
                for entry in _shown(line)
            ],
            "mounts": [
                {"path": mount.path, "fstype": mount.fstype, "opts": mount.opts, "source": mount.source}
                for mount in self.mounts
            ],
        }


def _line_result(line: RbdmapEntry | None, number: int | None) -> dict[str, Any] | None:
    if line is None:
        return None
    return {
        "line": number,
        "user": line.user,
        "keyring": line.keyring,
        "options": str(line.options),
        "read_only": line.read_only,
    }


def _device_result(device: KrbdDevice) -> dict[str, Any]:
    return {
        "device": device.path,
        "fsid": device.fsid,
        "image_id": device.image_id,
        "size": device.size,
        "read_only": device.read_only,
        "user": device.user,
    }


def known_images(host: Host) -> tuple[ImageSpec, ...]:
    """Every image that any of the four places names, sorted."""
    specs = {device.spec for device in host.devices}
    specs.update(line.entry.image for line in host.rbdmap.lines if line.entry)
    for line in host.fstab.lines:
        spec = from_device(line.entry.source) if line.entry else None
        if spec is not None:
            specs.add(spec)
    return tuple(sorted(specs, key=str))


def find(host: Host, spec: ImageSpec) -> Found:
    """One image in the four places."""
    lines = host.rbdmap.find(spec)
    devices = tuple(device for device in mapped_as(host.devices, spec) if host.fsid in (None, device.fsid))
    mounts = tuple(mount for device in devices for mount in mounts_of(device, host.mounts))
    first = lines[0] if lines else None
    return Found(
        spec=spec,
        line=first.entry if first else None,
        line_number=first.number if first else None,
        line_fault=first.fault if first else None,
        more_lines=tuple(line.number for line in lines[1:]),
        devices=devices,
        fstab=host.fstab.find(source=spec.device),
        mounts=mounts,
    )


def drift(host: Host, declared: Declared, found: Found) -> list[dict[str, Any]]:
    """Every disagreement about one image: a row each, with its cause.

    ``at_next_map`` marks what only a new mapping mends, and so nobody can without an interruption.
    """
    if declared.absent:
        return [_row(declared, cause) for cause in _leftovers(found)]
    causes = [
        *_mapping_causes(found),
        *_foreign_causes(host, found),
        *_mount_causes(found),
        *_path_causes(declared, found),
    ]
    rows = [_row(declared, cause) for cause in causes]
    return rows + [_row(declared, cause, at_next_map=True) for cause in _live_causes(found)]


def _row(declared: Declared, cause: str, at_next_map: bool = False) -> dict[str, Any]:
    return {"image": declared.name, "cause": cause, "at_next_map": at_next_map}


def _live_causes(found: Found) -> Iterable[str]:
    if found.line is not None and found.devices:
        for clause in live_differences(found.line, found.devices[0]):
            yield f"the mapping {found.devices[0].path} differs from its rbdmap line: {clause}"


def _mapping_causes(found: Found) -> Iterable[str]:
    if found.line is None and found.devices:
        yield f"{found.devices[0].path} is mapped, but rbdmap has no line for it: it will not be mapped at boot"
    if found.line is not None and not found.devices:
        yield f"rbdmap has a line for it (line {found.line_number}), but it is not mapped"
    if found.line_fault is not None:
        yield f"line {found.line_number} of rbdmap does not do what it seems to: {found.line_fault}"
    if found.more_lines:
        yield f"rbdmap has more lines for it (line {found.line_number}, and {_numbers(found.more_lines)})"
    if len(found.devices) > 1:
        yield f"it is mapped more than once: {', '.join(device.path for device in found.devices)}"


def _leftovers(found: Found) -> Iterable[str]:
    lined, live = _paths(found)
    for path in sorted(live):
        yield f"it is declared absent, but mounted at {path}"
    for path in sorted(lined):
        yield f"it is declared absent, but fstab mounts it at {path}"
    for device in found.devices:
        yield f"it is declared absent, but mapped as {device.path}"
    if found.line is not None:
        yield f"it is declared absent, but rbdmap has a line for it (line {found.line_number})"


def _foreign_causes(host: Host, found: Found) -> Iterable[str]:
    for device in mapped_as(host.devices, found.spec):
        if device not in found.devices:
            yield f"{device.path} is an image of the same name in another cluster ({device.fsid})"


def _numbers(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in numbers)


def _mount_causes(found: Found) -> Iterable[str]:
    for line in found.fstab:
        if line.fault is not None:
            yield f"line {line.number} of fstab does not do what it seems to: {line.fault}"
    lined, live = _paths(found)
    if len(found.fstab) > 1:
        yield f"fstab has more than one line for it (lines {_numbers(line.number for line in found.fstab)})"
    for path in sorted(lined - live):
        yield f"fstab mounts it at {path}, but it is not mounted there"
    # Beside its own mount an image may have bind mounts, as containers make them.
    for path in sorted(live - lined if not live & lined else ()):
        yield f"it is mounted at {path}, but fstab has no such line: it will not be mounted there at boot"


def _path_causes(declared: Declared, found: Found) -> Iterable[str]:
    if found.line is None and not found.devices:
        yield "it is neither in rbdmap nor mapped"
    if declared.path is None:
        return
    lined, live = _paths(found)
    if declared.path not in lined and declared.path not in live:
        yield f"it is declared at {declared.path}, but neither in fstab nor mounted there"


def _paths(found: Found) -> tuple[set[str], set[str]]:
    lined = {path_key(line.entry.path) for line in found.fstab if line.entry}
    return lined, {path_key(mount.path) for mount in found.mounts}


def _shown(line: FstabLine) -> Iterable[FstabEntry]:
    """The line's entry, without secrets that its options may have."""
    decoded = FstabFile.decode(redact(line.text)).lines
    return tuple(shown.entry for shown in decoded if shown.entry)


def all_declared(declared: Sequence[Declared] | None, host: Host) -> tuple[Declared, ...]:
    """What the caller names, or else every image that the host knows."""
    if declared is not None:
        return tuple(declared)
    return tuple(Declared(spec) for spec in known_images(host))
