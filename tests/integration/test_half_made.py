# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a creation that was cut off has left is made anew; what may hold something is not."""

from __future__ import annotations

import pytest
from loopback.cluster import LoopbackCluster
from loopback.holder import holding
from loopback.modules import Modules


def rados(cluster: LoopbackCluster, namespace: str, *argv: str) -> str:
    pool, name = namespace.split("/")
    return cluster.run("rados", "--pool", pool, "--namespace", name, *argv)


def image_id(cluster: LoopbackCluster, spec: str) -> str:
    return str(cluster.json("rbd", "info", spec)["id"])


@pytest.fixture
def golden(cluster: LoopbackCluster, namespace: str) -> str:
    cluster.rbd("create", f"{namespace}/golden", "--size", "8M")
    cluster.rbd("snap", "create", f"{namespace}/golden@one")
    cluster.rbd("snap", "protect", f"{namespace}/golden@one")
    return f"{namespace}/golden@one"


@pytest.mark.parametrize("left", ["name and id", "name", "id"])
@pytest.mark.parametrize("clone", [False, True])
def test_a_name_without_an_image(
    cluster: LoopbackCluster, namespace: str, module: Modules, golden: str, left: str, clone: bool
) -> None:
    cluster.rbd("create", f"{namespace}/app", "--size", "8M")
    number = image_id(cluster, f"{namespace}/app")
    rados(cluster, namespace, "rm", f"rbd_header.{number}")
    if left == "id":
        for key in ("name_app", f"id_{number}"):
            rados(cluster, namespace, "rmomapkey", "rbd_directory", key)
    if left == "name":
        rados(cluster, namespace, "rm", "rbd_id.app")

    declared = {"image": f"{namespace}/app", **({"parent": golden} if clone else {"size": "8M"})}
    made = module("rbd_image")(declared)
    assert not made.failed, made.msg
    assert made.changed
    assert cluster.json("rbd", "info", f"{namespace}/app")["size"] == 8 << 20
    assert sorted(cluster.json("rbd", "ls", namespace)) == ["app", "golden"]
    assert not module("rbd_image")(declared).changed


def test_a_clone_that_has_no_parent_yet(cluster: LoopbackCluster, namespace: str, module: Modules, golden: str) -> None:
    cluster.rbd("create", f"{namespace}/app", "--size", "8M")
    made = module("rbd_image")({"image": f"{namespace}/app", "parent": golden})
    assert not made.failed, made.msg
    assert cluster.json("rbd", "info", f"{namespace}/app")["parent"]["image"] == "golden"


@pytest.mark.parametrize("holds", ["data", "a snapshot", "metadata"])
def test_what_holds_something_is_no_clone_in_the_making(
    cluster: LoopbackCluster, namespace: str, module: Modules, golden: str, holds: str
) -> None:
    spec = f"{namespace}/app"
    cluster.rbd("create", spec, "--size", "8M")
    if holds == "data":
        cluster.rbd("bench", "--io-type", "write", "--io-size", "4K", "--io-total", "4K", spec)
    elif holds == "a snapshot":
        cluster.rbd("snap", "create", f"{spec}@kept")
    else:
        cluster.rbd("image-meta", "set", spec, "owner", "somebody")
    number = image_id(cluster, spec)
    refused = module("rbd_image")({"image": spec, "parent": golden})
    assert refused.failed
    assert "shares nothing with a parent" in refused.msg
    assert image_id(cluster, spec) == number


def test_what_somebody_has_open_is_no_clone_that_was_cut_off(
    cluster: LoopbackCluster, namespace: str, module: Modules, golden: str, system_python: str
) -> None:
    spec = f"{namespace}/app"
    cluster.rbd("create", spec, "--size", "8M")
    number = image_id(cluster, spec)
    with holding(cluster.conf, system_python, spec):
        assert "shares nothing with a parent" in module("rbd_image")({"image": spec, "parent": golden}).msg
    assert image_id(cluster, spec) == number


def test_a_clone_whose_parent_is_lost_is_not_taken_for_half_made(
    cluster: LoopbackCluster, namespace: str, module: Modules, golden: str
) -> None:
    """It cannot be opened either, but has data."""
    cluster.rbd("clone", golden, f"{namespace}/app")
    cluster.rbd("bench", "--io-type", "write", "--io-size", "4K", "--io-total", "8K", f"{namespace}/app")
    number = image_id(cluster, f"{namespace}/golden")
    rados(cluster, namespace, "rm", f"rbd_header.{number}")
    before = rados(cluster, namespace, "ls").split()
    for declared in ({"size": "8M"}, {"parent": golden}):
        assert module("rbd_image")({"image": f"{namespace}/app", **declared}).failed
    assert sorted(rados(cluster, namespace, "ls").split()) == sorted(before)
