# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in use is not taken away, and its holders are named. That nothing changed, busy.yml has asserted."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

Rows = list[dict[str, Any]]

ON_THE_MOUNT = (
    r"process \d+ \(python3: open /srv/busy/app/opened, .*working directory /srv/busy/app, mapped .*/mapped\)",
    r"busy-inside, mounted inside it at /srv/busy/app/inside",
    r"the mount at /srv/busy/app in the mount namespace of process \d+ \(python3\)",
    r"loop\d+, which shows /srv/busy/app/disk",
    r"swap on /srv/busy/app/swap",
)
OF_THE_DEVICES = {
    "faults/busy-opened": (r"process \d+ \(python3: open /dev/rbd\d+\)",),
    "faults/busy-mapper": (r"dm-\d+, the device-mapper device busy", r"loop\d+, which shows /dev/rbd\d+"),
    "faults/busy-swap": (r"swap on /dev/rbd\d+",),
    "faults/busy-lazy": (r"the file system \(ext4\) on rbd\d+, which no mount table shows",),
}


@pytest.fixture(scope="module")
def rows() -> Rows:
    newest = sorted(Path(os.environ["RECORD_DIRECTORY"]).glob("*-busy.jsonl"))[-1]
    return [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]


def failures(rows: Rows, task: str, check: bool) -> dict[str, str]:
    """What was said of each item by the one run of a task that failed, in check mode or not."""
    (result,) = (
        row["result"]
        for row in rows
        if (row["item"] or row["task"]).endswith(task) and row["check"] == check and row["result"]["failures"]
    )
    assert not result["changed"]
    return {failure["item"]: failure["msg"] for failure in result["failures"]}


@pytest.mark.parametrize("check", [True, False])
def test_every_holder_of_a_mount_is_named(rows: Rows, check: bool) -> None:
    said = failures(rows, "Unmount what is absent", check)
    assert list(said) == ["faults/busy-app at /srv/busy/app", "faults/busy-log at /srv/busy/log"]
    message = said["faults/busy-app at /srv/busy/app"]
    assert message.startswith("Cannot unmount faults/busy-app from /srv/busy/app: it is in use by ")
    for holder in ON_THE_MOUNT:
        assert re.search(holder, message), message


@pytest.mark.parametrize("check", [True, False])
def test_a_mount_of_another_namespace_alone_is_enough(rows: Rows, check: bool) -> None:
    message = failures(rows, "Unmount what is absent", check)["faults/busy-log at /srv/busy/log"]
    assert re.search(
        r": it is in use by the mount at /srv/busy/log in the mount namespace of process \d+ \(python3\)\. ", message
    ), message


@pytest.mark.parametrize("task", ["the devices in check mode", "the devices"])
def test_every_holder_of_a_device_is_named(rows: Rows, task: str) -> None:
    said = failures(rows, task, task.endswith("check mode"))
    # In check mode an earlier task might have unmounted what is left of the file system.
    expected = {
        name: holders
        for name, holders in OF_THE_DEVICES.items()
        if name != "faults/busy-lazy" or not task.endswith("check mode")
    }
    assert list(said) == list(expected)
    for name, holders in expected.items():
        for holder in holders:
            assert re.search(holder, said[name]), said[name]
