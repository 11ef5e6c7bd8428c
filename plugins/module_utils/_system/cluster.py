# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster, reached through python-rados and python-rbd over one connection."""

from __future__ import annotations

import contextlib
import errno
import json
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from .._errors import ClusterUnavailable, NoRoom, PlaceMissing, RbdError
from .._features import FEATURES
from .._image_facts import Extent, ImageFacts
from .._image_spec import ImageSpec
from .._image_use import ImageUse
from . import image_use
from .bindings import rados, rbd
from .ceph_errors import CommandRefused, NoImage, explain, refused_command
from .connection import Connection, configured_fsid, connect
from .heartbeat import Heartbeat


class ClusterSession(Protocol):
    """Reads what a mapping or a mount needs to know. All methods raise RbdError, and answer in bounded time."""

    def fsid(self) -> str:
        """The cluster's identity; taken from ceph.conf where nothing else has needed a connection yet."""

    def look_up(self, spec: ImageSpec) -> ImageFacts | None:
        """The image's facts (a snapshot part of the spec is checked to exist), or None without such an image."""

    def use_of(self, spec: ImageSpec) -> ImageUse:
        """Who uses the image, beside this very session."""

    def require_takeover(self, spec: ImageSpec, facts: ImageFacts) -> None:
        """Make sure that this user may write to the image, and take its lock over from a client that has died.

        :raises RbdError: it lacks a capability, which is named.
        """

    def require_room(self, what: str, spec: ImageSpec) -> None:
        """Make sure that the pools in which the image lies take data.

        :param what: what shall be done, as for :class:`RbdError`.
        :raises NoRoom: one of them is full. An image that is not there needs no room.
        :raises RbdError: the cluster could not be asked.
        """

    def disable_features(self, spec: ImageSpec, mask: int) -> None:
        """Take features from an image that nobody has open."""

    def first_written(self, spec: ImageSpec, map_kept: bool = True, start: int = 0) -> Extent | None:
        """The first extent that has ever been written, parents included; None proves the image blank.

        :param map_kept: whether whoever has the image mapped keeps its object map, so that this may be believed.
        :param start: the byte to begin at.
        """


# Seconds for which the cluster's map is believed.
OSDMAP_AGE = 1.0

# What the heartbeat asks for; librbd keeps a pool's list of images in it.
_DIRECTORY = "rbd_directory"


class LibrbdSession:
    """The real cluster. Connects when first asked; may be used by several threads.

    :ivar heartbeat: asks whether the cluster still answers, from the first use of a pool to the end.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._handle: Any = None
        self._contexts: dict[tuple[str, str], Any] = {}
        self._lock = threading.RLock()
        self._pulse: Any = None
        self._waiting: list[str] = []
        self.heartbeat = Heartbeat(self._answers, lambda: self._waiting[-1] if self._waiting else None)
        self._may_blocklist = False
        self._osdmap: dict[str, Any] = {}
        self._osdmap_read = 0.0

    def close(self) -> bool:
        """End the connection, if there is one.

        :returns: whether it has ended. While the cluster is silent it cannot, and only the process can end.
        """
        if not self.heartbeat.stop():
            return False
        if self._pulse is not None:
            self._pulse.close()
            self._pulse = None
        for ioctx in self._contexts.values():
            ioctx.close()
        self._contexts = {}
        if self._handle is not None:
            self._handle.shutdown()
            self._handle = None
        return True

    def fsid(self) -> str:
        if self._handle is None:
            configured = configured_fsid(self.connection)
            if configured is not None:
                return configured
        handle = self.connected()
        try:
            return str(handle.get_fsid())
        except rados.Error as error:
            raise ClusterUnavailable("learn the cluster's fsid", str(error), "Check its health: ceph -s.") from error

    def look_up(self, spec: ImageSpec) -> ImageFacts | None:
        try:
            with self.open(spec.head, f"look at {spec}") as image:
                facts = ImageFacts(
                    image_id=image.id(),
                    size=int(image.size()),
                    features=int(image.features()),
                    snapshots=user_snapshots(image),
                    watchers=image_use.read_watchers(image),
                )
        except NoImage:
            return None
        if spec.snap is not None and spec.snap not in facts.snapshots:
            known = ", ".join(facts.snapshots) or "none"
            raise RbdError(f"look at {spec}", f"the image has no snapshot {spec.snap!r}", f"It has: {known}.")
        return facts

    def use_of(self, spec: ImageSpec) -> ImageUse:
        with self.open(spec.head, f"see who uses {spec}") as image:
            return image_use.read_use(image)

    def require_takeover(self, spec: ImageSpec, facts: ImageFacts) -> None:
        what = f"map {spec}"
        with self.pool(spec, what) as ioctx:
            image_use.try_unlock(ioctx, spec.image, facts.image_id)
        if not facts.features & FEATURES["exclusive-lock"] or self._may_blocklist:
            return
        if self._refuses_to_blocklist(what):
            raise image_use.may_not_blocklist(what, f"client.{self.connection.user}")
        self._may_blocklist = True

    def _refuses_to_blocklist(self, what: str) -> bool:
        try:
            self.command(what, "osd blocklist", blocklistop="add", addr=image_use.NOBODY)
        except CommandRefused as refusal:
            return refusal.errno == errno.EACCES
        return False

    def require_room(self, what: str, spec: ImageSpec) -> None:
        try:
            with self.open(spec.head, what) as image:
                data_pool = image.data_pool_id()
        except NoImage:
            return
        pools = {spec.pool, str(self.connected().pool_reverse_lookup(data_pool))}
        obstacle = self.obstacle(sorted(pools))
        if obstacle is not None:
            raise NoRoom(what, *obstacle)

    def disable_features(self, spec: ImageSpec, mask: int) -> None:
        what = f"disable features of {spec}"
        with self.open(spec, what, read_only=False) as image:
            image.update_features(mask, False)

    def first_written(self, spec: ImageSpec, map_kept: bool = True, start: int = 0) -> Extent | None:
        found: list[Extent] = []

        def note(offset: int, length: int, exists: bool) -> None:
            if exists and not found:
                found.append(Extent(offset, length))

        with self.open(spec, f"read the written extents of {spec}") as image:
            # Whole objects: by the object map. One that is marked as invalid librbd does not believe by itself.
            # An object that lies on both sides of the start is looked into.
            whole = map_kept and (not start or _begins_an_object(image, start))
            image.diff_iterate(start, image.size() - start, None, note, include_parent=True, whole_object=whole)
        return found[0] if found else None

    # For the other adapters of this room, which share the connection.

    def connected(self) -> Any:
        """The ``rados.Rados`` of this session."""
        with self._lock:
            if self._handle is None:
                self._handle = connect(self.connection)
            return self._handle

    def osdmap(self) -> dict[str, Any]:
        """What ``ceph osd dump`` tells, at most :data:`OSDMAP_AGE` seconds ago: a plan asks for each of its images."""
        now = time.monotonic()
        if not self._osdmap or now - self._osdmap_read > OSDMAP_AGE:
            self._osdmap, self._osdmap_read = self.command("read the cluster's map", "osd dump"), now
        return self._osdmap

    def obstacle(self, pools: Iterable[str]) -> tuple[str, str] | None:
        """Why nothing can be written to one of these pools, as cause and advice; None if nothing is in the way."""
        osdmap = self.osdmap()
        known = {pool["pool_name"]: pool["flags_names"].split(",") for pool in osdmap["pools"]}
        if "full" in osdmap["flags"].split(","):
            return "the cluster is full", "Add storage, or remove data: ceph df, ceph osd df."
        for pool in pools:
            if pool not in known:
                return f"there is no pool {pool}", "Check the pool's name, or create it (rbd_pool)."
            if "full_quota" in known[pool]:
                return f"the pool {pool} has reached its quota", f"Raise it: ceph osd pool get-quota {pool}."
            if "full" in known[pool]:
                return f"the pool {pool} is full", "Add storage, or remove data: ceph df, ceph osd df."
        return None

    @contextlib.contextmanager
    def pool(self, spec: ImageSpec, what: str) -> Iterator[Any]:
        """A pool's ``rados.Ioctx`` in the spec's namespace; librados' and librbd's errors become sentences."""
        self._waiting.append(what)
        try:
            yield self._context(spec, what)
        except (rados.Error, rbd.Error) as error:
            raise explain(what, error, spec, self.connection) from error
        finally:
            self._waiting.remove(what)

    @contextlib.contextmanager
    def open(self, spec: ImageSpec, what: str, read_only: bool = True, image_id: str | None = None) -> Iterator[Any]:
        """An open ``rbd.Image``, at the spec's snapshot if it has one.

        :param image_id: opens by id instead of by name, as an image in the trash must be.
        :raises NoImage: there is no such image.
        """
        with self.pool(spec, what) as ioctx:
            named = {"image_id": image_id} if image_id else {"name": spec.image}
            try:
                image = rbd.Image(ioctx, snapshot=spec.snap, read_only=read_only, **named)
            except rbd.ImageNotFound:
                raise NoImage(what, f"there is no image {spec.head}", "Check the name, or create it.") from None
            except rbd.PermissionError as error:
                if read_only and spec.image in rbd.RBD().list(ioctx):
                    raise self._lacks_parent(what) from error
                raise
            with image:
                yield image

    def command(self, what: str, prefix: str, **arguments: Any) -> Any:
        """Ask the monitors.

        :param what: what cannot be done if they refuse, as for :class:`RbdError`.
        :param prefix: the command, for example ``osd pool ls``.
        :returns: the parsed JSON of the answer, or None for an empty one.
        :raises ClusterUnavailable: no answer in time.
        :raises CommandRefused: the monitors refused.
        """
        words = json.dumps({"prefix": prefix, "format": "json", **arguments})
        try:
            code, answer, said = self.connected().mon_command(words, b"")
        except rados.Error as error:
            raise refused_command(what, abs(error.errno or 0), str(error), self.connection) from error
        if code != 0:
            raise refused_command(what, abs(code), said, self.connection)
        return json.loads(answer) if answer.strip() else None

    def _lacks_parent(self, what: str) -> RbdError:
        """Why an image cannot be read in a pool that can: to open a clone, librbd opens its ancestors, too."""
        return RbdError(
            what,
            f"client.{self.connection.user} may read its pool, but not the one of its parent",
            "Grant it 'profile rbd-read-only' for that pool, too, beside the capabilities that it has: ceph auth caps.",
        )

    def _answers(self) -> bool:
        """Whether the cluster answers within the time-out; that there is no such object, or no right, is an answer."""
        try:
            self._pulse.stat(_DIRECTORY)
        except rados.Error as error:
            return bool(error.errno != errno.ETIMEDOUT)
        return True

    def _open_pool(self, spec: ImageSpec, what: str) -> Any:
        try:
            return self.connected().open_ioctx(spec.pool)
        except rados.ObjectNotFound:
            raise PlaceMissing(
                what, f"there is no pool {spec.pool}", "Check the pool's name, or create it (rbd_pool)."
            ) from None

    def _context(self, spec: ImageSpec, what: str) -> Any:
        """One context for each pool and namespace, since opening it costs as much as reading an image."""
        key = (spec.pool, spec.namespace)
        with self._lock:
            if key not in self._contexts:
                ioctx = self._open_pool(spec, what)
                if self._pulse is None:
                    self._pulse = self._open_pool(spec, what)
                    self.heartbeat.start()
                ioctx.set_namespace(spec.namespace)
                # Without it librados waits for space, and even a removal would. The OSDs then refuse what
                # would take more space, and nothing else (PrimaryLogPG::prepare_transaction()).
                ioctx.set_osdmap_full_try()
                if spec.namespace and not rbd.RBD().namespace_exists(ioctx, spec.namespace):
                    ioctx.close()
                    raise PlaceMissing(
                        what,
                        f"pool {spec.pool} has no namespace {spec.namespace}",
                        f"Create it: rbd namespace create {spec.pool_path}.",
                    )
                self._contexts[key] = ioctx
            return self._contexts[key]


def _begins_an_object(image: Any, offset: int) -> bool:
    """Whether no object has bytes of the image both before and behind an offset."""
    return int(image.stripe_count()) == 1 and offset % int(image.stat()["obj_size"]) == 0


def user_snapshots(image: Any) -> tuple[str, ...]:
    """The names of the snapshots that a user made: not those of groups, mirroring or the trash."""
    kind = rbd.RBD_SNAP_NAMESPACE_TYPE_USER
    return tuple(str(snap["name"]) for snap in image.list_snaps() if snap.get("namespace", kind) == kind)
