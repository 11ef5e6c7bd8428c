# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans a kernel mapping and its line in the rbdmap file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ._errors import RbdError
from ._features import FEATURES, feature_names, losses, unmappable
from ._image_facts import ImageFacts, Watcher
from ._image_spec import ImageSpec
from ._image_use import ImageUse, require_writable
from ._krbd_device import KrbdDevice, clients_of, mounts_of
from ._live_options import lacking_options, surplus_options
from ._mountinfo import Mount
from ._plan import Action, EditFile
from ._rbdmap_file import RbdmapEntry, RbdmapFile, redact

# The states in which the line is in the rbdmap file.
KEPT = ("mapped", "present")


@dataclass(frozen=True)
class MapRequest:
    """What a mapping shall be.

    :ivar state: ``mapped``, ``present``, ``unmapped`` or ``absent``.
    :ivar entry: the line that belongs into the rbdmap file.
    :ivar disable: mask of the features that may be taken from the image if the kernel cannot map it with them.
    """

    state: str
    entry: RbdmapEntry
    disable: int = 0

    @property
    def spec(self) -> ImageSpec:
        return self.entry.image

    @property
    def name(self) -> str:
        return str(self.spec)

    @property
    def writes(self) -> bool:
        """Whether the mapping is made for writing."""
        return not self.entry.read_only and self.spec.snap is None


@dataclass(frozen=True)
class MapCurrent:
    """One image as it is on this host and in the cluster.

    :ivar fsid: the cluster's identity, or None where it was not needed to tell mappings apart.
    :ivar facts: the image in the cluster, or None where it does not exist.
    :ivar devices: mappings of that name on this host, of whatever cluster.
    :ivar mounts: the mount table.
    :ivar supported: the kernel's features, or None while its module is not loaded.
    :ivar renamed: mappings for writing of that very image, made when it had another name.
    :ivar use: who uses the image; asked only where it is to be mapped for writing.
    """

    fsid: str | None
    facts: ImageFacts | None
    devices: tuple[KrbdDevice, ...]
    mounts: tuple[Mount, ...]
    supported: int | None
    renamed: tuple[KrbdDevice, ...] = ()
    use: ImageUse | None = None

    @property
    def own(self) -> tuple[KrbdDevice, ...]:
        """The mappings of that very image: same cluster, same name."""
        return tuple(device for device in self.devices if device.fsid == self.fsid)


@dataclass(frozen=True)
class DisableFeatures(Action):
    kind: ClassVar[str] = "disable_features"

    spec: ImageSpec
    features: int
    mask: int

    def before(self) -> str:
        return f"features {', '.join(feature_names(self.features))}"

    def after(self) -> str:
        return f"features {', '.join(feature_names(self.features & ~self.mask))}"

    def result(self) -> dict[str, Any]:
        return {**super().result(), "disabled": list(feature_names(self.mask))}


@dataclass(frozen=True)
class MapImage(Action):
    """Map an image.

    :ivar alone: whether no other client may have it open for writing.
    """

    kind: ClassVar[str] = "map"

    entry: RbdmapEntry
    fsid: str | None
    facts: ImageFacts | None
    alone: bool

    def before(self) -> str:
        return "not mapped"

    def after(self) -> str:
        return "mapped"


@dataclass(frozen=True)
class UnmapImage(Action):
    kind: ClassVar[str] = "unmap"

    device: KrbdDevice

    def before(self) -> str:
        return f"mapped as {self.device.path}"

    def after(self) -> str:
        return "not mapped"

    def result(self) -> dict[str, Any]:
        return {**super().result(), "device": self.device.path}


def plan_mapping(index: int, request: MapRequest, current: MapCurrent, check_mode: bool) -> list[Action]:
    """The steps for one live mapping; its line is planned by :func:`plan_rbdmap_file`.

    :param check_mode: an image that does not exist yet may be one that an earlier task of the same
        run would have created, and one that is mounted still may be one that it would have unmounted.
    :raises RbdError: the image cannot be mapped, or its device is in use.
    """
    if request.state == "mapped":
        return _plan_mapped(index, request, current, check_mode)
    if request.state in ("unmapped", "absent"):
        return _plan_unmapped(index, request, current, check_mode)
    return []


def _plan_mapped(index: int, request: MapRequest, current: MapCurrent, check_mode: bool) -> list[Action]:
    what = f"map {request.spec}"
    _refuse_foreign(what, request.spec, current)
    if current.own:
        _refuse_renamed(what, current)
        _refuse_second_writer(request, current)
        return []
    if current.devices and current.fsid is None:
        # Only in check mode, on a host that is not prepared to ask: what has the name is taken for it.
        return []
    alone = request.writes and not request.entry.shared
    if current.facts is None:
        if check_mode:
            return [MapImage(index, request.name, request.entry, None, None, alone)]
        raise RbdError(
            what,
            f"pool {request.spec.pool_path} has no such image",
            "Check the name, or create it (rbd_image, state present, with a size).",
        )
    if request.writes:
        _refuse_renamed_own(what, current)
        use = current.use or ImageUse(current.facts.watchers)
        require_writable(what, request.spec, use, request.entry.shared)
    disabled = _features_to_disable(what, request, current.facts, current.supported)
    first = [DisableFeatures(index, request.name, request.spec, current.facts.features, disabled)] if disabled else []
    return [*first, MapImage(index, request.name, request.entry, current.fsid, current.facts, alone)]


def _refuse_foreign(what: str, spec: ImageSpec, current: MapCurrent) -> None:
    """Another cluster's image under the same name owns the link ``/dev/rbd/...`` that fstab goes by."""
    for device in current.devices:
        if current.fsid is not None and device.fsid != current.fsid:
            raise RbdError(
                what,
                f"{device.path} is an image of the same name in another cluster ({device.fsid}), "
                f"and {spec.device} can lead to one only",
                "Unmap that one, or rename one of them.",
            )


def _refuse_renamed(what: str, current: MapCurrent) -> None:
    """A mapping keeps its image when that is renamed or removed, and another one gets its name."""
    now = current.facts.image_id if current.facts else None
    for device in current.own:
        if device.image_id != now:
            raise RbdError(
                what,
                f"{device.path} is another image that had this name when it was mapped (image id {device.image_id}); "
                + (f"the image of this name has {now}" if now else "no image has this name now"),
                f"Unmount and unmap {device.path} first.",
            )


def second_writers(request: MapRequest, current: MapCurrent) -> tuple[Watcher, ...]:
    """Clients that have an image open beside its mapping on this host, which nobody else should write to.

    A run that ended in the instant after its map has not looked for them.
    """
    if not request.writes or request.entry.shared or current.facts is None or not current.own:
        return ()
    return ImageUse(current.facts.watchers).without(*clients_of(current.own, current.fsid)).watchers


def _is_used(device: KrbdDevice, current: MapCurrent) -> bool:
    """Whether a mapping is mounted or opened, so that to refuse it would protect nothing."""
    return bool(device.crypts or mounts_of(device, current.mounts))


def _refuse_second_writer(request: MapRequest, current: MapCurrent) -> None:
    """Before it is mounted: a file system that two hosts mount is lost."""
    others = second_writers(request, current)
    unused = [device for device in current.own if not _is_used(device, current)]
    if others and unused:
        require_writable(f"use {request.spec} as it is mapped", request.spec, ImageUse(others), shared=False)


def _refuse_renamed_own(what: str, current: MapCurrent) -> None:
    """Two mappings of one image would each have a cache of its own."""
    for device in current.renamed:
        raise RbdError(
            what,
            f"{device.path} is that very image already, mapped when its name was {device.spec}",
            f"Unmount and unmap {device.path} first.",
        )


def _features_to_disable(what: str, request: MapRequest, facts: ImageFacts, supported: int | None) -> int:
    """The mask of the features that the kernel lacks, all of which the request allows to take from the image.

    :raises RbdError: one of them may not be taken, or cannot be.
    """
    lacking = 0 if supported is None else unmappable(facts.features, supported, not request.writes)
    kept = lacking & ~request.disable
    if kept:
        names, lost = feature_names(kept), losses(kept)
        costs = "; ".join(f"without {name}, {loss}" for name, loss in lost)
        ways = f"Name them in disable_features to take them from the image ({costs}), or use" if costs else "Use"
        raise RbdError(
            what,
            f"the kernel of this host does not support the image's features: {', '.join(names)}",
            f"{ways} the image through librbd or with a newer kernel.",
        )
    # librbd disables what depends on a feature only if it is told to.
    return lacking | (FEATURES["fast-diff"] & facts.features if lacking & FEATURES["object-map"] else 0)


def _plan_unmapped(index: int, request: MapRequest, current: MapCurrent, check_mode: bool) -> list[Action]:
    for device in current.own:
        held = mounts_of(device, current.mounts)
        # In check mode an earlier task of the same run may be what would have unmounted it.
        if held and not check_mode:
            raise RbdError(
                f"unmap {request.spec}",
                f"{device.path} is mounted at {', '.join(sorted({mount.path for mount in held}))}",
                "Unmount it first (rbd_fstab, state unmounted or absent).",
            )
    return [UnmapImage(index, request.name, device) for device in current.own]


def plan_rbdmap_file(path: str, text: str | None, requests: Sequence[MapRequest]) -> list[Action]:
    """One edit of the rbdmap file for all the requests, or none where it says already what it shall.

    :param text: the file's content, or None where there is no file.
    """

    def edit(content: str) -> str:
        return _edited(content, requests).encode()

    new = edit(text or "")
    return [] if new == (text or "") else [EditFile(None, path, text, new, edit, redact)]


def _edited(content: str, requests: Sequence[MapRequest]) -> RbdmapFile:
    lines = RbdmapFile.decode(content)
    for request in requests:
        if request.state in KEPT:
            lines = lines.set(request.entry)
        elif request.state == "absent":
            lines = lines.remove(request.spec)
    return lines


def rbdmap_faults(path: str, text: str | None, requests: Sequence[MapRequest]) -> list[str]:
    """A sentence for each line that rbdmap will not read as it seems to be meant, even after the edit."""
    faults = _edited(text or "", requests).faults()
    return [f"{path}:{line.number}: {line.fault}. The line is kept as it is." for line in faults]


def live_differences(entry: RbdmapEntry, device: KrbdDevice) -> list[str]:
    """In what a live mapping differs from its declaration: a clause for each difference.

    A mapping's options cannot be changed while it lives; they change with the next map.
    """
    found = []
    # A line without a user means client.admin.
    user = entry.user or "admin"
    if device.user not in (None, user):
        found.append(f"it was mapped by client.{device.user}, not client.{user}")
    wanted_read_only = entry.read_only or entry.image.snap is not None
    if device.read_only and not wanted_read_only:
        found.append("it is read-only")
    if wanted_read_only and not device.read_only:
        found.append("it is not read-only")
    missing, surplus = lacking_options(entry.options, device), surplus_options(entry.options, device)
    if missing:
        found.append(f"it lacks the options {','.join(missing)}")
    if surplus:
        found.append(f"it has the options {','.join(surplus)}")
    return found
