# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rbd_image says of an image that it makes is what librbd then reports of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from loopback.cluster import LoopbackCluster
from loopback.modules import Modules, Result, Ritual

KIB, MIB = 2**10, 2**20
DEFAULT = ["layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten"]


def reported(cluster: LoopbackCluster, image: str) -> dict[str, Any]:
    """An image in the words of a create action, as the rbd command knows it."""
    info = cluster.json("rbd", "info", image)
    return {
        "size": info["size"],
        "features": info["features"],
        "object_size": info["object_size"],
        "stripe_unit": info.get("stripe_unit", info["object_size"]),
        "stripe_count": info.get("stripe_count", 1),
        "data_pool": info.get("data_pool"),
    }


def told(done: Result) -> dict[str, Any]:
    """What the first action says of the image."""
    return {name: done.actions[0][name] for name in reported_names}


reported_names = ("size", "features", "object_size", "stripe_unit", "stripe_count", "data_pool")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"features": ["layering"]},
        {"features": []},
        {"features": ["layering", "exclusive-lock", "journaling"]},
        {"object_size": "1M"},
        {"object_size": "4K"},
        {"object_size": "32M"},
        {"stripe_unit": "64K", "stripe_count": 4},
        {"stripe_unit": "64K", "stripe_count": 1},
        {"stripe_unit": "1M", "stripe_count": 16, "object_size": "1M"},
        {"metadata": {"owner": "web", "tier": 1, "spare": True}},
        {"config": {"rbd_clone_copy_on_read": True, "rbd_cache_size": "64Mi"}},
    ],
    ids=str,
)
def test_creates_an_image_as_told(
    cluster: LoopbackCluster, namespace: str, ritual: Ritual, options: dict[str, Any]
) -> None:
    image = f"{namespace}/data"

    done = ritual("rbd_image", {"image": image, "size": "8M", **options})

    assert done.actions[0]["action"] == "create"
    assert told(done) == reported(cluster, image)
    after = done.diff[0]["after"].splitlines()[0]
    assert " ".join(reported(cluster, image)["features"]) or "none" in after
    assert "image of 8 MiB" in after
    (state,) = done.raw["images"]
    assert (state["exists"], state["size"], state["features"]) == (True, 8 * MIB, told(done)["features"])


def test_settings_are_librbds_afterwards(cluster: LoopbackCluster, namespace: str, ritual: Ritual) -> None:
    image = f"{namespace}/data"
    settings = {
        "config": {"rbd_clone_copy_on_read": True, "rbd_cache_size": "64Mi"},
        "metadata": {"owner": "web", "tier": 1},
    }

    done = ritual("rbd_image", {"image": image, "size": "8M", **settings})

    assert [action["action"] for action in done.actions] == ["create", "set_config", "set_metadata"]
    assert cluster.json("rbd", "image-meta", "ls", image) == {
        "conf_rbd_clone_copy_on_read": "true",
        "conf_rbd_cache_size": "64Mi",
        "owner": "web",
        "tier": "1",
    }
    assert "config rbd_cache_size=64Mi, rbd_clone_copy_on_read=true" in done.diff[0]["after"]


def test_data_may_lie_in_another_pool(cluster: LoopbackCluster, namespace: str, pool: str, ritual: Ritual) -> None:
    image = f"{namespace}/data"

    done = ritual("rbd_image", {"image": image, "size": "8M", "data_pool": pool})

    assert told(done) == reported(cluster, image)
    assert reported(cluster, image)["data_pool"] == pool
    assert f"data in pool {pool}" in done.diff[0]["after"]


def test_defaults_of_the_pool_are_kept(cluster: LoopbackCluster, pool: str, ritual: Ritual) -> None:
    for name, value in (("features", "3"), ("order", "20"), ("stripe_unit", "65536"), ("stripe_count", "8")):
        cluster.rbd("config", "pool", "set", pool, f"rbd_default_{name}", value)

    done = ritual("rbd_image", {"image": f"{pool}/data", "size": "8M"})

    assert told(done) == reported(cluster, f"{pool}/data")
    assert told(done)["stripe_count"] == 8


class TestClone:
    """Clones, in a cluster that makes them of version 1, as a new one does."""

    @pytest.fixture
    def golden(self, cluster: LoopbackCluster, namespace: str) -> str:
        """A protected snapshot."""
        image = f"{namespace}/golden"
        cluster.rbd(
            "create", image, "--size", "8M", "--object-size", "1M", "--stripe-unit", "64K", "--stripe-count", "2"
        )
        cluster.rbd("snap", "create", f"{image}@one")
        cluster.rbd("snap", "protect", f"{image}@one")
        return f"{image}@one"

    def test_is_made_like_its_parent(
        self, cluster: LoopbackCluster, namespace: str, golden: str, ritual: Ritual
    ) -> None:
        done = ritual("rbd_image", {"image": f"{namespace}/vm", "parent": golden})

        assert [action["action"] for action in done.actions] == ["clone"]
        assert told(done) == reported(cluster, f"{namespace}/vm")
        assert done.raw["images"][0]["parent"] == golden
        parent = cluster.json("rbd", "info", f"{namespace}/vm")["parent"]
        assert f"{parent['pool']}/{parent['pool_namespace']}/{parent['image']}@{parent['snapshot']}" == golden

    def test_may_differ_from_its_parent(
        self, cluster: LoopbackCluster, namespace: str, golden: str, pool: str, ritual: Ritual
    ) -> None:
        options = {"features": ["layering", "exclusive-lock"], "object_size": "2M", "data_pool": pool, "size": "12M"}

        done = ritual("rbd_image", {"image": f"{namespace}/vm", "parent": golden, **options})

        assert [action["action"] for action in done.actions] == ["clone", "grow"]
        assert {**told(done), "size": 12 * MIB} == reported(cluster, f"{namespace}/vm")

    def test_may_be_smaller_only_if_told_so(
        self, cluster: LoopbackCluster, namespace: str, golden: str, module: Modules, ritual: Ritual
    ) -> None:
        small = {"image": f"{namespace}/vm", "parent": golden, "size": "4M"}
        assert "to shrink an image destroys data" in module("rbd_image")(small).msg
        assert cluster.json("rbd", "ls", namespace) == ["golden"]

        done = ritual("rbd_image", {**small, "shrink": True})
        assert [action["action"] for action in done.actions] == ["clone", "shrink"]

    def test_flatten_detaches_it(self, cluster: LoopbackCluster, namespace: str, golden: str, ritual: Ritual) -> None:
        clone = {"image": f"{namespace}/vm", "parent": golden}
        ritual("rbd_image", clone)

        done = ritual("rbd_image", {**clone, "flatten": True})

        assert [action["action"] for action in done.actions] == ["flatten"]
        assert (f"clone of {golden}" in done.diff[0]["before"], "no clone" in done.diff[0]["after"]) == (True, True)
        assert "parent" not in cluster.json("rbd", "info", f"{namespace}/vm")
        assert cluster.json("rbd", "children", golden) == []

    def test_clone_and_flatten_at_once(
        self, cluster: LoopbackCluster, namespace: str, golden: str, ritual: Ritual
    ) -> None:
        done = ritual("rbd_image", {"image": f"{namespace}/vm", "parent": golden, "flatten": True})

        assert [action["action"] for action in done.actions] == ["clone", "flatten"]
        assert done.raw["images"][0]["parent"] is None
        assert "parent" not in cluster.json("rbd", "info", f"{namespace}/vm")

    def test_unprotected_parent_serves_where_the_cluster_clones_by_version_2(
        self, cluster: LoopbackCluster, namespace: str, golden: str, ritual: Ritual, tmp_path: Path
    ) -> None:
        cluster.rbd("snap", "unprotect", golden)
        conf = tmp_path / "ceph.conf"
        conf.write_text(
            f"{cluster.conf.read_text(encoding='utf-8')}\n[client]\nrbd_default_clone_format = 2\n", "utf-8"
        )

        done = ritual("rbd_image", {"image": f"{namespace}/vm", "parent": golden, "conf": str(conf)})

        assert [action["action"] for action in done.actions] == ["clone"]
        assert told(done) == reported(cluster, f"{namespace}/vm")
        assert [child["image"] for child in cluster.json("rbd", "children", golden)] == ["vm"]

        done = ritual("rbd_image", {"image": f"{namespace}/vm", "flatten": True, "conf": str(conf)})
        assert done.raw["images"][0]["features"] == cluster.json("rbd", "info", f"{namespace}/vm")["features"]

    def test_unprotected_parent_is_refused_elsewhere(
        self, cluster: LoopbackCluster, namespace: str, golden: str, module: Modules
    ) -> None:
        cluster.rbd("snap", "unprotect", golden)
        for check in (True, False):
            result = module("rbd_image")({"image": f"{namespace}/vm", "parent": golden}, check=check)
            assert f"the snapshot {golden} is not protected" in result.msg
        assert cluster.json("rbd", "ls", namespace) == ["golden"]

    def test_clone_stays_in_its_parents_namespace_where_the_cluster_clones_by_version_1(
        self, golden: str, module: Modules
    ) -> None:
        for check in (True, False):
            result = module("rbd_image")({"image": "rbd/elsewhere", "parent": golden}, check=check)
            assert "this cluster makes clones only within a namespace" in result.msg

    def test_existing_image_is_not_made_a_clone(
        self, cluster: LoopbackCluster, namespace: str, golden: str, module: Modules
    ) -> None:
        cluster.rbd("create", f"{namespace}/vm", "--size", "8M")
        cluster.rbd("clone", golden, f"{namespace}/other")
        cluster.rbd("snap", "create", f"{namespace}/vm@two")
        assert "shares nothing with a parent" in module("rbd_image")({"image": f"{namespace}/vm", "parent": golden}).msg
        wrong = module("rbd_image")({"image": f"{namespace}/other", "parent": f"{namespace}/vm@two"})
        assert f"it is a clone of {golden}" in wrong.msg

    @pytest.mark.parametrize(
        ("parent", "sentence"),
        [
            ("none@one", "there is no image {namespace}/none"),
            ("golden@none", "{namespace}/golden has no snapshot 'none' (it has: one)"),
            ("golden", "a clone is made of a snapshot"),
            ("vm@one", "an image cannot be a clone of itself"),
        ],
    )
    def test_parent_that_is_none_is_named(
        self, namespace: str, golden: str, module: Modules, parent: str, sentence: str
    ) -> None:
        result = module("rbd_image")({"image": f"{namespace}/vm", "parent": f"{namespace}/{parent}"})
        assert sentence.format(namespace=namespace) in result.msg
        assert golden
