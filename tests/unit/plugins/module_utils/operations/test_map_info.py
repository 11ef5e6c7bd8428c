# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_map_info from its parameters to its result."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import ClusterUnavailable
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.map_info import MapInfoOperation
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import device, mount

RBDMAP, FSTAB = "/etc/ceph/rbdmap", "/etc/fstab"


def options(*items: dict[str, Any]) -> dict[str, Any]:
    given = [{"path": None, "state": "present", **item} for item in items]
    top = {"image": None, "path": None, "state": None}
    return {**top, "rbdmap_file": RBDMAP, "fstab": FSTAB, "images": given or None}


@pytest.fixture
def host() -> FakeHost:
    host = FakeHost()
    host.kernel.mapped = [device()]
    host.mounts.held.append(mount("/srv/app"))
    host.files.texts = {RBDMAP: "rbd/app id=admin\n", FSTAB: "/dev/rbd/rbd/app /srv/app xfs noauto,_netdev 0 0\n"}
    return host


def test_agreement(host: FakeHost) -> None:
    end = run(MapInfoOperation, host, options({"image": "app", "path": "/srv/app"}))
    assert (end.failed, end.result["changed"], end.result["drift"]) == (False, False, [])
    assert end.result["service"] == {"name": "rbdmap.service", "enabled": "enabled", "active": "active"}


def test_disagreement_is_a_result_and_no_failure(host: FakeHost) -> None:
    host.files.texts = {}
    end = run(
        MapInfoOperation, host, options({"image": "app", "path": "/srv/app"}, {"image": "gone", "state": "absent"})
    )
    assert not end.failed
    assert [row["image"] for row in end.result["drift"]] == ["rbd/app", "rbd/app"]


@pytest.mark.parametrize("path", ["/srv/app/", "//srv/./app"])
def test_a_mount_point_may_be_spelled_otherwise(host: FakeHost, path: str) -> None:
    assert run(MapInfoOperation, host, options({"image": "app", "path": path})).result["drift"] == []


def test_without_images_the_cluster_is_not_asked(host: FakeHost) -> None:
    end = run(MapInfoOperation, host, options())
    assert [image["image"] for image in end.result["images"]] == ["rbd/app"]
    assert host.cluster.log == []


def test_a_bare_host_has_nothing_to_tell() -> None:
    end = run(MapInfoOperation, FakeHost(), options({"image": "app"}))
    assert [row["cause"] for row in end.result["drift"]] == ["it is neither in rbdmap nor mapped"]


def test_a_cluster_that_is_away_is_an_error(host: FakeHost) -> None:
    host.cluster.refusal = ClusterUnavailable("reach the cluster", "it is away")
    end = run(MapInfoOperation, host, options({"image": "app"}))
    assert (end.failed, end.result["msg"]) == (True, "Cannot reach the cluster: it is away.")


def test_bytes_that_are_no_text_can_be_returned(host: FakeHost) -> None:
    host.mounts.held[-1] = mount("/srv/\udcff")
    end = run(MapInfoOperation, host, options())
    json.dumps(end.result, ensure_ascii=False).encode("utf-8")
    assert end.result["images"][0]["mounts"][0]["path"] == "/srv/\\xff"
    assert "/srv/\\xff" in end.result["drift"][1]["cause"]


def test_bad_items_are_all_reported(host: FakeHost) -> None:
    end = run(MapInfoOperation, host, options({"image": "a/b/c/d"}, {"image": "a", "path": "x"}, {"image": "app"}))
    assert [failure["index"] for failure in end.result["failures"]] == [0, 1]
