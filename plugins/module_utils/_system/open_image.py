# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an open ``rbd.Image`` tells, as values. librbd's own errors pass through."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Callable

from .._image_facts import Child, Layout
from .._image_report import USER, Clone, Lock, Mirroring, Snapshot, Usage, uncountable
from .._image_spec import ImageSpec
from .._settings import CONFIG_PREFIX
from .bindings import rados, rbd

# A pool's name by its id.
PoolName = Callable[[int], str]

# What librbd gives for no limit, and as the pool of no group.
_NO_LIMIT = 2**64 - 1
_NO_POOL = -1

# What the keys of metadata begin with, and how many are asked for at once: as many as librbd asks for.
_METADATA = "metadata_"
_PAGE = 64


def layout_of(image: Any, pool_name: PoolName) -> Layout:
    """How it lies in its objects."""
    data_pool = None
    if int(image.features()) & rbd.RBD_FEATURE_DATA_POOL:
        data_pool = pool_name(image.data_pool_id())
    return Layout(int(image.stat()["obj_size"]), int(image.stripe_unit()), int(image.stripe_count()), data_pool)


def parent_of(image: Any) -> ImageSpec | None:
    """The snapshot that it is a clone of."""
    try:
        parent = image.get_parent_image_spec()
    except rbd.ImageNotFound:
        return None
    return ImageSpec(parent["pool_name"], parent["pool_namespace"], parent["image_name"], parent["snap_name"])


def settings_of(ioctx: Any, image: Any) -> tuple[dict[str, str], dict[str, str]]:
    """Its overrides of librbd's options, and the rest of its metadata.

    Read where librbd stores them (metadata_set() of src/cls/rbd/cls_rbd.cc): where one value is empty, the bindings'
    ``metadata_list`` gives the names after it each the value of the next.

    :param ioctx: the image's pool and namespace.
    """
    found: dict[str, str] = {}
    last = ""
    while True:
        with rados.ReadOpCtx() as operation:
            entries, _code = ioctx.get_omap_vals(operation, last, _METADATA, _PAGE)
            try:
                ioctx.operate_read_op(operation, f"rbd_header.{image.id()}")
            except rados.ObjectNotFound as error:
                raise rbd.ImageNotFound("the image has just been removed", errno.ENOENT) from error
            page = {str(key): (value or b"").decode("utf-8", "surrogateescape") for key, value in entries}
        found.update((key[len(_METADATA) :], value) for key, value in page.items())
        if len(page) < _PAGE:
            return _split(found)
        last = max(page)


def _split(everything: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    config = {name[len(CONFIG_PREFIX) :]: value for name, value in everything.items() if name.startswith(CONFIG_PREFIX)}
    return config, {name: value for name, value in everything.items() if not name.startswith(CONFIG_PREFIX)}


def group_of(image: Any, namespace: str, pool_name: PoolName) -> str | None:
    """The group that it is in, as ``<pool>/[<namespace>/]<group>``. A group has members of its own namespace only."""
    group = image.group()
    return None if group["pool"] == _NO_POOL else _group_spec(group, namespace, pool_name)


def lock_of(image: Any) -> Lock | None:
    """The lock on it."""
    lock = image.list_lockers()
    if not lock:
        return None
    holders = tuple((str(client), str(cookie), str(address)) for client, cookie, address in lock["lockers"])
    return Lock(bool(lock["exclusive"]), str(lock["tag"]), holders)


def mirroring_of(image: Any) -> Mirroring | None:
    """How it is mirrored."""
    info = image.mirror_image_get_info()
    if info["state"] == rbd.RBD_MIRROR_IMAGE_DISABLED:
        return None
    by_snapshot = image.mirror_image_get_mode() == rbd.RBD_MIRROR_IMAGE_MODE_SNAPSHOT
    return Mirroring(
        mode="snapshot" if by_snapshot else "journal",
        state="enabled" if info["state"] == rbd.RBD_MIRROR_IMAGE_ENABLED else "disabling",
        primary=bool(info["primary"]),
        global_id=str(info["global_id"]),
    )


def snapshot_limit_of(image: Any) -> int | None:
    """How many snapshots a user may make."""
    limit = int(image.get_snap_limit())
    return None if limit == _NO_LIMIT else limit


def snapshots_of(image: Any, namespace: str, pool_name: PoolName) -> tuple[Snapshot, ...]:
    """Its snapshots of all kinds, oldest first.

    :param namespace: the image's.
    """
    return tuple(_snapshot(image, snap, namespace, pool_name) for snap in image.list_snaps())


def _snapshot(image: Any, snap: Mapping[str, Any], namespace: str, pool_name: PoolName) -> Snapshot:
    kind = snap["namespace"]
    group = snap.get("group")
    return Snapshot(
        snap_id=int(snap["id"]),
        name=str(snap["name"]),
        size=int(snap["size"]),
        created=image.get_snap_timestamp(snap["id"]),
        namespace=_SNAPSHOT_NAMESPACES.get(kind, f"type {kind}") if kind else USER,
        # librbd does not find the others by name.
        protected=not kind and bool(image.is_protected_snap(snap["name"])),
        original_name=group["snap_name"] if group else snap.get("trash", {}).get("original_name"),
        group=_group_spec(group, namespace, pool_name) if group else None,
    )


# RBD_SNAP_NAMESPACE_TYPE_* of src/include/rbd/librbd.h; 0 is the user's.
_SNAPSHOT_NAMESPACES = {1: "group", 2: "trash", 3: "mirror"}


def clones_of(image: Any, snapshots: Sequence[Snapshot]) -> tuple[Clone, ...] | None:
    """Its clones, or None where the user may not look into every pool that has some."""
    found: list[Clone] = []
    for snapshot in snapshots:
        if may_have_clones(image, snapshot.protected):
            with _at(image, snapshot):
                clones = clones_here(image, snapshot.original_name or snapshot.name)
            if clones is None:
                return None
            found += clones
    return tuple(found)


def may_have_clones(image: Any, protected: bool) -> bool:
    """Whether a snapshot of it can have clones: those of version 1 protect it, version 2 notes them in the image.

    To look for them librbd asks every pool of the cluster, so this is asked first.

    :param protected: whether the snapshot is.
    """
    return protected or bool(int(image.op_features()) & rbd.RBD_OPERATION_FEATURE_CLONE_PARENT)


def clones_here(image: Any, snapshot: str) -> tuple[Clone, ...] | None:
    """The clones of the snapshot at which it is open, or None where the user may not look into every pool.

    :param snapshot: what the snapshot is called.
    """
    try:
        return tuple(_clone(child, snapshot) for child in image.list_children2())
    except rbd.PermissionError:
        return None


def _clone(child: Mapping[str, Any], snapshot: str) -> Clone:
    spec = ImageSpec(child["pool"], child["pool_namespace"], child["image"])
    return Clone(Child(spec, bool(child["trash"])), str(child["id"]), snapshot)


def usage_of(image: Any, spec: ImageSpec, snapshots: Sequence[Snapshot], slowly: bool) -> Usage:
    """What it uses, as ``rbd du`` counts (src/tools/rbd/action/DiskUsage.cc).

    :param slowly: whether to look at each object where fast-diff does not know.
    """
    features = int(image.features())
    reason = uncountable(spec, features, int(image.flags()))
    used: dict[int, int] = {}
    before = None
    for snapshot in (snapshot for snapshot in snapshots if snapshot.namespace == USER):
        with _at(image, snapshot):
            # Each snapshot has an object map of its own.
            reason = reason or uncountable(replace(spec, snap=snapshot.name), features, int(image.flags()))
            if slowly or not reason:
                used[snapshot.snap_id] = _used_since(image, before)
        before = snapshot.name
    if reason and not slowly:
        return Usage(reason=reason)
    return Usage(_used_since(image, before), used, "objects" if reason else "fast-diff")


def _used_since(image: Any, snapshot: str | None) -> int:
    """The bytes of the objects that were written after that snapshot, or ever."""
    used = 0

    def add(_offset: int, length: int, exists: bool) -> None:
        nonlocal used
        used += length if exists else 0

    image.diff_iterate(0, image.size(), snapshot, add, include_parent=False, whole_object=True)
    return used


@contextlib.contextmanager
def _at(image: Any, snapshot: Snapshot) -> Iterator[None]:
    """Read the image at a snapshot. By id, since only a user's is found by its name."""
    image.set_snap_by_id(snapshot.snap_id)
    try:
        yield
    finally:
        image.set_snap(None)


def _group_spec(group: Mapping[str, Any], namespace: str, pool_name: PoolName) -> str:
    return str(ImageSpec(pool_name(group["pool"]), namespace, group["name"]))
