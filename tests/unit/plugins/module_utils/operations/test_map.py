# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_map from its parameters to its result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import (
    ClusterSilent,
    ClusterUnprepared,
    Overtaken,
    RbdError,
    TimedOut,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._features import FEATURES
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Watcher
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._image_use import ImageUse
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.map import MapOperation
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import ritual, run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    KERNEL,
    OTHER_FSID,
    device,
    facts,
    mount,
)

PATH = "/etc/ceph/rbdmap"
LINE = "rbd/app id=app,keyring=/etc/ceph/ceph.client.app.keyring\n"


def options(*items: dict[str, Any], **top: Any) -> dict[str, Any]:
    names = ("state", "options", "read_only", "shared", "disable_features")
    given = [{**dict.fromkeys(names), **item} for item in items]
    defaults = {**dict.fromkeys(names), "image": None, "state": "mapped", "read_only": False, "rbdmap_file": PATH}
    return {**defaults, **top, "images": given or None}


@pytest.fixture
def host() -> FakeHost:
    host = FakeHost()
    host.cluster.images = {"rbd/app": facts(image_id="a"), "rbd/log": facts(image_id="b")}
    return host


@pytest.mark.parametrize("state", ["mapped", "present", "unmapped", "absent"])
@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("text", [None, "# mine\n" + LINE])
def test_check_do_do_again_check_again(host: FakeHost, state: str, mapped: bool, text: str | None) -> None:
    host.kernel.mapped = [device(image_id="a", options="name=app,key=client.app")] if mapped else []
    host.files.texts = {} if text is None else {PATH: text}
    ritual(MapOperation, host, options(image="app", state=state))
    wants_line = state in ("mapped", "present") or (state == "unmapped" and text is not None)
    assert (LINE in host.files.texts.get(PATH, "")) == wants_line
    assert bool(host.kernel.mapped) == (state == "mapped" or (state == "present" and mapped))
    assert host.files.texts.get(PATH, "# mine\n").startswith("# mine\n" if text else "")


def test_many_images_with_one_read_and_one_write(host: FakeHost) -> None:
    end = run(MapOperation, host, options({"image": "app"}, {"image": "log", "read_only": True}))
    assert end.done == [("map", "rbd/app"), ("map", "rbd/log"), ("edit_file", PATH)]
    assert host.files.log == [f"read {PATH}", f"edit {PATH} 0644"]
    assert [image["device"] for image in end.result["images"]] == ["/dev/rbd0", "/dev/rbd1"]


def test_the_image_is_mapped_by_the_words_that_rbdmap_will_use(host: FakeHost) -> None:
    run(MapOperation, host, options(image="app", options={"queue_depth": 64}, read_only=True))
    assert host.kernel.argv == [
        (
            "rbd/app",
            "--id",
            "app",
            "--keyring",
            "/etc/ceph/ceph.client.app.keyring",
            "--read-only",
            "--options",
            "queue_depth=64",
        )
    ]


def test_present_asks_neither_the_cluster_nor_the_kernel(host: FakeHost) -> None:
    end = run(MapOperation, host, options(image="none", state="present"))
    assert (host.cluster.log, host.kernel.log, host.kernel.argv) == ([], [], [])
    assert end.result["images"] == [{"image": "rbd/none", "device": None, "link": "/dev/rbd/rbd/none"}]


def test_a_name_that_could_not_be_mapped_can_be_removed(host: FakeHost) -> None:
    host.kernel.mapped = [device(replace(APP, image="a~b"))]
    host.files.texts = {PATH: "# mine\nrbd/a~b id=app\n"}
    ritual(MapOperation, host, options(image="a~b", state="absent"))
    assert (host.kernel.mapped, host.files.texts) == ([], {PATH: "# mine\n"})
    assert "udev or rbdmap would change" in run(MapOperation, host, options(image="a~b")).result["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_an_image_that_took_over_the_name_of_a_mapped_one_is_refused_and_gets_no_line(
    host: FakeHost, check: bool
) -> None:
    host.kernel.mapped = [device(image_id="renamed")]
    end = run(MapOperation, host, options({"image": "log"}, {"image": "app"}), check)
    assert [failure["index"] for failure in end.result["failures"]] == [1]
    assert "image id renamed" in end.result["failures"][0]["msg"]
    assert (end.done, host.files.texts) == ([], {})


def test_a_mapping_of_a_renamed_image_can_be_unmapped(host: FakeHost) -> None:
    host.kernel.mapped = [device(image_id="renamed")]
    run(MapOperation, host, options(image="app", state="unmapped"))
    assert host.kernel.mapped == []


def test_absent_asks_no_cluster_where_nothing_is_mapped(host: FakeHost) -> None:
    host.files.texts = {PATH: LINE}
    run(MapOperation, host, options(image="app", state="absent"))
    assert (host.cluster.log, host.files.texts) == ([], {PATH: ""})


def test_unmapped_first_then_the_line_goes(host: FakeHost) -> None:
    host.kernel.mapped, host.files.texts = [device()], {PATH: LINE}
    assert run(MapOperation, host, options(image="app", state="absent")).done == [
        ("unmap", "rbd/app"),
        ("edit_file", PATH),
    ]


def test_a_failure_in_the_middle_tells_what_was_done_and_which_item_failed(host: FakeHost) -> None:
    host.kernel.refuses = "rbd/log"
    end = run(MapOperation, host, options({"image": "app"}, {"image": "log"}))
    assert end.failed
    assert end.result["changed"]
    assert end.done == [("map", "rbd/app")]
    assert end.result["failures"] == [
        {"index": 1, "item": "rbd/log", "msg": "Cannot map rbd/log: the kernel said no. Look at dmesg."}
    ]


def test_every_image_that_cannot_be_mapped_is_reported_and_none_is_mapped(host: FakeHost) -> None:
    end = run(MapOperation, host, options({"image": "none"}, {"image": "app"}, {"image": "nor"}))
    assert [failure["item"] for failure in end.result["failures"]] == ["rbd/none", "rbd/nor"]
    assert (host.kernel.mapped, host.files.texts) == ([], {})


def test_a_device_in_use_keeps_its_line(host: FakeHost) -> None:
    host.kernel.mapped, host.files.texts = [device()], {PATH: LINE}
    host.mounts.held.append(mount("/srv"))
    assert run(MapOperation, host, options(image="app", state="absent")).failed
    assert host.files.texts == {PATH: LINE}


def test_another_clusters_image_is_never_unmapped(host: FakeHost) -> None:
    host.kernel.mapped = [device(fsid=OTHER_FSID)]
    end = run(MapOperation, host, options(image="app", state="absent"))
    assert (end.failed, end.result["changed"]) == (False, False)


def test_what_was_mapped_must_be_what_was_asked_for(host: FakeHost) -> None:
    host.kernel.mapped = [replace(device(image_id="stale"), spec=replace(APP, image="x"))]
    host.cluster.images["rbd/app"] = facts(image_id="a")
    original = host.kernel.map

    def swapped(*arguments: Any) -> str:
        host.cluster.images["rbd/app"] = facts(image_id="swapped")
        return original(*arguments)

    host.kernel.map = swapped  # type: ignore[method-assign]  # the race, as it would happen
    assert "is not the image that was to be mapped" in run(MapOperation, host, options(image="app")).result["msg"]


def test_options_that_differ_from_the_live_ones_are_a_warning(host: FakeHost) -> None:
    host.kernel.mapped = [device(image_id="a", options="name=app")]
    end = run(MapOperation, host, options(image="app", options={"lock_on_read": True}))
    assert end.warnings == [
        "rbd/app is mapped as /dev/rbd0, but it lacks the options lock_on_read. That changes when it is mapped anew."
    ]


def test_a_line_that_cannot_be_read_is_a_warning(host: FakeHost) -> None:
    host.files.texts = {PATH: "a/b/c/d x\n"}
    end = run(MapOperation, host, options(image="app", state="present"))
    assert end.warnings[0].startswith(f"{PATH}:1: ")
    assert host.files.texts[PATH] == "a/b/c/d x\n" + LINE


def test_check_mode_before_the_host_is_prepared_predicts_with_one_warning(host: FakeHost) -> None:
    host.cluster.refusal = ClusterUnprepared("reach the cluster", "there is no ceph.conf")
    end = run(MapOperation, host, options({"image": "app"}, {"image": "log"}), check=True)
    assert end.done == [("map", "rbd/app"), ("map", "rbd/log"), ("edit_file", PATH)]
    assert len(end.warnings) == 1
    assert "there is no ceph.conf" in run(MapOperation, host, options(image="app")).result["msg"]


def test_check_mode_before_the_host_is_prepared_takes_what_has_the_name_for_the_image(host: FakeHost) -> None:
    host.cluster.refusal = ClusterUnprepared("reach the cluster", "there is no ceph.conf")
    host.kernel.mapped = [device()]
    assert run(MapOperation, host, options(image="app"), check=True).done == [("edit_file", PATH)]


def test_a_cluster_in_another_place_is_named_in_the_line(host: FakeHost) -> None:
    run(MapOperation, host, options(image="app", state="present", cluster="two", conf="/etc/ceph/two.conf"))
    assert "cluster=two,conf=/etc/ceph/two.conf" in host.files.texts[PATH]


OTHER = Watcher("10.0.0.5:0/77", "client.7")


@pytest.mark.parametrize("check", [True, False])
def test_an_image_that_another_client_has_open_is_refused_and_gets_no_line(host: FakeHost, check: bool) -> None:
    host.cluster.uses = {"rbd/app": ImageUse((OTHER,))}
    end = run(MapOperation, host, options({"image": "log"}, {"image": "app"}), check)
    assert "in use by client.7 at 10.0.0.5:0/77" in end.result["failures"][0]["msg"]
    assert (end.done, host.kernel.mapped, host.files.texts) == ([], [], {})


def test_a_mapping_made_in_the_same_moment_on_another_host_is_undone(host: FakeHost) -> None:
    original = host.kernel.map

    def raced(*arguments: Any) -> str:
        host.cluster.uses = {"rbd/app": ImageUse((Watcher("10.0.0.1:0/1", KERNEL), OTHER))}
        return original(*arguments)

    host.kernel.map = raced  # type: ignore[method-assign]  # the race, as it would happen
    end = run(MapOperation, host, options(image="app"))
    assert "in use by client.7 at 10.0.0.5:0/77" in end.result["msg"]
    assert end.result["msg"].endswith("It was unmapped again.")
    assert (end.done, host.kernel.mapped, host.files.texts) == ([], [], {})


def test_the_own_kernel_is_no_stranger_after_the_map(host: FakeHost) -> None:
    original = host.kernel.map

    def watched(*arguments: Any) -> str:
        host.cluster.uses = {"rbd/app": ImageUse((Watcher("10.0.0.1:0/1", KERNEL),))}
        return original(*arguments)

    host.kernel.map = watched  # type: ignore[method-assign]  # the kernel begins to watch when it maps
    assert run(MapOperation, host, options(image="app")).done == [("map", "rbd/app"), ("edit_file", PATH)]


def test_a_map_that_failed_but_came_to_pass_is_undone(host: FakeHost) -> None:
    original = host.kernel.map

    def late(*arguments: Any) -> str:
        original(*arguments)
        raise RbdError("map rbd/app", "udev has made no link", "Look at the cluster.")

    host.kernel.map = late  # type: ignore[method-assign]  # as `rbd device map` can end
    end = run(MapOperation, host, options(image="app"))
    assert end.result["msg"].endswith("Look at the cluster. It was unmapped again.")
    assert host.kernel.mapped == []


def test_what_cannot_be_undone_is_told(host: FakeHost) -> None:
    original = host.kernel.map

    def late(*arguments: Any) -> str:
        original(*arguments)
        raise RbdError("map rbd/app", "no answer", "Look at the cluster.")

    def stuck(*_arguments: Any) -> None:
        raise RbdError("unmap rbd/app (/dev/rbd0)", "the device is busy", "Stop what uses it.")

    host.kernel.map, host.kernel.unmap = late, stuck  # type: ignore[method-assign]  # both, as it would happen
    end = run(MapOperation, host, options(image="app"))
    assert "It is still mapped as /dev/rbd0: Cannot unmap rbd/app" in end.result["msg"]


def test_who_may_not_take_over_a_lock_may_not_map_for_writing(host: FakeHost) -> None:
    host.cluster.lacking = RbdError("map rbd/app", "client.app lacks the capability mon 'profile rbd'", "Grant it.")
    assert "lacks the capability" in run(MapOperation, host, options(image="app")).result["msg"]
    assert run(MapOperation, host, options(image="app", read_only=True)).done[0] == ("map", "rbd/app")


def test_an_image_that_is_mapped_is_not_asked_who_uses_it(host: FakeHost) -> None:
    host.kernel.mapped = [device(image_id="a", options="name=app,key=client.app")]
    host.cluster.uses = {"rbd/app": ImageUse((OTHER,))}
    run(MapOperation, host, options(image="app"))
    assert not any(call.startswith(("use_of", "require_takeover")) for call in host.cluster.log)


def test_a_shared_image_says_so_on_its_line(host: FakeHost) -> None:
    host.cluster.uses = {"rbd/app": ImageUse((OTHER,))}
    ritual(MapOperation, host, options(image="app", shared=True))
    assert host.files.texts[PATH] == LINE.replace("\n", " # shared\n")
    run(MapOperation, host, options(image="app"))
    assert host.files.texts[PATH] == LINE


def test_features_are_taken_only_from_an_image_that_nobody_has_open(host: FakeHost) -> None:
    journaling = facts(image_id="a", features=FEATURES["exclusive-lock"] | FEATURES["journaling"])
    host.cluster.images["rbd/app"] = journaling
    wish = options(image="app", shared=True, disable_features=["journaling"])
    host.cluster.images["rbd/app"] = replace(journaling, watchers=(OTHER,))
    assert "in use by client.7" in run(MapOperation, host, wish).result["msg"]
    host.cluster.images["rbd/app"] = journaling
    assert ritual(MapOperation, host, wish).done[0] == ("disable_features", "rbd/app")
    assert host.cluster.images["rbd/app"].features == FEATURES["exclusive-lock"]


@pytest.mark.parametrize("mapped", [True, False])
def test_a_map_that_took_too_long_is_told_and_left(host: FakeHost, mapped: bool) -> None:
    # To undo it would take the answer of the cluster that has just not come.
    original = host.kernel.map

    def slow(*arguments: Any) -> str:
        if mapped:
            original(*arguments)
        raise TimedOut("run rbd device map rbd/app", "it did not end within 30 seconds and was stopped")

    host.kernel.map = slow  # type: ignore[method-assign]  # as it would happen
    end = run(MapOperation, host, options({"image": "app"}, {"image": "log"}))
    assert "the cluster has given no answer for 30 seconds" in end.result["msg"]
    assert ("It is mapped as /dev/rbd0 all the same, and was not looked at again" in end.result["msg"]) == mapped
    assert ("It is not mapped." in end.result["msg"]) != mapped
    assert (len(host.kernel.mapped), host.files.texts) == (int(mapped), {})


def test_where_the_cluster_falls_silent_after_the_map_nothing_more_is_asked_of_the_kernel(host: FakeHost) -> None:
    original = host.kernel.map

    def silent(*_arguments: Any) -> ImageUse:
        raise ClusterSilent("look at rbd/app", "the cluster did not answer within 30 seconds", "Check its health.")

    def last_word(*arguments: Any) -> str:
        host.cluster.use_of = silent  # type: ignore[method-assign]  # the monitors go away in this moment
        return original(*arguments)

    host.kernel.map = last_word  # type: ignore[method-assign]  # as it would happen
    end = run(MapOperation, host, options(image="app"))
    assert "It is mapped as /dev/rbd0 all the same, and was not looked at again" in end.result["msg"]
    assert (len(host.kernel.mapped), host.files.texts) == (1, {})


def test_what_another_run_has_mapped_is_not_undone(host: FakeHost) -> None:
    original = host.kernel.map

    def overtaken(*arguments: Any) -> str:
        original(*arguments)
        raise Overtaken("map rbd/app", "another run has mapped it in this very moment", "Run again.")

    host.kernel.map = overtaken  # type: ignore[method-assign]  # the race, as it would happen
    end = run(MapOperation, host, options(image="app"))
    assert (end.failed, end.done) == (False, [("edit_file", PATH)])
    assert len(host.kernel.mapped) == 1


def test_what_another_run_on_this_host_maps_while_this_one_looks_is_no_strangers(host: FakeHost) -> None:
    original = host.cluster.use_of

    def meanwhile(spec: ImageSpec) -> ImageUse:
        host.kernel.mapped = [device(image_id="a")]
        return replace(original(spec), watchers=(Watcher("10.0.0.1:0/1", KERNEL),))

    def twice(*_arguments: Any) -> None:
        raise Overtaken("map rbd/app", "another run has mapped it in this very moment", "Run again.")

    host.cluster.use_of = meanwhile  # type: ignore[method-assign]  # the race, as it would happen
    host.kernel.map = twice  # type: ignore[method-assign, assignment]  # as the lock lets it end
    end = run(MapOperation, host, options(image="app"))
    assert (end.failed, end.done) == (False, [("edit_file", PATH)])
