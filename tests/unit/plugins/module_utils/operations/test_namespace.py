# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_namespace from its parameters to its result."""

from __future__ import annotations

from typing import Any

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import ClusterUnprepared
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.namespace import NamespaceOperation
from ansible_collections.cephclient.rbd.plugins.module_utils._pool_content import Content
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations import running
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fake_monitors import FakeNamespaces
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import Run


def options(*items: dict[str, Any], **top: Any) -> dict[str, Any]:
    given: list[dict[str, Any]] = [{"pool": None, "state": None, **item} for item in items]
    return {"namespace": None, "pool": "rbd", "state": "present", **top, "namespaces": given or None}


def run(store: FakeNamespaces, wish: dict[str, Any], check: bool = False) -> Run:
    return running.run(
        lambda module, _session, names, _ports: NamespaceOperation(module, store, names), FakeHost(), wish, check
    )


def test_create_and_remove_in_one_call() -> None:
    store = FakeNamespaces({"rbd": {"old", "kept"}, "other": set()})
    done = running.ritual(
        lambda module, _session, names, _ports: NamespaceOperation(module, store, names),
        FakeHost(),
        options({"namespace": "old", "state": "absent"}, {"namespace": "kept"}, {"namespace": "new", "pool": "other"}),
    )
    assert done.done == [("remove", "rbd/old"), ("create", "other/new")]
    assert store.pools == {"rbd": {"kept"}, "other": {"new"}}
    assert done.result["namespaces"] == [
        {"pool": "rbd", "namespace": "old", "exists": False},
        {"pool": "rbd", "namespace": "kept", "exists": True},
        {"pool": "other", "namespace": "new", "exists": True},
    ]


def test_each_pool_is_listed_once() -> None:
    store = FakeNamespaces({"rbd": {"a", "b"}})
    run(store, options({"namespace": "a"}, {"namespace": "b"}))
    assert store.log == ["names rbd"]


def test_a_namespace_that_holds_something_stays() -> None:
    store = FakeNamespaces({"rbd": {"old"}}, contents={"rbd/old": Content(groups=("g",))})
    for check in (True, False):
        end = run(store, options(namespace="old", state="absent"), check)
        assert end.result["msg"] == ("Cannot remove the namespace rbd/old: it holds 1 group (g). Remove that first.")
    assert store.pools == {"rbd": {"old"}}


def test_what_a_namespace_holds_is_looked_at_again_before_it_goes() -> None:
    class Late(FakeNamespaces):
        def content(self, pool: str, namespace: str) -> Content:
            seen = super().content(pool, namespace)
            self.contents["rbd/old"] = Content(groups=("late",))
            return seen

    store = Late({"rbd": {"old"}})
    assert "it holds 1 group (late)" in run(store, options(namespace="old", state="absent")).result["msg"]
    assert store.pools == {"rbd": {"old"}}


def test_what_another_run_does_at_the_same_moment_is_not_reported_as_ours() -> None:
    class Race(FakeNamespaces):
        def create(self, pool: str, namespace: str) -> None:
            self.pools[pool].add("a")
            super().create(pool, namespace)

    end = run(Race({"rbd": set()}), options({"namespace": "a"}, {"namespace": "b"}))
    assert (end.failed, end.done) == (False, [("create", "rbd/b")])


def test_a_pool_that_is_missing() -> None:
    store = FakeNamespaces()
    assert "there is no pool rbd" in run(store, options(namespace="a")).result["msg"]
    predicted = run(store, options(namespace="a"), check=True)
    assert predicted.done == [("create", "rbd/a")]
    assert "pool rbd does not exist" in predicted.warnings[0]
    assert run(store, options(namespace="a", state="absent")).done == []


def test_check_mode_before_the_host_is_prepared_predicts_with_a_warning() -> None:
    store = FakeNamespaces(refusal=ClusterUnprepared("reach the cluster", "there is no ceph.conf"))
    wish = options({"namespace": "new"}, {"namespace": "gone", "state": "absent"})
    end = run(store, wish, check=True)
    assert (end.failed, end.done, len(end.warnings)) == (False, [("create", "rbd/new")], 1)
    assert run(store, wish).failed


def test_a_repeated_namespace_is_refused_and_one_of_another_pool_is_not() -> None:
    end = run(FakeNamespaces({"rbd": set()}), options({"namespace": "a"}, {"namespace": "a", "pool": "rbd"}))
    assert "item 0 of the same list names it already" in end.result["msg"]
    other = FakeNamespaces({"rbd": set(), "b": set()})
    assert not run(other, options({"namespace": "a"}, {"namespace": "a", "pool": "b"})).failed
