# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans a cephx user: one who has exactly the capabilities that RBD needs for the places that are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from . import _capabilities
from ._capabilities import Access
from ._errors import RbdError
from ._keyring import require_user
from ._plan import Action
from ._pool_names import require_namespace_name, require_pool_name

# Users whose capabilities the cluster itself depends on.
_ADMIN = "admin"
_BOOTSTRAP = "bootstrap-"


@dataclass(frozen=True)
class UserRequest:
    """A user as it shall be.

    :ivar name: the cephx id, without ``client.``.
    :ivar accesses: the places that the user may use.
    :ivar keyring_file: where the key shall be written on this host, or None.
    """

    name: str
    state: str = "present"
    accesses: tuple[Access, ...] = ()
    keyring_file: str | None = None


@dataclass(frozen=True)
class UserFacts:
    """A user as the monitors know it. Its repr does not show the key."""

    capabilities: Mapping[str, str]
    key: str = field(repr=False)


@dataclass(frozen=True)
class Empower(Action):
    """Let a user have these capabilities and no others."""

    user: str
    capabilities: Mapping[str, str]

    def after(self) -> str:
        return _capabilities.show(self.capabilities)

    def result(self) -> dict[str, Any]:
        return {**super().result(), "capabilities": dict(self.capabilities)}


@dataclass(frozen=True)
class CreateUser(Empower):
    """Create a user; the monitors make the key."""

    kind: ClassVar[str] = "create"

    def before(self) -> str:
        return "absent"


@dataclass(frozen=True)
class SetCapabilities(Empower):
    """Replace all the capabilities of a user.

    :ivar old: those that the user has.
    """

    kind: ClassVar[str] = "set_capabilities"

    old: Mapping[str, str]

    def before(self) -> str:
        return _capabilities.show(self.old)


@dataclass(frozen=True)
class RemoveUser(Action):
    """Remove a user and the key."""

    kind: ClassVar[str] = "remove"

    user: str
    capabilities: Mapping[str, str]

    def before(self) -> str:
        return _capabilities.show(self.capabilities)

    def after(self) -> str:
        return "absent"


def parse_user(item: Mapping[str, Any], connecting: str) -> UserRequest:
    """The request that the options of an item make.

    :param connecting: the user that the module itself connects as.
    :raises RbdError: the user is not one to be managed, or the places cannot be understood.
    """
    name = item["name"]
    _require_manageable(name, connecting)
    accesses = tuple(_parse_access(access) for access in item["pools"] or ())
    if item["state"] == "present":
        _require_clear(name, accesses)
    return UserRequest(name, item["state"], accesses, item["keyring_file"])


def plan_user(index: int, request: UserRequest, facts: UserFacts | None) -> list[Action]:
    """The steps for one user, without those for the keyring."""
    subject = f"client.{request.name}"
    if request.state == "absent":
        return [] if facts is None else [RemoveUser(index, subject, request.name, facts.capabilities)]
    wanted = _capabilities.capabilities(request.accesses)
    if facts is None:
        return [CreateUser(index, subject, request.name, wanted)]
    if _capabilities.same(facts.capabilities, wanted):
        return []
    return [SetCapabilities(index, subject, request.name, wanted, facts.capabilities)]


def missing_place(request: UserRequest, namespaces: Mapping[str, tuple[str, ...] | None]) -> str | None:
    """The first pool or namespace of a request that does not exist, such as ``pool rbd``; or None.

    :param namespaces: the namespaces of each pool; None for a pool that does not exist.
    """
    for access in request.accesses:
        known = namespaces[access.pool]
        if known is None:
            return f"pool {access.pool}"
        if access.namespace is not None and access.namespace not in known:
            return f"namespace {access.name}"
    return None


def refuse_missing(request: UserRequest, place: str) -> RbdError:
    """Why a user is not given what does not exist."""
    return RbdError(
        f"give client.{request.name} its capabilities",
        f"there is no {place}",
        "Check the name, or create it first (rbd_pool, rbd_namespace).",
    )


def _require_manageable(name: str, connecting: str) -> None:
    what = f"manage the cephx user {name!r}"
    if name.startswith("client."):
        raise RbdError(what, "'client.' is not part of a user's id", f"Write {name[len('client.') :]}.")
    require_user(name)
    if "/" in name:
        raise RbdError(what, "the name is part of the keyring's file name, and has a slash", "Choose another name.")
    if name == _ADMIN or name.startswith(_BOOTSTRAP):
        raise RbdError(
            what, "the cluster itself needs this user's capabilities", "Choose a name of its own for a user of RBD."
        )
    if name == connecting:
        raise RbdError(
            what,
            "it is the one that this module connects as, and could lock itself out",
            "Connect as another one (user), for example as admin.",
        )


def _parse_access(item: Mapping[str, Any]) -> Access:
    require_pool_name(item["pool"])
    if item["namespace"] is not None:
        require_namespace_name(item["namespace"])
    return Access(item["pool"], item["namespace"], item["profile"])


def _require_clear(name: str, accesses: tuple[Access, ...]) -> None:
    what = f"give client.{name} its capabilities"
    if not accesses:
        raise RbdError(what, "no pool is given", "Name in pools what the user may use.")
    places = [access.name for access in accesses]
    for place in places:
        if places.count(place) > 1:
            raise RbdError(what, f"{place} is given twice", "Give each pool or namespace once, with one profile.")
