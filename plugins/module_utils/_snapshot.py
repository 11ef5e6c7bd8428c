# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans snapshots: what takes, protects and removes them, and what rolls an image back to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ._errors import RbdError
from ._features import FEATURES
from ._image_spec import ImageSpec
from ._image_use import require_unused
from ._snapshot_actions import (
    CreateSnapshot,
    ProtectSnapshot,
    RemoveSnapshot,
    RollBack,
    SnapshotAction,
    UnprotectSnapshot,
)
from ._snapshot_facts import SnappedImage, Snapshot
from ._snapshot_request import PurgeRequest, Request, SnapshotRequest


def plan_snapshot(
    index: int, request: Request, image: SnappedImage | None, check_mode: bool = False
) -> list[SnapshotAction]:
    """The steps for one item.

    :param image: the image as the items before this one leave it, or None without one.
    :param check_mode: an earlier task of the same run may be what would have unmapped the image, or
        taken the snapshot that it is rolled back to.
    :raises RbdError: it cannot become what it shall be, or not while something is in use.
    """
    if isinstance(request, PurgeRequest):
        return _plan_purge(index, request, image, check_mode)
    if request.state == "absent":
        return _plan_absent(index, request, image, check_mode)
    if image is None:
        raise RbdError(
            _what(request), f"there is no image {request.spec.head}", "Check the name, or create it (rbd_image)."
        )
    if request.state == "rolled_back":
        return _plan_rolled_back(index, request, image, check_mode)
    return _plan_present(index, request, image)


def detachable(requests: Sequence[Request], image: SnappedImage) -> frozenset[str]:
    """The snapshots that may be removed or unprotected, so that their clones have to be known.

    To list the clones of a snapshot all pools are searched: too much for those that stay in any case.

    :param requests: what is asked for that image.
    """
    names: set[str] = set()
    for request in requests:
        if isinstance(request, PurgeRequest):
            # Snapshots that other items take in the meantime are newer than all of these.
            widest = replace(request, keep=max(0, request.keep - len(request.declared)))
            names.update(snapshot.name for snapshot, reason in _retention(widest, image) if reason is None)
        elif request.state == "absent" or request.protected is False:
            names.add(request.snap)
    return frozenset(names)


def outcome(actions: Sequence[SnapshotAction], image: SnappedImage | None) -> SnappedImage | None:
    """The image once all the steps are done; None without an image."""
    for action in actions:
        image = action.outcome(image) if image else None
    return image


def kept(request: PurgeRequest, image: SnappedImage | None, check_mode: bool = False) -> list[tuple[str, str]]:
    """The snapshots of a pattern that stay, oldest first, each with the reason."""
    verdicts = _verdicts(request, image, check_mode) if image else []
    return [(snapshot.name, reason) for snapshot, reason in verdicts if reason is not None]


def _what(request: SnapshotRequest) -> str:
    if request.state == "rolled_back":
        return f"roll {request.spec.head} back to {request.snap}"
    return f"create {request.spec}"


def _plan_present(index: int, request: SnapshotRequest, image: SnappedImage) -> list[SnapshotAction]:
    snapshot = image.find(request.snap)
    if snapshot is not None:
        return _protection(index, request, image, snapshot)
    _require_room(request, image)
    create = CreateSnapshot(index, request.name, request.spec, image.facts.size if image.facts else None, image.seen)
    made = create.outcome(image).snapshots[-1]
    return [create, *_protection(index, request, image, made)]


def _require_room(request: SnapshotRequest, image: SnappedImage) -> None:
    have = len(image.snapshots) + (image.facts.hidden_snapshots if image.facts else 0)
    if image.limit is not None and have >= image.limit:
        raise RbdError(
            _what(request),
            f"the image has {have} snapshots, and its limit is {image.limit}",
            f"Remove some, or raise the limit: rbd snap limit set --limit <number> {request.spec.head}.",
        )


def _protection(index: int, request: SnapshotRequest, image: SnappedImage, snapshot: Snapshot) -> list[SnapshotAction]:
    """The step to the protection that is asked for."""
    if request.protected is None or request.protected == snapshot.protected:
        return []
    if request.protected:
        if image.facts and not image.facts.features & FEATURES["layering"]:
            raise RbdError(
                f"protect {request.spec}",
                "the image lacks the feature layering, and only what can be cloned can be protected",
                "Leave protected out.",
            )
        return [ProtectSnapshot(index, request.name, request.spec)]
    cloned = _cloned(snapshot)
    if cloned is not None:
        raise RbdError(f"unprotect {request.spec}", *cloned)
    return [UnprotectSnapshot(index, request.name, request.spec)]


def _plan_rolled_back(
    index: int, request: SnapshotRequest, image: SnappedImage, check_mode: bool
) -> list[SnapshotAction]:
    snapshot = image.find(request.snap)
    if snapshot is None:
        if check_mode:
            return []
        names = ", ".join(known.name for known in image.snapshots) or "none"
        raise RbdError(_what(request), "the image has no snapshot of that name", f"It has: {names}.")
    actions = _protection(index, request, image, snapshot)
    if image.facts is None or snapshot.size is None or snapshot.name not in image.differing:
        return actions
    mapped = image.mapping(None)
    require_unused(_what(request), image.facts, [mapped] if mapped else [], check_mode)
    target = RollBack(index, str(request.spec.head), request.spec, image.facts.size, snapshot.size)
    return [*actions, target]


def _plan_absent(
    index: int, request: SnapshotRequest, image: SnappedImage | None, check_mode: bool
) -> list[SnapshotAction]:
    snapshot = image.find(request.snap) if image else None
    if image is None or snapshot is None:
        return []
    obstacle = _obstacle(snapshot, image, request.protected is False, check_mode)
    if obstacle is not None:
        raise RbdError(f"remove {request.spec}", *obstacle)
    return _removal(index, request.spec.head, snapshot)


def _plan_purge(
    index: int, request: PurgeRequest, image: SnappedImage | None, check_mode: bool
) -> list[SnapshotAction]:
    verdicts = _verdicts(request, image, check_mode) if image else []
    doomed = [snapshot for snapshot, reason in verdicts if reason is None]
    return [action for snapshot in doomed for action in _removal(index, request.spec, snapshot)]


def _removal(index: int, image: ImageSpec, snapshot: Snapshot) -> list[SnapshotAction]:
    spec = replace(image, snap=snapshot.name)
    remove = RemoveSnapshot(index, str(spec), spec, snapshot.size)
    return [UnprotectSnapshot(index, str(spec), spec), remove] if snapshot.protected else [remove]


def _verdicts(request: PurgeRequest, image: SnappedImage, check_mode: bool) -> list[tuple[Snapshot, str | None]]:
    """The snapshots that match, oldest first, each with the reason why it stays; None for one that goes."""
    verdicts = []
    for snapshot, reason in _retention(request, image):
        obstacle = _obstacle(snapshot, image, request.unprotect, check_mode)
        verdicts.append((snapshot, obstacle[0] if reason is None and obstacle else reason))
    return verdicts


def _retention(request: PurgeRequest, image: SnappedImage) -> list[tuple[Snapshot, str | None]]:
    """As :func:`_verdicts`, by what the request says alone."""
    matching = [snapshot for snapshot in image.snapshots if request.matches(snapshot.name)]
    newest = len(matching) - request.keep
    return [(snapshot, _reason(request, image, snapshot, rank >= newest)) for rank, snapshot in enumerate(matching)]


def _reason(request: PurgeRequest, image: SnappedImage, snapshot: Snapshot, newest: bool) -> str | None:
    if snapshot.name in request.declared:
        return "another item of the same call names it"
    if newest:
        return f"it is among the newest {request.keep}"
    if request.older_than is not None and (image.seen - snapshot.taken).total_seconds() < request.older_than:
        return "it is not old enough"
    return None


def _obstacle(snapshot: Snapshot, image: SnappedImage, unprotect: bool, check_mode: bool) -> tuple[str, str] | None:
    """Why a snapshot may not be removed, as cause and advice; None if nothing is in the way.

    :param unprotect: whether it may be unprotected for that.
    """
    cloned = _cloned(snapshot)
    if cloned is not None:
        return cloned
    device = image.mapping(snapshot.name)
    if device is not None and not check_mode:
        return f"it is mapped on this host as {device.path}", "Unmap it first (rbd_map, state absent)."
    if snapshot.protected and not unprotect:
        return "it is protected", "Set protected to false if it may go."
    return None


def _cloned(snapshot: Snapshot) -> tuple[str, str] | None:
    """The clones that need a snapshot, as cause and advice; None if there are none."""
    if snapshot.children is None:
        return (
            "whether it has clones cannot be told, since the user may not look into every pool",
            "Run this as client.admin, or as a user with osd 'profile rbd' for each pool that holds clones of it.",
        )
    if not snapshot.children:
        return None
    clones = ", ".join(str(child) for child in snapshot.children)
    return f"it has clones: {clones}", "Flatten the clones (rbd_image, flatten), or remove them first."
