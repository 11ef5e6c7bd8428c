# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster, reached through python-rados and python-rbd over one connection."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from .._errors import ClusterUnavailable, ClusterUnprepared, RbdError
from .._image_facts import Extent, ImageFacts, Watcher
from .._image_spec import ImageSpec
from .._keyring_file import KeyringFile

try:
    import rados
    import rbd
except ImportError:
    rados = None
    rbd = None

BINDINGS = "rbd"

# What conf_get("fsid") gives where ceph.conf has none.
_NO_FSID = "00000000-0000-0000-0000-000000000000"


def have_bindings() -> bool:
    """Whether this Python has Ceph's bindings."""
    return rados is not None and rbd is not None


@dataclass(frozen=True)
class Connection:
    """How to reach a cluster.

    :ivar conf: path of ceph.conf.
    :ivar user: cephx user without ``client.``.
    :ivar keyring: path of its keyring, or None for the places that Ceph itself searches.
    :ivar timeout: seconds that the cluster has to answer: to connect, and for each operation.
    """

    conf: str
    cluster: str
    user: str
    keyring: str | None
    timeout: int

    @property
    def keyring_path(self) -> str:
        """The keyring given, or the first place that Ceph searches for one."""
        return self.keyring or f"/etc/ceph/{self.cluster}.client.{self.user}.keyring"


class ClusterSession(Protocol):
    """Reads and changes images. All methods raise RbdError, and answer in bounded time."""

    def fsid(self) -> str:
        """The cluster's identity; taken from ceph.conf where nothing else has needed a connection yet."""

    def look_up(self, spec: ImageSpec) -> ImageFacts | None:
        """The image's facts (a snapshot part of the spec is checked to exist), or None without such an image."""

    def create(self, spec: ImageSpec, size: int) -> None:
        """Create an image of ``size`` bytes with the cluster's default features."""

    def grow(self, spec: ImageSpec, size: int) -> None:
        """Grow an image to ``size`` bytes; never shrinks."""

    def remove(self, spec: ImageSpec) -> None:
        """Remove an image with all its data."""

    def first_written(self, spec: ImageSpec) -> Extent | None:
        """The first extent that has ever been written, parents included; None proves the image blank."""


class LibrbdSession:
    """The real cluster. Connects when first asked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._handle: Any = None

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._handle is not None:
            self._handle.shutdown()
            self._handle = None

    def fsid(self) -> str:
        if self._handle is None:
            configured = _configured_fsid(self._connection)
            if configured is not None:
                return configured
        handle = self._connected()
        try:
            return str(handle.get_fsid())
        except rados.Error as error:
            raise ClusterUnavailable("learn the cluster's fsid", str(error), "Check its health: ceph -s.") from error

    def look_up(self, spec: ImageSpec) -> ImageFacts | None:
        try:
            with self._open(spec.head, f"look at {spec}") as image:
                snapshots = tuple(str(snap["name"]) for snap in image.list_snaps())
                facts = ImageFacts(
                    image_id=image.id(),
                    size=int(image.size()),
                    features=int(image.features()),
                    snapshots=snapshots,
                    watchers=tuple(
                        Watcher(str(seen["addr"]), f"client.{seen['id']}") for seen in image.watchers_list()
                    ),
                )
        except _NoImage:
            return None
        if spec.snap is not None and spec.snap not in facts.snapshots:
            known = ", ".join(facts.snapshots) or "none"
            raise RbdError(f"look at {spec}", f"the image has no snapshot {spec.snap!r}", f"It has: {known}.")
        return facts

    def create(self, spec: ImageSpec, size: int) -> None:
        with self._pool(spec, f"create {spec}") as ioctx:
            rbd.RBD().create(ioctx, spec.image, size, old_format=False)

    def grow(self, spec: ImageSpec, size: int) -> None:
        with self._open(spec, f"grow {spec}", read_only=False) as image:
            # resize() shrinks by default.
            image.resize(size, allow_shrink=False)

    def remove(self, spec: ImageSpec) -> None:
        with self._pool(spec, f"remove {spec}") as ioctx:
            rbd.RBD().remove(ioctx, spec.image)

    def first_written(self, spec: ImageSpec) -> Extent | None:
        found: list[Extent] = []

        def note(offset: int, length: int, exists: bool) -> None:
            if exists and not found:
                found.append(Extent(offset, length))

        with self._open(spec, f"read the written extents of {spec}") as image:
            # An invalid object map may miss what was written; then the objects themselves are listed.
            whole = not int(image.flags()) & (rbd.RBD_FLAG_OBJECT_MAP_INVALID | rbd.RBD_FLAG_FAST_DIFF_INVALID)
            image.diff_iterate(0, image.size(), None, note, include_parent=True, whole_object=whole)
        return found[0] if found else None

    @contextlib.contextmanager
    def _open(self, spec: ImageSpec, what: str, read_only: bool = True) -> Iterator[Any]:
        with self._pool(spec, what) as ioctx:
            try:
                image = rbd.Image(ioctx, spec.image, snapshot=spec.snap, read_only=read_only)
            except rbd.ImageNotFound:
                raise _NoImage(what, f"there is no image {spec.head}", "Check the name, or create it.") from None
            with image:
                yield image

    @contextlib.contextmanager
    def _pool(self, spec: ImageSpec, what: str) -> Iterator[Any]:
        """A pool's context in the spec's namespace; librados' and librbd's errors become sentences."""
        handle = self._connected()
        user = f"client.{self._connection.user}"
        try:
            with handle.open_ioctx(spec.pool) as ioctx:
                ioctx.set_namespace(spec.namespace)
                if spec.namespace and not rbd.RBD().namespace_exists(ioctx, spec.namespace):
                    raise RbdError(
                        what,
                        f"pool {spec.pool} has no namespace {spec.namespace}",
                        f"Create it: rbd namespace create {spec.pool_path}.",
                    )
                yield ioctx
        except (rados.Error, rbd.Error) as error:
            raise _explain(what, error, spec, user, self._connection.timeout) from error

    def _connected(self) -> Any:
        if self._handle is None:
            self._handle = _connect(self._connection)
        return self._handle


class _NoImage(RbdError):
    pass


def _configured_fsid(connection: Connection) -> str | None:
    """The fsid that ceph.conf names, so that a dead cluster's image can be told and unmapped."""
    if rados is None or not os.path.exists(connection.conf):
        return None
    try:
        handle = rados.Rados(conffile=connection.conf, clustername=connection.cluster, rados_id=connection.user)
        fsid = str(handle.conf_get("fsid"))
        handle.shutdown()
    except rados.Error:
        return None
    return None if fsid in ("", _NO_FSID) else fsid


def _connect(to: Connection) -> Any:
    what = f"reach the Ceph cluster as client.{to.user}"
    _require_prepared(to, what)
    settings = {
        "client_mount_timeout": str(to.timeout),
        "rados_mon_op_timeout": str(to.timeout),
        "rados_osd_op_timeout": str(to.timeout),
    }
    if to.keyring is not None:
        settings["keyring"] = to.keyring
    try:
        handle = rados.Rados(conffile=to.conf, clustername=to.cluster, rados_id=to.user, conf=settings)
    except rados.Error as error:
        raise ClusterUnavailable(what, f"{to.conf} cannot be used ({error})", "Mend that file.") from error
    if to.keyring is None:
        _require_keyring(handle, what)
    try:
        handle.connect()
    except rados.Error as error:
        handle.shutdown()
        raise _refused(what, error, to) from error
    return handle


def _require_prepared(to: Connection, what: str) -> None:
    if not have_bindings():
        raise ClusterUnprepared(
            what,
            "this host has no Python bindings for librbd and librados",
            "Install python3-rbd and python3-rados for the system's Python.",
        )
    if not os.path.exists(to.conf):
        raise ClusterUnprepared(what, f"there is no {to.conf}", "Place the cluster's ceph.conf there, or set conf.")
    if to.keyring is not None and not os.path.exists(to.keyring):
        raise ClusterUnprepared(what, f"there is no keyring {to.keyring}", "Place it there, or set keyring.")


def _require_keyring(handle: Any, what: str) -> None:
    """Where no keyring is named Ceph searches a list of places, and then fails with "object not found"."""
    if handle.conf_get("key") or handle.conf_get("keyfile"):
        return
    places = [place.strip() for place in str(handle.conf_get("keyring")).split(",") if place.strip()]
    if not any(os.path.exists(place) for place in places):
        raise ClusterUnprepared(
            what, f"there is no keyring for that user (looked for {', '.join(places)})", "Place one, or set keyring."
        )


def _refused(what: str, error: Any, to: Connection) -> RbdError:
    """Why a connect failed, by the errno that librados gives."""
    if error.errno == 110:
        return ClusterUnavailable(
            what,
            f"no monitor named in {to.conf} answered within {to.timeout} seconds",
            "Check mon_host there, the network, and that the monitors have a quorum; connect_timeout sets the wait.",
        )
    if error.errno == 2 or _lacks_key(to):
        return ClusterUnavailable(
            what,
            f"the keyring {to.keyring or 'that Ceph found'} has no key for client.{to.user}",
            f"It must have a section [client.{to.user}] with its key.",
        )
    if error.errno in (1, 13):
        return ClusterUnavailable(
            what,
            f"the monitors refused the key in {to.keyring or 'its keyring'}",
            f"Compare it with what 'ceph auth get client.{to.user}' shows on an admin host.",
        )
    return ClusterUnavailable(what, str(error), f"Check {to.conf} and the cluster's health.")


def _lacks_key(to: Connection) -> bool:
    """Whether the keyring that was named is without the user: librados calls that a refusal, too."""
    if to.keyring is None:
        return False
    try:
        with open(to.keyring, encoding="utf-8", errors="surrogateescape") as handle:
            return KeyringFile.decode(handle.read()).key(to.user) is None
    except OSError:
        return False


def _explain(what: str, error: Any, spec: ImageSpec, user: str, timeout: int) -> RbdError:
    """What librados or librbd meant; the exceptions of both carry an errno."""
    if isinstance(error, rbd.ImageNotFound):
        return RbdError(what, "there is no such image any more", "Another run may have removed it; run again.")
    code = abs(getattr(error, "errno", 0) or 0)
    if code == 110:
        cause = f"the cluster did not answer within {timeout} seconds"
        return ClusterUnavailable(what, cause, "Check its health: ceph -s, ceph osd tree.")
    permission = (
        f"{user} has no permission for it in {spec.pool_path}",
        f"Grant it: ceph auth caps {user} mon 'profile rbd' osd 'profile rbd pool={spec.pool}'.",
    )
    known = {
        1: permission,
        2: (f"there is no pool {spec.pool}", "Check the pool's name, or create it."),
        13: permission,
        16: ("it is in use", "Unmap or close it first ('rbd status' names its watchers)."),
        17: ("another run has created it at this very moment", "Run again."),
        28: (f"the pool {spec.pool} is full", "Free space, or raise its quota."),
        39: ("it has snapshots", "Remove them first."),
    }
    cause, advice = known.get(code, (str(error), f"Look at the cluster's health and at 'rbd info {spec}'."))
    return RbdError(what, cause, advice)
