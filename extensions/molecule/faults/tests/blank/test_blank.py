# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only what is proven blank gets a file system; what another module does with equal images is recorded beside it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from testinfra.host import Host

PLACE = Path(__file__).parents[2]
DECLARED = yaml.safe_load((PLACE / "vars" / "blank.yml").read_text(encoding="utf-8"))
SAYS = DECLARED["blank_says"]
UNANSWERED = {case["name"]: case for case in DECLARED["blank_unanswered"]}

# A module that does nothing takes some seconds in an emulated guest on a busy machine.
USUAL_SECONDS = 60

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    newest = sorted(Path(os.environ["RECORD_DIRECTORY"]).glob("*-blank.jsonl"))[-1]
    return [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]


def result(rows: Rows, task: str) -> dict[str, Any]:
    (found,) = (row["result"] for row in rows if row["task"] == task)
    return found


def by_item(rows: Rows, task: str) -> dict[str, dict[str, Any]]:
    return {row["item"]: row for row in rows if row["task"] == task and row["item"]}


@pytest.mark.parametrize("kind", SAYS)
def test_what_is_not_blank_is_refused_by_its_name(rows: Rows, kind: str) -> None:
    refused = {
        failure["item"]: failure["msg"]
        for failure in result(rows, "Ask for file systems on what is not blank")["failures"]
    }
    message = refused[f"faults/blank-{kind}"]
    assert re.search(SAYS[kind], message), message


def test_nothing_of_it_was_changed(rows: Rows) -> None:
    before, after = (result(rows, "Keep the hashes")["msg"][when] for when in ("before", "after"))
    # What was in the page cache has reached the image in the meantime.
    changed = {line.split()[0] for line in set(before) ^ set(after)}
    assert (len(before), changed) == (len(after), {"blank-dirty"})


def test_what_is_blank_gets_a_file_system(rows: Rows) -> None:
    made = result(rows, "Make file systems on what is blank")["actions"]
    assert [(action["action"], action["subject"]) for action in made] == [
        ("mkfs", item["image"]) for item in DECLARED["blank_made"]
    ]


def test_what_is_named_is_overwritten_and_none_of_it_is_left(rows: Rows) -> None:
    made = {action["subject"]: action["overwritten"] for action in result(rows, "Overwrite what is named")["actions"]}
    assert sorted(made) == [f"faults/blank-{kind}" for kind in ("gpt", "raw", "signatures")]
    assert [name.split()[0] for name in made["faults/blank-signatures"]] == ["ext4", "swap"]
    left = [line.split() for line in result(rows, "Keep it")["msg"]]
    assert {image: kind for image, kind in left if f"faults/{image}" in made} == {
        image.partition("/")[2]: "ext4" for image in made
    }
    assert len([image for image, _kind in left if f"faults/{image}" in made]) == len(made)


@pytest.mark.parametrize("kind", UNANSWERED)
def test_what_cannot_be_read_is_not_blank(rows: Rows, kind: str) -> None:
    case = UNANSWERED[kind]
    row = by_item(rows, "Ask for file systems on what cannot be read")[kind]
    assert re.search(case["says"], row["result"]["msg"]), row["result"]["msg"]
    assert row["seconds"] < case["args"]["connect_timeout"] + USUAL_SECONDS


def test_no_program_is_left_that_waits(host: Host) -> None:
    if host.backend.get_hostname() != "client1":
        pytest.skip("client1 is the one that looks at the images, and client2 may be off")
    assert host.run("ps -C blkid,sync,wipefs,cmp,dd -o args=").stdout == ""


@pytest.mark.parametrize("kind", DECLARED["blank_beside"])
def test_the_module_beside_it(rows: Rows, kind: str) -> None:
    asked = by_item(rows, "Ask the module beside it") | by_item(rows, "Ask the module beside it what it would do")
    row = asked[kind]
    formats = "would format" if row["check"] else "formatted"
    assert (formats if row["result"]["changed"] else "refused") == DECLARED["blank_beside"][kind]
