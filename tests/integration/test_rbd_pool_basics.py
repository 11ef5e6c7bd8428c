# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool is created, made ready for RBD and removed in a real cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loopback.cluster import LoopbackCluster
from loopback.modules import Modules, Ritual
from loopback.pools import detail, exists, new_name
from loopback.users import kinds

_VALIDATED = """
with cluster.open_ioctx(args[0]) as ioctx:
    result = ioctx.read("rbd_info").decode()
"""


@pytest.fixture
def name(cluster: LoopbackCluster) -> Iterator[str]:
    """A name for a new pool, which is removed after the test."""
    yield from new_name(cluster)


def test_a_new_pool_is_ready_for_images(cluster: LoopbackCluster, name: str, ritual: Ritual) -> None:
    done = ritual("rbd_pool", {"pool": name})

    assert kinds(done) == ["create", "tag", "init"]
    pool = detail(cluster, name)
    assert (pool["type"], list(pool["application_metadata"])) == (1, ["rbd"])
    assert cluster.python(_VALIDATED, name) == "overwrite validated"
    assert done.raw["pools"] == [
        {
            "pool": name,
            "exists": True,
            "type": "replicated",
            "erasure_code_profile": None,
            "size": pool["size"],
            "min_size": pool["min_size"],
            "crush_rule": "replicated_rule",
            "pg_autoscale_mode": "off",
            "pg_num": pool["pg_num"],
        }
    ]


def test_an_empty_pool_is_removed(cluster: LoopbackCluster, name: str, ritual: Ritual, module: Modules) -> None:
    module("rbd_pool")({"pool": name})
    cluster.rbd("namespace", "create", f"{name}/empty")
    cluster.rbd("create", "--size", "8M", f"{name}/empty/was-here")
    cluster.rbd("rm", f"{name}/empty/was-here")

    assert kinds(ritual("rbd_pool", {"pool": name, "state": "absent"})) == ["remove"]
    assert not exists(cluster, name)
