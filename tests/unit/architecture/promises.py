# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rule: no promise without a test, and no test named that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

TABLE = "docs/docsite/rst/guide_promises.rst"
# Where a path that a row names may begin.
STARTS = ("", "extensions/molecule/faults")
TESTS = ("tests", "extensions/molecule")

_CELL = re.compile(r"^   (?:\* )?(?:  )?- (?P<text>.*(?:\n       .*)*)", re.MULTILINE)
_LITERAL = re.compile(r"``([^`]+)``")
_TESTED_BY = 1
_CELLS = 4
_HEADING = "Promise"


def promises_without_test(root: Path) -> list[str]:
    """Name the promises that no test is given for, and those whose test does not exist."""
    table = root / TABLE
    if not table.exists():
        return []
    files = [path for place in TESTS for path in sorted((root / place).rglob("*.py"))]
    source = "\n".join(path.read_text(encoding="utf-8") for path in files)
    names = {path.name for path in files}
    return [
        f"{TABLE}: {complaint}: {promise}"
        for promise, tests in _rows(table.read_text(encoding="utf-8"))
        for complaint in _complaints(root, tests, names, source)
    ]


def _rows(text: str) -> Iterator[tuple[str, list[str]]]:
    """Return each promise with the tests that it names."""
    cells = [" ".join(match["text"].split()) for match in _CELL.finditer(text)]
    for number in range(0, len(cells), _CELLS):
        row = cells[number : number + _CELLS]
        if row[0] != _HEADING:
            yield row[0], _LITERAL.findall(row[_TESTED_BY]) if len(row) == _CELLS else []


def _complaints(root: Path, tests: list[str], names: set[str], source: str) -> Iterator[str]:
    if not tests:
        yield "no test is named for"
    for test in tests:
        defined = re.search(rf"^ *(?:def|class) {re.escape(test)}\b", source, re.MULTILINE)
        if not (defined or test in names or any((root / start / test).exists() for start in STARTS)):
            yield f"the test {test} is nowhere, named for"
