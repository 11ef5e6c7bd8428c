# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans a namespace: what creates it or removes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ._plan import Action
from ._pool_content import Content, require_empty
from ._pool_names import require_namespace_name, require_pool_name


@dataclass(frozen=True)
class NamespaceRequest:
    """A namespace that shall be there, or not."""

    pool: str
    namespace: str
    state: str = "present"

    @property
    def name(self) -> str:
        """The namespace as ``<pool>/<namespace>``."""
        return f"{self.pool}/{self.namespace}"


@dataclass(frozen=True)
class NamespaceAction(Action):
    """One step for a namespace."""

    pool: str
    namespace: str


@dataclass(frozen=True)
class CreateNamespace(NamespaceAction):
    """Create a namespace."""

    kind: ClassVar[str] = "create"

    def before(self) -> str:
        return "absent"

    def after(self) -> str:
        return "present"


@dataclass(frozen=True)
class RemoveNamespace(NamespaceAction):
    """Remove an empty namespace."""

    kind: ClassVar[str] = "remove"

    def before(self) -> str:
        return "present"

    def after(self) -> str:
        return "absent"


def parse_namespace(item: Mapping[str, Any]) -> NamespaceRequest:
    """The request that the options of an item make.

    :raises RbdError: a name cannot be used.
    """
    require_pool_name(item["pool"])
    require_namespace_name(item["namespace"])
    return NamespaceRequest(item["pool"], item["namespace"], item["state"])


def plan_namespace(index: int, request: NamespaceRequest, exists: bool, content: Content) -> list[Action]:
    """The steps for one namespace.

    :param content: what it holds, where it shall be removed.
    :raises RbdError: it shall be removed and holds something.
    """
    names = (index, request.name, request.pool, request.namespace)
    if request.state == "present":
        return [] if exists else [CreateNamespace(*names)]
    if not exists:
        return []
    require_namespace_empty(request.name, content)
    return [RemoveNamespace(*names)]


def require_namespace_empty(name: str, content: Content) -> None:
    """Refuse to remove a namespace that holds something.

    :raises RbdError: naming what it holds.
    """
    require_empty(f"remove the namespace {name}", content, "Remove that first.")
