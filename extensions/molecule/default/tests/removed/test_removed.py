# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the removal the host is as it was, and the images are still in the cluster."""

from __future__ import annotations

from typing import Any

import pytest
from expected import FSTAB_BEFORE, KEYRING, MOUNTS, RBDMAP_BEFORE, records
from testinfra.host import Host


def test_nothing_is_mapped(host: Host) -> None:
    assert host.check_output("rbd device list") == ""


@pytest.mark.parametrize("path", MOUNTS)
def test_nothing_is_mounted_and_the_directory_stays(host: Host, path: str) -> None:
    assert not host.mount_point(path).exists
    assert host.file(path).is_directory


def test_rbdmap_is_as_it_was(host: Host) -> None:
    assert host.file("/etc/ceph/rbdmap").content_string == host.file(RBDMAP_BEFORE).content_string


def test_fstab_is_as_it_was_but_for_its_missing_last_newline(host: Host) -> None:
    assert host.file("/etc/fstab").content_string == host.file(FSTAB_BEFORE).content_string + "\n"


def test_images_stay_unless_their_removal_is_asked_for(ceph: Host) -> None:
    assert ceph.check_output("rbd ls molecule").split() == ["existing", "fresh"]
    assert ceph.check_output("rbd ls molecule-data/team") == ""


def test_the_service_is_still_active_and_the_keyring_there(host: Host) -> None:
    assert host.service("rbdmap").is_running
    assert host.file(KEYRING).exists


def test_the_removal_was_predicted_in_check_mode() -> None:
    rows = [row for row in records("remove")[-1] if row["result"]["actions"]]
    predicted, done = ([_change(row) for row in rows if row["check"] is check] for check in (True, False))
    assert len(predicted) == 3
    assert predicted == done


def _change(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["module"], row["result"]["actions"], row["result"]["diff"]
