# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces are created and removed by the real librbd."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from loopback.cluster import LoopbackCluster
from loopback.modules import Modules, Result, Ritual

MISSING_POOL = "there-is-none"


def names(cluster: LoopbackCluster, pool: str) -> list[str]:
    return sorted(namespace["name"] for namespace in cluster.json("rbd", "namespace", "ls", pool))


def done(result: Result) -> list[tuple[str, str]]:
    return [(action["action"], action["subject"]) for action in result.actions]


def test_namespaces_come_and_go(cluster: LoopbackCluster, pool: str, ritual: Ritual) -> None:
    made = ritual("rbd_namespace", {"pool": pool, "namespaces": [{"namespace": "blue"}, {"namespace": "green"}]})

    assert done(made) == [("create", f"{pool}/blue"), ("create", f"{pool}/green")]
    assert names(cluster, pool) == ["blue", "green"]
    assert made.diff == [
        {
            "before": f"{pool}/blue: absent\n{pool}/green: absent\n",
            "after": f"{pool}/blue: present\n{pool}/green: present\n",
        }
    ]

    gone = ritual("rbd_namespace", {"pool": pool, "namespace": "blue", "state": "absent"})

    assert done(gone) == [("remove", f"{pool}/blue")]
    assert gone.raw["namespaces"] == [{"pool": pool, "namespace": "blue", "exists": False}]
    assert names(cluster, pool) == ["green"]


def test_a_pool_that_was_not_initialised_will_do(cluster: LoopbackCluster, ritual: Ritual) -> None:
    cluster.ceph("osd", "pool", "create", "plain")

    ritual("rbd_namespace", {"pool": "plain", "namespace": "blue"})

    assert names(cluster, "plain") == ["blue"]
    cluster.ceph("osd", "pool", "delete", "plain", "plain", "--yes-i-really-really-mean-it")


@pytest.mark.parametrize(
    ("make", "held"),
    [
        ("image", "1 image (app)"),
        ("trash", "1 image in the trash (app)"),
        ("group", "1 group (app)"),
    ],
)
def test_a_namespace_that_holds_something_stays(
    cluster: LoopbackCluster, namespace: str, module: Modules, make: str, held: str
) -> None:
    pool, name = namespace.split("/")
    if make == "group":
        # librbd itself would remove the namespace, and lose the group (Ceph 16).
        cluster.rbd("group", "create", f"{namespace}/app")
    else:
        cluster.rbd("create", "--size", "8M", f"{namespace}/app")
    if make == "trash":
        cluster.rbd("trash", "mv", f"{namespace}/app")

    for check in (True, False):
        result = module("rbd_namespace")({"pool": pool, "namespace": name, "state": "absent"}, check=check)
        assert f"Cannot remove the namespace {namespace}: it holds {held}." in result.msg
    assert name in names(cluster, pool)


def test_many_images_are_counted_and_some_named(cluster: LoopbackCluster, namespace: str, module: Modules) -> None:
    pool, name = namespace.split("/")
    for number in range(5):
        cluster.rbd("create", "--size", "8M", f"{namespace}/image-{number}")

    result = module("rbd_namespace")({"pool": pool, "namespace": name, "state": "absent"})

    assert "it holds 5 images (image-0, image-1, image-2 and 2 more)." in result.msg


def test_a_missing_pool_is_an_error_unless_an_earlier_task_may_create_it(module: Modules) -> None:
    wish = {"pool": MISSING_POOL, "namespace": "blue"}

    assert f"there is no pool {MISSING_POOL}." in module("rbd_namespace")(wish).msg
    predicted = module("rbd_namespace")(wish, check=True)
    assert done(predicted) == [("create", f"{MISSING_POOL}/blue")]
    assert "in check mode" in predicted.warnings[0]
    assert not module("rbd_namespace")({**wish, "state": "absent"}).changed


@pytest.mark.parametrize("name", ["a/b", "a@b", "a*", "a'b", ""])
def test_a_name_that_cannot_be_used_is_refused(module: Modules, name: str) -> None:
    result = module("rbd_namespace")({"pool": "rbd", "namespace": name})
    assert result.msg.startswith(f"Cannot use the namespace {name!r}: ")


def test_of_two_runs_at_the_same_moment_one_does_it_and_both_end_well(pool: str, module: Modules) -> None:
    for state in ("present", "absent"):
        wish = {"pool": pool, "namespaces": [{"namespace": f"n{number}"} for number in range(10)], "state": state}
        with ThreadPoolExecutor() as threads:
            results = list(threads.map(module("rbd_namespace"), [wish, wish]))
        assert [result.msg for result in results if result.failed] == []
        assert sorted(action["subject"] for result in results for action in result.actions) == [
            f"{pool}/n{number}" for number in range(10)
        ]
        assert not module("rbd_namespace")(wish).changed


def test_a_user_without_rights_is_told_which(
    cluster: LoopbackCluster, namespace: str, module: Modules, pool: str
) -> None:
    keyring = cluster.user("confined", osd=f"profile rbd pool={pool}")
    user = {"user": "confined", "keyring": str(keyring), "pool": namespace.partition("/")[0]}

    result = module("rbd_namespace")({**user, "namespace": "blue"})

    assert f"client.confined lacks the capability osd 'profile rbd pool={user['pool']}'" in result.msg
    assert module("rbd_namespace")({**user, "pool": pool, "namespace": "blue"}).changed
