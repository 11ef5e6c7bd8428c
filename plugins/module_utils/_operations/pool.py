# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbd_pool."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import _module, _plan, _pool
from .._errors import AlreadyDone, ClusterUnprepared, RbdError
from .._pool_content import Content
from .._pool_request import REPLICATED, SETTINGS, PoolRequest, parse_pool
from .._system import pools
from ._warnings import Warnings


class PoolOperation:
    """Keeps pools."""

    def __init__(self, module: AnsibleModule, store: pools.Pools, options: dict[str, Any]) -> None:
        self._module = module
        self._pools = store
        self._options = options
        self._requests: list[PoolRequest] = []
        self._map: _pool.PoolMap | None = None
        self._changes: list[_plan.Action] = []
        self._all_serve = True

    def plan(self) -> _plan.Plan:
        """Read all the pools at once, and of those that are named what else it takes."""
        self._requests = _plan.parse_items(self._module.params, "pools", self._options, parse_pool, "pool")
        warnings = Warnings(self._module.check_mode)
        self._all_serve = True
        try:
            found = self._pools.read()
            self._changes = _plan.plan_items(
                self._requests, lambda index, request: self._plan_one(index, request, found)
            )
            self._map = found
        except ClusterUnprepared as error:
            warnings.excuse_unprepared(error)
            self._changes = _plan.plan_items(self._requests, _predict_one)
        warnings.add(_pool.warnings(self._changes))
        return _plan.Plan(tuple(self._changes), warnings.all())

    def handlers(self) -> _module.Handlers:
        """What applies each kind of action."""
        store = self._pools
        return {
            _pool.CreatePool: lambda action: store.create(
                action.subject, action.pool_type, action.profile, action.settings
            ),
            _pool.SetPool: lambda action: store.set(action.subject, action.setting, action.new),
            _pool.TagPool: lambda action: store.tag(action.subject),
            _pool.AllowOverwrites: lambda action: store.allow_overwrites(action.subject),
            _pool.InitPool: lambda action: store.initialise(action.subject),
            _pool.RemovePool: self._remove,
        }

    def report(self) -> dict[str, Any]:
        """Each pool as it is; in check mode, as it is before the run."""
        if self._changes and not self._module.check_mode:
            self._map = self._pools.read()
        known = self._map.pools if self._map else {}
        return {"pools": [_result(request, known.get(request.name)) for request in self._requests]}

    def _plan_one(self, index: int, request: PoolRequest, found: _pool.PoolMap) -> list[_plan.Action]:
        if request.state == "present":
            _pool.refuse_unknown(request, found)
        return _pool.plan_pool(index, request, self._read(request, found.pools.get(request.name)))

    def _read(self, request: PoolRequest, facts: _pool.PoolFacts | None) -> _pool.PoolCurrent:
        if facts is None or not facts.is_ours:
            return _pool.PoolCurrent(facts)
        if request.state == "present":
            return _pool.PoolCurrent(facts, facts.pool_type == REPLICATED and self._is_initialised(request, facts))
        content = self._pools.content(request.name)
        in_use = self._pools.in_use(request.name, content.images) if request.delete_data else ()
        return _pool.PoolCurrent(facts, content=content, in_use=in_use)

    def _is_initialised(self, request: PoolRequest, facts: _pool.PoolFacts) -> bool:
        # A pool that does not serve may need nothing but the settings that are declared: then the time is kept for
        # what comes after them. Of many pools one is waited for; to initialise one that is does nothing.
        if _pool.corrections(0, request, facts):
            self._all_serve = self._all_serve and self._pools.serves(request.name)
            if not self._all_serve:
                return False
        return self._pools.is_initialised(request.name)

    def _remove(self, action: _pool.RemovePool) -> None:
        """Remove a pool, after a second look at what would go with it."""
        if not action.delete_data:
            _pool.require_pool_empty(action.subject, self._content_now(action.subject))
        self._pools.remove(action.subject)

    def _content_now(self, pool: str) -> Content:
        try:
            return self._pools.content(pool)
        except RbdError:
            if pool in self._pools.read().pools:
                raise
            raise AlreadyDone(f"remove pool {pool}", "another run has just removed it") from None


def _predict_one(index: int, request: PoolRequest) -> list[_plan.Action]:
    """Without the cluster: a pool that shall be there is taken to be new, and one that shall not, to be away."""
    return _pool.plan_pool(index, request, _pool.PoolCurrent(None))


def _result(request: PoolRequest, facts: _pool.PoolFacts | None) -> dict[str, Any]:
    settings = {name: facts.settings[name] if facts else None for name in SETTINGS}
    return {
        "pool": request.name,
        "exists": facts is not None,
        "type": facts.pool_type if facts else None,
        "erasure_code_profile": facts.profile if facts else None,
        **settings,
    }
