# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Monitors as Ceph ships them allow neither the removal of pools nor pools of a single copy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from loopback.cluster import LoopbackCluster
from loopback.forks import Forks
from loopback.modules import Modules

STRICT = {"mon_allow_pool_delete": "false", "mon_allow_pool_size_one": "false", "osd_pool_default_size": "2"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, system_python: str, forks: Forks) -> Iterator[LoopbackCluster]:
    directory = tmp_path_factory.mktemp("strict") / "cluster"
    with LoopbackCluster(directory, osds=2, python=system_python, options=STRICT, forks=forks) as running:
        yield running


def pools(cluster: LoopbackCluster) -> dict[str, Any]:
    return {pool["pool_name"]: pool for pool in cluster.json("ceph", "osd", "pool", "ls", "detail")}


def test_the_removal_is_refused_with_the_option_and_the_command(cluster: LoopbackCluster, module: Modules) -> None:
    assert module("rbd_pool")({"pool": "stays"}).changed

    for data in (False, True):
        result = module("rbd_pool")({"pool": "stays", "state": "absent", "delete_data": data})
        assert (result.failed, result.changed) == (True, False)
        assert "mon_allow_pool_delete is false" in result.msg
        assert "ceph config set mon mon_allow_pool_delete true" in result.msg
    assert "stays" in pools(cluster)


def test_a_single_copy_is_refused_with_the_option_and_the_command(cluster: LoopbackCluster, module: Modules) -> None:
    assert module("rbd_pool")({"pool": "kept", "size": 2}).changed

    # The monitors themselves would let a new pool begin with a single copy (Ceph 16).
    for pool, done in (("kept", []), ("new", ["create"])):
        result = module("rbd_pool")({"pool": pool, "size": 1})
        assert (result.failed, [action["action"] for action in result.actions]) == (True, done)
        assert "mon_allow_pool_size_one is false" in result.msg
        assert "ceph config set global mon_allow_pool_size_one true" in result.msg
        assert pools(cluster)[pool]["size"] == 2
