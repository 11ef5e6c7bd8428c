# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An encrypted image is taken off its host in order. That nothing is left there, luks_end.yml has required."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    newest = sorted(Path(os.environ["RECORD_DIRECTORY"]).glob("*-luks_end.jsonl"))[-1]
    return [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]


def test_the_run_after_the_reboot_changes_nothing(rows: Rows) -> None:
    before = rows[: next(number for number, row in enumerate(rows) if row["task"] == "Unmount it alone")]
    assert any(row["task"].endswith("open those that are encrypted") for row in before)
    assert [row["task"] for row in before if row["result"]["changed"]] == []


def test_what_is_open_is_not_unmapped(rows: Rows) -> None:
    (said,) = (row["result"]["msg"] for row in rows if row["task"] == "Ask to unmap what is open")
    assert said.startswith("Cannot unmap faults/luks-app (/dev/rbd")
    assert "rbd-faults-luks--app" in said


def test_it_is_closed_before_it_is_unmapped(rows: Rows) -> None:
    removal = rows[next(number for number, row in enumerate(rows) if row["task"] == "Ask to unmap what is open") :]
    kinds = [action["action"] for row in removal for action in row["result"]["actions"] or []]
    assert kinds == ["edit_file", "close", "remove_file", "unmap", "edit_file", "remove"]
