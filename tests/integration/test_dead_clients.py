# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that has died with an image open holds up a change only until the cluster has forgotten it."""

from __future__ import annotations

import functools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from loopback.bounds import Bound
from loopback.cluster import LoopbackCluster
from loopback.holder import died_holding, holding
from loopback.modules import Modules

# What is done to an image of 8 MiB that has the snapshot "before", which has another content.
CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "shrink": ("rbd_image", {"size": "4M", "shrink": True}),
    "trash": ("rbd_image", {"state": "trashed"}),
    "remove": ("rbd_image", {"state": "absent", "purge_snapshots": True}),
    "rename": ("rbd_image", {}),
    "roll_back": ("rbd_snapshot", {"snapshot": "before", "state": "rolled_back"}),
}


@pytest.fixture
def requests(cluster: LoopbackCluster, namespace: str) -> dict[str, dict[str, Any]]:
    """The options of each change, each of an image of its own."""
    for name in CHANGES:
        cluster.rbd("create", f"{namespace}/{name}", "--size", "8M")
        cluster.rbd("snap", "create", f"{namespace}/{name}@before")
        cluster.rbd("bench", "--io-type", "write", "--io-total", "64K", f"{namespace}/{name}")
    requests = {name: {"image": f"{namespace}/{name}", **options} for name, (_module, options) in CHANGES.items()}
    requests["rename"] = {"image": f"{namespace}/renamed", "renamed_from": f"{namespace}/rename"}
    # A shorter time-out than the one after which the dead are forgotten: the cluster does answer.
    return {name: {**request, "connect_timeout": 5} for name, request in requests.items()}


def test_a_dead_client_is_waited_for(
    cluster: LoopbackCluster, namespace: str, requests: dict[str, dict[str, Any]], module: Modules, system_python: str
) -> None:
    clients = {name: died_holding(cluster.conf, system_python, f"{namespace}/{name}") for name in CHANGES}
    for name, client in clients.items():
        watchers = cluster.json("rbd", "status", f"{namespace}/{name}")["watchers"]
        assert [f"client.{watcher['client']}" for watcher in watchers] == [client], "the cluster has forgotten it"

    with ThreadPoolExecutor(len(CHANGES)) as threads:
        runs = {name: threads.submit(module(CHANGES[name][0]), request) for name, request in requests.items()}
    done = {name: run.result() for name, run in runs.items()}

    assert {name: (end.failed, end.changed) for name, end in done.items()} == dict.fromkeys(CHANGES, (False, True))
    for name, request in requests.items():
        again = module(CHANGES[name][0])(request)
        assert (again.failed, again.changed) == (False, False), (name, again.msg)


def test_a_living_client_is_not_waited_for(
    cluster: LoopbackCluster, namespace: str, requests: dict[str, dict[str, Any]], module: Modules, system_python: str
) -> None:
    for name, request in requests.items():
        run = functools.partial(module(CHANGES[name][0]), request)
        bound = Bound(0, functools.partial(run, check=True))
        with holding(cluster.conf, system_python, f"{namespace}/{name}") as client:
            begin = time.monotonic()
            refused = run()
            took = time.monotonic() - begin
        assert f"it is in use by {client} at 127.0.0.1" in refused.msg
        bound.check(took)
