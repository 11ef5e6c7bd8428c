# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools, as the monitors tell of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from .cluster import LoopbackCluster


def new_name(cluster: LoopbackCluster) -> Iterator[str]:
    """A name for a new pool, for a fixture to yield; the pool is removed after the test."""
    name = f"new-{uuid.uuid4().hex[:8]}"
    yield name
    cluster.ceph("osd", "pool", "delete", name, name, "--yes-i-really-really-mean-it")


def detail(cluster: LoopbackCluster, name: str) -> dict[str, Any]:
    """All that the monitors tell of a pool."""
    pools: list[dict[str, Any]] = cluster.json("ceph", "osd", "pool", "ls", "detail")
    return next(pool for pool in pools if pool["pool_name"] == name)


def exists(cluster: LoopbackCluster, name: str) -> bool:
    """Whether the monitors know the pool."""
    return name in cluster.json("ceph", "osd", "pool", "ls")
