# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program that maps at boot learns of an image's users, from a real cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from loopback.cluster import LoopbackCluster
from loopback.holder import holding
from loopback.site import CHECKOUT

_ASK = """
import sys
place, spec, *words = args
sys.path.insert(0, place)
import rbdmap_clusters
use = rbdmap_clusters.Clusters().use(spec, words)
result = [use.watchers, use.owners, use.locking]
"""


@pytest.fixture
def ask(cluster: LoopbackCluster) -> Callable[[str], Any]:
    """Watchers, owners of the lock and whether there are locks, with the words of a line of rbdmap."""
    words = ["--id", "admin", "--keyring", str(cluster.admin_keyring), "--conf", str(cluster.conf)]
    return lambda spec: cluster.python(_ASK, str(CHECKOUT / "roles/rbdmap/files"), spec, *words)


def test_an_image_that_nobody_uses(cluster: LoopbackCluster, namespace: str, ask: Callable[[str], Any]) -> None:
    cluster.rbd("create", "--size", "8M", f"{namespace}/data")
    assert ask(f"{namespace}/data") == [[], [], True]


def test_a_writer_watches_and_holds_the_lock(
    cluster: LoopbackCluster, namespace: str, system_python: str, ask: Callable[[str], Any]
) -> None:
    cluster.rbd("create", "--size", "8M", f"{namespace}/data")
    with holding(cluster.conf, system_python, f"{namespace}/data", locked=True) as client:
        watchers, owners, locking = ask(f"{namespace}/data")
    assert [[name for name, _address in found] for found in (watchers, owners)] == [[client], [client]]
    # The same address in both, so that it tells in both whether that is this host.
    assert watchers == owners
    assert locking


def test_a_lock_by_hand_is_no_writers(cluster: LoopbackCluster, namespace: str, ask: Callable[[str], Any]) -> None:
    cluster.rbd("create", "--size", "8M", f"{namespace}/data")
    cluster.rbd("lock", "add", f"{namespace}/data", "by hand")
    assert ask(f"{namespace}/data") == [[], [], True]


def test_an_image_without_locks(cluster: LoopbackCluster, namespace: str, ask: Callable[[str], Any]) -> None:
    cluster.rbd("create", "--size", "8M", "--image-feature", "layering", f"{namespace}/data")
    assert ask(f"{namespace}/data") == [[], [], False]


def test_who_may_only_read_may_ask(cluster: LoopbackCluster, namespace: str) -> None:
    cluster.rbd("create", "--size", "8M", f"{namespace}/data")
    keyring = cluster.user("reader", mon="profile rbd", osd="profile rbd-read-only")
    words = ["--id", "reader", "--keyring", str(keyring), "--conf", str(cluster.conf)]
    found = cluster.python(_ASK, str(CHECKOUT / "roles/rbdmap/files"), f"{namespace}/data", *words)
    assert found == [[], [], True]
