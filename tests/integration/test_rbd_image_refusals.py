# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is wrong with a request for an image has a sentence of its own, in check mode too, and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from loopback.cluster import LoopbackCluster
from loopback.forks import Forks
from loopback.modules import Modules


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": "20"}, "Cannot read the size '20': it has no unit"),
        ({"size": "20X"}, "Cannot read the size '20X': it is not a whole number with a unit"),
        ({}, "has no such image, and no size is given to create it with"),
        ({"size": "8M", "data_pool": "nowhere"}, "there is no pool nowhere"),
        ({"size": "8M", "object_size": "3M"}, "it is not a power of two from 4 KiB to 32 MiB"),
        ({"size": "8M", "stripe_unit": "64K"}, "of stripe_unit and stripe_count only one is given"),
        ({"size": "8M", "stripe_unit": "96K", "stripe_count": 2}, "do not divide objects of 4 MiB"),
        ({"size": "8M", "stripe_unit": "64K", "stripe_count": 0}, "Cannot use a stripe_count of 0"),
        ({"size": "8M", "parent": "rbd/a@b", "source": "/x"}, "both parent and source say what it is made from"),
        ({"size": "8M", "source_format": "raw"}, "source_format is given without a source"),
        ({"source": "/nowhere/image.raw"}, "/nowhere/image.raw"),
        ({"state": "trashed", "retention": "7"}, "'7'"),
        ({"image": "{namespace}/data@snap", "size": "8M"}, "it is a snapshot, not an image"),
        ({"size": "7E"}, "Cannot create"),
    ],
    ids=str,
)
def test_bad_input(
    cluster: LoopbackCluster, namespace: str, module: Modules, options: dict[str, Any], sentence: str
) -> None:
    wish = {"image": "{namespace}/data", **options}
    wish["image"] = wish["image"].format(namespace=namespace)
    for check in (True, False):
        result = module("rbd_image")(wish, check=check)
        if check and options == {"size": "7E"}:
            continue  # only librbd knows its limits
        assert (result.failed, result.changed) == (True, False)
        assert sentence in result.msg
        assert result.msg.startswith("Cannot ")
    assert cluster.json("rbd", "ls", namespace) == []


@pytest.mark.parametrize(
    ("image", "sentence", "assumed"),
    [
        ("nowhere/data", "there is no pool nowhere", "pool nowhere does not exist"),
        ("rbd/nowhere/data", "pool rbd has no namespace nowhere", "namespace rbd/nowhere does not exist"),
    ],
)
def test_place_that_is_missing_may_be_made_by_an_earlier_task(
    module: Modules, image: str, sentence: str, assumed: str
) -> None:
    wish = {"image": image, "size": "8M"}
    result = module("rbd_image")(wish)
    assert (result.failed, sentence in result.msg) == (True, True), result.msg

    predicted = module("rbd_image")(wish, check=True)
    assert [action["action"] for action in predicted.actions] == ["create"]
    assert assumed in predicted.warnings[0]
    assert "no such image" in module("rbd_image")({"image": image}, check=True).msg


def test_user_without_rights_is_told_what_is_missing(cluster: LoopbackCluster, namespace: str, module: Modules) -> None:
    keyring = cluster.user("reader", mon="profile rbd", osd="profile rbd-read-only pool=rbd", mgr="")
    wish = {"image": f"{namespace}/data", "size": "8M", "user": "reader", "keyring": str(keyring)}

    result = module("rbd_image")(wish)

    pool, name = namespace.split("/")
    assert f"client.reader lacks the capability osd 'profile rbd pool={pool} namespace={name}'" in result.msg
    assert "ceph auth caps client.reader" in result.msg


def test_pool_of_a_parent_that_the_user_may_not_read_is_not_taken_for_its_own(
    cluster: LoopbackCluster, namespace: str, pool: str, module: Modules
) -> None:
    cluster.rbd("create", f"{pool}/golden", "--size", "8M")
    cluster.rbd("snap", "create", f"{pool}/golden@one")
    cluster.rbd("clone", f"{pool}/golden@one", f"{namespace}/vm", "--rbd-default-clone-format", "2")
    keyring = cluster.user("tenant", osd=f"profile rbd pool=rbd namespace={namespace.split('/')[1]}", mgr="")

    result = module("rbd_image")({"image": f"{namespace}/vm", "user": "tenant", "keyring": str(keyring)})

    assert "client.tenant may read its pool, but not the one of its parent" in result.msg


def test_full_pool_is_said_in_time_and_nothing_is_begun(cluster: LoopbackCluster, pool: str, module: Modules) -> None:
    cluster.rbd("create", f"{pool}/one", "--size", "8M")
    cluster.ceph("osd", "pool", "set-quota", pool, "max_objects", "1")
    cluster.until(lambda: "full_quota" in _flags(cluster, pool))

    for check in (True, False):
        result = module("rbd_image")({"image": f"{pool}/two", "size": "8M"}, check=check)
        assert f"Cannot create {pool}/two: the pool {pool} has reached its quota" in result.msg

    cluster.ceph("osd", "pool", "set-quota", pool, "max_objects", "0")
    cluster.until(lambda: "full" not in _flags(cluster, pool))
    assert cluster.json("rbd", "ls", pool) == ["one"]


def test_full_cluster_is_said_in_time_and_nothing_is_begun(
    tmp_path: Path, system_python: str, forks: Forks, module: Modules
) -> None:
    with LoopbackCluster(tmp_path / "cluster", osds=1, python=system_python, forks=forks) as small:
        small.ceph("osd", "pool", "create", "rbd")
        small.rbd("pool", "init", "rbd")
        small.rbd("create", "rbd/one", "--size", "64M")
        small.rbd("bench", "rbd/one", "--io-type", "write", "--io-size", "4M", "--io-total", "64M")
        for ratio in ("nearfull", "backfillfull", "full"):
            small.ceph("osd", f"set-{ratio}-ratio", "0.001")
        small.until(lambda: "full" in _flags(small, "rbd").split(","))

        there = {"conf": str(small.conf), "keyring": str(small.admin_keyring)}
        for check in (True, False):
            result = module("rbd_image")({**there, "image": "rbd/two", "size": "8M"}, check=check)
            assert "Cannot create rbd/two: the pool rbd is full. Add storage" in result.msg
        assert small.json("rbd", "ls", "rbd") == ["one"]
        # Ceph cannot do that here, not by the rbd command either.
        for state, verb in (("absent", "remove rbd/one"), ("trashed", "move rbd/one to the trash")):
            kept = module("rbd_image")({**there, "image": "rbd/one", "state": state})
            assert f"Cannot {verb}: nothing can be written to rbd" in kept.msg
        assert small.json("rbd", "ls", "rbd") == ["one"]


def _flags(cluster: LoopbackCluster, pool: str) -> str:
    pools = cluster.json("ceph", "osd", "dump")["pools"]
    return str(next(entry["flags_names"] for entry in pools if entry["pool_name"] == pool))


def test_every_bad_item_is_named_and_the_good_ones_are_left_alone(
    cluster: LoopbackCluster, namespace: str, module: Modules
) -> None:
    images = [
        {"image": f"{namespace}/good", "size": "8M"},
        {"image": f"{namespace}/none"},
        {"image": f"{namespace}/odd", "parent": f"{namespace}/no@no"},
    ]
    result = module("rbd_image")({"images": images})
    assert [(failure["index"], failure["item"]) for failure in result.failures] == [
        (1, f"{namespace}/none"),
        (2, f"{namespace}/odd"),
    ]
    assert "Nothing was changed." in result.msg
    assert cluster.json("rbd", "ls", namespace) == []
