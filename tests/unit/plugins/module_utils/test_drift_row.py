# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of row has a repair, is used, and is in the guide; and the other way around."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.cephclient.rbd.plugins.module_utils._drift_row import HAND, KINDS, REPAIRS, row

ROOT = Path(__file__).resolve().parents[4]
GUIDE = (ROOT / "docs" / "docsite" / "rst" / "guide_drift.rst").read_text(encoding="utf-8")
CODE = "".join(
    path.read_text(encoding="utf-8")
    for pattern in ("_drift*.py", "_operations/map_info.py")
    for path in (ROOT / "plugins" / "module_utils").glob(pattern)
    if path.name != "_drift_row.py"
)
TESTS = "".join(
    path.read_text(encoding="utf-8")
    for pattern in ("test_drift*.py", "test_map_info*.py")
    for path in (ROOT / "tests" / "unit").rglob(pattern)
    if path.name != "test_drift_row.py"
)


def test_the_guide_has_each_kind_with_its_repair() -> None:
    assert dict(re.findall(r"\* - ``(\w+)``\n +- ``(\w+)``\n", GUIDE)) == dict(KINDS)


def test_the_guide_explains_each_repair() -> None:
    assert re.findall(r"\* - ``(\w+)``\n +- [A-Z]", GUIDE) == list(REPAIRS)


def test_each_kind_is_found_by_something() -> None:
    assert {kind for kind in KINDS if f'"{kind}"' not in CODE} == set()


def test_each_kind_is_named_by_a_test() -> None:
    assert {kind for kind in KINDS if f'"{kind}"' not in TESTS} == set()


def test_what_nobody_has_declared_no_run_mends() -> None:
    assert row("rbd/app", "not_mounted", "x").undeclared().repair == HAND
    assert row("rbd/app", "mapping_user", "x").undeclared().repair == KINDS["mapping_user"]


def test_a_row_is_made_of_texts_and_lists() -> None:
    assert row(None, "mapping_size", "it differs", 2, 1, ["a", "b"]).result() == {
        "image": None,
        "kind": "mapping_size",
        "cause": "it differs",
        "expected": "2",
        "actual": "1",
        "repair": "hand",
        "steps": ["a", "b"],
    }
