# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_filesystem from its parameters to its result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import ClusterUnprepared
from ansible_collections.cephclient.rbd.plugins.module_utils._filesystem import Content
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Extent
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.filesystem import FilesystemOperation
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import ritual, run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import OTHER_FSID, device, facts

LOG = ImageSpec("rbd", "", "log")
XFS = Content("xfs", ambivalent=False, ends_zero=False)


def options(*items: dict[str, Any], **top: Any) -> dict[str, Any]:
    given = [{"fstype": None, "mkfs_options": None, **item} for item in items]
    return {"image": None, "fstype": "xfs", "mkfs_options": None, **top, "images": given or None}


@pytest.fixture
def host() -> FakeHost:
    host = FakeHost()
    host.cluster.images = {"rbd/app": facts(), "rbd/log": facts(image_id="b")}
    host.kernel.mapped = [device(), device(LOG, 1, image_id="b")]
    return host


def test_check_do_do_again_check_again(host: FakeHost) -> None:
    ritual(
        FilesystemOperation,
        host,
        options({"image": "app", "mkfs_options": ["-L", "a"]}, {"image": "log", "fstype": "ext4"}),
    )
    assert host.devices.made == [("/dev/rbd0", "xfs", "-L", "a"), ("/dev/rbd1", "ext4")]


def test_the_cluster_is_not_asked_about_an_image_that_has_its_file_system(host: FakeHost) -> None:
    host.devices.contents = {"/dev/rbd0": XFS}
    end = run(FilesystemOperation, host, options(image="app"))
    assert (end.done, host.cluster.log) == ([], [])


@pytest.mark.parametrize(
    "change",
    [{"fsid": OTHER_FSID}, {"image_id": "other"}, {"size": 5}],
)
def test_a_device_that_is_not_the_image_is_never_formatted(host: FakeHost, change: dict[str, Any]) -> None:
    host.kernel.mapped = [replace(device(), **change)]
    assert (
        "is not that image as the cluster has it" in run(FilesystemOperation, host, options(image="app")).result["msg"]
    )
    assert host.devices.made == []


def test_an_image_that_was_ever_written_is_never_formatted(host: FakeHost) -> None:
    host.cluster.written = {"rbd/app": Extent(4096, 1)}
    end = run(FilesystemOperation, host, options({"image": "log"}, {"image": "app"}))
    assert [failure["index"] for failure in end.result["failures"]] == [1]
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

    def meanwhile(spec: ImageSpec) -> Extent | None:
        asked.append(spec)
        if len(asked) == 1:
            answer = ask(spec)
            if what == "written":
                host.cluster.written = {"rbd/app": Extent(0, 1)}
            elif what == "signature":
                host.devices.contents = {"/dev/rbd0": Content("ext4", ambivalent=False, ends_zero=False)}
            else:
                host.kernel.mapped = [device(number=5)]
            return answer
        return ask(spec)

    host.cluster.first_written = meanwhile  # type: ignore[method-assign]  # the race, as it would happen
    assert run(FilesystemOperation, host, options(image="app")).failed
    assert host.devices.made == []


def test_without_a_cluster_to_ask_nothing_is_formatted(host: FakeHost) -> None:
    host.cluster.refusal = ClusterUnprepared("reach the cluster", "there is no ceph.conf")
    assert run(FilesystemOperation, host, options(image="app")).failed
    assert host.devices.made == []


@pytest.mark.parametrize("there", [True, False])
def test_check_mode_predicts_for_what_earlier_tasks_would_have_made(host: FakeHost, there: bool) -> None:
    host.kernel.mapped = []
    if not there:
        host.cluster.images = {}
    assert run(FilesystemOperation, host, options(image="app"), check=True).done == [("mkfs", "rbd/app")]
    assert run(FilesystemOperation, host, options(image="app")).failed


def test_bad_items_are_all_reported(host: FakeHost) -> None:
    end = run(FilesystemOperation, host, options({"image": "app@snap"}, {"image": "app"}, fstype=None))
    assert ["snapshot" in end.result["failures"][0]["msg"], "no fstype" in end.result["failures"][1]["msg"]] == [
        True,
        True,
    ]
