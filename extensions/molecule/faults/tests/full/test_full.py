# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""While the cluster is full, nothing is begun that the kernel would keep back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

Row = dict[str, Any]
# Seconds. The kernel would have no end; a module needs some seconds to start in an emulated guest.
BOUND = 60


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    newest = sorted(Path(os.environ["RECORD_DIRECTORY"]).glob("*-full.jsonl"))[-1]
    return [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("Ask to unmount", "Cannot keep faults/full1 absent: the pool faults is full."),
        ("Ask to map another image", "Cannot map faults/full2: the pool faults is full."),
    ],
)
def test_what_would_write_is_refused(rows: list[Row], task: str, says: str) -> None:
    (row,) = (row for row in rows if row["task"] == task)
    assert row["result"]["msg"].startswith((says, says.replace("the pool faults", "the cluster"))), row["result"]
    assert not row["result"]["changed"]
    assert row["seconds"] < BOUND


def test_what_is_as_declared_stays_so(rows: list[Row]) -> None:
    (row,) = (row for row in rows if row["task"] == "Ask for what there is")
    assert not row["result"]["failed"]
    assert not row["result"]["changed"]


def test_with_room_again_it_is_done(rows: list[Row]) -> None:
    (row,) = (row for row in rows if row["task"] == "Unmount it now")
    assert any(action["action"] == "unmount" for action in row["result"]["actions"])
