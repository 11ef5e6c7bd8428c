# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbd_user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import _capabilities, _keyring, _module, _plan, _user
from .._errors import ClusterUnprepared
from .._system import namespaces, users
from . import _ports
from ._warnings import Warnings
from .keyring import keyring_handlers, set_key


@dataclass(frozen=True)
class Stores:
    """The ports to the cluster."""

    users: users.Users
    namespaces: namespaces.Namespaces


class UserOperation:
    """Keeps cephx users.

    The keys are in no action but those that place them; only a task that is not logged gets them.
    """

    def __init__(
        self, module: AnsibleModule, stores: Stores, options: dict[str, Any], ports: _ports.Ports = _ports.HOST
    ) -> None:
        self._module = module
        self._users = stores.users
        self._namespaces = stores.namespaces
        self._options = options
        self._files = ports.files
        self._requests: list[_user.UserRequest] = []
        self._facts: dict[str, _user.UserFacts | None] = {}
        self._keys: dict[str, str] = {}

    def plan(self) -> _plan.Plan:
        """Read each user, the namespaces of each pool once, and the keyrings."""
        params = self._module.params
        self._requests = _plan.parse_items(
            params, "users", self._options, lambda item: _user.parse_user(item, params["user"]), "name"
        )
        warnings = Warnings(self._module.check_mode)
        try:
            self._facts = {request.name: self._users.look_up(request.name) for request in self._requests}
            self._keys = {name: facts.key for name, facts in self._facts.items() if facts is not None}
            known = self._known_namespaces()
            _plan.each_item(
                self._requests,
                lambda request: request.name,
                lambda _index, request: self._require_places(request, known, warnings),
            )
        except ClusterUnprepared as error:
            warnings.excuse_unprepared(error)
        return _plan.Plan(tuple(_plan.plan_items(self._requests, self._plan_one)), warnings.all())

    def handlers(self) -> _module.Handlers:
        """What applies each kind of action."""
        return {
            **keyring_handlers(self._files),
            _keyring.SetNewKey: self._set_new_key,
            _user.CreateUser: self._create,
            _user.SetCapabilities: lambda action: self._users.set_capabilities(action.user, action.capabilities),
            _user.RemoveUser: lambda action: self._users.remove(action.user),
        }

    def report(self) -> dict[str, Any]:
        """Each user as it is after the run; with its key in a task that is not logged."""
        return {"users": [self._result(request) for request in self._requests]}

    def _known_namespaces(self) -> dict[str, tuple[str, ...] | None]:
        """The namespaces of the pools that somebody shall use; None for a pool that does not exist."""
        wanted = (
            access.pool for request in self._requests if request.state == "present" for access in request.accesses
        )
        return {pool: self._namespaces.names(pool) for pool in dict.fromkeys(wanted)}

    def _require_places(
        self, request: _user.UserRequest, known: dict[str, tuple[str, ...] | None], warnings: Warnings
    ) -> None:
        missing = _user.missing_place(request, known) if request.state == "present" else None
        if missing is None:
            return
        if not self._module.check_mode:
            raise _user.refuse_missing(request, missing)
        warnings.excuse_missing(missing)

    def _plan_one(self, index: int, request: _user.UserRequest) -> list[_plan.Action]:
        facts = self._facts.get(request.name)
        actions = _user.plan_user(index, request, facts)
        if request.keyring_file is not None and request.state == "present":
            actions += self._plan_keyring(request.keyring_file, request.name, facts)
        return actions

    def _plan_keyring(self, path: str, user: str, facts: _user.UserFacts | None) -> list[_plan.Action]:
        wanted = _keyring.KeyringRequest(path, user, facts.key if facts else None)
        text, found = self._files.read(path), self._files.look(path)
        return (_keyring.plan_keyring if facts else _keyring.plan_new_key)(wanted, text, found)

    def _create(self, action: _user.CreateUser) -> None:
        self._keys[action.user] = self._users.create(action.user, action.capabilities).key

    def _set_new_key(self, action: _keyring.SetNewKey) -> None:
        set_key(self._files, action.subject, action.user, self._keys[action.user])

    def _result(self, request: _user.UserRequest) -> dict[str, Any]:
        if request.state == "absent":
            return {"name": request.name, "exists": False, "capabilities": {}}
        result = {
            "name": request.name,
            "exists": True,
            "capabilities": _capabilities.capabilities(request.accesses),
        }
        if self._module.no_log and request.name in self._keys:
            result["key"] = self._keys[request.name]
        return result
