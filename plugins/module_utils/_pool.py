# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans a pool: what creates it, makes it ready for RBD, corrects its settings or removes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ._errors import RbdError
from ._plan import Action
from ._pool_content import Content, require_empty
from ._pool_request import ERASURE, REPLICATED, SETTINGS, PoolRequest, Setting, refuse_size, require_min_size

APPLICATION = "rbd"


@dataclass(frozen=True)
class PoolFacts:
    """A pool as it is.

    :ivar pool_type: ``replicated`` or ``erasure``.
    :ivar settings: all of :data:`_pool_request.SETTINGS`.
    :ivar profile: the profile of an erasure-coded pool, otherwise None.
    :ivar applications: what it is tagged for.
    :ivar overwrites: whether an erasure-coded pool allows overwrites, without which librbd cannot use it.
    :ivar undeletable: whether its flag ``nodelete`` is set.
    """

    pool_type: str
    settings: Mapping[str, Setting]
    profile: str | None = None
    applications: tuple[str, ...] = ()
    overwrites: bool = False
    undeletable: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether it is tagged for RBD, or for nothing yet."""
        return not self.applications or APPLICATION in self.applications


@dataclass(frozen=True)
class PoolMap:
    """All the pools of a cluster, and what a new one may refer to.

    :ivar rules: the names of the CRUSH rules, each with the type of the pools that it is for.
    :ivar profiles: the names of the erasure-code profiles.
    """

    pools: Mapping[str, PoolFacts]
    rules: Mapping[str, str]
    profiles: tuple[str, ...]


@dataclass(frozen=True)
class PoolCurrent:
    """What the plan of one pool depends on.

    :ivar facts: the pool, or None.
    :ivar initialised: whether ``rbd pool init`` has been run on it; read only where it shall be.
    :ivar content: what it holds; read only where the pool shall be removed.
    :ivar in_use: the images that somebody has open; read only where they shall be removed, too.
    """

    facts: PoolFacts | None
    initialised: bool = False
    content: Content = field(default_factory=Content)
    in_use: tuple[str, ...] = ()


@dataclass(frozen=True)
class CreatePool(Action):
    """Create a pool; what is not given is left to the cluster's defaults."""

    kind: ClassVar[str] = "create"

    pool_type: str
    profile: str | None
    settings: Mapping[str, Setting]

    def before(self) -> str:
        return "absent"

    def after(self) -> str:
        given = [f"{name} {value}" for name, value in self.settings.items()]
        profile = [f"erasure_code_profile {self.profile}"] if self.profile else []
        return ", ".join([self.pool_type, *profile, *given])

    def result(self) -> dict[str, Any]:
        return {**super().result(), "type": self.pool_type, **self.settings}


@dataclass(frozen=True)
class SetPool(Action):
    """Change one setting.

    :ivar old: None for that of a pool yet to be created.
    """

    kind: ClassVar[str] = "set"

    setting: str
    old: Setting | None
    new: Setting

    def before(self) -> str:
        return f"the default {self.setting}" if self.old is None else f"{self.setting} {self.old}"

    def after(self) -> str:
        return f"{self.setting} {self.new}"

    def result(self) -> dict[str, Any]:
        return {**super().result(), "setting": self.setting, "value": self.new}


@dataclass(frozen=True)
class TagPool(Action):
    """Tag a pool for RBD."""

    kind: ClassVar[str] = "tag"

    def before(self) -> str:
        return "no application"

    def after(self) -> str:
        return f"application {APPLICATION}"


@dataclass(frozen=True)
class AllowOverwrites(Action):
    """Allow overwrites on an erasure-coded pool."""

    kind: ClassVar[str] = "allow_ec_overwrites"

    def before(self) -> str:
        return "no overwrites"

    def after(self) -> str:
        return "overwrites allowed"


@dataclass(frozen=True)
class InitPool(Action):
    """Do what ``rbd pool init`` does: prove that librbd can write there, and note it."""

    kind: ClassVar[str] = "init"

    def before(self) -> str:
        return "not initialised"

    def after(self) -> str:
        return "initialised"


@dataclass(frozen=True)
class RemovePool(Action):
    """Remove a pool with all that it holds.

    :ivar content: what it holds.
    :ivar delete_data: whether it is removed in spite of what it may hold by then.
    """

    kind: ClassVar[str] = "remove"

    content: Content
    delete_data: bool

    def before(self) -> str:
        return f"a pool that holds {self.content}"

    def after(self) -> str:
        return "absent"


def plan_pool(index: int, request: PoolRequest, current: PoolCurrent) -> list[Action]:
    """The steps for one pool.

    :raises RbdError: it cannot become what it shall be, belongs to another application, or holds data.
    """
    facts = current.facts
    if request.state == "absent":
        return [] if facts is None else _plan_removal(index, request, facts, current)
    if facts is None:
        return _plan_creation(index, request)
    _require_ours(f"make pool {request.name} ready for RBD", facts)
    _require_same_kind(request, facts)
    require_min_size(request, request.settings.get("size", facts.settings["size"]))
    return [*corrections(index, request, facts), *_make_ready(index, request.name, facts, current.initialised)]


def corrections(index: int, request: PoolRequest, facts: PoolFacts) -> list[SetPool]:
    """The steps that give an existing pool the settings that are declared."""
    now = dict(facts.settings)
    steps = []
    for name in SETTINGS:
        wish = request.settings.get(name, now[name])
        if wish != now[name]:
            steps.append(SetPool(index, request.name, name, now[name], wish))
        if name == "size" and wish != now[name]:
            # The monitors lower min_size to a smaller size (OSDMonitor::prepare_command_pool_set()).
            now["min_size"] = min(int(now["min_size"]), int(wish))
    return steps


def refuse_unknown(request: PoolRequest, cluster: PoolMap) -> None:
    """Refuse a CRUSH rule or a profile that the cluster does not have, or not for that type of pool.

    :raises RbdError: naming those that there are.
    """
    what = f"make pool {request.name}"
    rule = request.settings.get("crush_rule")
    facts = cluster.pools.get(request.name)
    pool_type = facts.pool_type if facts else request.pool_type or REPLICATED
    if rule is not None and cluster.rules.get(str(rule)) != pool_type:
        fitting = ", ".join(name for name, kind in cluster.rules.items() if kind == pool_type) or "none"
        cause = f"is for another type than {pool_type}" if rule in cluster.rules else "does not exist"
        raise RbdError(what, f"the CRUSH rule {rule} {cause}", f"Those that fit: {fitting}.")
    if request.profile is not None and request.profile not in cluster.profiles:
        raise RbdError(
            what,
            f"the erasure-code profile {request.profile} does not exist",
            f"There are: {', '.join(cluster.profiles) or 'none'}. Create one: ceph osd erasure-code-profile set.",
        )


def warnings(actions: list[Action]) -> list[str]:
    """What the user should know of a plan before it is applied."""
    return [
        f"Pool {action.subject} keeps one copy of its data: the loss of a single disk loses it."
        for action in actions
        if isinstance(action, SetPool) and (action.setting, action.new) == ("size", 1)
    ]


def _plan_creation(index: int, request: PoolRequest) -> list[Action]:
    pool_type = request.pool_type or REPLICATED
    given = {name: request.settings[name] for name in SETTINGS if name in request.settings}
    later = {name: value for name, value in given.items() if not _is_taken_at_creation(name, value)}
    at_once = {name: value for name, value in given.items() if name not in later}
    return [
        CreatePool(index, request.name, pool_type, request.profile, at_once),
        *(SetPool(index, request.name, name, None, value) for name, value in later.items()),
        *_make_ready(index, request.name, PoolFacts(pool_type, {}), initialised=False),
    ]


def _is_taken_at_creation(setting: str, value: Setting) -> bool:
    """The monitors take min_size only afterwards, and ask only then whether a single copy is allowed (Ceph 16)."""
    return setting != "min_size" and (setting, value) != ("size", 1)


def _make_ready(index: int, pool: str, facts: PoolFacts, initialised: bool) -> list[Action]:
    """What librbd needs: a pool for images is initialised, one for their data allows overwrites."""
    actions: list[Action] = []
    if APPLICATION not in facts.applications:
        actions.append(TagPool(index, pool))
    if facts.pool_type == ERASURE and not facts.overwrites:
        actions.append(AllowOverwrites(index, pool))
    if facts.pool_type == REPLICATED and not initialised:
        actions.append(InitPool(index, pool))
    return actions


def _require_ours(what: str, facts: PoolFacts) -> None:
    if not facts.is_ours:
        raise RbdError(
            what,
            f"it is tagged for another application ({', '.join(facts.applications)})",
            "Use another pool: what RBD and another application write there could not be told apart.",
        )


def _require_same_kind(request: PoolRequest, facts: PoolFacts) -> None:
    advice = "Declare the pool as it is, or create another one and copy the images (rbd migration)."
    if request.pool_type not in (None, facts.pool_type):
        raise RbdError(
            f"make pool {request.name} {request.pool_type}", f"it is {facts.pool_type}, and that is fixed", advice
        )
    if request.profile not in (None, facts.profile):
        raise RbdError(
            f"give pool {request.name} the erasure-code profile {request.profile}",
            f"it was created with {facts.profile}, and that is fixed",
            advice,
        )
    if facts.pool_type == ERASURE and "size" in request.settings:
        raise refuse_size(request.name)


def _plan_removal(index: int, request: PoolRequest, facts: PoolFacts, current: PoolCurrent) -> list[Action]:
    what = f"remove pool {request.name}"
    _require_ours(what, facts)
    if facts.undeletable:
        raise RbdError(what, "its flag nodelete is set", f"Clear it: ceph osd pool set {request.name} nodelete false.")
    if current.in_use:
        raise RbdError(
            what,
            f"somebody has {', '.join(current.in_use)} open",
            f"Unmap or close it first ('rbd status {request.name}/{current.in_use[0]}' names its watchers).",
        )
    if not request.delete_data:
        require_pool_empty(request.name, current.content)
    return [RemovePool(index, request.name, current.content, request.delete_data)]


def require_pool_empty(pool: str, content: Content) -> None:
    """Refuse to remove a pool that holds something.

    :raises RbdError: naming what it holds.
    """
    require_empty(f"remove pool {pool}", content, "Remove that first, or set delete_data to true if all of it may go.")
