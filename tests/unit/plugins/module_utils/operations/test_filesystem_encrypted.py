# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_filesystem for encrypted images: the file system lies in what is opened on them, behind their header."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._crypt_device import CryptDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._errors import ClusterSilent
from ansible_collections.cephclient.rbd.plugins.module_utils._filesystem import Content, Signature
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Extent
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.filesystem import FilesystemOperation
from ansible_collections.cephclient.rbd.plugins.module_utils._superblock import Geometry
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fake_luks import OFFSET, FakeLuks
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import ritual, run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.test_filesystem import (
    NOTHING,
    options as all_options,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import device, facts

OPENED = "/dev/mapper/rbd-rbd-app"
GIB = 1 << 30
HEADER = Extent(0, OFFSET)
NOISE = Content(ends_zero=False)


def options(**given: Any) -> dict[str, Any]:
    return all_options(image="app", encrypted=True, **given)


@pytest.fixture
def host() -> FakeHost:
    host = FakeHost()
    host.ports = replace(host.ports, luks=FakeLuks(host.kernel, host.devices, host.files))
    host.cluster.images = {"rbd/app": facts()}
    host.cluster.written = {"rbd/app": HEADER}
    host.kernel.mapped = [replace(device(), crypts=(CryptDevice("rbd-rbd-app", (253, 0), GIB - OFFSET),))]
    host.devices.contents = {"/dev/rbd0": Content(fstype="crypto_LUKS", held=True), OPENED: NOISE}
    host.filesystems.geometries[OPENED] = Geometry((GIB - OFFSET) // 4096, 4096)
    return host


def test_check_do_do_again_check_again(host: FakeHost) -> None:
    ritual(FilesystemOperation, host, options())
    assert host.devices.made == [(OPENED, "xfs")]


def test_what_is_written_behind_the_header_is_not_overwritten(host: FakeHost) -> None:
    host.cluster.written = {"rbd/app": Extent(OFFSET, 1)}
    end = run(FilesystemOperation, host, options())
    assert "it holds data 1a2b" in end.result["msg"]
    assert host.devices.made == []


def test_another_file_system_is_not_overwritten(host: FakeHost) -> None:
    host.devices.contents[OPENED] = Content("ext4", (Signature("ext4", "7"),))
    assert "it holds ext4 7" in run(FilesystemOperation, host, options()).result["msg"]
    assert host.devices.made == []


def test_what_is_held_is_not_formatted(host: FakeHost) -> None:
    host.devices.contents[OPENED] = replace(NOISE, held=True)
    assert f"{OPENED} is in use on this host" in run(FilesystemOperation, host, options()).result["msg"]


def test_what_is_mapped_and_not_opened_is_refused(host: FakeHost) -> None:
    host.kernel.mapped = [device()]
    assert "it is not opened on this host" in run(FilesystemOperation, host, options()).result["msg"]
    assert host.devices.made == []


@pytest.mark.parametrize(("written", "done"), [({}, [("mkfs", "rbd/app")]), ({"rbd/app": HEADER}, [])])
def test_check_mode_takes_it_for_what_earlier_tasks_encrypt_and_open(
    host: FakeHost, written: dict[str, Extent], done: list[tuple[str, str]]
) -> None:
    host.kernel.mapped = [device()]
    host.cluster.written = written
    assert run(FilesystemOperation, host, options(), check=True).done == done


def test_without_the_word_the_image_is_not_formatted(host: FakeHost) -> None:
    host.devices.contents["/dev/rbd0"] = Content("crypto_LUKS", (Signature("crypto_LUKS", "7"),), held=True)
    end = run(FilesystemOperation, host, all_options(image="app"))
    assert "it holds crypto_LUKS 7" in end.result["msg"]


def test_it_grows_to_what_is_opened(host: FakeHost) -> None:
    host.devices.contents[OPENED] = Content("xfs")
    host.filesystems.geometries[OPENED] = Geometry((GIB - OFFSET) // 4096 // 2, 4096)
    host.mounts.hold("/srv/app", (253, 0))
    end = ritual(FilesystemOperation, host, options(grow=True))
    assert end.done == [("grow_filesystem", "rbd/app")]
    assert end.result["actions"][0]["size"] == GIB - OFFSET


@pytest.mark.parametrize("content", [Content("xfs"), NOISE])
def test_a_look_at_what_is_opened_that_has_no_answer_ends_the_run(host: FakeHost, content: Content) -> None:
    luks = FakeLuks(host.kernel, host.devices, host.files)
    luks.silence = ClusterSilent("look at rbd-rbd-app", "cryptsetup had no answer within 30 seconds", "Run again.")
    host.ports = replace(host.ports, luks=luks)
    host.devices.contents[OPENED] = content
    images = [{"image": "app", "encrypted": True}, {"image": "log", "encrypted": True}]
    end = run(
        FilesystemOperation,
        host,
        {**options(), "image": None, "images": [{**NOTHING, **one} for one in images]},
        check=True,
    )
    assert end.result["msg"].startswith("Cannot look at rbd-rbd-app: cryptsetup had no answer within 30 seconds.")
    assert luks.looked == [30]


def test_check_mode_grows_it_to_what_an_earlier_task_makes_of_the_opened_device(host: FakeHost) -> None:
    host.devices.contents[OPENED] = Content("xfs")
    host.mounts.hold("/srv/app", (253, 0))
    end = run(FilesystemOperation, host, options(size="2G"), check=True)
    assert end.result["actions"][0]["size"] == 2 * GIB - OFFSET
