# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_filesystem from its parameters to its result: making file systems."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import ClusterUnavailable, ClusterUnprepared
from ansible_collections.cephclient.rbd.plugins.module_utils._features import OBJECT_MAP
from ansible_collections.cephclient.rbd.plugins.module_utils._filesystem import Content, Signature
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Extent, Watcher
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.filesystem import FilesystemOperation
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import ritual, run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import FSID, OTHER_FSID, device, facts

LOG = ImageSpec("rbd", "", "log")
UUID = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
EXT4 = Content("ext4", (Signature("ext4", UUID),))
NOTHING = {"fstype": None, "mkfs_options": None, "size": None, "grow": None, "overwrite": None, "encrypted": False}


def options(*items: dict[str, Any], **top: Any) -> dict[str, Any]:
    given = [{**NOTHING, **item} for item in items]
    return {"image": None, **NOTHING, "fstype": "xfs", **top, "images": given or None}


@pytest.fixture
def host() -> FakeHost:
    host = FakeHost()
    host.cluster.images = {"rbd/app": facts(), "rbd/log": facts(image_id="b")}
    host.kernel.mapped = [
        replace(device(), features=OBJECT_MAP),
        replace(device(LOG, 1, image_id="b"), features=OBJECT_MAP),
    ]
    return host


def test_check_do_do_again_check_again(host: FakeHost) -> None:
    ritual(
        FilesystemOperation,
        host,
        options({"image": "app", "mkfs_options": ["-L", "a"]}, {"image": "log", "fstype": "ext4"}),
    )
    assert host.devices.made == [("/dev/rbd0", "xfs", "-L", "a"), ("/dev/rbd1", "ext4")]
    assert host.devices.open == []


def test_the_mappings_are_read_once_for_the_plan_and_once_for_each_write(host: FakeHost) -> None:
    run(FilesystemOperation, host, options({"image": "app"}, {"image": "log"}))
    assert host.kernel.log == ["devices"] * 3


def test_the_cluster_is_not_asked_what_is_in_an_image_that_has_its_file_system(host: FakeHost) -> None:
    host.devices.contents = {"/dev/rbd0": Content("xfs")}
    end = run(FilesystemOperation, host, options(image="app"))
    assert (end.done, host.cluster.log) == ([], ["fsid"])


@pytest.mark.parametrize("change", [{"image_id": "other"}, {"size": 5}])
def test_a_device_that_is_not_the_image_is_never_formatted(host: FakeHost, change: dict[str, Any]) -> None:
    host.kernel.mapped = [replace(device(), **change)]
    assert (
        "is not that image as the cluster has it" in run(FilesystemOperation, host, options(image="app")).result["msg"]
    )
    assert host.devices.made == []


@pytest.mark.parametrize("holds", [Content(ends_zero=True), Content("xfs")])
def test_an_image_of_another_cluster_is_never_taken_for_it(host: FakeHost, holds: Content) -> None:
    host.kernel.mapped = [replace(device(), fsid=OTHER_FSID)]
    host.devices.contents = {"/dev/rbd0": holds}
    message = run(FilesystemOperation, host, options(image="app")).result["msg"]
    assert f"/dev/rbd0 is the image of that name in another cluster ({OTHER_FSID}, not {FSID})" in message
    assert host.devices.log == []


def test_beside_one_of_another_cluster_the_own_is_used(host: FakeHost) -> None:
    host.kernel.mapped = [replace(device(), fsid=OTHER_FSID), device(number=1)]
    run(FilesystemOperation, host, options(image="app"))
    assert host.devices.made == [("/dev/rbd1", "xfs")]


def test_an_image_that_is_mapped_twice_is_refused_since_each_has_a_cache_of_its_own(host: FakeHost) -> None:
    host.kernel.mapped = [device(), device(number=1)]
    assert "more than once (/dev/rbd0, /dev/rbd1)" in run(FilesystemOperation, host, options(image="app")).result["msg"]


def test_an_image_that_was_ever_written_is_never_formatted(host: FakeHost) -> None:
    host.cluster.written = {"rbd/app": Extent(4096, 1)}
    end = run(FilesystemOperation, host, options({"image": "log"}, {"image": "app"}))
    assert [failure["index"] for failure in end.result["failures"]] == [1]
    assert host.devices.made == []


def test_an_object_map_that_the_kernel_does_not_keep_is_not_believed(host: FakeHost) -> None:
    host.kernel.mapped = [device()]
    run(FilesystemOperation, host, options(image="app"), check=True)
    assert "first_written rbd/app without its object map" in host.cluster.log


def test_an_object_map_that_the_kernel_keeps_is_believed(host: FakeHost) -> None:
    run(FilesystemOperation, host, options(image="app"), check=True)
    assert "first_written rbd/app" in host.cluster.log


def test_an_image_that_is_in_use_elsewhere_is_never_formatted(host: FakeHost) -> None:
    host.cluster.images["rbd/app"] = facts(watchers=(Watcher("10.0.0.6:0/2", "client.8"),))
    message = run(FilesystemOperation, host, options(image="app")).result["msg"]
    assert "in use elsewhere by client.8 at 10.0.0.6:0/2" in message
    assert host.devices.made == []


@pytest.mark.parametrize("word", ["/dev/sdb", "//dev/sdb"])
def test_an_option_that_could_name_another_device_is_refused_before_anything_is_read(host: FakeHost, word: str) -> None:
    end = run(FilesystemOperation, host, options({"image": "log"}, {"image": "app", "mkfs_options": ["-L", word]}))
    assert [failure["index"] for failure in end.result["failures"]] == [1]
    assert "could name another device" in end.result["failures"][0]["msg"]
    assert (host.devices.made, host.kernel.log, host.cluster.log) == ([], [], [])


def test_the_image_is_looked_up_once_for_each_look_at_it(host: FakeHost) -> None:
    run(FilesystemOperation, host, options(image="app"), check=True)
    assert host.cluster.log.count("look_up rbd/app") == 1


@pytest.mark.parametrize("what", ["written", "signature", "mapping"])
def test_it_is_looked_at_again_in_the_instant_before(host: FakeHost, what: str) -> None:
    ask = host.cluster.first_written
    asked: list[ImageSpec] = []

    def meanwhile(spec: ImageSpec, map_kept: bool = True, start: int = 0) -> Extent | None:
        asked.append(spec)
        answer = ask(spec, map_kept, start)
        if len(asked) == 1 and what == "written":
            host.cluster.written = {"rbd/app": Extent(0, 1)}
        elif len(asked) == 1 and what == "signature":
            host.devices.contents = {"/dev/rbd0": EXT4}
        elif len(asked) == 1:
            host.kernel.mapped = [device(number=5)]
        return answer

    host.cluster.first_written = meanwhile  # type: ignore[method-assign]  # the race, as it would happen
    assert run(FilesystemOperation, host, options(image="app")).failed
    assert host.devices.made == []


def test_what_another_run_has_just_made_is_left_alone(host: FakeHost) -> None:
    ask = host.cluster.first_written

    def meanwhile(spec: ImageSpec, map_kept: bool = True, start: int = 0) -> Extent | None:
        host.devices.contents = {"/dev/rbd0": Content("xfs")}
        return ask(spec, map_kept, start)

    host.cluster.first_written = meanwhile  # type: ignore[method-assign]  # the race, as it would happen
    end = run(FilesystemOperation, host, options(image="app"))
    assert (end.failed, end.done, host.devices.made) == (False, [], [])


class TestOverwrite:
    def test_what_is_named_is_erased_and_overwritten_once(self, host: FakeHost) -> None:
        host.devices.contents = {"/dev/rbd0": EXT4}
        end = ritual(FilesystemOperation, host, options(image="app", overwrite=[f"ext4 {UUID}"]))
        assert end.result["actions"][0]["overwritten"] == [f"ext4 {UUID}"]
        assert (host.devices.made, host.devices.log.count("erase /dev/rbd0")) == ([("/dev/rbd0", "xfs")], 1)

    def test_one_entrys_word_does_not_count_for_another(self, host: FakeHost) -> None:
        host.devices.contents = {"/dev/rbd0": EXT4, "/dev/rbd1": EXT4}
        wish = options({"image": "app", "overwrite": [f"ext4 {UUID}"]}, {"image": "log"})
        end = run(FilesystemOperation, host, wish)
        assert [failure["index"] for failure in end.result["failures"]] == [1]
        assert host.devices.made == []

    def test_other_data_that_appear_in_the_meantime_are_not_overwritten(self, host: FakeHost) -> None:
        host.devices.contents = {"/dev/rbd0": EXT4}
        look_up = host.cluster.look_up

        def meanwhile(spec: ImageSpec) -> Any:
            host.devices.contents = {"/dev/rbd0": Content("ext4", (Signature("ext4", "another"),))}
            return look_up(spec)

        host.cluster.look_up = meanwhile  # type: ignore[method-assign]  # the race, as it would happen
        assert run(FilesystemOperation, host, options(image="app", overwrite=[f"ext4 {UUID}"])).failed
        assert host.devices.made == []
        assert "erase /dev/rbd0" not in host.devices.log


def test_without_a_cluster_to_ask_nothing_is_formatted(host: FakeHost) -> None:
    host.cluster.refusal = ClusterUnprepared("reach the cluster", "there is no ceph.conf")
    assert run(FilesystemOperation, host, options(image="app")).failed
    assert host.devices.made == []


def test_a_cluster_that_does_not_answer_is_waited_for_once(host: FakeHost) -> None:
    host.devices.refusal = ClusterUnavailable("read /dev/rbd0", "blkid had no answer within 30 seconds")
    end = run(FilesystemOperation, host, options({"image": "app"}, {"image": "log"}))
    assert end.result["msg"].startswith("Cannot read /dev/rbd0: blkid had no answer")
    assert host.devices.log == ["content /dev/rbd0 xfs"]


@pytest.mark.parametrize("there", [True, False])
def test_check_mode_predicts_for_what_earlier_tasks_would_have_made(host: FakeHost, there: bool) -> None:
    host.kernel.mapped = []
    if not there:
        host.cluster.images = {}
    assert run(FilesystemOperation, host, options(image="app"), check=True).done == [("mkfs", "rbd/app")]
    assert run(FilesystemOperation, host, options(image="app")).failed


def test_bad_items_are_all_reported(host: FakeHost) -> None:
    wish = options({"image": "app@snap"}, {"image": "app"}, {"image": "log", "fstype": "xfs", "size": "7"}, fstype=None)
    messages = [failure["msg"] for failure in run(FilesystemOperation, host, wish).result["failures"]]
    assert ["snapshot" in messages[0], "no fstype" in messages[1], "no unit" in messages[2]] == [True, True, True]
