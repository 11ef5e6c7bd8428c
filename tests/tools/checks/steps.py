# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognises in the output of a check which step of a scenario begins, and how many tests were run (pure)."""

from __future__ import annotations

import re

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# With colours molecule writes an arrow, without them an angle.
_MATRIX = re.compile(r"(?:➜|>) discovery: scenario test matrix: (?P<steps>.+)$")
_EXECUTING = re.compile(r"^\S+ +\S+ (?:➜|>) (?P<action>[^:]+): Executing$")
# Molecule breaks long lines, so the end of a name may stand in the next one.
_TASK = re.compile(r"\bTASK \[(.+?)(?:\](?: \*+)?)?$")
_TESTS = re.compile(r"\b(\d+) (passed|skipped)\b(?=.* in [\d.]+s\b)")


def plain(line: str) -> str:
    """Return a line without colours and without the blanks at its end."""
    return _COLOURS.sub("", line).rstrip()


def count_of_tests(line: str) -> tuple[int, int]:
    """Return how many tests have passed and how many were skipped, if that is what the line tells."""
    found = {word: int(number) for number, word in _TESTS.findall(plain(line))}
    return found.get("passed", 0), found.get("skipped", 0)


def task(line: str) -> str:
    """Return the name of the task that begins with this line; empty if none does."""
    found = _TASK.search(plain(line))
    return found[1] if found else ""


class Steps:
    """Follows the output of one run of molecule."""

    def __init__(self) -> None:
        self._coming: list[str] = []

    def begun(self, line: str) -> str | None:
        """Return the name of the step that begins with this line, with its arguments; None if none does."""
        text = plain(line)
        if matrix := _MATRIX.search(text):
            self._coming = matrix["steps"].split(", ")
            return None
        executing = _EXECUTING.search(text)
        if executing is None:
            return None
        action = executing["action"]
        # The lines name the action alone; its argument stands in the matrix.
        while self._coming:
            step = self._coming.pop(0)
            if step.split()[0] == action:
                return step
        return action
