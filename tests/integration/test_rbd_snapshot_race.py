# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that want the same of the same snapshots at the same moment all end well, and each change is told by one."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from loopback.bounds import Bound
from loopback.cluster import LoopbackCluster
from loopback.modules import Modules
from loopback.snapshots import listed, steps, take

ROUNDS = 3
RUNS = 4
SNAPSHOTS = 8


@pytest.fixture(params=["layering", "layering,exclusive-lock,object-map,fast-diff"])
def image(cluster: LoopbackCluster, namespace: str, request: pytest.FixtureRequest) -> str:
    """An image without, and one with a lock of librbd's own."""
    spec = f"{namespace}/data"
    cluster.rbd("create", "--size", "8M", "--image-feature", request.param, spec)
    return spec


def at_once(module: Modules, options: dict[str, Any]) -> Counter[tuple[str, str]]:
    """How often each step was told by any of some runs."""
    with ThreadPoolExecutor(RUNS) as threads:
        results = list(threads.map(lambda _run: module("rbd_snapshot")(options), range(RUNS)))
    for result in results:
        assert not result.failed, result.msg
        assert result.changed == bool(result.actions)
    return Counter(step for result in results for step in steps(result))


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_each_step_is_done_and_told_by_one(cluster: LoopbackCluster, image: str, module: Modules, turn: int) -> None:
    subject = f"{image}@{turn}"
    assert at_once(module, {"image": subject}) == {("create", subject): 1}
    assert at_once(module, {"image": subject, "protected": True}) == {("protect", subject): 1}
    assert listed(cluster, image) == {str(turn): "snapshot of 8 MiB, protected"}
    assert at_once(module, {"image": subject, "protected": False}) == {("unprotect", subject): 1}
    assert at_once(module, {"image": subject, "state": "absent"}) == {("remove", subject): 1}
    assert listed(cluster, image) == {}


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_new_images_are_opened_while_another_run_takes_their_first_snapshot(
    cluster: LoopbackCluster, namespace: str, module: Modules, turn: int
) -> None:
    images = [f"{namespace}/{turn}-{number}" for number in range(SNAPSHOTS)]
    for image in images:
        cluster.rbd("create", "--size", "8M", image)

    told = at_once(module, {"images": [{"image": image} for image in images], "snapshot": "first"})

    assert told == {("create", f"{image}@first"): 1 for image in images}


def test_purges_share_the_work(cluster: LoopbackCluster, image: str, module: Modules) -> None:
    names = [f"daily-{number}" for number in range(SNAPSHOTS)]
    take(cluster, image, *names)

    told = at_once(module, {"image": image, "pattern": "*", "keep": 1, "state": "absent"})

    assert told == {("remove", f"{image}@{name}"): 1 for name in names[:-1]}
    assert list(listed(cluster, image)) == names[-1:]


def test_run_that_was_killed_holds_up_the_next_one_for_the_time_of_its_lock(
    cluster: LoopbackCluster, image: str, module: Modules
) -> None:
    bound = Bound(2, lambda: module("rbd_snapshot")({"image": image, "snapshot": "other"}, check=True))
    pool, namespace, _name = image.split("/")
    header = f"rbd_header.{cluster.json('rbd', 'info', image)['id']}"
    lock = ("lock", "get", header, "cephclient.rbd.snapshots", "--lock-duration", "2")
    cluster.run("rados", "--pool", pool, "--namespace", namespace, *lock)
    began = time.monotonic()

    result = module("rbd_snapshot")({"image": image, "snapshot": "daily"})

    took = time.monotonic() - began
    assert not result.failed, result.msg
    assert listed(cluster, image) == {"daily": "snapshot of 8 MiB"}
    assert took > 1
    bound.check(took)
