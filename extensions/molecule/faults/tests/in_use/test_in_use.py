# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image that one client uses is not given to another."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PLACE = Path(__file__).parents[2]
DECLARED = yaml.safe_load((PLACE / "vars" / "in_use.yml").read_text(encoding="utf-8"))
CASES = {case["name"]: case for case in DECLARED["in_use_cases"]}

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    newest = sorted(Path(os.environ["RECORD_DIRECTORY"]).glob("*-in_use.jsonl"))[-1]
    return [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]


def results(rows: Rows, task: str) -> Rows:
    return [row["result"] for row in rows if row["task"] == task]


@pytest.mark.parametrize("name", CASES)
def test_each_case_ends_as_it_must(rows: Rows, name: str) -> None:
    (result,) = (row["result"] for row in rows if row["item"] == name)
    if "says" in CASES[name]:
        assert re.search(CASES[name]["says"], result["msg"] or ""), result
        assert not result["changed"]
    else:
        assert any(action["action"] == "map" for action in result["actions"]), result


def test_one_of_them_is_asked_as_a_task(rows: Rows) -> None:
    assert len([row for row in rows if row["item"] in CASES and row["action"] == row["module"]]) == 1


def test_of_two_that_map_in_the_same_moment_who_loses_is_told_why(rows: Rows) -> None:
    refused = [
        row["result"]["msg"] for row in rows if row["item"] in ("race1", "race2", "race3") and row["result"]["msg"]
    ]
    assert refused, "nobody raced"
    assert all("it is in use by client" in message for message in refused)


def test_a_dead_client_counts_as_long_as_the_cluster_has_not_noticed(rows: Rows) -> None:
    (first,) = results(rows, "Ask while the cluster has not noticed yet")
    assert "is in use by client" in first["msg"]
    assert "the cluster forgets it within 30 seconds" in first["msg"]


def test_its_lock_is_told_from_that_of_a_living_one(rows: Rows) -> None:
    last = results(rows, "Ask until the cluster has forgotten the dead client")[-1]
    assert last["changed"]
    assert any("was left locked by client" in warning for warning in last["warnings"]), last["warnings"]
