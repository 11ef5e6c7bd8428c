# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A boot with the cluster away, after a crash, while another client writes to one of the images."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testinfra.host import Host

# The promise is 30 seconds. A monitor that does not answer takes 15 of them, an emulated guest 6 to start what asks it.
# With what is left, two monitors that are waited for in turn do not fit in, however slow the guest is.
MONITOR, START, RESERVE = 15, 6, 14
# So many seconds after its start, an emulated guest that is alone begins to map. One that is slower is given more.
BEGAN = 40
RETURN = 60


@pytest.fixture
def seen(host: Host) -> dict[str, Any]:
    if host.backend.get_hostname() != "client1":
        pytest.skip("client1 is the one that boots")
    found: dict[str, Any] = json.loads(host.file("/run/boot.json").content_string)
    return found


def test_the_boot_does_not_wait_for_the_cluster(seen: dict[str, Any]) -> None:
    state = seen["away"][0]
    logged_in, began = (int(microseconds) / 1e6 for microseconds in seen["away"][1:3])
    assert state == "activating"
    assert logged_in - began < MONITOR + START * max(1, began / BEGAN) + RESERVE


def test_nothing_is_mounted_while_the_cluster_is_away(seen: dict[str, Any]) -> None:
    assert len(seen["away"]) == 3


def test_the_mount_comes_by_itself_when_the_cluster_returns(seen: dict[str, Any]) -> None:
    assert seen["returned"] <= RETURN


def test_an_image_that_another_client_took_meanwhile_is_not_mapped(seen: dict[str, Any]) -> None:
    assert "/srv/boot-own" in seen["mapped"]
    assert seen["mapped"].count("rbd") == 1
    assert "Cannot map faults/boot-taken: it is in use by client." in seen["refused"]


def test_one_reload_mounts_what_is_mapped_already(seen: dict[str, Any]) -> None:
    assert seen["reloaded"]
