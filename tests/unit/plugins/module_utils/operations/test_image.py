# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_image from its parameters to its result."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import ClusterUnavailable, ClusterUnprepared
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.image import ImageOperation
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import ritual, run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import OTHER_FSID, device, facts

GIB = 1 << 30


def options(*items: dict[str, Any], **top: Any) -> dict[str, Any]:
    given: list[dict[str, Any]] = [{"size": None, "state": None, **item} for item in items]
    return {"image": None, "size": None, "state": "present", **top, "images": given or None}


def test_create_grow_and_remove_in_one_call() -> None:
    host = FakeHost()
    host.cluster.images = {"rbd/small": facts(GIB), "rbd/old": facts(image_id="old")}
    wish = options({"image": "new"}, {"image": "small", "size": "2G"}, {"image": "old", "state": "absent"}, size="1G")
    done = ritual(ImageOperation, host, wish)
    assert done.done == [("create", "rbd/new"), ("grow", "rbd/small"), ("remove", "rbd/old")]
    assert {name: image.size for name, image in host.cluster.images.items()} == {
        "rbd/small": 2 * GIB,
        "rbd/new": GIB,
    }
    assert done.result["images"] == [
        {"image": "rbd/new", "exists": True, "size": GIB},
        {"image": "rbd/small", "exists": True, "size": 2 * GIB},
        {"image": "rbd/old", "exists": False, "size": None},
    ]


def test_every_bad_item_is_reported_and_nothing_is_done() -> None:
    host = FakeHost()
    host.cluster.images = {"rbd/big": facts(2 * GIB)}
    wish = options({"image": "big", "size": "1G"}, {"image": "fine", "size": "1G"}, {"image": "none"})
    end = run(ImageOperation, host, wish)
    assert end.failed
    assert [(failure["index"], failure["item"]) for failure in end.result["failures"]] == [
        (0, "rbd/big"),
        (2, "rbd/none"),
    ]
    assert (end.result["changed"], end.result["actions"]) == (False, [])
    assert list(host.cluster.images) == ["rbd/big"]


def test_unreadable_items_are_all_reported_before_the_cluster_is_asked() -> None:
    host = FakeHost()
    end = run(ImageOperation, host, options({"image": "a/b/c/d"}, {"image": "x", "size": "20"}, {"image": "x@snap"}))
    assert [failure["index"] for failure in end.result["failures"]] == [0, 1, 2]
    assert host.cluster.log == []


def test_a_repeated_image_is_refused() -> None:
    end = run(ImageOperation, FakeHost(), options({"image": "a", "size": "1G"}, {"image": "rbd/a", "size": "2G"}))
    assert "item 0 of the same list names it already" in end.result["msg"]
    assert [(failure["index"], failure["item"]) for failure in end.result["failures"]] == [(1, "rbd/a")]


@pytest.mark.parametrize("check", [True, False])
def test_a_cluster_that_is_away_is_asked_once(check: bool) -> None:
    host = FakeHost()
    host.cluster.refusal = ClusterUnavailable("reach the cluster", "it is away")
    end = run(ImageOperation, host, options({"image": "a"}, {"image": "b"}), check)
    assert (end.failed, end.result["msg"]) == (True, "Cannot reach the cluster: it is away.")
    assert len(host.cluster.log) == 1


def test_check_mode_before_the_host_is_prepared_predicts_with_a_warning() -> None:
    host = FakeHost()
    host.cluster.refusal = ClusterUnprepared("reach the cluster", "there is no ceph.conf")
    wish = options({"image": "new", "size": "1G"}, {"image": "there"}, {"image": "gone", "state": "absent"})
    end = run(ImageOperation, host, wish, check=True)
    assert (end.failed, end.done) == (False, [("create", "rbd/new")])
    assert "there is no ceph.conf" in end.warnings[0]
    assert run(ImageOperation, host, wish).failed


def test_an_image_mapped_here_is_not_removed_but_another_clusters_does_not_matter() -> None:
    host = FakeHost()
    host.cluster.images = {"rbd/app": facts(image_id="1a2b")}
    host.kernel.mapped = [device(fsid=OTHER_FSID)]
    assert not run(ImageOperation, host, options(image="app", state="absent"), check=True).failed
    host.kernel.mapped = [device(number=1)]
    assert (
        "mapped on this host as /dev/rbd1"
        in run(ImageOperation, host, options(image="app", state="absent")).result["msg"]
    )


def test_the_hosts_mappings_are_read_once() -> None:
    host = FakeHost()
    host.cluster.images = {"rbd/a": facts(), "rbd/b": facts(image_id="b")}
    run(ImageOperation, host, options({"image": "a"}, {"image": "b"}, {"image": "c", "size": "1G"}))
    assert host.kernel.log == ["devices"]


def test_an_empty_list_asks_for_nothing() -> None:
    end = run(ImageOperation, FakeHost(), {**options(), "images": []})
    assert (end.failed, end.result["changed"], end.result["images"]) == (False, False, [])
