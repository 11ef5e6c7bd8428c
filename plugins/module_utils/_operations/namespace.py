# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbd_namespace."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import _module, _namespace, _plan
from .._errors import ClusterUnprepared, RbdError
from .._pool_content import Content
from .._system import namespaces
from ._warnings import Warnings


class NamespaceOperation:
    """Keeps namespaces."""

    def __init__(self, module: AnsibleModule, store: namespaces.Namespaces, options: dict[str, Any]) -> None:
        self._module = module
        self._namespaces = store
        self._options = options
        self._requests: list[_namespace.NamespaceRequest] = []

    def plan(self) -> _plan.Plan:
        """List the namespaces of each pool once."""
        self._requests = _plan.parse_items(
            self._module.params, "namespaces", self._options, _namespace.parse_namespace, "namespace"
        )
        warnings = Warnings(self._module.check_mode)
        try:
            pools = dict.fromkeys(request.pool for request in self._requests)
            known = {pool: self._namespaces.names(pool) for pool in pools}
        except ClusterUnprepared as error:
            warnings.excuse_unprepared(error)
            known = dict.fromkeys((request.pool for request in self._requests), ())
        actions = _plan.plan_items(
            self._requests, lambda index, request: self._plan_one(index, request, known[request.pool], warnings)
        )
        return _plan.Plan(tuple(actions), warnings.all())

    def handlers(self) -> _module.Handlers:
        """What applies each kind of action."""
        return {
            _namespace.CreateNamespace: lambda action: self._namespaces.create(action.pool, action.namespace),
            _namespace.RemoveNamespace: self._remove,
        }

    def report(self) -> dict[str, Any]:
        """Each namespace as it is after the run."""
        return {
            "namespaces": [
                {"pool": request.pool, "namespace": request.namespace, "exists": request.state == "present"}
                for request in self._requests
            ]
        }

    def _plan_one(
        self, index: int, request: _namespace.NamespaceRequest, known: tuple[str, ...] | None, warnings: Warnings
    ) -> list[_plan.Action]:
        if known is None and request.state == "present":
            if not self._module.check_mode:
                raise RbdError(
                    f"create the namespace {request.name}",
                    f"there is no pool {request.pool}",
                    "Check the pool's name, or create it first (rbd_pool).",
                )
            warnings.excuse_missing(f"pool {request.pool}")
        exists = request.namespace in (known or ())
        content = Content()
        if exists and request.state == "absent":
            content = self._namespaces.content(request.pool, request.namespace)
        return _namespace.plan_namespace(index, request, exists, content)

    def _remove(self, action: _namespace.RemoveNamespace) -> None:
        """Remove a namespace, after a second look: librbd would not notice a group in it."""
        _namespace.require_namespace_empty(action.subject, self._namespaces.content(action.pool, action.namespace))
        self._namespaces.remove(action.pool, action.namespace)
