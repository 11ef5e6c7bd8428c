# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that want the same image at the same moment all end well, and one of them made it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from loopback.cluster import LoopbackCluster
from loopback.modules import Modules

ROUNDS = 5
RUNS = 4


def at_once(module: Modules, options: dict[str, Any]) -> tuple[int, int]:
    """How many of some runs failed, and how many actions all of them did."""
    with ThreadPoolExecutor(RUNS) as threads:
        results = list(threads.map(lambda _run: module("rbd_image")(options), range(RUNS)))
    for result in results:
        assert not result.failed, result.msg
        assert result.changed == bool(result.actions)
    return sum(result.changed for result in results), sum(len(result.actions) for result in results)


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_one_of_them_creates(cluster: LoopbackCluster, namespace: str, module: Modules, turn: int) -> None:
    images = [{"image": f"{namespace}/{turn}-{number}"} for number in range(3)]
    assert at_once(module, {"images": images, "size": "8M"})[1] == len(images)
    assert len(cluster.json("rbd", "ls", namespace)) == len(images)


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_one_of_them_clones(cluster: LoopbackCluster, namespace: str, module: Modules, turn: int) -> None:
    """What the others see meanwhile may be an image that has not got its parent yet."""
    cluster.rbd("create", f"{namespace}/golden{turn}", "--size", "8M")
    cluster.rbd("snap", "create", f"{namespace}/golden{turn}@one")
    cluster.rbd("snap", "protect", f"{namespace}/golden{turn}@one")
    assert at_once(module, {"image": f"{namespace}/vm{turn}", "parent": f"{namespace}/golden{turn}@one"}) == (1, 1)


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_one_of_two_images_gets_a_name_that_both_want(
    cluster: LoopbackCluster, namespace: str, module: Modules, turn: int
) -> None:
    """The other one keeps its own, and its run fails."""
    new = f"{namespace}/new{turn}"
    ids = {}
    for number in range(RUNS):
        old = f"{namespace}/old{turn}-{number}"
        cluster.rbd("create", old, "--size", "8M")
        ids[old] = cluster.json("rbd", "info", old)["id"]
    with ThreadPoolExecutor(RUNS) as threads:
        runs = {old: threads.submit(module("rbd_image"), {"image": new, "renamed_from": old}) for old in ids}

    [winner] = [old for old, run in runs.items() if not run.result().failed]
    assert [old for old, run in runs.items() if run.result().changed] == [winner]
    assert cluster.json("rbd", "info", new)["id"] == ids.pop(winner)
    assert {old: cluster.json("rbd", "info", old)["id"] for old in ids} == ids
