# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots and clones, made and listed by the rbd command."""

from __future__ import annotations

from .cluster import LoopbackCluster
from .modules import Result

MIB = 2**20


def take(cluster: LoopbackCluster, image: str, *names: str) -> None:
    """Take snapshots of an image, one after the other."""
    for name in names:
        cluster.rbd("snap", "create", "--no-progress", f"{image}@{name}")


def listed(cluster: LoopbackCluster, image: str) -> dict[str, str]:
    """Each of a user's snapshots, in the words of the module's diff."""
    return {
        snap["name"]: f"snapshot of {snap['size'] // MIB} MiB" + ", protected" * (snap["protected"] == "true")
        for snap in cluster.json("rbd", "snap", "ls", image)
    }


def clone(cluster: LoopbackCluster, parent: str, child: str, version: int) -> None:
    """Clone a snapshot.

    :param version: 1 for a clone that needs a protected parent, or 2.
    """
    cluster.rbd("clone", "--rbd-default-clone-format", str(version), parent, child)


def steps(result: Result) -> list[tuple[str, str]]:
    """What a module did, to what."""
    return [(action["action"], action["subject"]) for action in result.actions]
