# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_info tells of whole pools, of what is missing, and of what lacks."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
from loopback.bounds import Bound
from loopback.cluster import LoopbackCluster
from loopback.modules import Modules, Result
from loopback.oracle import comparable, told
from loopback.playbooks import Playbooks

MANY = 200
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/cephclient.rbd.rbd:
      conf: "{{ ceph_conf }}"
      user: "{{ ceph_user }}"
      keyring: "{{ ceph_keyring }}"
  tasks:
    - name: Fail if a clone hangs on a parent in the trash
      cephclient.rbd.rbd_info:
        pool: "{{ pool }}"
      register: images
      failed_when: images.images | selectattr('parent') | selectattr('parent.in_trash') | list | length > 0
"""

# Makes images of several kinds, a few of each hundred with snapshots and clones.
_MAKE_MANY = """
pool, count = args
cluster.conf_set("rbd_default_clone_format", "2")
with cluster.open_ioctx(pool) as ioctx:
    for number in range(int(count)):
        name = f"image-{number:04}"
        if number % 10 == 9:
            rbd.RBD().clone(ioctx, "image-0000", "base", ioctx, name)
            continue
        rbd.RBD().create(ioctx, name, (number + 1) << 20, old_format=False)
        with rbd.Image(ioctx, name) as image:
            if number % 3 == 0:
                image.write(b"x", 0)
                image.create_snap("base")
            if number % 7 == 0:
                image.write(b"x", number << 19)
"""

# Takes away what an interrupted removal takes away first.
_HALF_REMOVE = """
pool, namespace, name = args
with cluster.open_ioctx(pool) as ioctx:
    ioctx.set_namespace(namespace)
    ioctx.remove_object(f"rbd_id.{name}")
"""


def names(result: Result) -> list[str]:
    assert not result.failed, result.msg
    return [image["image"] for image in result.raw["images"]]


def test_hundreds_of_images_in_one_call(cluster: LoopbackCluster, pool: str, module: Modules) -> None:
    cluster.python(_MAKE_MANY, pool, str(MANY))

    result = module("rbd_info")({"pool": pool})

    assert names(result) == [f"{pool}/image-{number:04}" for number in range(MANY)]
    images = {image["name"]: image for image in result.raw["images"]}
    # Of each image and each snapshot a row, the latter with its name.
    rows = cluster.json("rbd", "ls", "--long", pool)
    assert {name: (image["image_id"], image["size"]) for name, image in images.items()} == {
        row["image"]: (row["id"], row["size"]) for row in rows if "snapshot" not in row
    }
    assert {(name, snap["name"]) for name, image in images.items() for snap in image["snapshots"]} == {
        (row["image"], row["snapshot"]) for row in rows if "snapshot" in row
    }
    assert _used(images) == {
        (row["name"], row.get("snapshot")): row["used_size"]
        for row in cluster.json("rbd", "du", "--pool", pool)["images"]
    }
    assert len(images["image-0000"]["children"]) == MANY // 10
    for number in (0, 9, 199):
        assert comparable(images[f"image-{number:04}"]) == told(cluster, f"{pool}/image-{number:04}")


def _used(images: dict[str, Any]) -> dict[tuple[str, str | None], int]:
    used = {(name, None): image["usage"]["head"] for name, image in images.items()}
    return used | {(name, snap["name"]): snap["used"] for name, image in images.items() for snap in image["snapshots"]}


def test_a_pool_and_its_namespaces(cluster: LoopbackCluster, pool: str, module: Modules) -> None:
    cluster.rbd("namespace", "create", f"{pool}/one")
    cluster.rbd("namespace", "create", f"{pool}/two")
    for image in ("b", "a", "two/c", "one/d"):
        cluster.rbd("create", f"{pool}/{image}", "--size", "4M")
    info = module("rbd_info")

    assert names(info({"pool": pool})) == [f"{pool}/a", f"{pool}/b"]
    assert names(info({"pool": pool, "namespace": "two"})) == [f"{pool}/two/c"]
    assert names(info({"pool": pool, "all_namespaces": True})) == [
        f"{pool}/a",
        f"{pool}/b",
        f"{pool}/one/d",
        f"{pool}/two/c",
    ]


def test_a_play_that_asks_for_what_nobody_wants(cluster: LoopbackCluster, pool: str, playbook: Playbooks) -> None:
    cluster.rbd("create", f"{pool}/golden", "--size", "4M")
    cluster.rbd("snap", "create", f"{pool}/golden@base")
    cluster.rbd("clone", "--rbd-default-clone-format", "2", f"{pool}/golden@base", f"{pool}/leaf")

    # rbd_info has to go on under another Python.
    sound = playbook(PLAYBOOK, {"pool": pool}, check=True, python=sys.executable)
    cluster.rbd("trash", "move", f"{pool}/golden")
    orphaned = playbook(PLAYBOOK, {"pool": pool}, check=True)

    assert not sound.failed, sound.output
    assert orphaned.failed
    assert orphaned.results("rbd_info")[0].raw["images"][0]["parent"]["in_trash"] is True


def test_the_trash(cluster: LoopbackCluster, pool: str, module: Modules) -> None:
    cluster.rbd("namespace", "create", f"{pool}/one")
    for image in ("a", "one/b"):
        cluster.rbd("create", f"{pool}/{image}", "--size", "4M")
        cluster.rbd("trash", "move", f"{pool}/{image}", "--expires-at", "tomorrow")
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    own = module("rbd_info")({"pool": pool}).raw
    every = module("rbd_info")({"pool": pool, "all_namespaces": True}).raw

    assert (own["images"], every["images"]) == ([], [])
    assert own["trash"] == every["trash"][:1]
    assert [entry["image"] for entry in every["trash"]] == [f"{pool}/a", f"{pool}/one/b"]
    for entry, place in zip(every["trash"], (pool, f"{pool}/one"), strict=True):
        (row,) = cluster.json("rbd", "trash", "ls", place, "--long")
        assert (entry["image_id"], entry["name"], entry["source"]) == (row["id"], row["name"], row["source"])
        assert entry["deleted"] <= began < entry["kept_until"]


class TestMissing:
    def test_an_image(self, cluster: LoopbackCluster, namespace: str, module: Modules) -> None:
        cluster.rbd("create", f"{namespace}/there", "--size", "4M")
        options = {"images": [{"image": f"{namespace}/not"}, {"image": f"{namespace}/there"}]}
        result = module("rbd_info")(options)
        assert names(result) == [f"{namespace}/not", f"{namespace}/there"]
        assert [image["exists"] for image in result.raw["images"]] == [False, True]

    @pytest.mark.parametrize("options", [{"pool": "none"}, {"image": "none/data"}])
    def test_a_pool(self, module: Modules, options: dict[str, str]) -> None:
        assert "there is no pool none. Check the pool's name" in module("rbd_info")(options).msg

    def test_a_namespace(self, module: Modules) -> None:
        assert "pool rbd has no namespace none" in module("rbd_info")({"pool": "rbd", "namespace": "none"}).msg


def test_an_image_that_was_removed_by_half_is_told_beside_the_others(
    cluster: LoopbackCluster, namespace: str, module: Modules
) -> None:
    pool, name = namespace.split("/")
    for image in ("broken", "sound"):
        cluster.rbd("create", f"{namespace}/{image}", "--size", "4M")
    cluster.python(_HALF_REMOVE, pool, name, "broken")

    whole = module("rbd_info")({"pool": pool, "namespace": name})
    named = module("rbd_info")({"image": f"{namespace}/broken"})

    assert names(whole) == [f"{namespace}/broken", f"{namespace}/sound"]
    assert comparable(whole.raw["images"][1]) == told(cluster, f"{namespace}/sound")
    error = whole.raw["images"][0]["error"]
    assert f"repeat that with 'rbd rm {namespace}/broken'" in error
    assert whole.warnings == [f"1 of 2 images could not be read, the first: {error}"]
    assert (named.failed, named.msg) == (True, error)
    cluster.rbd("rm", f"{namespace}/broken")
    assert names(module("rbd_info")({"pool": pool, "namespace": name})) == [f"{namespace}/sound"]


class TestRights:
    def test_reading_is_enough(self, cluster: LoopbackCluster, pool: str, module: Modules) -> None:
        cluster.rbd("create", f"{pool}/data", "--size", "4M")
        cluster.rbd("snap", "create", f"{pool}/data@one")
        keyring = cluster.user("reader", mon="profile rbd-read-only", osd=f"profile rbd-read-only pool={pool}", mgr="")

        result = module("rbd_info")({"pool": pool, "user": "reader", "keyring": str(keyring)})

        assert names(result) == [f"{pool}/data"]
        assert comparable(result.raw["images"][0]) == told(cluster, f"{pool}/data")

    @pytest.mark.parametrize("kind", ["pool", "image"])
    def test_what_lacks_is_named(self, cluster: LoopbackCluster, pool: str, module: Modules, kind: str) -> None:
        keyring = cluster.user("elsewhere", osd="profile rbd pool=rbd")
        asked = pool if kind == "pool" else f"{pool}/data"

        result = module("rbd_info")({kind: asked, "user": "elsewhere", "keyring": str(keyring)})

        assert result.failed
        assert f"client.elsewhere lacks the capability osd 'profile rbd pool={pool}'" in result.msg


@pytest.mark.parametrize("kind", ["mon", "osd"])
def test_a_cluster_that_does_not_answer_is_an_error_in_bounded_time(
    cluster: LoopbackCluster, namespace: str, module: Modules, kind: str
) -> None:
    for number in range(20):
        cluster.rbd("create", f"{namespace}/{number}", "--size", "4M")
    options = {"images": [{"image": f"{namespace}/{number}"} for number in range(20)], "connect_timeout": 2}
    bound = Bound(2, lambda: module("rbd_info")(options))
    with cluster.paused(kind):
        began = time.monotonic()
        result = module("rbd_info")(options)
        seconds = time.monotonic() - began
    assert "2 seconds" in result.msg
    assert seconds >= 2
    bound.check(seconds)
