# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_info tells of a plain image and its snapshots what Ceph's own commands tell, and changes nothing."""

from __future__ import annotations

from loopback.cluster import LoopbackCluster
from loopback.info import info, write
from loopback.modules import Modules
from loopback.oracle import comparable, told

MIB = 2**20


def test_plain_image(cluster: LoopbackCluster, namespace: str, module: Modules) -> None:
    image = f"{namespace}/data"
    cluster.rbd("create", image, "--size", "64M")
    write(cluster, image, 0, 20 * MIB)

    shown = info(module, image)

    assert comparable(shown) == told(cluster, image)
    assert shown["lock"] is None
    assert shown["usage"] == {"head": 8 * MIB, "total": 8 * MIB, "method": "fast-diff", "reason": None}


def test_snapshots_and_what_each_uses(cluster: LoopbackCluster, namespace: str, module: Modules) -> None:
    image = f"{namespace}/data"
    cluster.rbd("create", image, "--size", "64M")
    for name, offsets in (("one", (0, 8 * MIB)), ("two", (0,)), ("three", ())):
        write(cluster, image, *offsets)
        cluster.rbd("snap", "create", f"{image}@{name}")
    cluster.rbd("snap", "protect", f"{image}@two")
    cluster.rbd("snap", "limit", "set", image, "--limit", "7")
    cluster.rbd("resize", image, "--size", "32M", "--allow-shrink")
    write(cluster, image, 4 * MIB)

    shown = info(module, image)

    assert comparable(shown) == told(cluster, image)
    assert [snapshot["used"] for snapshot in shown["snapshots"]] == [8 * MIB, 4 * MIB, 0]
    assert [snapshot["protected"] for snapshot in shown["snapshots"]] == [False, True, False]
    assert shown["snapshot_limit"] == 7
    assert info(module, image, usage="never")["usage"] is None


def test_the_image_is_left_as_it_was(cluster: LoopbackCluster, namespace: str, module: Modules) -> None:
    image = f"{namespace}/data"
    cluster.rbd("create", image, "--size", "8M")
    before = told(cluster, image)
    info(module, image, usage="always")
    assert told(cluster, image) == before
