# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pool shall be, and what cannot be wished for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

from ._errors import RbdError
from ._pool_names import require_pool_name

Setting = Union[int, str]

# In the order in which they can be set: min_size is at most size, and the autoscaler would change pg_num back.
SETTINGS = ("size", "min_size", "crush_rule", "pg_autoscale_mode", "pg_num")

REPLICATED = "replicated"
ERASURE = "erasure"


@dataclass(frozen=True)
class PoolRequest:
    """A pool as it shall be.

    :ivar name: the pool's name.
    :ivar pool_type: ``replicated`` or ``erasure``; None takes an existing pool as it is.
    :ivar profile: the profile of an erasure-coded pool; None takes any.
    :ivar settings: those that are given, of :data:`SETTINGS`; all the others are left alone.
    :ivar delete_data: whether the pool may be removed with what it holds.
    """

    name: str
    state: str = "present"
    pool_type: str | None = None
    profile: str | None = None
    settings: Mapping[str, Setting] = field(default_factory=dict)
    delete_data: bool = False


def parse_pool(item: Mapping[str, Any]) -> PoolRequest:
    """The request that the options of an item make.

    :raises RbdError: the name cannot be used, or the options contradict each other.
    """
    require_pool_name(item["pool"])
    request = PoolRequest(
        item["pool"],
        item["state"],
        item["type"],
        item["erasure_code_profile"],
        {name: item[name] for name in SETTINGS if item[name] is not None},
        item["delete_data"],
    )
    if request.state == "present":
        _require_possible(request)
    return request


def refuse_size(pool: str) -> RbdError:
    """Why the size of an erasure-coded pool cannot be declared."""
    return RbdError(
        f"set the size of pool {pool}",
        "the profile of an erasure-coded pool decides it (k + m)",
        "Leave size out, or use another erasure_code_profile for a new pool.",
    )


def require_min_size(request: PoolRequest, size: Setting) -> None:
    """Refuse a min_size that is larger than the size that the pool has or gets.

    :raises RbdError: it is.
    """
    min_size = request.settings.get("min_size", 1)
    if int(min_size) > int(size):
        raise RbdError(
            f"set min_size of pool {request.name}",
            f"{min_size} is larger than its size {size}",
            "Give a min_size of at most size.",
        )


def _require_possible(request: PoolRequest) -> None:
    what = f"declare pool {request.name}"
    settings = request.settings
    if request.profile is not None and request.pool_type != ERASURE:
        raise RbdError(what, "erasure_code_profile is for type erasure", "Set type to erasure, or leave it out.")
    if request.pool_type == ERASURE and "size" in settings:
        raise refuse_size(request.name)
    for name in ("size", "min_size", "pg_num"):
        if int(settings.get(name, 1)) < 1:
            raise RbdError(what, f"{name} is {settings[name]}", "Give a number of 1 or more.")
    if "size" in settings:
        require_min_size(request, settings["size"])
    if "pg_num" in settings and settings.get("pg_autoscale_mode", "on") == "on":
        raise RbdError(
            what,
            "the autoscaler would change pg_num again",
            "Leave pg_num to it, or set pg_autoscale_mode to 'off' or 'warn' as well.",
        )
