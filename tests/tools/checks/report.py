# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of the checks tells: a line for each, what has failed, and the table of times (pure but for two files)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .run import Cost, Outcome
from .steps import plain

# A step is named if it has become so many times slower than the figure in the repository, and by so many seconds.
SLOWER, SLOWER_BY = 1.5, 10.0
# Steps of less than so many seconds are in the JSON only.
SHOWN = 10.0
_FAILED = re.compile(r"fatal: |FAILED(?! - RETRYING)|^( *│ )?E  |: error|^nox > .*fail|Error:|^lab: |^ {2}\| ")
_AROUND, _MOST, _WIDTH = 8, 100, 200

Times = dict[str, dict[str, Any]]


def line(outcome: Outcome) -> str:
    """Return the line that says how a check has ended."""
    cost = outcome.cost
    verdict = "passed" if outcome.passed else "FAILED"
    guests = f", guests {cost.guests:.0f}" if cost.guests else ""
    passed, skipped = outcome.tests
    tests = f"; {passed} tests" if passed else ""
    tests += f", {skipped} skipped" if skipped else ""
    return f"{outcome.check.name:<18} {verdict} {cost.seconds:6.0f} s   (CPU {cost.controller:.0f} s{guests}{tests})"


def details(outcome: Outcome, lines: Sequence[str]) -> list[str]:
    """Return what is to be read of the log of a check that has failed: around the last places that look like it."""
    texts = [plain(text) for text in lines]
    chosen: set[int] = set(range(max(0, len(texts) - _AROUND), len(texts)))
    for number in reversed([n for n, text in enumerate(texts) if _FAILED.search(text)]):
        more = chosen | set(range(max(0, number - 1), min(len(texts), number + _AROUND)))
        if len(more) > _MOST:
            break
        chosen = more
    head = f"--- {outcome.check.name}: {outcome.cause}. All of its output is in {outcome.log}."
    return [head, *(f"    {texts[n]}"[:_WIDTH] for n in sorted(chosen) if texts[n])]


def rows(outcome: Outcome) -> dict[str, Any]:
    """Return what is kept of a check."""
    steps = {name: _rounded(cost) for name, cost in outcome.steps.items()} if len(outcome.steps) > 1 else {}
    return {"tier": outcome.check.tier, "passed": outcome.passed, **_rounded(outcome.cost), "steps": steps}


def _rounded(cost: Cost) -> dict[str, float]:
    return {name: round(value, 1) for name, value in asdict(cost).items()}


def table(times: Times) -> list[str]:
    """Return the table of where the time went, with the steps that took long."""
    title = f"check, and its steps from {SHOWN:.0f} s on"
    lines = [f"{title:<52} {'seconds':>8} {'CPU':>7} {'guests':>7} {'Ceph':>6}"]
    for name, row in times.items():
        lines.append(_row(name, row))
        lines += [_row(f"    {step}", cost) for step, cost in row["steps"].items() if cost["seconds"] >= SHOWN]
    if times:
        total = {key: sum(row[key] for row in times.values()) for key in ("seconds", "controller", "guests", "cluster")}
        lines.append(_row("all of them, one after another", total))
    return lines


def _row(name: str, row: Mapping[str, float]) -> str:
    return f"{name:<52} {row['seconds']:8.0f} {row['controller']:7.0f} {row['guests']:7.0f} {row['cluster']:6.0f}"


def slower(times: Times, figures: Mapping[str, float]) -> list[str]:
    """Return a sentence for each check and step that has become slower than the figure in the repository."""
    found = []
    for name, seconds in flat(times).items():
        known = figures.get(name)
        if known is not None and seconds > known * SLOWER and seconds > known + SLOWER_BY:
            found.append(f"{name} took {seconds:.0f} s, {seconds / max(known, 1):.1f} times the {known:.0f} s known.")
    return found


def flat(times: Times) -> dict[str, float]:
    """Return the seconds of each check and each step, by one name."""
    found = {}
    for name, row in times.items():
        found[name] = row["seconds"]
        found.update({f"{name}: {step}": cost["seconds"] for step, cost in row["steps"].items()})
    return found


def load(path: Path) -> Any:
    """Read a file of times or figures; empty if there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def save(path: Path, content: object) -> None:
    """Write such a file, whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    new.replace(path)
