# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_info tells of each kind of image what Ceph's own commands tell, and changes nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest
from loopback.cluster import LoopbackCluster
from loopback.holder import holding
from loopback.info import info, write
from loopback.modules import Modules
from loopback.oracle import comparable, told

MIB = 2**20

# As many metadata as librbd does not tell at once, and among them one that is empty.
_SET_METADATA = """
pool, namespace, name = args
with cluster.open_ioctx(pool) as ioctx:
    ioctx.set_namespace(namespace)
    with rbd.Image(ioctx, name) as image:
        for number in range(100):
            image.metadata_set(f"key {number}", f"Käse {number}" if number != 42 else "")
"""


def clone(cluster: LoopbackCluster, snapshot: str, spec: str, *options: str) -> None:
    """A clone of version 2, of a snapshot that need not be protected."""
    cluster.rbd("clone", "--rbd-default-clone-format", "2", *options, snapshot, spec)


def test_striped_image_with_a_data_pool(
    cluster: LoopbackCluster, namespace: str, module: Modules, erasure_coded_pool: str
) -> None:
    image = f"{namespace}/data"
    layout = ("--object-size", "1M", "--stripe-unit", "64K", "--stripe-count", "4")
    cluster.rbd("create", image, "--size", "64M", *layout, "--data-pool", erasure_coded_pool)

    shown = info(module, image)

    assert comparable(shown) == told(cluster, image)
    assert (shown["data_pool"], shown["stripe_count"]) == (erasure_coded_pool, 4)


class TestUsage:
    @pytest.fixture
    def image(self, cluster: LoopbackCluster, namespace: str) -> str:
        """An image of which 4 MiB are used, and as much since its snapshot."""
        spec = f"{namespace}/data"
        cluster.rbd("create", spec, "--size", "64M")
        write(cluster, spec, 0)
        cluster.rbd("snap", "create", f"{spec}@one")
        write(cluster, spec, 0)
        return spec

    def test_without_fast_diff_it_is_counted_only_if_told_so(
        self, cluster: LoopbackCluster, image: str, module: Modules
    ) -> None:
        cluster.rbd("feature", "disable", image, "fast-diff")

        fast, slow = info(module, image), info(module, image, usage="always")

        assert comparable(fast) == told(cluster, image, counted=False)
        assert fast["usage"]["reason"] == f"{image} is without the feature fast-diff"
        assert comparable(slow) == told(cluster, image)
        assert (slow["usage"]["method"], slow["usage"]["total"]) == ("objects", 8 * MIB)

    def test_an_object_map_that_was_not_made_yet_is_not_believed(
        self, cluster: LoopbackCluster, image: str, module: Modules
    ) -> None:
        cluster.rbd("feature", "disable", image, "fast-diff,object-map")
        cluster.rbd("feature", "enable", image, "object-map,fast-diff")

        fast, slow = info(module, image), info(module, image, usage="always")

        assert comparable(fast) == told(cluster, image, counted=False)
        assert fast["flags"] == ["object-map-invalid", "fast-diff-invalid"]
        assert fast["usage"]["reason"].startswith(f"the object map of {image} is invalid")
        assert comparable(slow) == told(cluster, image)
        assert (slow["usage"]["method"], slow["usage"]["total"]) == ("objects", 8 * MIB)

        cluster.rbd("object-map", "rebuild", image)
        cluster.rbd("object-map", "rebuild", f"{image}@one")
        assert info(module, image)["usage"]["method"] == "fast-diff"

    def test_an_object_map_of_a_snapshot_that_is_lost_is_not_believed(
        self, cluster: LoopbackCluster, image: str, module: Modules
    ) -> None:
        pool, namespace, _name = image.split("/")
        (snapshot,) = cluster.json("rbd", "snap", "ls", image)
        object_map = f"rbd_object_map.{cluster.json('rbd', 'info', image)['id']}.{snapshot['id']:016x}"
        cluster.run("rados", "--pool", pool, "--namespace", namespace, "rm", object_map)

        fast, slow = info(module, image), info(module, image, usage="always")

        assert fast["usage"]["reason"].startswith(f"the object map of {image}@one is invalid")
        assert (fast["usage"]["total"], fast["snapshots"][0]["used"]) == (None, None)
        assert (slow["usage"]["total"], slow["snapshots"][0]["used"]) == (8 * MIB, 4 * MIB)


class TestClones:
    @pytest.fixture
    def chain(self, cluster: LoopbackCluster, pool: str, namespace: str) -> list[str]:
        """An image and its clones down to the third generation, across pools and namespaces."""
        specs = [f"{pool}/golden", f"{namespace}/first", f"{pool}/second", f"{namespace}/third"]
        cluster.rbd("create", specs[0], "--size", "64M")
        for parent, child in pairwise(specs):
            cluster.rbd("snap", "create", f"{parent}@base")
            clone(cluster, f"{parent}@base", child)
        return specs

    def test_a_chain_and_its_depth(self, cluster: LoopbackCluster, chain: list[str], module: Modules) -> None:
        cluster.rbd("resize", chain[3], "--size", "16M", "--allow-shrink")

        result = module("rbd_info")({"images": [{"image": spec} for spec in chain]})

        assert [comparable(image) for image in result.raw["images"]] == [told(cluster, spec) for spec in chain]
        assert [image["depth"] for image in result.raw["images"]] == [0, 1, 2, 3]
        assert result.raw["images"][3]["parent"]["overlap"] == 16 * MIB

    def test_a_parent_in_the_trash(self, cluster: LoopbackCluster, chain: list[str], module: Modules) -> None:
        cluster.rbd("trash", "move", chain[1])

        grandchild, child = info(module, chain[3]), info(module, chain[2])

        assert comparable(grandchild) == told(cluster, chain[3])
        assert comparable(child) == told(cluster, chain[2])
        assert (grandchild["depth"], grandchild["parent"]["in_trash"]) == (3, False)
        assert (child["depth"], child["parent"]["in_trash"]) == (2, True)
        assert info(module, chain[0])["children"][0]["in_trash"] is True

    def test_a_parent_that_was_flattened_since(self, cluster: LoopbackCluster, namespace: str, module: Modules) -> None:
        golden, middle, leaf = (f"{namespace}/{name}" for name in ("golden", "middle", "leaf"))
        cluster.rbd("create", golden, "--size", "8M")
        cluster.rbd("snap", "create", f"{golden}@base")
        # Without deep-flatten its snapshots keep the parent.
        clone(cluster, f"{golden}@base", middle, "--image-feature", "layering")
        cluster.rbd("snap", "create", f"{middle}@base")
        clone(cluster, f"{middle}@base", leaf)
        cluster.rbd("flatten", middle)

        assert comparable(info(module, leaf)) == told(cluster, leaf, counted=False)
        assert (info(module, middle)["depth"], info(module, leaf)["depth"]) == (0, 2)

    def test_a_snapshot_that_was_removed_while_it_had_clones(
        self, cluster: LoopbackCluster, namespace: str, module: Modules
    ) -> None:
        golden, leaf = f"{namespace}/golden", f"{namespace}/leaf"
        cluster.rbd("create", golden, "--size", "8M")
        cluster.rbd("snap", "create", f"{golden}@base")
        clone(cluster, f"{golden}@base", leaf)
        cluster.rbd("snap", "rm", f"{golden}@base")

        shown = info(module, golden)

        assert comparable(shown) == told(cluster, golden)
        assert comparable(info(module, leaf)) == told(cluster, leaf)
        assert (shown["snapshots"], shown["hidden_snapshots"][0]["original_name"]) == ([], "base")
        assert [(child["image"], child["snapshot"]) for child in shown["children"]] == [(leaf, "base")]

    def test_clones_of_version_1_and_none_where_nobody_asks(
        self, cluster: LoopbackCluster, namespace: str, module: Modules
    ) -> None:
        golden, leaf = f"{namespace}/golden", f"{namespace}/leaf"
        cluster.rbd("create", golden, "--size", "8M")
        cluster.rbd("snap", "create", f"{golden}@base")
        cluster.rbd("snap", "protect", f"{golden}@base")
        cluster.rbd("clone", "--rbd-default-clone-format", "1", f"{golden}@base", leaf)

        shown = info(module, golden)

        assert comparable(shown) == told(cluster, golden)
        assert [child["image"] for child in shown["children"]] == [leaf]
        assert info(module, golden, children=False)["children"] is None

    def test_clones_that_the_user_may_not_see_are_not_said_to_be_none(
        self, cluster: LoopbackCluster, pool: str, chain: list[str], module: Modules
    ) -> None:
        name = f"{pool}-alone"
        caller = {"user": name, "keyring": str(cluster.user(name, osd=f"profile rbd pool={pool}"))}

        assert info(module, chain[0], **caller)["children"] is None

        refused = module("rbd_info")({"image": chain[2], **caller})
        assert f"client.{name} may read its pool, but not the one of its parent" in refused.msg


class TestUsers:
    def test_a_watcher_that_holds_the_lock_of_exclusive_lock(
        self, cluster: LoopbackCluster, namespace: str, module: Modules, system_python: str
    ) -> None:
        image = f"{namespace}/data"
        cluster.rbd("create", image, "--size", "8M")
        with holding(cluster.conf, system_python, image, locked=True) as client:
            shown = info(module, image)
            expected = told(cluster, image)
        assert comparable(shown) == expected
        assert [watcher["client"] for watcher in shown["watchers"]] == [client]
        lock = shown["lock"]
        assert (lock["automatic"], lock["exclusive"], lock["tag"]) == (True, True, "internal")
        assert [locker["client"] for locker in lock["lockers"]] == [client]
        assert info(module, image)["watchers"] == []

    def test_a_lock_that_is_shared_by_hand(self, cluster: LoopbackCluster, namespace: str, module: Modules) -> None:
        image = f"{namespace}/data"
        cluster.rbd("create", image, "--size", "8M", "--image-feature", "layering")
        for cookie in ("one", "two words"):
            cluster.rbd("lock", "add", "--shared", "ours", image, cookie)

        shown = info(module, image)

        assert comparable(shown) == told(cluster, image, counted=False)
        assert sorted(locker["cookie"] for locker in shown["lock"]["lockers"]) == ["one", "two words"]
        assert (shown["lock"]["automatic"], shown["lock"]["exclusive"], shown["lock"]["tag"]) == (False, False, "ours")


def test_config_and_metadata(cluster: LoopbackCluster, namespace: str, module: Modules) -> None:
    image = f"{namespace}/data"
    cluster.rbd("create", image, "--size", "8M")
    cluster.rbd("config", "image", "set", image, "rbd_cache", "false")
    cluster.python(_SET_METADATA, *image.split("/"))

    shown = info(module, image)

    assert comparable(shown) == told(cluster, image)
    assert shown["config"] == {"rbd_cache": "false"}
    assert [shown["metadata"][f"key {number}"] for number in (42, 43, 99)] == ["", "Käse 43", "Käse 99"]


def test_mirrored_image_and_its_snapshot(cluster: LoopbackCluster, pool: str, module: Modules) -> None:
    image = f"{pool}/data"
    cluster.rbd("mirror", "pool", "enable", pool, "image")
    cluster.rbd("create", image, "--size", "8M")
    cluster.rbd("mirror", "image", "enable", image, "snapshot")

    shown = info(module, image)

    assert comparable(shown) == told(cluster, image)
    assert (shown["mirroring"]["mode"], shown["mirroring"]["primary"]) == ("snapshot", True)
    assert shown["hidden_snapshots"][0]["namespace"] == "mirror"


def test_image_in_a_group(cluster: LoopbackCluster, pool: str, module: Modules) -> None:
    image, group = f"{pool}/data", f"{pool}/together"
    cluster.rbd("create", image, "--size", "8M")
    cluster.rbd("group", "create", group)
    cluster.rbd("group", "image", "add", group, image)
    cluster.rbd("group", "snap", "create", f"{group}@both")

    shown = info(module, image)

    assert comparable(shown) == told(cluster, image)
    assert (shown["group"], shown["hidden_snapshots"][0]["original_name"]) == (group, "both")
