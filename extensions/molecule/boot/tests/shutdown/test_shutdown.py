# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A shutdown with the cluster away, and with data unwritten, ends."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

# All of it are time-outs of systemd, some one after the other for each image; the guide of the boot has their sum.
BOUND = 900


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    newest = sorted(Path(os.environ["RECORD_DIRECTORY"]).glob("*-shutdown_end.jsonl"))[-1]
    rows = [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]
    (told,) = (row for row in rows if row["task"] == "Tell how long it took, and what was said")
    found: dict[str, Any] = json.loads(told["result"]["msg"])
    return found


def test_it_ends_in_bounded_time(seen: dict[str, Any]) -> None:
    assert 15 < seen["seconds"] < BOUND, seen["said"]


def test_it_was_no_shutdown_of_a_host_without_mounts(seen: dict[str, Any]) -> None:
    assert any("blocked for more than" in line for line in seen["said"]), seen["said"]
