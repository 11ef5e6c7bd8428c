# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode before the first run predicts exactly what the run then does."""

from __future__ import annotations

from typing import Any

import pytest
from expected import records

SHOWN = ("/etc/ceph/rbdmap", "/etc/fstab")


@pytest.fixture(scope="module")
def runs() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    predicted, done = records("converge")[-2:]
    return _of_role(predicted), _of_role(done)


def _of_role(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tasks that can change something: what is verified afterwards runs only for real, and facts are kept."""
    of_role = [row for row in rows if "rbdmap : " in row["task"] and row["action"] != "ansible.builtin.setup"]
    return [row for row in of_role if row["result"]["changed"] is not None]


def test_the_first_run_was_in_check_mode_and_the_second_was_not(runs: Any) -> None:
    predicted, done = runs
    assert all(row["check"] for row in predicted)
    assert not any(row["check"] for row in done)


def test_every_change_was_predicted_and_no_other(runs: Any) -> None:
    predicted, done = ([(row["task"], row["result"]["changed"]) for row in rows] for rows in runs)
    assert predicted
    assert predicted == [row for row in done if row[0] in dict(predicted)]
    assert not any(changed for task, changed in done if task not in dict(predicted))


def test_every_action_and_every_difference_was_predicted(runs: Any) -> None:
    predicted, done = (
        {row["task"]: (row["result"]["actions"], row["result"]["diff"]) for row in rows if row["result"]["actions"]}
        for rows in runs
    )
    assert len(predicted) == 6
    assert predicted == done


def test_the_prediction_shows_the_very_lines_that_are_now_in_the_files(host: Any, runs: Any) -> None:
    shown = {
        difference["after_header"]: difference["after"]
        for row in runs[0]
        for difference in row["result"]["diff"] or []
        if difference.get("after_header") in SHOWN
    }
    assert sorted(shown) == sorted(SHOWN)
    for path, content in shown.items():
        assert host.file(path).content_string == content
