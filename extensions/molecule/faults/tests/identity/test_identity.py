# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two clusters with images of the same name, on one host: neither is taken for the other."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PLACE = Path(__file__).parents[2]
DECLARED = yaml.safe_load((PLACE / "vars" / "identity.yml").read_text(encoding="utf-8"))
CASES = {case["name"]: case for case in DECLARED["identity_cases"]}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    newest = sorted(Path(os.environ["RECORD_DIRECTORY"]).glob("*-identity.jsonl"))[-1]
    return [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", CASES)
def test_the_other_clusters_image_is_left_alone(rows: list[dict[str, Any]], name: str) -> None:
    (result,) = (row["result"] for row in rows if row["item"] == name)
    assert not result["changed"], result
    if "says" in CASES[name]:
        assert re.search(CASES[name]["says"], result["msg"] or ""), result
    else:
        # As if nothing of that name were there.
        assert not result["msg"], result


def test_a_link_that_leads_to_either_is_not_mounted(rows: list[dict[str, Any]]) -> None:
    (result,) = (row["result"] for row in rows if row["task"].startswith("Ask to mount it again"))
    assert not result["changed"]
    assert re.search("images? of (that|the same) name in (several|another) cluster", result["msg"]), result["msg"]
