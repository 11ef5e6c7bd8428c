# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every test of this checkout, and the checks that run it: read from the tree, so that none is in no tier."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .catalogue import CHECKS, Check

SCENARIOS = "extensions/molecule"
_STEP = re.compile(r"^ +- (?P<step>verify|side_effect) (?P<place>\S+)\s*$", re.MULTILINE)
_HEAD = """\
# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every file of tests, how many test functions it has, and the checks that run it.
# Written by: .venv/bin/nox -s proofs. A unit test compares it with the checkout, so that no test is lost unseen.
"""


@dataclass(frozen=True)
class Proof:
    """A file of tests, or a playbook that a scenario runs, with the names of the checks that run it."""

    path: str
    tests: int
    checks: tuple[str, ...]

    def line(self) -> str:
        """Return its line in the list."""
        return f"{self.path} {self.tests} {','.join(self.checks) or 'NONE'}"


def read(root: Path) -> list[Proof]:
    """Return every file of tests, in the order of the paths."""
    scenarios = {check.name: _places(root, check) for check in CHECKS if check.session == "molecule"}
    found = [_proof(root, path, _of_pytest(path.relative_to(root).as_posix())) for path in _pytest_files(root)]
    for path in sorted((root / SCENARIOS).rglob("test_*.py")):
        checks = tuple(name for name, places in scenarios.items() if any(path.is_relative_to(p) for p in places))
        found.append(_proof(root, path, checks))
    return sorted(found, key=lambda proof: proof.path)


def text(proofs: Iterable[Proof]) -> str:
    """Return the list as it is kept in the repository."""
    return _HEAD + "".join(proof.line() + "\n" for proof in proofs)


def missing_steps(root: Path) -> list[str]:
    """Return what a sequence of a scenario names and is not there."""
    places = (place for check in CHECKS if check.session == "molecule" for place in _places(root, check))
    return [f"{place.relative_to(root)}: a sequence names it" for place in places if not place.exists()]


def _pytest_files(root: Path) -> Iterator[Path]:
    for name in ("unit", "durability", "integration"):
        yield from sorted((root / "tests" / name).rglob("test_*.py"))


def _of_pytest(path: str) -> tuple[str, ...]:
    """Return the checks that collect a file: their session is called as its directory."""
    session = path.split("/")[1]
    return tuple(check.name for check in CHECKS if check.session == session and _collects(check, path))


def _collects(check: Check, path: str) -> bool:
    named = [argument for argument in check.arguments if not argument.startswith("-")]
    return f"--ignore={path}" not in check.arguments and (not named or path in named)


def _places(root: Path, check: Check) -> list[Path]:
    scenario = root / SCENARIOS / check.arguments[-1]
    sequence = (scenario / "molecule.yml").read_text(encoding="utf-8")
    return [(scenario / match["place"]).resolve() for match in _STEP.finditer(sequence)]


def _proof(root: Path, path: Path, checks: tuple[str, ...]) -> Proof:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    tests = sum(node.name.startswith("test") for node in functions)
    return Proof(path.relative_to(root).as_posix(), tests, checks)
