# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is written to a full cluster by way of the kernel, which would wait until there is room."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._filesystem import Content
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.filesystem import FilesystemOperation
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.fstab import FstabOperation
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.map import MapOperation
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations import (
    test_filesystem,
    test_fstab,
    test_map,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import Run, run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import device, facts


@pytest.fixture
def host() -> FakeHost:
    """A host of a full cluster, with an image mapped."""
    host = FakeHost()
    host.cluster.images = {"rbd/app": facts()}
    host.cluster.full = True
    host.kernel.mapped = [device()]
    return host


def refused(end: Run, host: FakeHost) -> bool:
    return "the pool rbd is full. Add storage." in end.result["msg"] and end.done == [] and host.devices.made == []


@pytest.mark.parametrize("check", [True, False])
def test_nothing_is_mapped_for_writing(host: FakeHost, check: bool) -> None:
    host.kernel.mapped = []
    assert refused(run(MapOperation, host, test_map.options(image="app"), check), host)
    assert not run(MapOperation, host, test_map.options(image="app", read_only=True), check).failed


@pytest.mark.parametrize("check", [True, False])
def test_nothing_that_may_write_is_unmapped(host: FakeHost, check: bool) -> None:
    assert refused(run(MapOperation, host, test_map.options(image="app", state="unmapped"), check), host)
    host.kernel.mapped = [device(read_only=True)]
    assert not run(MapOperation, host, test_map.options(image="app", state="unmapped"), check).failed


@pytest.mark.parametrize("state", ["unmounted", "absent"])
def test_nothing_that_may_write_is_unmounted(host: FakeHost, state: str) -> None:
    host.mounts.hold("/srv/app")
    wish = test_fstab.options(image="app", path="/srv/app", state=state)
    assert refused(run(FstabOperation, host, wish), host)
    host.kernel.mapped = [device(read_only=True)]
    assert not run(FstabOperation, host, wish).failed


def test_nothing_is_mounted(host: FakeHost) -> None:
    assert refused(run(FstabOperation, host, test_fstab.options(image="app", path="/srv/app")), host)


def test_what_is_mounted_stays_as_it_is_declared(host: FakeHost) -> None:
    host.mounts.hold("/srv/app")
    end = run(FstabOperation, host, test_fstab.options(image="app", path="/srv/app"))
    assert not end.failed, end.result


def test_no_file_system_is_made(host: FakeHost) -> None:
    assert refused(run(FilesystemOperation, host, test_filesystem.options(image="app")), host)


def test_no_file_system_is_grown(host: FakeHost) -> None:
    host.cluster.images = {"rbd/app": facts(2 << 30)}
    host.kernel.mapped = [replace(device(), size=2 << 30)]
    host.devices.contents = {"/dev/rbd0": Content("xfs")}
    host.mounts.hold("/srv")
    assert refused(run(FilesystemOperation, host, test_filesystem.options(image="app", size="2G")), host)
    assert not [line for line in host.filesystems.log if "grow " in line]
