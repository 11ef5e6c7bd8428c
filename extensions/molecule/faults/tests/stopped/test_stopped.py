# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that falls silent in the middle of a run ends it in its time, and loses nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

# What the run was given, what it may outlive that by, and by how much two hosts' clocks may differ, in seconds.
TIMEOUT, LONGER, CLOCKS = 10, 5, 1
# How many runs that wait for nobody the machine may add to that.
SHARES = 2
IMAGES = {f"stopped{number}" for number in range(1, 9)}

Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    newest = sorted(Path(os.environ["RECORD_DIRECTORY"]).glob("*-stopped.jsonl"))[-1]
    return [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def seen(rows: list[Row]) -> Row:
    (row,) = (row for row in rows if row["task"].startswith("Keep what was measured"))
    found: Row = json.loads(row["result"]["msg"])
    return found


def test_it_ends_within_its_time(seen: Row, rows: list[Row]) -> None:
    (alike,) = (row for row in rows if row["item"] == "refused")
    assert CLOCKS < seen["seconds"] <= TIMEOUT + LONGER + CLOCKS + SHARES * alike["seconds"]


def test_it_says_in_a_sentence_that_the_cluster_is_silent(seen: Row) -> None:
    assert seen["said"].startswith(("Cannot", "Item"))
    assert "given no answer" in seen["said"] or "did not answer" in seen["said"], seen["said"]


def test_what_was_mapped_by_then_is_reported_exactly(seen: Row) -> None:
    done = {action["subject"].removeprefix("faults/") for action in seen["done"] if action["action"] == "map"}
    mapped = {line for line in seen["left"] if line in IMAGES}
    told = {name for name in IMAGES if f"faults/{name}:" in seen["said"] and "It is mapped as" in seen["said"]}
    assert 0 < len(mapped) < len(IMAGES)
    assert done | told == mapped


def test_no_process_is_left(seen: Row) -> None:
    # The kernel's own thread of that name is always there.
    assert [line for line in seen["left"] if line not in {*IMAGES, "[rbd]"}] == []


def test_nothing_is_given_to_the_kernel_while_the_cluster_is_silent(rows: list[Row]) -> None:
    (row,) = (row for row in rows if row["task"] == "Ask to unmap while it is silent")
    assert not row["result"]["changed"]
    assert "the kernel would wait for it without end" in row["result"]["msg"]


def test_the_next_run_does_the_rest(seen: Row) -> None:
    assert set(seen["repaired"]) == IMAGES
    assert len(seen["repaired"]) == len(IMAGES)
