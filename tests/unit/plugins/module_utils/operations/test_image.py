# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_image from its parameters to its result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cephclient.rbd.plugins.module_utils import _image_actions
from ansible_collections.cephclient.rbd.plugins.module_utils._errors import (
    ClusterUnavailable,
    ClusterUnprepared,
    RbdError,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Watcher
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils import image_values as values
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeModule
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.image_host import (
    ImageHost,
    golden,
    options,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import Run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import OTHER_FSID, device, facts

GIB = 1 << 30
ALL = ["layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten"]
APP = "rbd/app"


def kinds(end: Run) -> list[str]:
    return [action for action, _subject in end.done]


class TestManyImages:
    def test_create_grow_and_remove_in_one_call(self) -> None:
        host = ImageHost(small=facts(GIB), old=facts(image_id="old"))
        wish = options(
            {"image": "new"}, {"image": "small", "size": "2G"}, {"image": "old", "state": "absent"}, size="1G"
        )
        done = host.ritual(wish)
        assert done.done == [("create", "rbd/new"), ("grow", "rbd/small"), ("remove", "rbd/old")]
        assert {name: image.size for name, image in host.cluster.images.items()} == {
            "rbd/small": 2 * GIB,
            "rbd/new": GIB,
        }
        there = {"exists": True, "features": ALL, "parent": None}
        assert done.result["images"] == [
            {"image": "rbd/new", **there, "size": GIB},
            {"image": "rbd/small", **there, "size": 2 * GIB},
            {"image": "rbd/old", "exists": False, "size": None, "features": [], "parent": None},
        ]

    def test_every_bad_item_is_reported_and_nothing_is_done(self) -> None:
        host = ImageHost(big=facts(2 * GIB))
        wish = options({"image": "big", "size": "1G"}, {"image": "fine", "size": "1G"}, {"image": "none"})
        end = host.once(wish)
        assert end.failed
        assert [(failure["index"], failure["item"]) for failure in end.result["failures"]] == [
            (0, "rbd/big"),
            (2, "rbd/none"),
        ]
        assert (end.result["changed"], end.result["actions"]) == (False, [])
        assert list(host.cluster.images) == ["rbd/big"]

    def test_what_cannot_be_read_is_reported_with_the_others(self) -> None:
        wish = options({"image": "a", "source": "/nowhere"}, {"image": "none"}, {"image": "fine", "size": "1G"})
        end = ImageHost().once(wish)
        assert [failure["index"] for failure in end.result["failures"]] == [0, 1]
        assert "Cannot import /nowhere: there is no such file." in end.result["failures"][0]["msg"]

    def test_unreadable_items_are_all_reported_before_the_cluster_is_asked(self) -> None:
        host = ImageHost()
        end = host.once(options({"image": "a/b/c/d"}, {"image": "x", "size": "20"}, {"image": "x@snap"}))
        assert [failure["index"] for failure in end.result["failures"]] == [0, 1, 2]
        assert host.cluster.log == []

    def test_a_repeated_image_is_refused(self) -> None:
        end = ImageHost().once(options({"image": "a", "size": "1G"}, {"image": "rbd/a", "size": "2G"}))
        assert "item 0 of the same list names it already" in end.result["msg"]
        assert [(failure["index"], failure["item"]) for failure in end.result["failures"]] == [(1, "rbd/a")]

    def test_an_empty_list_asks_for_nothing(self) -> None:
        end = ImageHost().once({**options(), "images": []})
        assert (end.failed, end.result["changed"], end.result["images"]) == (False, False, [])

    def test_the_hosts_mappings_are_read_once(self) -> None:
        host = ImageHost(a=facts(), b=facts(image_id="b"))
        host.once(options({"image": "a"}, {"image": "b"}, {"image": "c", "size": "1G"}))
        assert host.kernel.log == ["devices"]


class TestClusterAway:
    @pytest.mark.parametrize("check", [True, False])
    def test_it_is_an_error_and_no_image_is_asked_for_twice(self, check: bool) -> None:
        host = ImageHost()
        host.cluster.refusal = ClusterUnavailable("reach the cluster", "it is away")
        end = host.once(options(*({"image": f"image{number}"} for number in range(20))), check=check)
        assert (end.failed, end.result["msg"]) == (True, "Cannot reach the cluster: it is away.")
        assert len(set(host.cluster.log)) == len(host.cluster.log) <= 8

    def test_one_image_asks_once(self) -> None:
        host = ImageHost()
        host.cluster.refusal = ClusterUnavailable("reach the cluster", "it is away")
        host.once(options(image="a"))
        assert host.cluster.log == ["read rbd/a"]

    def test_check_mode_before_the_host_is_prepared_predicts_with_a_warning(self) -> None:
        host = ImageHost()
        host.cluster.refusal = ClusterUnprepared("reach the cluster", "there is no ceph.conf")
        wish = options(
            {"image": "new", "size": "1G"},
            {"image": "there"},
            {"image": "gone", "state": "absent"},
            {"image": "clone", "size": "1G", "parent": "golden@one"},
            {"image": "import", "size": "1G", "source": "/srv/golden.raw"},
        )
        end = host.once(wish, check=True)
        assert (end.failed, end.done) == (False, [("create", "rbd/new")])
        assert "there is no ceph.conf" in end.warnings[0]
        assert [(image["exists"], image["size"]) for image in end.result["images"][:2]] == [(True, GIB), (False, None)]
        assert host.once(wish).failed


class TestReading:
    """What a request has no use for is not read."""

    def test_an_image_that_is_there_costs_one_look(self) -> None:
        host = ImageHost(app=facts())
        host.once(options(image="app", size="1G", parent="golden@one", flatten=True))
        assert host.cluster.log == [f"read {APP}"]

    def test_an_image_to_be_removed_costs_one_look(self) -> None:
        host = ImageHost()
        host.once(options(image="app", state="absent"))
        assert host.cluster.log == [f"read {APP}"]

    def test_the_trash_is_left_alone_if_nothing_shall_be_restored(self) -> None:
        host = ImageHost()
        host.once(options(image="app", size="1G", restore=False), check=True)
        assert f"trashed {APP}" not in host.cluster.log

    def test_librbd_is_asked_of_overrides_that_change_only(self) -> None:
        host = ImageHost(app=replace(facts(), config={"rbd_cache": "true"}))
        host.once(options(image="app", config={"rbd_cache": True, "rbd_cache_size": None}))
        assert not any(call.startswith("config_faults") for call in host.cluster.log)
        end = host.once(options(image="app", config={"rbd_cache": True, "rbd_cache_size": "many"}))
        assert "Cannot set the config rbd_cache_size of rbd/app: librbd does not take it." in end.result["msg"]
        assert f"config_faults {APP} rbd_cache_size" in host.cluster.log


class TestInUse:
    def test_an_image_mapped_here_is_not_removed_but_another_clusters_does_not_matter(self) -> None:
        host = ImageHost(app=facts(image_id="1a2b"))
        host.kernel.mapped = [device(number=1)]
        end = host.once(options(image="app", state="absent"))
        assert "mapped on this host as /dev/rbd1" in end.result["msg"]
        host.kernel.mapped = [device(fsid=OTHER_FSID)]
        assert kinds(host.ritual(options(image="app", state="absent"))) == ["remove"]

    def test_another_image_that_had_the_name_when_it_was_mapped_does_not_matter(self) -> None:
        host = ImageHost(app=facts(image_id="ffff"))
        host.kernel.mapped = [device()]
        assert not host.once(options(image="app", state="absent")).failed

    def test_a_former_name_that_is_mapped_is_not_renamed(self) -> None:
        host = ImageHost(old=facts(image_id="1a2b"))
        host.kernel.mapped = [device(ImageSpec("rbd", "", "old"), 1)]
        end = host.once(options(image="app", renamed_from="old"))
        assert "Cannot rename rbd/old: it is mapped on this host as /dev/rbd1" in end.result["msg"]

    def test_what_is_mapped_since_the_plan_was_made_is_not_changed(self) -> None:
        host = ImageHost(app=facts(2 * GIB))
        host.images.before_change = lambda: host.cluster.images.update(
            {APP: replace(host.cluster.images[APP], watchers=(values.SOMEBODY,))}
        )
        end = host.once(options(image="app", size="1G", shrink=True))
        assert end.failed
        assert host.cluster.images[APP].size == 2 * GIB

    @pytest.mark.parametrize(
        ("wish", "done"),
        [
            ({"image": "app", "state": "absent"}, "remove"),
            ({"image": "app", "size": "1G", "shrink": True}, "shrink"),
            ({"image": "new", "renamed_from": "app"}, "rename"),
        ],
    )
    def test_clients_that_have_died_are_waited_for(self, wish: dict[str, Any], done: str) -> None:
        host = ImageHost(app=facts(2 * GIB, watchers=(values.SOMEBODY,)))
        host.images.dead = (values.SOMEBODY.client,)
        assert kinds(host.once(options(wish))) == [done]

    def test_a_living_client_is_named_once_the_dead_are_forgotten(self) -> None:
        living = Watcher("192.0.2.8:0/8", "client.8")
        host = ImageHost(app=facts(watchers=(values.SOMEBODY, living)))
        host.images.dead = (values.SOMEBODY.client,)
        message = host.once(options(image="app", state="absent")).result["msg"]
        assert "it is in use by client.8 at 192.0.2.8:0/8. Unmap or close it there first; if" in message
        assert list(host.cluster.images) == [APP]

    def test_an_image_is_not_looked_at_again_where_nobody_is_waited_for(self) -> None:
        host = ImageHost(app=facts(watchers=(values.SOMEBODY,)))
        assert host.once(options(image="app", state="absent")).failed
        assert [call for call in host.cluster.log if call.startswith("read")] == ["read rbd/app"]


class TestOvertaken:
    """Another run of the same play does the same in the instant before."""

    def test_created_by_another_run_is_unchanged(self) -> None:
        host = ImageHost()
        host.images.before_change = lambda: host.cluster.images.update({APP: facts(GIB)})
        end = host.once(options(image="app", size="1G"))
        assert (end.failed, end.result["changed"], end.done) == (False, False, [])
        assert end.result["images"][0]["exists"]

    def test_removed_by_another_run_is_unchanged(self) -> None:
        host = ImageHost(app=facts())
        host.images.before_change = host.cluster.images.clear
        end = host.once(options(image="app", state="absent"))
        assert (end.failed, end.result["changed"]) == (False, False)

    def test_what_the_other_run_left_undone_is_done(self) -> None:
        host = ImageHost()
        host.images.before_change = lambda: host.cluster.images.update({APP: facts(GIB)})
        end = host.once(options(image="app", size="2G"))
        assert end.done == [("grow", APP)]

    def test_an_import_that_comes_second_leaves_nothing_behind(self) -> None:
        host = ImageHost()
        host.images.before_change = lambda: host.cluster.images.update({APP: facts(GIB)})
        end = host.once(options(image="app", source=values.SOURCE.path))
        assert (end.failed, end.result["changed"]) == (False, False)
        assert list(host.cluster.images) == [APP]


class TestClone:
    def test_with_settings_of_its_own(self) -> None:
        host = ImageHost(golden=golden(metadata={"os": "debian"}, config={"rbd_cache": "false"}))
        done = host.ritual(
            options(image="app", parent="golden@one", size="2G", config={"rbd_cache": True}, metadata={"owner": "web"}),
        )
        assert kinds(done) == ["clone", "grow", "set_config", "set_metadata"]
        assert done.result["images"][0]["parent"] == "rbd/golden@one"
        clone = host.cluster.images[APP]
        assert (clone.config, clone.metadata) == ({"rbd_cache": "true"}, {"os": "debian", "owner": "web"})

    def test_what_it_inherits_can_be_purged_at_once(self) -> None:
        host = ImageHost(golden=golden(metadata={"os": "debian"}, config={"rbd_cache": "false"}))
        done = host.ritual(options(image="app", parent="golden@one", purge_config=True, purge_metadata=True))
        assert kinds(done) == ["clone", "set_config", "set_metadata"]
        assert (host.cluster.images[APP].config, host.cluster.images[APP].metadata) == ({}, {})

    def test_of_version_2_is_made_of_an_unprotected_snapshot_of_another_size(self) -> None:
        host = ImageHost(golden=golden(protected=(), size=2 * GIB))
        host.images.clone_format = 2
        host.images.snapshot_sizes = {"rbd/golden@one": GIB}
        done = host.ritual(options(image="app", parent="golden@one"))
        assert kinds(done) == ["clone"]
        assert done.result["images"][0]["size"] == host.cluster.images[APP].size == GIB

    def test_is_flattened_once(self) -> None:
        host = ImageHost(golden=golden(), app=replace(facts(), parent=ImageSpec("rbd", "", "golden", "one")))
        done = host.ritual(options(image="app", parent="golden@one", flatten=True))
        assert kinds(done) == ["flatten"]
        assert done.result["images"][0]["parent"] is None

    def test_in_the_making_is_waited_for_unless_it_needs_no_parent(self) -> None:
        host = ImageHost(golden=golden())
        wishes = [options(image="app", parent="golden@one"), options(image="log", parent="golden@one", flatten=True)]
        for wish in (*wishes, options(image="new", size="1G")):
            host.once(wish, check=True)
        assert [line for line in host.cluster.log if "in the making" in line] == [
            "read rbd/app that may be a clone in the making"
        ]

    def test_keeps_its_parent_from_being_removed(self) -> None:
        host = ImageHost(golden=golden(), app=replace(facts(), parent=ImageSpec("rbd", "", "golden", "one")))
        for state in ("present", "trashed"):
            host.once(options(image="app", state=state))
            end = host.once(options(image="golden", state="absent", purge_snapshots=True))
            assert "its snapshots have clones: rbd/app" in end.result["msg"]


class TestImport:
    def test_has_its_content(self) -> None:
        host = ImageHost()
        done = host.ritual(options(image="app", source=values.SOURCE.path, size="2G"))
        assert kinds(done) == ["import"]
        assert host.sources.filled == [(values.SOURCE.path, "rbd/app.unfinished-1")]
        assert list(host.cluster.images) == [APP]

    def test_is_not_there_if_its_content_cannot_be_read(self) -> None:
        host = ImageHost()
        host.sources.refuses = values.SOURCE.path
        end = host.once(options(image="app", source=values.SOURCE.path))
        assert (end.failed, end.result["changed"], host.cluster.images) == (True, False, {})

    def test_a_killed_one_is_warned_of_unless_it_goes_on(self) -> None:
        host = ImageHost(
            **{
                "app.unfinished-9": facts(image_id="9"),
                "app.unfinished-8": facts(image_id="8", watchers=(values.SOMEBODY,)),
                "another": facts(image_id="7"),
            }
        )
        end = host.once(options(image="app", source=values.SOURCE.path), check=True)
        (warning,) = end.warnings
        assert "rbd remove rbd/app.unfinished-9." in warning


class TestTrash:
    def test_an_image_goes_there_and_comes_back_with_all_that_it_has(self) -> None:
        image = replace(facts(GIB, snapshots=("one",)), config={}, metadata={"owner": "web"})
        host = ImageHost(app=image)
        assert kinds(host.ritual(options(image="app", state="trashed", retention="7d"))) == ["trash"]
        assert (host.cluster.images, host.images.retentions) == ({}, {"1a2b": 7 * 86400})
        wish = options(image="app", size="2G", metadata={"owner": "web"})
        assert kinds(host.ritual(wish)) == ["restore", "grow"]
        assert host.cluster.images == {APP: replace(image, size=2 * GIB)}

    def test_absent_does_not_look_there(self) -> None:
        host = ImageHost(app=facts())
        host.once(options(image="app", state="trashed"))
        assert not host.once(options(image="app", state="absent")).result["changed"]
        assert len(host.images.in_trash) == 1

    def test_several_of_the_same_name_are_left_there(self) -> None:
        host = ImageHost()
        host.images.in_trash = [("rbd", values.in_trash(facts(image_id=name))) for name in ("aa", "bb")]
        assert "several images of that name: aa" in host.once(options(image="app", size="1G")).result["msg"]
        assert kinds(host.ritual(options(image="app", size="1G", restore=False))) == ["create"]
        assert len(host.images.in_trash) == 2


def test_renamed_and_changed_in_one_call() -> None:
    host = ImageHost(old=facts(GIB, image_id="ffff"))
    done = host.ritual(options(image="app", renamed_from="old", size="2G", metadata={"owner": "web"}))
    assert kinds(done) == ["rename", "grow", "set_metadata"]
    assert {name: image.image_id for name, image in host.cluster.images.items()} == {APP: "ffff"}


def test_an_object_map_that_is_enabled_is_rebuilt() -> None:
    host = ImageHost(app=facts(features=values.mask("layering")))
    done = host.ritual(options(image="app", features=["layering", "exclusive-lock", "object-map", "fast-diff"]))
    assert kinds(done) == ["change_features", "rebuild_object_map"]
    assert host.cluster.images[APP].flags == 0
    assert done.result["images"][0]["features"] == ["layering", "exclusive-lock", "object-map", "fast-diff"]


def test_snapshots_go_with_their_image_only_if_told_so() -> None:
    host = ImageHost(golden=golden())
    assert "it has snapshots: one" in host.once(options(image="golden", state="absent")).result["msg"]
    assert kinds(host.ritual(options(image="golden", state="absent", purge_snapshots=True))) == [
        "purge_snapshots",
        "remove",
    ]


def test_what_no_pool_can_take_is_said_in_check_mode_too() -> None:
    for check in (True, False):
        end = ImageHost().once(options(image="app", size="1G", data_pool="nowhere"), check=check)
        assert "Cannot create rbd/app: there is no pool nowhere." in end.result["msg"]


def test_every_action_has_its_handler() -> None:
    operation = ImageHost().operation(cast(AnsibleModule, FakeModule({})), None, {}, ImageHost().ports)
    assert set(operation.handlers()) == set(_concrete(_image_actions.ImageAction))


def _concrete(kind: type[_image_actions.ImageAction]) -> Iterator[type[_image_actions.ImageAction]]:
    if kind.kind:
        yield kind
    for below in kind.__subclasses__():
        yield from _concrete(below)


def test_a_failing_step_tells_what_was_done_before_it() -> None:
    host = ImageHost(app=facts(GIB))
    host.images.set_metadata = _refuse  # type: ignore[method-assign]  # one step fails
    end = host.once(options(image="app", size="2G", metadata={"owner": "web"}))
    assert (end.failed, end.result["changed"], kinds(end)) == (True, True, ["grow"])
    assert end.result["failures"][0]["item"] == APP


def _refuse(spec: ImageSpec, _values: object) -> None:
    raise RbdError(f"set the metadata of {spec}", "it is read-only", "Use another.")
