# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_fstab and rbd_map take nothing away that is in use, and say who uses it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._holders import Handle, Surroundings
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.fstab import FstabOperation
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.map import MapOperation
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.test_fstab import (
    LINE as MOUNTED,
    PATH as FSTAB,
    options as mounts,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.test_map import (
    LINE as MAPPED,
    PATH as RBDMAP,
    options as images,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import device

LOG = ImageSpec("rbd", "", "log")


@pytest.fixture
def host() -> FakeHost:
    host = FakeHost()
    host.kernel.mapped = [device(), device(LOG, 1)]
    return host


@pytest.mark.parametrize("state", ["unmounted", "absent"])
class TestUnmount:
    @pytest.fixture(autouse=True)
    def two_mounts(self, host: FakeHost) -> None:
        host.files.texts = {FSTAB: MOUNTED}
        host.mounts.hold("/srv/app")
        host.mounts.hold("/srv/log", (252, 16))

    @pytest.mark.parametrize("check", [True, False])
    def test_one_that_is_in_use_keeps_all_of_them_as_they_are(self, host: FakeHost, state: str, check: bool) -> None:
        held = host.mounts.held[-1]
        host.holders.handles_held = [Handle(4711, "postgres", "open /srv/log/wal", held.mount_id)]
        end = run(FstabOperation, host, mounts({"image": "app"}, {"image": "log"}, state=state), check=check)
        assert (end.failed, end.done, len(host.mounts.held), host.files.texts) == (True, [], 3, {FSTAB: MOUNTED})
        assert end.result["failures"] == [
            {
                "index": 1,
                "item": "rbd/log",
                "msg": "Cannot unmount rbd/log from /srv/log: it is in use by "
                "process 4711 (postgres: open /srv/log/wal). Stop the processes. Then run again.",
            }
        ]

    def test_processes_are_looked_at_once_for_all(self, host: FakeHost, state: str) -> None:
        run(FstabOperation, host, mounts({"image": "app"}, {"image": "log"}, state=state))
        assert host.holders.looks == 1
        again = run(FstabOperation, host, mounts({"image": "app"}, {"image": "log"}, state=state))
        assert (again.result["changed"], host.holders.looks) == (False, 1)

    def test_who_begins_to_use_it_in_the_last_instant_is_named(self, host: FakeHost, state: str) -> None:
        held = host.mounts.held[-1]

        def busy(path: str) -> None:
            host.holders.handles_held = [Handle(4, "bash", "working directory /srv/log", held.mount_id)]
            raise RbdError(f"unmount {path}", "the target is busy", "Stop what uses it.")

        host.mounts.unmount = busy  # type: ignore[method-assign]  # the race, as it would happen
        end = run(FstabOperation, host, mounts(image="log", state=state))
        assert "process 4 (bash: working directory /srv/log)" in end.result["msg"]

    def test_what_nobody_holds_fails_with_the_programs_own_words(self, host: FakeHost, state: str) -> None:
        def refuse(path: str) -> None:
            raise RbdError(f"unmount {path}", "not today", "Ask tomorrow.")

        host.mounts.unmount = refuse  # type: ignore[method-assign]  # as umount would
        end = run(FstabOperation, host, mounts(image="log", state=state))
        assert end.result["msg"] == "Cannot unmount /srv/log: not today. Ask tomorrow."

    def test_processes_that_could_not_be_looked_into_are_a_warning(self, host: FakeHost, state: str) -> None:
        host.holders.unseen = 3
        end = run(FstabOperation, host, mounts(image="log", state=state))
        assert end.warnings == ["3 processes could not be looked into; whether they use what is to go is not known."]


@pytest.mark.parametrize("state", ["unmapped", "absent"])
class TestUnmap:
    @pytest.mark.parametrize("check", [True, False])
    def test_one_that_is_in_use_keeps_all_of_them_as_they_are(self, host: FakeHost, state: str, check: bool) -> None:
        host.files.texts = {RBDMAP: MAPPED}
        mapped = list(host.kernel.mapped)
        host.holders.handles_held = [Handle(9, "qemu", "open /dev/rbd1", devno=(252, 16))]
        end = run(MapOperation, host, images({"image": "app"}, {"image": "log"}, state=state), check=check)
        assert (end.failed, end.done, host.kernel.mapped, host.files.texts) == (True, [], mapped, {RBDMAP: MAPPED})
        assert [failure["index"] for failure in end.result["failures"]] == [1]
        assert "Cannot unmap rbd/log (/dev/rbd1): it is in use by process 9 (qemu: open /dev/rbd1)" in end.result["msg"]

    def test_who_begins_to_use_it_in_the_last_instant_is_named(self, host: FakeHost, state: str) -> None:

        def busy(*_arguments: Any) -> None:
            host.holders.handles_held = [Handle(9, "qemu", "open /dev/rbd0", devno=(252, 0))]
            raise RbdError("unmap rbd/app (/dev/rbd0)", "the device is busy", "Stop what uses it.")

        host.kernel.unmap = busy  # type: ignore[method-assign]  # the race, as it would happen
        end = run(MapOperation, host, images(image="app", state=state))
        assert "it is in use by process 9 (qemu: open /dev/rbd0)" in end.result["msg"]

    def test_what_nobody_holds_fails_with_the_kernels_own_reason(self, host: FakeHost, state: str) -> None:

        def busy(*_arguments: Any) -> None:
            raise RbdError("unmap rbd/app (/dev/rbd0)", "the device is busy", "Stop what uses it.")

        host.kernel.unmap = busy  # type: ignore[method-assign]  # as the kernel would
        end = run(MapOperation, host, images(image="app", state=state))
        assert end.result["msg"] == "Cannot unmap rbd/app (/dev/rbd0): the device is busy. Stop what uses it."

    @pytest.mark.parametrize("check", [True, False])
    def test_only_check_mode_counts_on_an_earlier_task(self, host: FakeHost, state: str, check: bool) -> None:
        host.holders.around = Surroundings((), alive=(("ext4", "rbd0"),))
        end = run(MapOperation, host, images(image="app", state=state), check=check)
        assert end.failed == (not check)
