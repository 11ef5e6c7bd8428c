# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""However many images a call has, it is one client of the cluster."""

from __future__ import annotations

import pytest
from loopback.cluster import LoopbackCluster
from loopback.modules import Modules

IMAGES = 20


@pytest.mark.parametrize("state", ["present", "absent"])
def test_many_images_take_one_connection(cluster: LoopbackCluster, namespace: str, module: Modules, state: str) -> None:
    options = {"images": [{"image": f"{namespace}/{number}"} for number in range(IMAGES)], "size": "8M", "state": state}

    for _turn in ("changes", "does not"):
        first, second = _next_client(cluster), _next_client(cluster)
        result = module("rbd_image")(options)
        third = _next_client(cluster)

        assert not result.failed, result.msg
        # The monitor numbers the clients as they come, with the same step from each to the next.
        assert third - second == 2 * (second - first)


def _next_client(cluster: LoopbackCluster) -> int:
    """The number of a client that connects now."""
    return int(cluster.python("result = cluster.get_instance_id()"))
