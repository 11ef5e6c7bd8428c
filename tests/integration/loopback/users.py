# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cephx users, as the monitors tell of them."""

from __future__ import annotations

from .cluster import LoopbackCluster
from .modules import Result


def held(cluster: LoopbackCluster, name: str) -> dict[str, str]:
    """The user's capabilities as the monitors tell them."""
    caps: dict[str, str] = cluster.json("ceph", "auth", "get", f"client.{name}")[0]["caps"]
    return caps


def key(cluster: LoopbackCluster, name: str) -> str:
    """The user's key."""
    return cluster.ceph("auth", "get-key", f"client.{name}").strip()


def exists(cluster: LoopbackCluster, name: str) -> bool:
    """Whether the monitors know the user."""
    return f"client.{name}" in cluster.ceph("auth", "ls")


def kinds(result: Result) -> list[str]:
    """What a module did, one after the other."""
    return [action["action"] for action in result.actions]
