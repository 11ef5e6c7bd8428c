# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_snapshot from its parameters to its result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils import _module
from ansible_collections.cephclient.rbd.plugins.module_utils._errors import ClusterUnavailable, ClusterUnprepared
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Watcher
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.snapshot import SnapshotOperation
from ansible_collections.cephclient.rbd.plugins.module_utils._snapshot_facts import SnappedImage
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations import running
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fake_snapshots import (
    VM,
    FakeSnapshots,
    snapped,
    snapshot,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import OTHER_FSID, device, facts

GIB = 1 << 30
DAILY = ImageSpec.parse("rbd/app@daily")
ROLL_BACK = {"image": "app", "snapshot": "daily", "state": "rolled_back"}


class Host:
    """A host, and a cluster of some images."""

    def __init__(self, **images: SnappedImage) -> None:
        self.host = FakeHost()
        self.store = FakeSnapshots({f"rbd/{name}": image for name, image in images.items()})

    def once(self, *items: dict[str, Any], check: bool = False, **top: Any) -> running.Run:
        return running.run(self._operation, self.host, options(*items, **top), check)

    def ritual(self, *items: dict[str, Any], **top: Any) -> running.Run:
        return running.ritual(self._operation, self.host, options(*items, **top))

    def names(self, image: str = "app") -> list[str]:
        return [each.name for each in self.store.images[f"rbd/{image}"].snapshots]

    def _operation(self, module: Any, _session: Any, names: Any, ports: Any) -> _module.Operation:
        return SnapshotOperation(module, self.store, dict.fromkeys(names), ports)


def options(*items: dict[str, Any], **top: Any) -> dict[str, Any]:
    names = ("image", "snapshot", "state", "protected", "pattern", "keep", "older_than")
    none = dict.fromkeys(names)
    given = [{**none, **item} for item in items]
    return {**none, "state": "present", **top, "images": given or None}


class TestOneSnapshot:
    def test_is_taken_with_the_size_of_the_image(self) -> None:
        host = Host(app=snapped(snapshot("old", 7)))
        done = host.ritual(image="app", snapshot="daily")
        assert done.result["actions"] == [{"action": "create", "subject": "rbd/app@daily", "size": GIB}]
        assert done.result["diff"] == [
            {"before": "rbd/app@daily: absent\n", "after": "rbd/app@daily: snapshot of 1 GiB\n"}
        ]
        assert done.result["images"] == [
            {"image": "rbd/app", "snapshot": "daily", "exists": True, "size": GIB, "protected": False}
        ]
        assert host.names() == ["old", "daily"]

    def test_is_taken_and_protected(self) -> None:
        done = Host(app=snapped()).ritual(image="app@daily", protected=True)
        assert done.done == [("create", "rbd/app@daily"), ("protect", "rbd/app@daily")]
        assert done.result["images"][0]["protected"] is True

    def test_is_removed(self) -> None:
        host = Host(app=snapped(snapshot("daily", 1, protected=True)))
        done = host.ritual(image="app@daily", state="absent", protected=False)
        assert done.done == [("unprotect", "rbd/app@daily"), ("remove", "rbd/app@daily")]
        assert done.result["images"] == [
            {"image": "rbd/app", "snapshot": "daily", "exists": False, "size": None, "protected": False}
        ]

    def test_clones_are_looked_for_only_where_they_matter(self) -> None:
        host = Host(app=snapped(snapshot("daily", 1), snapshot("other", 2)))
        host.once(image="app@daily", protected=True)
        assert host.store.listed == []
        host.once(image="app@daily", state="absent")
        assert host.store.listed == ["daily"]

    def test_the_image_need_not_differ_to_be_told_so(self) -> None:
        host = Host(app=snapped(snapshot("daily", 1)))
        host.store.content = {"rbd/app": "same", "rbd/app@daily": "same"}
        assert not host.ritual(**ROLL_BACK).result["changed"]

    def test_an_image_is_rolled_back(self) -> None:
        host = Host(app=snapped(snapshot("daily", 1), size=2 * GIB))
        host.store.content = {"rbd/app": "new", "rbd/app@daily": "old"}
        done = host.ritual(**ROLL_BACK)
        assert done.result["actions"] == [
            {"action": "roll_back", "subject": "rbd/app", "snapshot": "daily", "size": GIB}
        ]
        assert host.store.content["rbd/app"] == "old"
        assert host.names() == ["daily"]


class TestUse:
    def test_a_mapped_image_is_not_rolled_back_but_its_mapped_snapshots_and_another_clusters_image_do_not_matter(
        self,
    ) -> None:
        host = Host(app=snapped(snapshot("daily", 1)))
        host.store.content = {"rbd/app": "new"}
        host.host.kernel.mapped = [device(number=3)]
        refused = host.once(**ROLL_BACK)
        assert "Cannot roll rbd/app back to daily: it is mapped on this host as /dev/rbd3" in refused.result["msg"]
        host.host.kernel.mapped = [device(fsid=OTHER_FSID), device(image_id="ffff"), device(DAILY)]
        assert host.once(**ROLL_BACK).result["changed"]

    def test_in_check_mode_an_earlier_task_may_have_unmapped_it(self) -> None:
        host = Host(app=snapped(snapshot("daily", 1)))
        host.store.content = {"rbd/app": "new"}
        host.host.kernel.mapped = [device()]
        assert host.once(**ROLL_BACK, check=True).done == [("roll_back", "rbd/app")]

    def test_a_watched_image_is_not_rolled_back(self) -> None:
        watched = replace(snapped(snapshot("daily", 1)), facts=facts(watchers=(Watcher("10.0.0.5:0/1", "client.7"),)))
        host = Host(app=watched)
        assert not host.once(**ROLL_BACK).failed
        host.store.content = {"rbd/app": "new"}
        for check in (True, False):
            assert "in use by client.7 at 10.0.0.5:0/1" in host.once(**ROLL_BACK, check=check).result["msg"]

    def test_a_client_that_has_died_is_waited_for(self) -> None:
        watched = replace(snapped(snapshot("daily", 1)), facts=facts(watchers=(Watcher("10.0.0.5:0/1", "client.7"),)))
        host = Host(app=watched)
        host.store.content = {"rbd/app": "new"}
        host.store.dead = True
        done = host.once({"image": "app", "snapshot": "failed"}, ROLL_BACK)
        assert done.done == [("create", "rbd/app@failed"), ("roll_back", "rbd/app")]
        assert host.store.content["rbd/app"] == ""

    def test_a_mapped_snapshot_is_not_removed(self) -> None:
        host = Host(app=snapped(snapshot("daily", 1), snapshot("other", 2)))
        host.host.kernel.mapped = [device(DAILY, 4), device()]
        refused = host.once(image="app@daily", state="absent")
        assert "Cannot remove rbd/app@daily: it is mapped on this host as /dev/rbd4" in refused.result["msg"]
        done = host.once(image="app", state="absent", pattern="*")
        assert done.done == [("remove", "rbd/app@other")]
        assert done.result["images"][0]["kept"] == [
            {"snapshot": "daily", "reason": "it is mapped on this host as /dev/rbd4"}
        ]

    def test_the_hosts_mappings_are_read_once(self) -> None:
        host = Host(a=snapped(), b=snapped())
        host.once({"image": "a"}, {"image": "b"}, snapshot="daily")
        assert host.host.kernel.log == ["devices"]


class TestManyItems:
    def test_each_image_is_read_once_and_each_item_sees_what_those_before_it_leave(self) -> None:
        host = Host(app=snapped(snapshot("old", 1, days=8)), log=snapped())
        done = host.ritual(
            {"image": "app", "pattern": "*", "keep": 1, "state": "absent"},
            {"image": "app", "snapshot": "new"},
            {"image": "log", "snapshot": "new", "protected": True},
        )
        assert done.done == [
            ("create", "rbd/app@new"),
            ("create", "rbd/log@new"),
            ("protect", "rbd/log@new"),
            ("remove", "rbd/app@old"),
        ]
        assert sorted(host.store.log[:2]) == ["look_up rbd/app", "look_up rbd/log"]
        assert [item.get("snapshot", item.get("pattern")) for item in done.result["images"]] == ["*", "new", "new"]
        assert done.result["images"][0]["kept"] == [
            {"snapshot": "new", "reason": "another item of the same call names it"}
        ]

    def test_clones_of_what_the_call_itself_pushes_out_are_seen(self) -> None:
        host = Host(app=snapped(snapshot("1", 1, children=(VM,)), snapshot("2", 2)))
        done = host.ritual(
            {"image": "app", "pattern": "?", "keep": 2, "state": "absent"}, {"image": "app", "snapshot": "3"}
        )
        assert done.done == [("create", "rbd/app@3")]
        assert done.result["images"][0]["kept"][0] == {"snapshot": "1", "reason": "it has clones: vms/vm"}

    def test_every_bad_item_is_reported_and_nothing_is_done(self) -> None:
        host = Host(app=snapped(snapshot("kept", 1, protected=True)))
        end = host.once(
            {"image": "app", "snapshot": "kept", "state": "absent"},
            {"image": "app", "snapshot": "fine"},
            {"image": "none", "snapshot": "daily"},
            {"image": "app", "snapshot": "none", "state": "rolled_back"},
        )
        assert [(failure["index"], failure["item"]) for failure in end.result["failures"]] == [
            (0, "rbd/app@kept"),
            (2, "rbd/none@daily"),
            (3, "rbd/app@none"),
        ]
        assert host.names() == ["kept"]

    def test_unreadable_items_are_all_reported_before_the_cluster_is_asked(self) -> None:
        host = Host()
        end = host.once({"image": "a"}, {"image": "a/b/c/d"}, {"image": "b", "pattern": "*"})
        assert [failure["index"] for failure in end.result["failures"]] == [0, 1, 2]
        assert host.store.log == []

    def test_a_snapshot_named_twice_is_refused(self) -> None:
        end = Host().once({"image": "app@daily"}, {"image": "rbd/app", "snapshot": "daily", "state": "absent"})
        assert "Cannot take rbd/app@daily twice: item 0 of the same list names it already" in end.result["msg"]

    def test_an_image_goes_back_to_one_snapshot_only(self) -> None:
        end = Host().once({"image": "app@a"}, {"image": "app@b"}, {"image": "log@b"}, state="rolled_back")
        assert "Cannot roll rbd/app back to b: item 0 of the same list rolls it back to a." in end.result["msg"]
        assert [failure["index"] for failure in end.result["failures"]] == [1]

    def test_an_empty_list_asks_for_nothing(self) -> None:
        end = running.run(Host()._operation, FakeHost(), {**options(), "images": []})
        assert (end.failed, end.result["changed"], end.result["images"]) == (False, False, [])


class TestOtherRuns:
    def test_what_another_run_did_first_is_not_told(self) -> None:
        host = Host(app=snapped(), log=snapped())
        host.store.before_change = lambda: host.store.create(DAILY)
        done = host.once({"image": "app"}, {"image": "log"}, snapshot="daily")
        assert (done.failed, done.done) == (False, [("create", "rbd/log@daily")])
        assert done.result["images"][0]["exists"] is True

    def test_a_clone_that_was_made_in_between_saves_the_snapshot(self) -> None:
        host = Host(app=snapped(snapshot("daily", 1)))

        def make_clone() -> None:
            host.store.images["rbd/app"] = snapped(snapshot("daily", 1, children=(VM,)))

        host.store.before_change = make_clone
        end = host.once(image="app@daily", state="absent")
        assert "Cannot remove rbd/app@daily: it has clones: vms/vm." in end.result["msg"]
        assert host.names() == ["daily"]


class TestMissingThings:
    @pytest.mark.parametrize("check", [True, False])
    def test_a_cluster_that_is_away_is_asked_once(self, check: bool) -> None:
        host = Host()
        host.store.refusal = ClusterUnavailable("reach the cluster", "it is away")
        end = host.once({"image": "a"}, {"image": "b"}, snapshot="daily", check=check)
        assert (end.failed, end.result["msg"]) == (True, "Cannot reach the cluster: it is away.")

    def test_check_mode_before_the_host_is_prepared_predicts_with_a_warning(self) -> None:
        host = Host()
        host.store.refusal = ClusterUnprepared("reach the cluster", "there is no ceph.conf")
        items = (
            {"image": "app", "snapshot": "new", "protected": True},
            {"image": "app", "snapshot": "gone", "state": "absent"},
            {"image": "app", "snapshot": "back", "state": "rolled_back"},
            {"image": "app", "pattern": "*", "state": "absent"},
        )
        end = host.once(*items, check=True)
        assert end.done == [("create", "rbd/app@new"), ("protect", "rbd/app@new")]
        assert end.result["diff"][0]["after"] == "rbd/app@new: snapshot\nrbd/app@new: protected\n"
        assert "there is no ceph.conf" in end.warnings[0]
        assert len(end.warnings) == 1
        assert host.once(*items).failed

    def test_in_check_mode_an_earlier_task_may_have_created_the_image_or_taken_the_snapshot(self) -> None:
        host = Host(app=snapped())
        items = (
            {"image": "none@gone", "state": "absent"},
            {"image": "none@new"},
            {"image": "app@back", "state": "rolled_back"},
        )
        end = host.once(*items, check=True)
        assert end.done == [("create", "rbd/none@new")]
        assert [warning.split(";")[0] for warning in end.warnings] == [
            "rbd/none does not exist",
            "rbd/app@back does not exist",
        ]
        assert [failure["index"] for failure in host.once(*items).result["failures"]] == [1, 2]

    def test_what_is_gone_with_its_image_need_not_be_removed(self) -> None:
        host = Host()
        for check in (True, False):
            end = host.once({"image": "a@daily"}, {"image": "b", "pattern": "*"}, state="absent", check=check)
            assert (end.failed, end.result["changed"], end.warnings) == (False, False, [])
            assert end.result["images"][1] == {"image": "rbd/b", "pattern": "*", "kept": []}
