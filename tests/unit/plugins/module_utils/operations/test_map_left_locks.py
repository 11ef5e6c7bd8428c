# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rbd_map does about a lock whose holder does not watch the image: it may be dead, or come back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Watcher
from ansible_collections.cephclient.rbd.plugins.module_utils._image_report import Lock
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._image_use import ImageUse
from ansible_collections.cephclient.rbd.plugins.module_utils._operations import _left_locks
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.map import MapOperation
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.test_map import options
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import KERNEL, device, facts

LEFT = ImageUse((), Lock(True, "internal", (("client.7", "auto 1", "10.0.0.5:0/77"),)))


@pytest.fixture
def host() -> FakeHost:
    host = FakeHost()
    host.cluster.images = {"rbd/app": facts(image_id="a"), "rbd/log": facts(image_id="b")}
    return host


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time passes only while the operation sleeps; its ticks."""
    ticks = [0.0]
    monkeypatch.setattr(_left_locks.time, "monotonic", lambda: ticks[-1])
    monkeypatch.setattr(_left_locks.time, "sleep", lambda seconds: ticks.append(ticks[-1] + seconds))
    return ticks


def test_a_left_lock_is_a_warning_and_is_taken_over_once_its_holder_must_be_dead(
    host: FakeHost, clock: list[float]
) -> None:
    host.cluster.uses = {"rbd/app": LEFT, "rbd/log": LEFT}
    end = run(MapOperation, host, options({"image": "app"}, {"image": "log"}))
    assert end.warnings[0].startswith("rbd/app was left locked by client.7 at 10.0.0.5:0/77")
    assert end.done[:2] == [("map", "rbd/app"), ("map", "rbd/log")]
    # The time of both passes at once.
    assert clock[-1] == _left_locks.COMEBACK


def test_a_left_lock_is_not_taken_over_if_its_holder_watches_again(host: FakeHost, clock: list[float]) -> None:
    back = replace(LEFT, watchers=(Watcher("10.0.0.5:0/77", "client.7"),))

    def use_of(_spec: ImageSpec) -> ImageUse:
        return back if clock[-1] > 2 else LEFT

    host.cluster.use_of = use_of  # type: ignore[method-assign]  # what the cluster knows changes
    end = run(MapOperation, host, options(image="app"))
    assert "in use by client.7 at 10.0.0.5:0/77, which holds its lock" in end.result["msg"]
    assert host.kernel.argv == []


def test_what_another_run_on_this_host_has_mapped_meanwhile_ends_the_wait(host: FakeHost, clock: list[float]) -> None:
    own = ImageUse((Watcher("10.0.0.9:0/1", KERNEL),), Lock(True, "internal", ((KERNEL, "auto 2", "10.0.0.9:0/1"),)))

    def use_of(_spec: ImageSpec) -> ImageUse:
        if clock[-1] <= 2:
            return LEFT
        host.kernel.mapped = [device(image_id="a")]
        return own

    host.cluster.use_of = use_of  # type: ignore[method-assign]  # what the cluster knows changes
    end = run(MapOperation, host, options(image="app"))
    assert "in use" not in end.result.get("msg", "")
    assert clock[-1] == 3


@pytest.mark.parametrize("more", [{"shared": True}, {"read_only": True}])
def test_a_left_lock_keeps_no_reader_and_no_shared_image_waiting(
    host: FakeHost, clock: list[float], more: dict[str, Any]
) -> None:
    host.cluster.uses = {"rbd/app": LEFT}
    assert run(MapOperation, host, options(image="app", **more)).done[0] == ("map", "rbd/app")
    assert clock == [0]


def test_a_left_lock_keeps_no_check_waiting(host: FakeHost, clock: list[float]) -> None:
    host.cluster.uses = {"rbd/app": LEFT}
    run(MapOperation, host, options(image="app"), check=True)
    assert clock == [0]
