# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that the cluster tells about an image, and how it is returned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ._errors import RbdError
from ._features import FEATURES, FLAGS, feature_names
from ._image_facts import Child, Layout, Watcher
from ._image_spec import ImageSpec

# Of whom a snapshot is, where it is the user's.
USER = "user"


@dataclass(frozen=True)
class Wish:
    """What is to be read of an image beside what costs next to nothing.

    :ivar usage: ``fast`` counts what is used where fast-diff knows it, ``always`` also where each
        object has to be looked at, ``never`` not at all.
    :ivar children: whether to look for clones.
    """

    usage: str = "fast"
    children: bool = True


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of an image.

    :ivar size: bytes that the image had.
    :ivar namespace: of whom it is: ``user``, or ``group``, ``trash`` or ``mirror``, which hide it.
    :ivar protected: whether it is; only a user's snapshot can be.
    :ivar original_name: what a user called it before it went to the trash, or the group snapshot that it is part of.
    :ivar group: the group of that group snapshot, as ``<pool>/[<namespace>/]<group>``.
    """

    snap_id: int
    name: str
    size: int
    created: datetime
    namespace: str = USER
    protected: bool = False
    original_name: str | None = None
    group: str | None = None

    def result(self, used: int | None) -> dict[str, Any]:
        """The snapshot as the module returns it.

        :param used: bytes, or None where they were not counted.
        """
        shown = {"name": self.name, "id": self.snap_id, "size": self.size, "created": iso(self.created)}
        if self.namespace == USER:
            return {**shown, "protected": self.protected, "used": used}
        return {**shown, "namespace": self.namespace, "original_name": self.original_name, "group": self.group}


@dataclass(frozen=True)
class Parent:
    """The snapshot that an image is a clone of.

    :ivar overlap: bytes from the image's beginning that it may still share with it.
    :ivar in_trash: whether the parent image lies in the trash.
    """

    spec: ImageSpec
    image_id: str
    overlap: int
    in_trash: bool

    def result(self) -> dict[str, Any]:
        """The parent as the module returns it."""
        return {
            "image": str(self.spec),
            "image_id": self.image_id,
            "overlap": self.overlap,
            "in_trash": self.in_trash,
        }


@dataclass(frozen=True)
class Clone:
    """A clone of an image, and what it is a clone of.

    :ivar snapshot: the name of the image's snapshot.
    """

    child: Child
    image_id: str
    snapshot: str

    def result(self) -> dict[str, Any]:
        """The clone as the module returns it."""
        return {
            "image": str(self.child.spec),
            "image_id": self.image_id,
            "snapshot": self.snapshot,
            "in_trash": self.child.in_trash,
        }


@dataclass(frozen=True)
class Lock:
    """The lock on an image, which several clients may share.

    :ivar tag: what those who share it have agreed on.
    :ivar holders: client, cookie and address of each.
    """

    exclusive: bool
    tag: str
    holders: tuple[tuple[str, str, str], ...]

    @property
    def automatic(self) -> bool:
        """Whether librbd or the kernel took it, for the feature exclusive-lock.

        They mark it with WATCHER_LOCK_TAG (src/librbd/managed_lock/Types.h) and RBD_LOCK_TAG (drivers/block/rbd.c).
        """
        return self.tag == "internal"

    def result(self) -> dict[str, Any]:
        """The lock as the module returns it."""
        return {
            "exclusive": self.exclusive,
            "automatic": self.automatic,
            "tag": self.tag,
            "lockers": [
                {"client": client, "address": address, "cookie": cookie} for client, cookie, address in self.holders
            ],
        }


@dataclass(frozen=True)
class Usage:
    """The bytes of the objects that are in use, as ``rbd du`` counts them, or why they were not counted.

    :ivar head: by the image since its last snapshot.
    :ivar snapshots: by each snapshot since the one before, by the snapshot's id.
    :ivar method: ``fast-diff``, or ``objects`` where each of them was looked at; None where nothing was counted.
    :ivar reason: why nothing was counted.
    """

    head: int | None = None
    snapshots: Mapping[int, int] | None = None
    method: str | None = None
    reason: str | None = None

    def result(self) -> dict[str, Any]:
        """The usage as the module returns it, without that of the single snapshots."""
        total = None if self.head is None else self.head + sum((self.snapshots or {}).values())
        return {"head": self.head, "total": total, "method": self.method, "reason": self.reason}


@dataclass(frozen=True)
class Mirroring:
    """How an image is mirrored.

    :ivar mode: ``journal`` or ``snapshot``.
    :ivar state: ``enabled`` or ``disabling``.
    """

    mode: str
    state: str
    primary: bool
    global_id: str

    def result(self) -> dict[str, Any]:
        """The mirroring as the module returns it."""
        return {"mode": self.mode, "state": self.state, "primary": self.primary, "global_id": self.global_id}


@dataclass(frozen=True)
class Times:
    """When an image was created, last read and last written; the latter two as exact as the cluster keeps them."""

    created: datetime
    accessed: datetime
    modified: datetime


@dataclass(frozen=True)
class ImageDetails:
    """Everything about one image.

    :ivar size: bytes.
    :ivar objects: how many objects hold it when all of it is written.
    :ivar block_name_prefix: what their names begin with.
    :ivar features: mask of its features.
    :ivar flags: mask of its flags.
    :ivar depth: how many ancestors it has, or None where one of them cannot be read.
    :ivar snapshots: of all kinds, oldest first.
    :ivar snapshot_limit: how many a user may make, or None where there is no limit.
    :ivar children: its clones, or None where they were not looked for, or the user may not see all of them.
    :ivar group: the group that it is in, as ``<pool>/[<namespace>/]<group>``.
    :ivar usage: None where it was not asked for.
    :ivar mirroring: None where it is not mirrored.
    """

    image_id: str
    size: int
    objects: int
    block_name_prefix: str
    features: int
    flags: int
    layout: Layout
    times: Times
    parent: Parent | None = None
    depth: int | None = 0
    snapshots: tuple[Snapshot, ...] = ()
    snapshot_limit: int | None = None
    children: tuple[Clone, ...] | None = ()
    group: str | None = None
    watchers: tuple[Watcher, ...] = ()
    lock: Lock | None = None
    config: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    usage: Usage | None = None
    mirroring: Mirroring | None = None

    def result(self) -> dict[str, Any]:
        """The image as the module returns it, without its name."""
        used = (self.usage.snapshots if self.usage else None) or {}
        shown = [
            (snapshot.namespace == USER, snapshot.result(used.get(snapshot.snap_id))) for snapshot in self.snapshots
        ]
        return {
            "image_id": self.image_id,
            "size": self.size,
            "objects": self.objects,
            "block_name_prefix": self.block_name_prefix,
            "features": list(feature_names(self.features)),
            "flags": [name for name, bit in FLAGS.items() if self.flags & bit],
            "object_size": self.layout.object_size,
            "stripe_unit": self.layout.stripe_unit,
            "stripe_count": self.layout.stripe_count,
            "data_pool": self.layout.data_pool,
            "created": iso(self.times.created),
            "accessed": iso(self.times.accessed),
            "modified": iso(self.times.modified),
            "parent": self.parent.result() if self.parent else None,
            "depth": self.depth,
            "children": None if self.children is None else [child.result() for child in self.children],
            "snapshots": [result for by_user, result in shown if by_user],
            "hidden_snapshots": [result for by_user, result in shown if not by_user],
            "snapshot_limit": self.snapshot_limit,
            "group": self.group,
            "watchers": [{"client": watcher.client, "address": watcher.address} for watcher in self.watchers],
            "lock": self.lock.result() if self.lock else None,
            "config": dict(self.config),
            "metadata": dict(self.metadata),
            "usage": self.usage.result() if self.usage else None,
            "mirroring": self.mirroring.result() if self.mirroring else None,
        }


@dataclass(frozen=True)
class ImageReport:
    """What one image of a request turned out to be.

    :ivar details: None without such an image, and where it could not be read.
    :ivar error: why it could not be read.
    """

    spec: ImageSpec
    details: ImageDetails | None
    error: RbdError | None = None

    def result(self) -> dict[str, Any]:
        """The image as the module returns it."""
        names = {
            "image": str(self.spec),
            "pool": self.spec.pool,
            "namespace": self.spec.namespace,
            "name": self.spec.image,
        }
        error = None if self.error is None else str(self.error)
        found = {"exists": self.details is not None or error is not None, "error": error}
        return {**names, **found, **(self.details.result() if self.details else {})}


@dataclass(frozen=True)
class TrashEntry:
    """An image in the trash, as the trash knows it.

    :ivar spec: what it was called.
    :ivar source: what moved it there, as ``rbd trash ls`` calls it, for example ``USER`` or ``MIRRORING``.
    :ivar deleted: when.
    :ivar kept_until: before then it is removed only by force.
    """

    spec: ImageSpec
    image_id: str
    source: str
    deleted: datetime
    kept_until: datetime

    def result(self) -> dict[str, Any]:
        """The entry as the module returns it."""
        return {
            "image": str(self.spec),
            "pool": self.spec.pool,
            "namespace": self.spec.namespace,
            "name": self.spec.image,
            "image_id": self.image_id,
            "source": self.source,
            "deleted": iso(self.deleted),
            "kept_until": iso(self.kept_until),
        }


def uncountable(spec: ImageSpec, features: int, flags: int) -> str | None:
    """Why fast-diff does not know what an image or a snapshot uses; None if it does.

    :param spec: the image or the snapshot.
    :param features: the image's features.
    :param flags: the flags of the image or the snapshot.
    """
    if not features & FEATURES["fast-diff"]:
        return f"{spec} is without the feature fast-diff"
    if flags & (FLAGS["object-map-invalid"] | FLAGS["fast-diff-invalid"]):
        return f"the object map of {spec} is invalid, see 'rbd object-map rebuild'"
    return None


def iso(when: datetime) -> str:
    """A point in time as ISO 8601 in UTC, to the second. Librbd's are in UTC, but few releases say so."""
    aware = when if when.tzinfo is not None else when.replace(tzinfo=timezone.utc)
    return aware.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
