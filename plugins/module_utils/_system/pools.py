# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools: what rbd_pool reads and changes, through the monitors and through librbd."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from .._errors import ClusterUnavailable, Overtaken, RbdError
from .._image_spec import ImageSpec
from .._pool import APPLICATION, PoolFacts, PoolMap
from .._pool_content import CONTROL_OBJECTS, Content
from .._pool_request import ERASURE, REPLICATED, Setting
from .bindings import rados, rbd
from .ceph_errors import CommandRefused, NoImage
from .cluster import LibrbdSession
from .connection import connect
from .image_use import read_watchers
from .namespaces import LibrbdNamespaces, place
from .parallel import in_parallel

# TYPE_REPLICATED and TYPE_ERASURE of src/osd/osd_types.h, and the types of CRUSH rules for such pools
# (src/crush/crush.h).
_POOL_TYPES = {1: REPLICATED, 3: ERASURE}
_RULE_TYPES = {**_POOL_TYPES, 4: REPLICATED, 5: ERASURE}

# What `rbd pool init` leaves in a pool: src/librbd/image/ValidatePoolRequest.cc.
_INFO = "rbd_info"
_VALIDATED = b"overwrite validated"

# Seconds for a pool to answer that is about to be changed: what it lacks may be what it is about to be given.
PATIENCE = 5

# The settings whose argument of `osd pool create` is called otherwise.
_ARGUMENTS = {"crush_rule": "rule", "pg_autoscale_mode": "autoscale_mode"}


class Pools(Protocol):
    """Reads and changes pools. All methods raise RbdError, and end in bounded time."""

    def read(self) -> PoolMap:
        """All the pools, CRUSH rules and erasure-code profiles."""

    def serves(self, pool: str) -> bool:
        """Whether a pool answers within :data:`PATIENCE`, or the time-out where that is shorter."""

    def is_initialised(self, pool: str) -> bool:
        """Whether ``rbd pool init`` has been run on a pool."""

    def content(self, pool: str) -> Content:
        """What a pool holds, in all of its namespaces."""

    def in_use(self, pool: str, images: Iterable[str]) -> tuple[str, ...]:
        """Those of the images, given as ``[<namespace>/]<image>``, that somebody has open for writing."""

    def create(self, pool: str, pool_type: str, profile: str | None, settings: Mapping[str, Setting]) -> None:
        """Create a pool; one that exists is left as it is."""

    def set(self, pool: str, setting: str, value: Setting) -> None:
        """Change one setting."""

    def tag(self, pool: str) -> None:
        """Tag a pool for RBD."""

    def allow_overwrites(self, pool: str) -> None:
        """Allow overwrites on an erasure-coded pool, once it serves."""

    def initialise(self, pool: str) -> None:
        """Do what ``rbd pool init`` does, once the pool serves."""

    def remove(self, pool: str) -> None:
        """Remove a pool with all that it holds."""


class ClusterPools:
    """The real pools."""

    def __init__(self, session: LibrbdSession) -> None:
        self._session = session
        self._namespaces = LibrbdNamespaces(session)

    def read(self) -> PoolMap:
        what = "list the pools"
        rules = self._session.command(what, "osd crush rule dump")
        profiles = self._session.command(what, "osd erasure-code-profile ls")
        pools = self._session.command(what, "osd pool ls", detail="detail")
        names = {rule["rule_id"]: str(rule["rule_name"]) for rule in rules}
        return PoolMap(
            pools={str(pool["pool_name"]): _facts(pool, names) for pool in pools},
            rules={str(rule["rule_name"]): _RULE_TYPES.get(rule["type"], "unknown") for rule in rules},
            profiles=tuple(str(profile) for profile in profiles),
        )

    def serves(self, pool: str) -> bool:
        # librados knows one time-out for each connection.
        to = replace(self._session.connection, timeout=min(PATIENCE, self._session.connection.timeout))
        handle = connect(to)
        try:
            with handle.open_ioctx(pool) as ioctx:
                ioctx.stat(_INFO)
        except rados.TimedOut:
            return False
        except rados.Error:
            # That there is no such object, or no right, is an answer.
            return True
        finally:
            handle.shutdown()
        return True

    def is_initialised(self, pool: str) -> bool:
        return self._read_info(pool, f"look at pool {pool}") == _VALIDATED

    def content(self, pool: str) -> Content:
        namespaces = self._namespaces.names(pool) or ()
        parts = [("", self._namespaces.content(pool, ""))]
        parts += [(f"{namespace}/", self._namespaces.content(pool, namespace)) for namespace in namespaces]
        content = Content(
            images=tuple(prefix + name for prefix, part in parts for name in part.images),
            trash=tuple(prefix + name for prefix, part in parts for name in part.trash),
            groups=tuple(prefix + name for prefix, part in parts for name in part.groups),
        )
        return content if content else Content(other=self._other_object(pool))

    def in_use(self, pool: str, images: Iterable[str]) -> tuple[str, ...]:
        names = tuple(images)
        used = []
        for name, watched in zip(names, in_parallel([f"{pool}/{name}" for name in names], self._is_watched)):
            if isinstance(watched, RbdError):
                raise watched
            if watched:
                used.append(name)
        return tuple(used)

    def create(self, pool: str, pool_type: str, profile: str | None, settings: Mapping[str, Setting]) -> None:
        arguments: dict[str, Any] = {_ARGUMENTS.get(name, name): value for name, value in settings.items()}
        if profile is not None:
            arguments["erasure_code_profile"] = profile
        self._command(f"create pool {pool}", "osd pool create", pool=pool, pool_type=pool_type, **arguments)

    def set(self, pool: str, setting: str, value: Setting) -> None:
        # Who declares a single copy has said what the monitors want to hear.
        consent = {"yes_i_really_mean_it": True} if (setting, value) == ("size", 1) else {}
        what = f"set {setting} of pool {pool} to {value}"
        self._command(what, "osd pool set", pool=pool, var=setting, val=str(value), **consent)

    def tag(self, pool: str) -> None:
        self._command(f"tag pool {pool} for RBD", "osd pool application enable", pool=pool, app=APPLICATION)

    def allow_overwrites(self, pool: str) -> None:
        self._read_info(pool, f"use pool {pool}")
        what = f"allow overwrites on pool {pool}"
        self._command(what, "osd pool set", pool=pool, var="allow_ec_overwrites", val="true")

    def initialise(self, pool: str) -> None:
        self._read_info(pool, f"use pool {pool}")
        with self._session.pool(place(pool), f"initialise pool {pool}") as ioctx:
            rbd.RBD().pool_init(ioctx, False)

    def remove(self, pool: str) -> None:
        consent = {"pool2": pool, "yes_i_really_really_mean_it": True}
        self._command(f"remove pool {pool}", "osd pool delete", pool=pool, **consent)

    def _read_info(self, pool: str, what: str) -> bytes | None:
        """Read the object that librbd keeps about a pool; None if there is none. Waits for its placement group."""
        with self._session.pool(place(pool), what) as ioctx:
            try:
                return bytes(ioctx.read(_INFO))
            except rados.ObjectNotFound:
                return None
            except rados.TimedOut:
                raise ClusterUnavailable(
                    what,
                    f"its placement groups did not answer within {self._session.connection.timeout} seconds",
                    f"They need as many OSDs as size and CRUSH rule ask for: ceph pg ls-by-pool {pool}, ceph osd tree.",
                ) from None

    def _other_object(self, pool: str) -> str | None:
        """An object that is neither librbd's nor the manager's own bookkeeping."""
        what = f"list the objects of pool {pool}"
        # A context of its own, since the session's have a namespace that must stay.
        with self._session.pool(place(pool), what), self._session.connected().open_ioctx(pool) as ioctx:
            ioctx.set_namespace(rados.LIBRADOS_ALL_NSPACES)
            found = ((str(entry.nspace), str(entry.key)) for entry in ioctx.list_objects())
            return next(
                (f"{space}/{key}" if space else key for space, key in found if key not in CONTROL_OBJECTS), None
            )

    def _is_watched(self, spec: str) -> bool:
        try:
            with self._session.open(ImageSpec.parse(spec), f"look at {spec}") as image:
                return bool(read_watchers(image))
        except NoImage:
            return False

    def _command(self, what: str, prefix: str, **arguments: Any) -> None:
        """Change something, with the refusals that have an advice of their own."""
        try:
            self._session.command(what, prefix, **arguments)
        except CommandRefused as refusal:
            if refusal.errno == errno.ENOENT and prefix != "osd pool create":
                raise Overtaken(what, refusal.cause, "Run again.") from None
            if refusal.errno == errno.EPERM and prefix == "osd pool delete":
                raise RbdError(
                    what,
                    "the monitors do not allow it (mon_allow_pool_delete is false)",
                    "Allow it: ceph config set mon mon_allow_pool_delete true; and take that back afterwards.",
                ) from None
            if refusal.errno == errno.EPERM and "yes_i_really_mean_it" in arguments:
                raise RbdError(
                    what,
                    "the monitors do not allow pools of a single copy (mon_allow_pool_size_one is false)",
                    "Use a larger size, or allow it: ceph config set global mon_allow_pool_size_one true.",
                ) from None
            raise


def _facts(pool: Mapping[str, Any], rules: Mapping[int, str]) -> PoolFacts:
    flags = str(pool["flags_names"]).split(",")
    return PoolFacts(
        pool_type=_POOL_TYPES.get(pool["type"], "unknown"),
        settings={
            "size": int(pool["size"]),
            "min_size": int(pool["min_size"]),
            "crush_rule": rules.get(pool["crush_rule"], f"rule {pool['crush_rule']}"),
            "pg_autoscale_mode": str(pool["pg_autoscale_mode"]),
            # Where the number is on its way to, a step at a time.
            "pg_num": int(pool["pg_num_target"]),
        },
        profile=str(pool["erasure_code_profile"]) or None,
        applications=tuple(sorted(pool["application_metadata"])),
        overwrites="ec_overwrites" in flags,
        undeletable="nodelete" in flags,
    )
