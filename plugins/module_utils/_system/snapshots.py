# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots in the cluster: what rbd_snapshot reads and changes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Callable, Protocol

from .._errors import AlreadyDone, Overtaken, RbdError
from .._image_facts import ImageFacts
from .._image_spec import ImageSpec
from .._snapshot_facts import SnappedImage, Snapshot
from .bindings import rados
from .ceph_errors import NoImage
from .cluster import LibrbdSession, user_snapshots
from .dead_clients import DeadClients
from .image_use import read_watchers
from .images import require_unwatched
from .open_image import clones_here, may_have_clones, snapshot_limit_of

# The lock under which the runs of rbd_snapshot change an image's snapshots, one after the other. It lies on the
# image's header beside librbd's own, which has another name, and hinders nobody else.
LOCK = "cephclient.rbd.snapshots"

# Seconds after which the cluster takes the lock from a run, so that one that was killed does not hold up the next.
LEASE = 60

# Seconds between two attempts to get the lock, and between the first attempt and the last.
PAUSE = 0.05
PATIENCE = 10 * LEASE

# How much is compared at a time, in bytes.
_CHUNK = 1 << 22


class Snapshots(Protocol):
    """Reads and changes snapshots. All methods raise RbdError; AlreadyDone where another run has been faster."""

    def fsid(self) -> str:
        """The cluster's identity."""

    def now(self) -> datetime:
        """The time by this host's clock."""

    def look_up(self, spec: ImageSpec, detachable: Callable[[SnappedImage], Collection[str]]) -> SnappedImage | None:
        """The image with its snapshots, or None without such an image.

        :param detachable: given the image, names the snapshots whose clones are to be read.
        """

    def differs(self, spec: ImageSpec) -> bool:
        """Whether the image has another size than the snapshot, or another content in at least one byte."""

    def await_forgotten(self, spec: ImageSpec, facts: ImageFacts) -> bool:
        """Wait for the cluster to forget clients of this host that have died with the image open.

        :param spec: of the image, or of one beside it.
        :returns: whether it is worth looking again.
        """

    def create(self, spec: ImageSpec) -> None:
        """Take a snapshot."""

    def protect(self, spec: ImageSpec) -> None:
        """Protect a snapshot."""

    def unprotect(self, spec: ImageSpec) -> None:
        """Unprotect a snapshot."""

    def remove(self, spec: ImageSpec) -> None:
        """Remove a snapshot."""

    def roll_back(self, spec: ImageSpec) -> None:
        """Give the image the content and the size of a snapshot, unless somebody has it open."""


class LibrbdSnapshots:
    """The real snapshots."""

    def __init__(self, session: LibrbdSession) -> None:
        self._session = session
        self._dead_clients = DeadClients(session)

    def fsid(self) -> str:
        return self._session.fsid()

    def now(self) -> datetime:
        return datetime.now(timezone.utc)

    def look_up(self, spec: ImageSpec, detachable: Callable[[SnappedImage], Collection[str]]) -> SnappedImage | None:
        try:
            with self._session.open(spec, f"look at the snapshots of {spec}") as image:
                found = self._read(image)
                names = detachable(found)
                return replace(found, snapshots=tuple(_with_children(image, names, each) for each in found.snapshots))
        except NoImage:
            return None

    def differs(self, spec: ImageSpec) -> bool:
        what = f"compare {spec.head} with its snapshot {spec.snap}"
        with self._session.open(spec.head, what) as head, self._session.open(spec, what) as snapshot:
            if head.size() != snapshot.size():
                return True
            # Exact to the byte, but no proof: what was written again as it had been counts as changed.
            extents: list[tuple[int, int]] = []
            head.diff_iterate(
                0, head.size(), spec.snap, lambda offset, length, _exists: extents.append((offset, length)),
                include_parent=True, whole_object=False,
            )  # fmt: skip
            return any(head.read(*chunk) != snapshot.read(*chunk) for extent in extents for chunk in _chunks(*extent))

    def await_forgotten(self, spec: ImageSpec, facts: ImageFacts) -> bool:
        return self._dead_clients.await_forgotten(spec, facts)

    def create(self, spec: ImageSpec) -> None:
        with self._alone(spec, f"create {spec}") as image:
            if spec.snap in user_snapshots(image):
                raise AlreadyDone(f"create {spec}", "another run has created it at this very moment")
            image.create_snap(spec.snap)

    def protect(self, spec: ImageSpec) -> None:
        with self._alone(spec, f"protect {spec}") as image:
            if image.is_protected_snap(spec.snap):
                raise AlreadyDone(f"protect {spec}", "another run has protected it at this very moment")
            image.protect_snap(spec.snap)

    def unprotect(self, spec: ImageSpec) -> None:
        with self._alone(spec, f"unprotect {spec}") as image:
            if spec.snap not in user_snapshots(image) or not image.is_protected_snap(spec.snap):
                raise AlreadyDone(f"unprotect {spec}", "another run has unprotected it at this very moment")
            self._require_no_clones(spec, f"unprotect {spec}")
            image.unprotect_snap(spec.snap)

    def remove(self, spec: ImageSpec) -> None:
        with self._alone(spec, f"remove {spec}") as image:
            if spec.snap not in user_snapshots(image):
                raise AlreadyDone(f"remove {spec}", "another run has removed it at this very moment")
            # A clone of version 2 would not hold it: librbd would put the snapshot aside, out of sight.
            self._require_no_clones(spec, f"remove {spec}")
            if image.is_protected_snap(spec.snap):
                raise Overtaken(f"remove {spec}", "somebody has protected it at this very moment", "Run again.")
            image.remove_snap(spec.snap)

    def roll_back(self, spec: ImageSpec) -> None:
        what = f"roll {spec.head} back to {spec.snap}"
        with self._alone(spec, what) as image:
            # It may have been opened since the plan was made: to compare a large image takes its time.
            require_unwatched(image, what, int(self._session.connected().get_instance_id()))
            image.rollback_to_snap(spec.snap)

    def _require_no_clones(self, spec: ImageSpec, what: str) -> None:
        with self._session.open(spec, what) as snapshot:
            protected = bool(snapshot.is_protected_snap(spec.snap))
            if may_have_clones(snapshot, protected) and clones_here(snapshot, str(spec.snap)) != ():
                raise Overtaken(what, "somebody has cloned it at this very moment", "Run again.")

    def _read(self, image: Any) -> SnappedImage:
        entries = list(image.list_snaps())
        names = user_snapshots(image)
        facts = ImageFacts(
            image_id=image.id(),
            size=int(image.size()),
            features=int(image.features()),
            watchers=read_watchers(image),
            hidden_snapshots=len(entries) - len(names),
        )
        snapshots = tuple(_snapshot(image, entry) for entry in entries if entry["name"] in names)
        return SnappedImage(facts, self.now(), snapshots, snapshot_limit_of(image))

    @contextlib.contextmanager
    def _alone(self, spec: ImageSpec, what: str) -> Iterator[Any]:
        """The image open for writing, while no other run changes its snapshots.

        Without the lock both of two runs that create, protect, unprotect or remove the same snapshot at the same
        moment would be told that it was they: librbd takes the error of the second one for the success of a
        request that was sent twice (C_InvokeAsyncRequest in src/librbd/Operations.cc).
        """
        # Opened under the lock: one that was opened before may not know of what another run has just changed.
        with self._lock(spec, what), self._session.open(spec.head, what, read_only=False) as image:
            yield image

    @contextlib.contextmanager
    def _lock(self, spec: ImageSpec, what: str) -> Iterator[None]:
        # An image that is open cannot be removed, so that the lock does not bring its header back.
        with self._session.open(spec.head, what, read_only=False) as image, self._session.pool(spec, what) as ioctx:
            header = f"rbd_header.{image.id()}"
            deadline = time.monotonic() + PATIENCE
            while not _try_lock(ioctx, header):
                if time.monotonic() > deadline:
                    raise RbdError(what, "other runs have been changing its snapshots all the time", "Run again.")
                time.sleep(PAUSE)
            try:
                yield
            finally:
                # Its time was over: the cluster has taken it away.
                with contextlib.suppress(rados.ObjectNotFound):
                    ioctx.unlock(header, LOCK, "")


def _try_lock(ioctx: Any, header: str) -> bool:
    try:
        ioctx.lock_exclusive(header, LOCK, "", "cephclient.rbd.rbd_snapshot", LEASE)
    except rados.ObjectBusy:
        return False
    return True


def _snapshot(image: Any, entry: dict[str, Any]) -> Snapshot:
    return Snapshot(
        number=int(entry["id"]),
        name=str(entry["name"]),
        size=int(entry["size"]),
        taken=image.get_snap_timestamp(entry["id"]).replace(tzinfo=timezone.utc),
        protected=bool(image.is_protected_snap(entry["name"])),
    )


def _with_children(image: Any, names: Collection[str], snapshot: Snapshot) -> Snapshot:
    if snapshot.name not in names or not may_have_clones(image, snapshot.protected):
        return snapshot
    image.set_snap(snapshot.name)
    clones = clones_here(image, snapshot.name)
    return replace(snapshot, children=None if clones is None else tuple(clone.child for clone in clones))


def _chunks(offset: int, length: int) -> Iterator[tuple[int, int]]:
    """A range in pieces that are read at once, each as offset and length in bytes."""
    end = offset + length
    return ((start, min(_CHUNK, end - start)) for start in range(offset, end, _CHUNK))
