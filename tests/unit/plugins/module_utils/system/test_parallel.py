# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several things at once: in order, bounded, and not one more after the cluster is away."""

from __future__ import annotations

import threading
import time

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import ClusterUnavailable, RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._system.parallel import WORKERS, in_parallel


def test_results_come_in_the_order_of_the_items() -> None:
    def slowest_first(item: int) -> int:
        time.sleep((WORKERS - item) / 500)
        return item * item

    assert in_parallel(range(WORKERS), slowest_first) == [item * item for item in range(WORKERS)]


def test_nothing_to_do() -> None:
    assert in_parallel([], lambda item: item) == []


def test_as_many_as_there_are_workers_run_at_a_time_and_no_more() -> None:
    together = threading.Barrier(WORKERS, timeout=10)
    running: set[int] = set()
    most = []

    def meet(item: int) -> None:
        running.add(item)
        most.append(len(running))
        if item != 0:
            together.wait()
        running.discard(item)

    in_parallel(range(1 + WORKERS * 3), meet)
    assert max(most) == WORKERS


def test_the_first_item_goes_alone() -> None:
    seen: list[str] = []

    def connect(item: int) -> None:
        seen.append(f"{item} begins")
        time.sleep(0.01)
        seen.append(f"{item} ends")

    in_parallel(range(3), connect)
    assert seen[:2] == ["0 begins", "0 ends"]


def test_an_error_is_the_outcome_of_its_item_alone() -> None:
    refused = RbdError("look at rbd/b", "it is broken")

    def look(item: str) -> str:
        if item == "b":
            raise refused
        return item.upper()

    assert in_parallel(["a", "b", "c"], look) == ["A", refused, "C"]


def test_nothing_else_is_begun_if_the_first_item_finds_the_cluster_away() -> None:
    begun = []

    def away(item: int) -> None:
        begun.append(item)
        raise ClusterUnavailable("look", "the cluster is away")

    with pytest.raises(ClusterUnavailable):
        in_parallel(range(1000), away)
    assert begun == [0]


def test_no_further_item_is_begun_once_the_cluster_is_away() -> None:
    begun = []

    def goes_away(item: int) -> None:
        begun.append(item)
        if item > 0:
            raise ClusterUnavailable("look", "the cluster is away")

    with pytest.raises(ClusterUnavailable):
        in_parallel(range(1000), goes_away)
    assert len(begun) <= 1 + WORKERS


def test_what_has_begun_is_waited_for() -> None:
    begun, ended = threading.Event(), threading.Event()

    def look(item: int) -> None:
        if item == 1:
            begun.wait(10)
            raise ClusterUnavailable("look", "the cluster is away")
        if item == 2:
            begun.set()
            time.sleep(0.05)
            ended.set()

    with pytest.raises(ClusterUnavailable):
        in_parallel(range(3), look)
    assert ended.is_set()


def test_a_fault_of_the_program_is_not_hidden() -> None:
    def broken(item: int) -> float:
        return 1 / item

    with pytest.raises(ZeroDivisionError):
        in_parallel([1, 0], broken)
