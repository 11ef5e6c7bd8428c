# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rule: no promise without a test, and no test named that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

TABLE = "docs/docsite/rst/guide_promises.rst"
# Where a path that a row names may begin.
STARTS = ("", *(f"extensions/molecule/{name}" for name in ("faults", "boot", "encryption")))
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
    sources = {path: path.read_text(encoding="utf-8") for path in files}
    return [
        f"{TABLE}: {complaint}: {promise}"
        for promise, tests in _rows(table.read_text(encoding="utf-8"))
        for complaint in _complaints(root, tests, sources)
    ]


def _rows(text: str) -> Iterator[tuple[str, list[str]]]:
    """Return each promise with the tests that it names."""
    cells = [" ".join(match["text"].split()) for match in _CELL.finditer(text)]
    for number in range(0, len(cells), _CELLS):
        row = cells[number : number + _CELLS]
        if row[0] != _HEADING:
            yield row[0], _LITERAL.findall(row[_TESTED_BY]) if len(row) == _CELLS else []


def _complaints(root: Path, tests: list[str], sources: Mapping[Path, str]) -> Iterator[str]:
    if not tests:
        yield "no test is named for"
    for test in tests:
        definitions = _definitions(test, sources)
        if len(definitions) > 1:
            yield f"the test {test} is in several files, named for"
        elif not definitions and not _is_file(root, test, sources):
            yield f"the test {test} is nowhere, named for"


def _definitions(test: str, sources: Mapping[Path, str]) -> list[Path]:
    """Return where a test is defined, once for each time; after ``file.py::`` only the files of that name count."""
    file, _colons, name = test.rpartition("::")
    defined = re.compile(rf"^ *(?:def|class) {re.escape(name)}(?!\w)", re.MULTILINE)
    found = [path for path, source in sources.items() for _match in defined.finditer(source)]
    return sorted({path for path in found if f"/{path.as_posix()}".endswith(f"/{file}")}) if file else found


def _is_file(root: Path, test: str, sources: Mapping[Path, str]) -> bool:
    return any(path.name == test for path in sources) or any((root / start / test).exists() for start in STARTS)
