# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports to pools, namespaces and cephx users, in memory. Each records what was asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import AlreadyDone, RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._pool import PoolFacts, PoolMap
from ansible_collections.cephclient.rbd.plugins.module_utils._pool_content import Content
from ansible_collections.cephclient.rbd.plugins.module_utils._pool_request import Setting
from ansible_collections.cephclient.rbd.plugins.module_utils._user import UserFacts
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import CANARY

DEFAULTS: dict[str, Setting] = {
    "size": 3,
    "min_size": 2,
    "crush_rule": "replicated_rule",
    "pg_autoscale_mode": "on",
    "pg_num": 32,
}
RULES = {"replicated_rule": "replicated", "ssd": "replicated", "erasure-code": "erasure"}
PROFILES = ("default", "wide")


def pool(**given: object) -> PoolFacts:
    """A pool that is ready for RBD."""
    return replace(PoolFacts("replicated", DEFAULTS, applications=("rbd",)), **given)


@dataclass
class FakePools:
    """Pools in memory.

    :ivar serving: whether the placement groups are active.
    :ivar overtaken: is called, once, before the next change: what another run does at that moment.
    """

    pools: dict[str, PoolFacts] = field(default_factory=dict)
    initialised: set[str] = field(default_factory=set)
    contents: dict[str, Content] = field(default_factory=dict)
    open_images: tuple[str, ...] = ()
    refusal: RbdError | None = None
    unserved: RbdError | None = None
    overtaken: Callable[[], None] | None = None
    log: list[str] = field(default_factory=list)

    def read(self) -> PoolMap:
        self._note("read")
        return PoolMap(dict(self.pools), RULES, PROFILES)

    def serves(self, pool: str) -> bool:
        self._note(f"serves {pool}")
        return self.unserved is None

    def is_initialised(self, pool: str) -> bool:
        self._note(f"is_initialised {pool}")
        if self.unserved is not None:
            raise self.unserved
        return pool in self.initialised

    def content(self, pool: str) -> Content:
        self._note(f"content {pool}")
        if pool not in self.pools:
            raise RbdError(f"list what {pool} holds", "there is no pool")
        return self.contents.get(pool, Content())

    def in_use(self, pool: str, images: Iterable[str]) -> tuple[str, ...]:
        self._note(f"in_use {pool}")
        return tuple(image for image in images if image in self.open_images)

    def create(self, pool: str, pool_type: str, profile: str | None, settings: Mapping[str, Setting]) -> None:
        self._change(f"create {pool}")
        self.pools.setdefault(pool, PoolFacts(pool_type, {**DEFAULTS, **settings}, profile))

    def set(self, pool: str, setting: str, value: Setting) -> None:
        self._change(f"set {pool} {setting} {value}")
        self._update(pool, settings={**self.pools[pool].settings, setting: value})

    def tag(self, pool: str) -> None:
        self._change(f"tag {pool}")
        self._update(pool, applications=("rbd",))

    def allow_overwrites(self, pool: str) -> None:
        self._change(f"allow_overwrites {pool}")
        self._update(pool, overwrites=True)

    def initialise(self, pool: str) -> None:
        self._change(f"initialise {pool}")
        self.initialised.add(pool)

    def remove(self, pool: str) -> None:
        self._change(f"remove {pool}")
        self.pools.pop(pool, None)

    def _update(self, pool: str, **given: object) -> None:
        self.pools[pool] = replace(self.pools[pool], **given)  # type: ignore[arg-type]  # the names are those of fields

    def _change(self, call: str) -> None:
        if self.overtaken is not None:
            other, self.overtaken = self.overtaken, None
            other()
        self._note(call)

    def _note(self, call: str) -> None:
        self.log.append(call)
        if self.refusal is not None:
            raise self.refusal


@dataclass
class FakeNamespaces:
    """The namespaces of each pool."""

    pools: dict[str, set[str]] = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)
    refusal: RbdError | None = None
    log: list[str] = field(default_factory=list)

    def names(self, pool: str) -> tuple[str, ...] | None:
        self.log.append(f"names {pool}")
        if self.refusal is not None:
            raise self.refusal
        return tuple(sorted(self.pools[pool])) if pool in self.pools else None

    def content(self, pool: str, namespace: str) -> Content:
        self.log.append(f"content {pool}/{namespace}")
        return self.contents.get(f"{pool}/{namespace}", Content())

    def create(self, pool: str, namespace: str) -> None:
        self.log.append(f"create {pool}/{namespace}")
        if namespace in self.pools[pool]:
            raise AlreadyDone(f"create {namespace}", "another run has just created it")
        self.pools[pool].add(namespace)

    def remove(self, pool: str, namespace: str) -> None:
        self.log.append(f"remove {pool}/{namespace}")
        self.pools[pool].remove(namespace)


@dataclass
class FakeUsers:
    """Users, who all have the same key.

    :ivar created: raised by the next creation instead of creating anything, after another run has created that user.
    """

    users: dict[str, UserFacts] = field(default_factory=dict)
    refusal: RbdError | None = None
    overtaken: RbdError | None = None
    log: list[str] = field(default_factory=list)

    def look_up(self, user: str) -> UserFacts | None:
        self.log.append(f"look_up {user}")
        if self.refusal is not None:
            raise self.refusal
        return self.users.get(user)

    def create(self, user: str, capabilities: Mapping[str, str]) -> UserFacts:
        self.log.append(f"create {user}")
        if self.overtaken is not None:
            error, self.overtaken = self.overtaken, None
            self.users[user] = UserFacts({"mon": "allow r"}, CANARY)
            raise error
        self.users[user] = UserFacts(capabilities, CANARY)
        return self.users[user]

    def set_capabilities(self, user: str, capabilities: Mapping[str, str]) -> None:
        self.log.append(f"set_capabilities {user}")
        self.users[user] = UserFacts(capabilities, self.users[user].key)

    def remove(self, user: str) -> None:
        self.log.append(f"remove {user}")
        del self.users[user]
