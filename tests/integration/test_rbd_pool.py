# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools are corrected and, where nothing is lost, removed in a real cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from loopback.cluster import LoopbackCluster
from loopback.holder import holding
from loopback.modules import Modules, Ritual
from loopback.pools import detail, exists, new_name
from loopback.users import kinds

_WRITE_OBJECT = """
with cluster.open_ioctx(args[0]) as ioctx:
    ioctx.set_namespace(args[1])
    ioctx.write_full(args[2], b"data")
"""


@pytest.fixture
def name(cluster: LoopbackCluster) -> Iterator[str]:
    """A name for a new pool, which is removed after the test."""
    yield from new_name(cluster)


def test_what_rbd_pool_init_made_ready_is_left_alone(cluster: LoopbackCluster, name: str, module: Modules) -> None:
    cluster.ceph("osd", "pool", "create", name)
    cluster.rbd("pool", "init", name)

    assert not module("rbd_pool")({"pool": name}).changed


def test_every_setting_is_taken_and_corrected(cluster: LoopbackCluster, name: str, ritual: Ritual) -> None:
    cluster.ceph("osd", "crush", "rule", "create-replicated", f"rule-{name}", "default", "osd")
    wish = {
        "pool": name,
        "type": "replicated",
        "size": 3,
        "min_size": 2,
        "pg_num": 4,
        "pg_autoscale_mode": "warn",
        "crush_rule": f"rule-{name}",
    }

    assert kinds(ritual("rbd_pool", wish)) == ["create", "set", "tag", "init"]
    assert settings(cluster, name) == (3, 2, 4, "warn", f"rule-{name}")

    done = ritual("rbd_pool", {"pool": name, "size": 2, "min_size": 1, "pg_num": 8, "pg_autoscale_mode": "off"})
    assert [(action["setting"], action["value"]) for action in done.actions] == [
        ("size", 2),
        ("min_size", 1),
        ("pg_autoscale_mode", "off"),
        ("pg_num", 8),
    ]
    assert settings(cluster, name) == (2, 1, 8, "off", f"rule-{name}")

    done = ritual("rbd_pool", {"pool": name, "crush_rule": "replicated_rule", "min_size": 2})
    assert settings(cluster, name) == (2, 2, 8, "off", "replicated_rule")
    assert "size" not in {action["setting"] for action in done.actions if action["value"] != 2}
    cluster.ceph("osd", "crush", "rule", "rm", f"rule-{name}")


def settings(cluster: LoopbackCluster, name: str) -> tuple[Any, ...]:
    pool = detail(cluster, name)
    rules = {rule["rule_id"]: rule["rule_name"] for rule in cluster.json("ceph", "osd", "crush", "rule", "dump")}
    names = ("size", "min_size", "pg_num_target", "pg_autoscale_mode")
    return (*(pool[key] for key in names), rules[pool["crush_rule"]])


def test_the_diff_is_what_the_cluster_says_before_and_after(
    cluster: LoopbackCluster, name: str, module: Modules, ritual: Ritual
) -> None:
    module("rbd_pool")({"pool": name, "size": 3, "min_size": 1})
    before = detail(cluster, name)["size"]
    done = ritual("rbd_pool", {"pool": name, "size": 2})
    assert done.diff == [
        {"before": f"{name}: size {before}\n", "after": f"{name}: size {detail(cluster, name)['size']}\n"}
    ]


def test_an_erasure_coded_pool_takes_the_data_of_images(
    cluster: LoopbackCluster, name: str, erasure_coded_pool: str, ritual: Ritual, module: Modules
) -> None:
    # Its profile is of the same name.
    wish = {"pool": name, "type": "erasure", "erasure_code_profile": erasure_coded_pool}

    assert kinds(ritual("rbd_pool", wish)) == ["create", "tag", "allow_ec_overwrites"]

    pool = detail(cluster, name)
    assert (pool["type"], pool["erasure_code_profile"]) == (3, erasure_coded_pool)
    assert "ec_overwrites" in pool["flags_names"].split(",")
    assert list(pool["application_metadata"]) == ["rbd"]
    cluster.rbd("create", "--size", "8M", "--data-pool", name, f"rbd/{name}")
    cluster.rbd("bench", "--io-type", "write", "--io-size", "4K", "--io-total", "8K", f"rbd/{name}")

    refused = module("rbd_pool")({"pool": name, "state": "absent"})
    assert "rbd_data." in refused.msg
    assert exists(cluster, name)
    cluster.rbd("rm", f"rbd/{name}")
    for what in ({"type": "replicated"}, {"type": "erasure", "erasure_code_profile": "default"}, {"size": 3}):
        assert module("rbd_pool")({"pool": name, **what}).failed


def test_a_half_made_pool_is_finished(cluster: LoopbackCluster, name: str, ritual: Ritual) -> None:
    cluster.ceph("osd", "pool", "create", name)
    cluster.ceph("osd", "pool", "application", "enable", name, "rbd")

    assert kinds(ritual("rbd_pool", {"pool": name})) == ["init"]


def test_a_pool_of_another_application_is_neither_used_nor_removed(
    cluster: LoopbackCluster, name: str, module: Modules
) -> None:
    cluster.ceph("osd", "pool", "create", name)
    cluster.ceph("osd", "pool", "application", "enable", name, "cephfs")

    for options in ({}, {"state": "absent"}, {"state": "absent", "delete_data": True}):
        result = module("rbd_pool")({"pool": name, **options})
        assert "it is tagged for another application (cephfs)" in result.msg
    assert exists(cluster, name)


@pytest.mark.parametrize("place", ["", "ns/"])
@pytest.mark.parametrize(
    ("make", "held"),
    [
        ("image", "1 image ({place}app)"),
        ("trash", "1 image in the trash ({place}app)"),
        ("group", "1 group ({place}app)"),
        ("object", "objects that are no image's, such as {place}app"),
    ],
)
def test_a_pool_that_holds_anything_is_removed_only_with_its_data(
    cluster: LoopbackCluster, name: str, module: Modules, make: str, held: str, place: str
) -> None:
    module("rbd_pool")({"pool": name})
    if place:
        cluster.rbd("namespace", "create", f"{name}/ns")
    if make == "group":
        cluster.rbd("group", "create", f"{name}/{place}app")
    elif make == "object":
        cluster.python(_WRITE_OBJECT, name, place.rstrip("/"), "app")
    else:
        cluster.rbd("create", "--size", "8M", f"{name}/{place}app")
    if make == "trash":
        cluster.rbd("trash", "mv", f"{name}/{place}app")

    for check in (True, False):
        refused = module("rbd_pool")({"pool": name, "state": "absent"}, check=check)
        assert f"it holds {held.format(place=place)}." in refused.msg
    assert exists(cluster, name)

    removed = module("rbd_pool")({"pool": name, "state": "absent", "delete_data": True})
    assert not removed.failed, removed.msg
    assert not exists(cluster, name)


def test_a_pool_with_the_flag_nodelete_is_not_removed(cluster: LoopbackCluster, name: str, module: Modules) -> None:
    module("rbd_pool")({"pool": name})
    cluster.ceph("osd", "pool", "set", name, "nodelete", "true")

    result = module("rbd_pool")({"pool": name, "state": "absent"}, check=True)

    assert f"ceph osd pool set {name} nodelete false" in result.msg
    cluster.ceph("osd", "pool", "set", name, "nodelete", "false")


def test_a_single_copy_is_made_with_a_warning(cluster: LoopbackCluster, name: str, ritual: Ritual) -> None:
    done = ritual("rbd_pool", {"pool": name, "size": 1})

    assert detail(cluster, name)["size"] == 1
    assert "keeps one copy of its data" in done.warnings[0]


def test_a_pool_is_not_removed_under_a_client(
    cluster: LoopbackCluster, name: str, module: Modules, system_python: str
) -> None:
    module("rbd_pool")({"pool": name})
    cluster.rbd("create", "--size", "8M", f"{name}/open")
    cluster.rbd("create", "--size", "8M", f"{name}/closed")
    options = {"pool": name, "state": "absent", "delete_data": True}
    with holding(cluster.conf, system_python, f"{name}/open"):
        assert "somebody has open open" in module("rbd_pool")(options).msg
    assert exists(cluster, name)
    assert module("rbd_pool")(options).changed


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"crush_rule": "nosuch"}, "the CRUSH rule nosuch does not exist. Those that fit: replicated_rule."),
        ({"type": "erasure", "erasure_code_profile": "nosuch"}, "the erasure-code profile nosuch does not exist."),
        ({"pg_num": 8}, "the autoscaler would change pg_num again."),
        ({"size": 100}, "pool size is bigger than the crush rule max size"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_made(
    cluster: LoopbackCluster, module: Modules, options: dict[str, Any], said: str
) -> None:
    result = module("rbd_pool")({"pool": "refused", **options})

    assert said in result.msg
    assert not exists(cluster, "refused")


def test_a_pool_that_does_not_serve_is_an_error_in_bounded_time_and_is_finished_later(
    cluster: LoopbackCluster, name: str, module: Modules
) -> None:
    # All the OSDs are on one host.
    cluster.ceph("osd", "crush", "rule", "create-replicated", f"rule-{name}", "default", "host")
    wish = {"pool": name, "size": 2, "min_size": 2, "crush_rule": f"rule-{name}"}

    result = module("rbd_pool")({**wish, "connect_timeout": 3})

    assert result.failed
    assert "its placement groups did not answer within 3 seconds" in result.msg
    assert kinds(result) == ["create", "set", "tag"]
    again = module("rbd_pool")({**wish, "connect_timeout": 3})
    assert (again.failed, again.actions) == (True, [])
    mended = module("rbd_pool")({**wish, "crush_rule": "replicated_rule", "connect_timeout": 30})
    assert kinds(mended) == ["set", "init"], mended.msg
    assert not module("rbd_pool")({**wish, "crush_rule": "replicated_rule"}).changed
    cluster.ceph("osd", "crush", "rule", "rm", f"rule-{name}")


def test_two_runs_at_the_same_moment_both_end_well(name: str, module: Modules) -> None:
    for options in ({"pool": name, "size": 2}, {"pool": name, "state": "absent"}):
        with ThreadPoolExecutor() as threads:
            results = list(threads.map(module("rbd_pool"), [options, options]))
        assert [result.msg for result in results if result.failed] == []
        assert any(result.changed for result in results)
        assert not module("rbd_pool")(options).changed


def test_a_user_without_rights_is_told_which(cluster: LoopbackCluster, name: str, module: Modules) -> None:
    user = {"user": "plain", "keyring": str(cluster.user("plain"))}

    result = module("rbd_pool")({"pool": name, **user})

    assert "client.plain lacks the capability mon 'allow rwx'." in result.msg
    assert not exists(cluster, name)


def test_many_pools_in_one_call(cluster: LoopbackCluster, name: str, module: Modules, ritual: Ritual) -> None:
    done = ritual("rbd_pool", {"size": 2, "pools": [{"pool": name}, {"pool": "absent", "state": "absent"}]})
    assert kinds(done) == ["create", "tag", "init"]

    refused = module("rbd_pool")({"pools": [{"pool": name, "size": 3}, {"pool": ".mgr"}, {"pool": "a/b"}]})
    assert [failure["index"] for failure in refused.raw["failures"]] == [1, 2]
    assert detail(cluster, name)["size"] == 2
