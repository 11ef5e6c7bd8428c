# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_pool from its parameters to its result."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import (
    ClusterUnavailable,
    ClusterUnprepared,
    Overtaken,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.pool import PoolOperation
from ansible_collections.cephclient.rbd.plugins.module_utils._pool_content import Content
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations import running
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fake_monitors import (
    DEFAULTS,
    FakePools,
    pool,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import Run

NONE = dict.fromkeys(("type", *DEFAULTS, "erasure_code_profile"))


def options(*items: dict[str, Any], **top: Any) -> dict[str, Any]:
    given = [{**NONE, "delete_data": None, "state": None, **item} for item in items]
    return {"pool": None, **NONE, "delete_data": False, "state": "present", **top, "pools": given or None}


def run(store: FakePools, wish: dict[str, Any], check: bool = False) -> Run:
    return running.run(
        lambda module, _session, names, _ports: PoolOperation(module, store, names), FakeHost(), wish, check
    )


def ritual(store: FakePools, wish: dict[str, Any]) -> Run:
    return running.ritual(lambda module, _session, names, _ports: PoolOperation(module, store, names), FakeHost(), wish)


def test_create_correct_and_remove_in_one_call() -> None:
    store = FakePools({"big": pool(settings={**DEFAULTS, "size": 2}), "old": pool()}, initialised={"big", "old"})
    done = ritual(
        store,
        options(
            {"pool": "new", "min_size": 1},
            {"pool": "big"},
            {"pool": "data", "type": "erasure", "erasure_code_profile": "wide", "size": None},
            {"pool": "old", "state": "absent"},
            pg_autoscale_mode="warn",
        ),
    )
    assert done.done == [
        ("create", "new"),
        ("set", "new"),
        ("tag", "new"),
        ("init", "new"),
        ("set", "big"),
        ("create", "data"),
        ("tag", "data"),
        ("allow_ec_overwrites", "data"),
        ("remove", "old"),
    ]
    assert [result["exists"] for result in done.result["pools"]] == [True, True, True, False]
    assert done.result["pools"][0] == {
        "pool": "new",
        "exists": True,
        "type": "replicated",
        "erasure_code_profile": None,
        **DEFAULTS,
        "min_size": 1,
        "pg_autoscale_mode": "warn",
    }
    assert done.result["pools"][3]["size"] is None


def test_all_the_pools_are_read_at_once_and_again_for_the_result_only_if_something_changed() -> None:
    store = FakePools({"a": pool(), "b": pool()}, initialised={"a", "b"})
    run(store, options({"pool": "a"}, {"pool": "b"}))
    assert store.log.count("read") == 1
    run(store, options({"pool": "a", "size": 2}, {"pool": "b"}))
    assert store.log.count("read") == 3


def test_a_pool_of_another_application_is_not_looked_into() -> None:
    store = FakePools({"app": pool(applications=("cephfs",))})
    for state in ("present", "absent"):
        assert run(store, options(pool="app", state=state)).failed
    assert store.log == ["read", "read"]


def test_every_bad_item_is_reported_and_nothing_is_done() -> None:
    store = FakePools({"full": pool()}, contents={"full": Content(images=("a",))})
    end = run(store, options({"pool": "new"}, {"pool": "full", "state": "absent"}, {"pool": "x", "crush_rule": "none"}))
    assert [failure["index"] for failure in end.result["failures"]] == [1, 2]
    assert (end.result["changed"], list(store.pools)) == (False, ["full"])


def test_watchers_are_asked_for_only_where_images_would_go() -> None:
    store = FakePools({"full": pool()}, contents={"full": Content(images=("a",))}, open_images=("a",))
    assert "it holds 1 image (a)" in run(store, options(pool="full", state="absent")).result["msg"]
    assert "in_use full" not in store.log
    wish = options(pool="full", state="absent", delete_data=True)
    assert "somebody has a open" in run(store, wish).result["msg"]
    store.open_images = ()
    assert run(store, wish).done == [("remove", "full")]


def test_an_image_that_comes_at_the_last_moment_saves_the_pool() -> None:
    store = FakePools({"app": pool(), "new": pool()}, initialised={"new"})
    store.overtaken = lambda: store.contents.update(app=Content(images=("late",)))
    wish = options({"pool": "new", "size": 2}, {"pool": "app", "state": "absent"})
    end = run(store, wish)
    assert "it holds 1 image (late)" in end.result["msg"]
    assert end.done == [("set", "new")]
    assert "app" in store.pools


def test_a_pool_that_another_run_removes_at_that_moment_is_none_of_ours() -> None:
    store = FakePools({"app": pool(), "new": pool()}, initialised={"new"})
    store.overtaken = lambda: store.pools.clear() or store.pools.update(new=pool())
    end = run(store, options({"pool": "new", "size": 2}, {"pool": "app", "state": "absent"}))
    assert (end.failed, end.done) == (False, [("set", "new")])


def test_a_pool_that_another_run_removes_before_it_is_set_is_made_anew() -> None:
    store = FakePools({"app": pool()}, initialised={"app"})

    def removed() -> None:
        store.pools.clear()
        store.initialised.clear()
        raise Overtaken("set size of pool app to 2", "there is no such pool")

    store.overtaken = removed
    end = run(store, options(pool="app", size=2))
    assert (end.failed, end.done) == (False, [("create", "app"), ("tag", "app"), ("init", "app")])


def test_a_pool_that_does_not_serve_may_be_mended_by_its_settings_and_by_nothing_else() -> None:
    store = FakePools({"app": pool()}, unserved=ClusterUnavailable("look at pool app", "it does not answer"))
    assert run(store, options(pool="app")).failed
    assert run(store, options(pool="app", crush_rule="replicated_rule")).failed
    assert run(store, options(pool="app", crush_rule="ssd")).done == [("set", "app"), ("init", "app")]


def test_of_many_pools_that_do_not_serve_one_is_waited_for() -> None:
    unserved = ClusterUnavailable("look at pool a", "it does not answer")
    store = FakePools({"a": pool(), "b": pool(), "c": pool()}, unserved=unserved)
    end = run(store, options({"pool": "a"}, {"pool": "b"}, {"pool": "c"}, crush_rule="ssd"))
    assert end.done == [(kind, name) for name in "abc" for kind in ("set", "init")]
    assert [call for call in store.log if call.startswith(("serves", "is_initialised"))] == ["serves a"]


def test_check_mode_before_the_host_is_prepared_predicts_with_a_warning() -> None:
    store = FakePools(refusal=ClusterUnprepared("reach the cluster", "there is no ceph.conf"))
    wish = options({"pool": "new"}, {"pool": "gone", "state": "absent"})
    end = run(store, wish, check=True)
    assert (end.failed, end.done) == (False, [("create", "new"), ("tag", "new"), ("init", "new")])
    assert "there is no ceph.conf" in end.warnings[0]
    assert run(store, wish).failed


@pytest.mark.parametrize("check", [True, False])
def test_a_cluster_that_is_away_is_asked_once(check: bool) -> None:
    store = FakePools(refusal=ClusterUnavailable("reach the cluster", "it is away"))
    end = run(store, options({"pool": "a"}, {"pool": "b"}), check)
    assert (end.failed, end.result["msg"]) == (True, "Cannot reach the cluster: it is away.")
    assert store.log == ["read"]


def test_a_repeated_pool_is_refused() -> None:
    end = run(FakePools(), options({"pool": "a", "size": 2}, {"pool": "a", "size": 3}))
    assert "item 0 of the same list names it already" in end.result["msg"]
