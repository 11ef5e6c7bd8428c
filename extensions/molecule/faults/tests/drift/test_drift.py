# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every disagreement made by hand is found, what a run mends is mended, and the steps that are named do the rest."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

PLACE = Path(__file__).parents[2]
DECLARED = yaml.safe_load((PLACE / "vars" / "drift.yml").read_text(encoding="utf-8"))

Rows = list[dict[str, Any]]
COMPARED = "Compare what is declared with rbdmap, the mappings, fstab and the mounts"


@pytest.fixture(scope="module")
def rows() -> Rows:
    newest = sorted(Path(os.environ["RECORD_DIRECTORY"]).glob("*-drift.jsonl"))[-1]
    return [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def looks(rows: Rows) -> list[Rows]:
    """What each look has found: of the first run, status, the second run, status, the strict status, and a last one."""
    found = [row["result"]["drift"] for row in rows if row["task"].endswith(COMPARED)]
    assert len(found) == 6
    return found


def short(drift: Rows) -> list[list[str | None]]:
    return [[row["image"], row["kind"], row["repair"]] for row in drift]


def test_a_run_leaves_nothing(looks: list[Rows]) -> None:
    assert looks[0] == []


def test_everything_made_by_hand_is_found_and_nothing_else(looks: list[Rows]) -> None:
    assert short(looks[1]) == DECLARED["drift_made"]


def test_each_row_has_its_sentence_and_the_steps_that_a_run_does_not_take(looks: list[Rows]) -> None:
    for row in looks[1]:
        assert row["cause"], row
        assert bool(row["steps"]) == (row["repair"] not in ("run", "wait")), row


def test_a_look_changes_nothing(rows: Rows) -> None:
    assert not any(row["result"]["changed"] for row in rows if row["task"].endswith(COMPARED))


def test_after_a_run_only_the_next_mapping_mends_what_is_left(looks: list[Rows]) -> None:
    left = [row for row in DECLARED["drift_made"] if row[2] == "remap"]
    assert short(looks[2]) == short(looks[3]) == left


def test_what_is_left_is_told_in_the_run(rows: Rows) -> None:
    (told,) = [
        row["result"]["msg"]
        for row in rows
        if row["task"].endswith("Tell what waits for the next mapping or mount") and row["result"]["msg"]
    ]
    assert len(told) == 2
    assert told[0].startswith("faults/drift-mapping: /dev/rbd")
    assert "[remap: umount /srv/drift-mapping && rbd device unmap /dev/rbd" in told[0]


def test_the_steps_do_the_rest(looks: list[Rows]) -> None:
    assert looks[4] == []


def test_a_cluster_that_is_away_is_told_in_bounded_time(rows: Rows, looks: list[Rows]) -> None:
    assert short(looks[5]) == [[None, "cluster_unknown", "wait"]]
    last = [row for row in rows if row["task"].endswith(COMPARED)][-1]
    assert last["seconds"] < 5 + 30
