# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_fstab for encrypted images: their file system lies in what is opened on them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._crypt_device import CryptDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.fstab import FstabOperation
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import ritual, run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.test_fstab import PATH, options
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import device

ENCRYPTED = replace(device(), crypts=(CryptDevice("rbd-rbd-app", (253, 0), 1 << 29),))


@pytest.fixture
def host() -> FakeHost:
    host = FakeHost()
    host.kernel.mapped = [device()]
    return host


def test_the_line_names_the_opened_device(host: FakeHost) -> None:
    given = {"image": "rbd/app", "path": "/srv/app", "encrypted": True}
    ritual(FstabOperation, host, options(**given, state="present"))
    assert host.files.texts[PATH].split()[:2] == ["/dev/mapper/rbd-rbd-app", "/srv/app"]
    ritual(FstabOperation, host, options(**given, state="absent"))
    assert host.files.texts[PATH] == ""


def test_what_is_mapped_and_not_opened_is_refused(host: FakeHost) -> None:
    end = run(FstabOperation, host, options(image="rbd/app", path="/srv/app", encrypted=True))
    assert end.result["msg"] == (
        "Cannot mount rbd/app at /srv/app: it is not opened on this host. Open it first (rbd_luks, state opened)."
    )
    assert host.files.texts == {}


def test_check_mode_takes_it_for_what_an_earlier_task_opens(host: FakeHost) -> None:
    end = run(FstabOperation, host, options(image="rbd/app", path="/srv/app", encrypted=True), check=True)
    assert end.done[-1] == ("mount", "/srv/app")


def test_the_opened_device_is_unmounted(host: FakeHost) -> None:
    host.kernel.mapped = [ENCRYPTED]
    host.mounts.hold("/srv/app", (253, 0))
    ritual(FstabOperation, host, options(image="rbd/app", encrypted=True, state="absent"))
    assert host.mounts.log == ["unmount /srv/app"]
