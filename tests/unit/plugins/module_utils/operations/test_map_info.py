# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_map_info from its parameters to its result."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import ClusterUnavailable
from ansible_collections.cephclient.rbd.plugins.module_utils._mount_options import FilesystemState
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.map_info import MapInfoOperation
from ansible_collections.cephclient.rbd.plugins.module_utils._service_request import ServiceState
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import device, facts, mount

RBDMAP, FSTAB = "/etc/ceph/rbdmap", "/etc/fstab"


NAMES = (
    *("path", "size", "user", "keyring", "options", "read_only", "shared", "encrypted"),
    *("fstype", "opts", "dump", "passno"),
)


def options(*items: dict[str, Any], service: bool = True) -> dict[str, Any]:
    given = [{**dict.fromkeys(NAMES), "state": "present", **item} for item in items]
    return {"rbdmap_file": RBDMAP, "fstab": FSTAB, "service": service, "images": given or None}


@pytest.fixture
def host() -> FakeHost:
    host = FakeHost()
    host.cluster.images = {"rbd/app": facts()}
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
    assert [(row["image"], row["kind"]) for row in end.result["drift"]] == [
        ("rbd/app", "not_in_rbdmap"),
        ("rbd/app", "not_in_fstab"),
    ]


@pytest.mark.parametrize("path", ["/srv/app/", "//srv/./app"])
def test_a_mount_point_may_be_spelled_otherwise(host: FakeHost, path: str) -> None:
    assert run(MapInfoOperation, host, options({"image": "app", "path": path})).result["drift"] == []


def test_without_images_the_cluster_is_not_asked(host: FakeHost) -> None:
    end = run(MapInfoOperation, host, options())
    assert [image["image"] for image in end.result["images"]] == ["rbd/app"]
    assert host.cluster.log == []


def test_a_bare_host_has_nothing_to_tell() -> None:
    host = FakeHost()
    end = run(MapInfoOperation, host, options({"image": "app"}))
    assert [row["kind"] for row in end.result["drift"]] == ["not_in_rbdmap", "not_mapped"]
    assert host.cluster.log == []


ALL = {
    "path": "/srv/app",
    "size": "1G",
    "user": "admin",
    "options": {},
    "read_only": False,
    "shared": False,
    "encrypted": False,
    "fstype": "xfs",
    "opts": "noauto,_netdev",
    "dump": 0,
    "passno": 0,
}


def test_all_that_can_be_declared_agrees(host: FakeHost) -> None:
    assert run(MapInfoOperation, host, options({"image": "app", **ALL})).result["drift"] == []


@pytest.mark.parametrize(
    ("changed", "kinds"),
    [
        ({"path": "/data"}, ["not_in_fstab", "fstab_line_elsewhere", "not_mounted", "mounted_elsewhere"]),
        ({"size": "2G"}, ["image_smaller"]),
        ({"user": "app"}, ["rbdmap_line_differs", "mapping_user"]),
        ({"keyring": "/k"}, ["rbdmap_line_differs"]),
        ({"options": {"queue_depth": 9}}, ["rbdmap_line_differs", "mapping_options"]),
        ({"options": {"ro": True}, "read_only": None}, ["rbdmap_line_differs", "mapping_read_only"]),
        ({"read_only": True}, ["rbdmap_line_differs", "mapping_read_only"]),
        ({"shared": True}, ["rbdmap_line_differs"]),
        ({"encrypted": True}, ["fstab_line_differs"]),
        ({"fstype": "ext4"}, ["fstab_line_differs", "mount_fstype"]),
        ({"opts": "noauto,_netdev,ro"}, ["fstab_line_differs", "mount_options"]),
        ({"dump": 1}, ["fstab_line_differs"]),
        ({"passno": 2}, ["fstab_line_differs"]),
    ],
)
def test_each_option_is_compared(host: FakeHost, changed: dict[str, Any], kinds: list[str]) -> None:
    end = run(MapInfoOperation, host, options({"image": "app", **ALL, **changed}))
    assert [row["kind"] for row in end.result["drift"]] == kinds


@pytest.mark.parametrize(
    ("item", "cause"),
    [
        ({"image": "a/b/c/d"}, "not an image-spec"),
        ({"image": "app", "size": "20"}, "it has no unit"),
        ({"image": "app", "options": {"queue": 1}}, "krbd has no option of that name"),
        ({"image": "app", "path": "srv"}, "not an absolute path"),
        ({"image": "rbd/-app", "encrypted": True}, "begins or ends with a hyphen"),
        ({"image": "rbd/other"}, "names it already"),
    ],
)
def test_a_declaration_that_cannot_be_understood_is_refused(host: FakeHost, item: dict[str, Any], cause: str) -> None:
    end = run(MapInfoOperation, host, options({"image": "other"}, item))
    assert end.failed
    assert [failure["index"] for failure in end.result["failures"]] == [1]
    assert cause in end.result["failures"][0]["msg"]


def test_a_cluster_that_is_away_is_told_and_the_rest_is_compared(host: FakeHost) -> None:
    host.cluster.refusal = ClusterUnavailable("reach the cluster", "it is away", "Look at it.")
    host.files.texts[FSTAB] = ""
    items = [{"image": "app", "path": "/srv/app", "size": "1G"}, {"image": "log", "size": "1G"}]
    end = run(MapInfoOperation, host, options(*items))
    assert not end.failed
    assert [(row["image"], row["kind"], row["repair"]) for row in end.result["drift"]][:2] == [
        (None, "cluster_unknown", "wait"),
        ("rbd/app", "not_in_fstab", "run"),
    ]
    assert end.result["drift"][0]["cause"] == "the cluster could not be asked about the images: it is away"
    assert host.cluster.log == ["fsid"], "each question would wait for as long"


def test_one_image_that_cannot_be_looked_at_is_told(host: FakeHost) -> None:
    host.cluster.images = {}
    end = run(MapInfoOperation, host, options({"image": "app"}))
    assert [row["kind"] for row in end.result["drift"]] == ["mapping_is_another_image"]
    assert host.cluster.log == ["fsid", "look_up rbd/app"]


def test_the_cluster_is_asked_only_where_it_matters(host: FakeHost) -> None:
    run(
        MapInfoOperation,
        host,
        options(
            {"image": "app"}, {"image": "log"}, {"image": "big", "size": "1G"}, {"image": "old", "state": "absent"}
        ),
    )
    assert host.cluster.log == ["fsid", "look_up rbd/app", "look_up rbd/big"]


def test_a_file_system_with_an_error_is_told(host: FakeHost) -> None:
    host.mounts.states["/srv/app"] = FilesystemState(errors=1)
    end = run(MapInfoOperation, host, options({"image": "app"}))
    assert [(row["kind"], row["repair"]) for row in end.result["drift"]] == [("mount_error", "fsck")]


@pytest.mark.parametrize(
    ("items", "service", "kinds"),
    [
        ([{"image": "app"}], True, ["service_inactive"]),
        ([], True, ["service_inactive"]),
        ([{"image": "app"}], False, []),
        ([{"image": "gone", "state": "absent"}], True, []),
    ],
)
def test_the_service_matters_if_an_image_is_present(
    host: FakeHost, items: list[dict[str, Any]], service: bool, kinds: list[str]
) -> None:
    host.services.states["rbdmap.service"] = ServiceState("enabled", "failed")
    end = run(MapInfoOperation, host, options(*items, service=service))
    assert [row["kind"] for row in end.result["drift"]] == kinds
    assert end.result["service"] == {"name": "rbdmap.service", "enabled": "enabled", "active": "failed"}


def test_bytes_that_are_no_text_can_be_returned(host: FakeHost) -> None:
    host.mounts.held[-1] = mount("/srv/\udcff")
    end = run(MapInfoOperation, host, options())
    json.dumps(end.result, ensure_ascii=False).encode("utf-8")
    assert end.result["images"][0]["mounts"][0]["path"] == "/srv/\\xff"
    assert "/srv/\\xff" in end.result["drift"][1]["cause"]


def test_bad_items_are_all_reported(host: FakeHost) -> None:
    end = run(MapInfoOperation, host, options({"image": "a/b/c/d"}, {"image": "a", "path": "x"}, {"image": "app"}))
    assert [failure["index"] for failure in end.result["failures"]] == [0, 1]
