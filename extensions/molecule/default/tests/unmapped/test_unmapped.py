# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``rbdmap unmap`` by hand works on what the role has set up."""

from __future__ import annotations

import pytest
from expected import MOUNTS
from testinfra.host import Host


def test_nothing_is_mapped(host: Host) -> None:
    assert host.check_output("rbd device list") == ""


@pytest.mark.parametrize("path", MOUNTS)
def test_the_image_is_not_mounted_and_its_mount_point_is_there(host: Host, path: str) -> None:
    assert not host.mount_point(path).exists
    assert host.file(path).is_directory
