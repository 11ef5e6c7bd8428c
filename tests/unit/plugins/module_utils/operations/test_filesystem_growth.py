# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_filesystem from its parameters to its result: growing file systems."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._filesystem import Content
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.filesystem import FilesystemOperation
from ansible_collections.cephclient.rbd.plugins.module_utils._superblock import Geometry
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import ritual, run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.test_filesystem import options
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import device, facts

BLOCKS = 1 << 18
GROWN = [("grow_filesystem", "rbd/app")]


@pytest.fixture
def host() -> FakeHost:
    """An image of 2 GiB, with an xfs of 1 GiB that is mounted."""
    host = FakeHost()
    host.cluster.images = {"rbd/app": facts(2 << 30)}
    host.kernel.mapped = [replace(device(), size=2 << 30)]
    host.devices.contents = {"/dev/rbd0": Content("xfs")}
    host.mounts.hold("/srv")
    return host


@pytest.mark.parametrize("wish", [{"size": "2G"}, {"grow": True}])
def test_check_do_do_again_check_again(host: FakeHost, wish: dict[str, Any]) -> None:
    end = ritual(FilesystemOperation, host, options(image="app", **wish))
    assert end.done == GROWN
    assert end.result["diff"][0]["before"] == "rbd/app: xfs of 1073741824 bytes (1 GiB)\n"
    assert end.result["diff"][0]["after"] == "rbd/app: xfs of 2147483648 bytes (2 GiB)\n"
    assert [line for line in host.filesystems.log if "grow " in line] == [f"grow xfs /dev/rbd0 /srv {2 * BLOCKS}"]


@pytest.mark.parametrize("wish", [{}, {"size": "2G", "grow": False}])
def test_is_not_grown_unasked(host: FakeHost, wish: dict[str, Any]) -> None:
    end = run(FilesystemOperation, host, options(image="app", **wish))
    assert (end.done, end.result["images"][0]["grows_when_mounted"]) == ([], False)


def test_the_kernel_is_asked_since_the_superblock_of_a_mounted_one_may_be_old(host: FakeHost) -> None:
    host.filesystems.live = {"/srv": 2 * BLOCKS}
    assert run(FilesystemOperation, host, options(image="app", size="2G")).done == []


def test_the_device_is_waited_for(host: FakeHost) -> None:
    host.kernel.mapped = [device()]
    host.devices.sizes = {"/dev/rbd0": 2 << 30}
    end = run(FilesystemOperation, host, options(image="app", size="2G"))
    assert (end.failed, end.done) == (False, GROWN)
    assert f"await_size /dev/rbd0 {2 << 30}" in host.devices.log


def test_a_device_that_does_not_learn_of_the_size_is_an_error(host: FakeHost) -> None:
    host.kernel.mapped = [device()]
    host.devices.sizes = {"/dev/rbd0": 1 << 30}
    end = run(FilesystemOperation, host, options(image="app", size="2G"))
    assert end.result["msg"].startswith("Cannot use rbd/app with 2 GiB: /dev/rbd0 has 1 GiB, also after 30 seconds. ")


def test_all_images_together_are_waited_for_as_long_as_one(host: FakeHost) -> None:
    names = ("app", "log", "web")
    for number, name in enumerate(names):
        host.cluster.images[f"rbd/{name}"] = facts(2 << 30, image_id=name)
        host.devices.sizes[f"/dev/rbd{number}"] = 1 << 30
    host.kernel.mapped = [
        device(ImageSpec("rbd", "", name), number, image_id=name) for number, name in enumerate(names)
    ]
    host.devices.patience = True
    request = options(*({"image": name} for name in names), size="2G", connect_timeout=2)
    end = run(FilesystemOperation, host, request)
    assert [failure["item"] for failure in end.result["failures"]] == ["rbd/app", "rbd/log", "rbd/web"]
    # Each of them is looked at.
    assert (1 < host.devices.waits[0] <= 2, host.devices.waits[1:]) == (True, [0, 0])


def test_check_mode_predicts_what_follows_when_an_earlier_task_grows_the_image(host: FakeHost) -> None:
    host.kernel.mapped = [device()]
    assert run(FilesystemOperation, host, options(image="app", size="2G"), check=True).done == GROWN
    assert not [line for line in host.devices.log if "await_size" in line]


class TestNotMounted:
    def test_it_says_that_it_waits(self, host: FakeHost) -> None:
        host.mounts.unmount("/srv")
        end = run(FilesystemOperation, host, options(image="app", size="2G"))
        assert (end.done, end.result["images"][0]["grows_when_mounted"], end.warnings) == ([], True, [])

    def test_check_mode_warns_that_a_later_task_will_change_it(self, host: FakeHost) -> None:
        host.mounts.unmount("/srv")
        (warning,) = run(FilesystemOperation, host, options(image="app", size="2G"), check=True).warnings
        assert warning == "The xfs of rbd/app is smaller than its image, and is grown once it is mounted."


def test_a_read_only_mount_is_left_alone_with_a_warning(host: FakeHost) -> None:
    host.mounts.held = [replace(mount, opts="ro") for mount in host.mounts.held]
    end = run(FilesystemOperation, host, options(image="app", size="2G"))
    assert (end.done, end.result["images"][0]["grows_when_mounted"]) == ([], False)
    assert "until it is mounted for writing" in end.warnings[0]


def test_a_device_smaller_than_its_file_system_is_an_error(host: FakeHost) -> None:
    host.filesystems.geometries = {"/dev/rbd0": Geometry(4 * BLOCKS, 1 << 12)}
    assert "but /dev/rbd0 has only 2 GiB" in run(FilesystemOperation, host, options(image="app")).result["msg"]


@pytest.mark.parametrize("what", ["mount", "mapping", "size"])
def test_it_is_looked_at_again_in_the_instant_before(host: FakeHost, what: str) -> None:
    table = host.mounts.table
    looked: list[int] = []

    def meanwhile() -> Any:
        answer = table()
        if not looked and what == "mount":
            host.mounts.unmount("/srv")
        elif not looked and what == "mapping":
            host.kernel.mapped = [device(number=5)]
        elif looked and what == "size":
            host.filesystems.live = {"/srv": 2 * BLOCKS}
        looked.append(1)
        return answer

    host.mounts.table = meanwhile  # type: ignore[method-assign]  # the race, as it would happen
    end = run(FilesystemOperation, host, options(image="app", size="2G"))
    assert end.failed == (what != "size")
    assert not [line for line in host.filesystems.log if line.startswith("grow ")]
