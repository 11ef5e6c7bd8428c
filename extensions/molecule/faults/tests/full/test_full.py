# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""While the cluster is full, nothing is begun that the kernel would keep back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

DECLARED = yaml.safe_load((Path(__file__).parents[2] / "vars" / "full.yml").read_text(encoding="utf-8"))
CASES = {case["name"]: case for case in DECLARED["full_cases"]}

Row = dict[str, Any]
# Seconds. The kernel would have no end; a module needs some seconds to start in an emulated guest.
BOUND = 60


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    newest = sorted(Path(os.environ["RECORD_DIRECTORY"]).glob("*-full.jsonl"))[-1]
    return [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "says" in case])
def test_what_would_write_is_refused(rows: list[Row], name: str) -> None:
    (row,), says = (row for row in rows if row["item"] == name), CASES[name]["says"]
    assert row["result"]["msg"].startswith((says, says.replace("the pool faults", "the cluster"))), row["result"]
    assert not row["result"]["changed"]
    assert row["seconds"] < BOUND


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "says" not in case])
def test_what_would_not_write_is_done(rows: list[Row], name: str) -> None:
    (row,) = (row for row in rows if row["item"] == name)
    assert not row["result"]["failed"], row["result"]
    assert row["result"]["changed"] == (name != "what there is")


def test_with_room_again_it_is_done(rows: list[Row]) -> None:
    (row,) = (row for row in rows if row["task"] == "Unmount it now")
    assert any(action["action"] == "unmount" for action in row["result"]["actions"])
