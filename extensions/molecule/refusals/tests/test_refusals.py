# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each bad input has got its own sentence, in bounded time. That nothing changed, converge.yml has asserted."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from testinfra.host import Host

DECLARED = yaml.safe_load((Path(__file__).parents[1] / "vars" / "cases.yml").read_text(encoding="utf-8"))
CASES = {case["name"]: case for case in DECLARED["cases"]}
BESIDE = {case["name"]: case for case in DECLARED["beside"]}

# An emulated guest on a busy machine takes some seconds for a module that does nothing.
USUAL_SECONDS = 60


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[str, Any]]:
    newest = sorted(Path(os.environ["RECORD_DIRECTORY"]).glob("*-converge.jsonl"))[-1]
    rows = [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]
    return {row["item"]: row for row in rows if row["item"] and row["module"].startswith("cephclient.rbd.")}


def test_each_is_asked_once_and_one_of_each_module_as_a_task(answers: dict[str, dict[str, Any]]) -> None:
    """A case that others ran in one process has gone another way than a user's; with one of each, that is the same."""
    assert sorted(answers) == sorted([*CASES, *BESIDE])
    tasks = [answers[name]["module"] for name in CASES if answers[name]["action"] == answers[name]["module"]]
    assert sorted(tasks) == sorted({f"cephclient.rbd.{case['module']}" for case in CASES.values()})
    assert {row["action"] for row in answers.values()} - set(tasks) == {"rbd_cases"}


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_in_a_sentence(answers: dict[str, dict[str, Any]], name: str) -> None:
    result = answers[name]["result"]
    assert result["msg"], result
    assert not result["changed"]
    assert re.search(CASES[name]["says"], result["msg"]), result["msg"]
    assert re.fullmatch(r"(Item \d+ \(.*\) fails: )?Cannot .+: .+\..*", result["msg"], re.DOTALL), result["msg"]


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_in_bounded_time(answers: dict[str, dict[str, Any]], name: str) -> None:
    assert answers[name]["seconds"] < CASES[name].get("within", USUAL_SECONDS)


@pytest.mark.parametrize("name", BESIDE)
def test_a_malformed_line_is_reported_with_its_number_and_kept(
    host: Host, answers: dict[str, dict[str, Any]], name: str
) -> None:
    case, result = BESIDE[name], answers[name]["result"]
    assert result["changed"]
    assert any(re.search(case["warns"], warning) for warning in result["warnings"]), result["warnings"]
    content = host.file(case["args"].get("fstab") or case["args"]["rbdmap_file"]).content_string
    for line in case["keeps"]:
        assert line in content
