# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A larger size makes image and file system larger while it is used; nothing makes a file system smaller."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

PLACE = Path(__file__).parents[2]
DECLARED = yaml.safe_load((PLACE / "vars" / "grow.yml").read_text(encoding="utf-8"))
ROLE = "cephclient.rbd.rbdmap : "
GROW_IMAGES = f"{ROLE}Create and grow the images"
MAKE = f"{ROLE}Make file systems on blank images, and grow those that are mounted"
GROW_LATER = f"{ROLE}Grow file systems that were not mounted before"

MIB = 1 << 20
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    newest = sorted(Path(os.environ["RECORD_DIRECTORY"]).glob("*-grow.jsonl"))[-1]
    return [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]


def results(rows: Rows, task: str) -> Rows:
    return [row["result"] for row in rows if row["task"] == task and row["result"]["changed"] is not None]


def sizes(result: dict[str, Any], kind: str) -> dict[str, int]:
    return {action["subject"]: action["size"] for action in result["actions"] or [] if action["action"] == kind}


def declared(name: str) -> dict[str, int]:
    return {entry["image"]: int(entry["size"].rstrip("M")) * MIB for entry in DECLARED[name]}


def measured(rows: Rows, task: str) -> dict[str, int]:
    (result,) = (row["result"] for row in rows if row["task"] == task)
    return {f"faults/grow-{name}": int(size) for name, size in (line.split() for line in result["msg"])}


def test_image_and_file_system_grow_while_mounted_to_the_byte(rows: Rows) -> None:
    _predicted, image, _later = results(rows, GROW_IMAGES)
    _made, _predicted, filesystem, _later = results(rows, "Make file systems") + results(rows, MAKE)
    assert sizes(image, "grow") == declared("grow_mounted")
    assert sizes(filesystem, "grow_filesystem") == measured(rows, "Tell the sizes after the growth")


def test_check_mode_has_predicted_the_very_same(rows: Rows) -> None:
    for task in (GROW_IMAGES, MAKE):
        predicted, done = ((result["actions"], result["diff"]) for result in results(rows, task)[:2])
        assert predicted == done


def test_what_was_not_mounted_is_grown_after_the_mount(rows: Rows) -> None:
    before = results(rows, MAKE)[-1]
    (after,) = results(rows, GROW_LATER)
    assert before["actions"] == []
    assert sizes(after, "grow_filesystem") == measured(rows, "Tell the sizes after the second growth")


def test_a_file_system_has_all_of_its_image_but_less_than_a_group(rows: Rows) -> None:
    now, wanted = measured(rows, "Tell the sizes after the second growth"), declared("grow_unmounted")
    assert all(wanted[image] - 8 * MIB < now[image] <= wanted[image] for image in wanted)


def test_what_has_grown_is_not_grown_again(rows: Rows) -> None:
    (result,) = results(rows, "Ask again whether anything is to be grown")
    assert (result["changed"], result["actions"]) == (False, [])


def test_an_image_smaller_than_its_file_system_is_an_error(rows: Rows) -> None:
    (result,) = results(rows, "Ask for a file system on what is too small")
    assert result["msg"].startswith("Cannot use the ext4 of faults/grow-ext4: it has 192 MiB, but /dev/rbd")
