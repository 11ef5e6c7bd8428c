# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every test of this checkout, and the checks that run it: read from the tree, so that none is in no tier."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from .catalogue import CHECKS, Check, RefusedError

SCENARIOS = "extensions/molecule"
_HEAD = """\
# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every file of tests and every sequence of a scenario, the checks that run it, and the tests or the steps in it.
# Written by: .venv/bin/nox -s proofs. A unit test compares it with the checkout, so that none is lost unseen.
"""


@dataclass(frozen=True)
class Proof:
    """A file of tests, or the sequence of a scenario, with what is in it and the names of the checks that run it."""

    path: str
    tests: tuple[str, ...]
    checks: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return its lines in the list."""
        return [f"{self.path}: {', '.join(self.checks) or 'NONE'}", *(f"    {test}" for test in self.tests)]


def read(root: Path) -> list[Proof]:
    """Return every file of tests and every sequence, in the order of the paths."""
    scenarios = {check.name: _places(root, check) for check in CHECKS if check.session == "molecule"}
    found = [_sequence(root, check) for check in CHECKS if check.session == "molecule"]
    found += [_proof(root, path, _of_pytest(path.relative_to(root).as_posix())) for path in _pytest_files(root)]
    for path in sorted((root / SCENARIOS).rglob("test_*.py")):
        checks = tuple(name for name, places in scenarios.items() if any(path.is_relative_to(p) for p in places))
        found.append(_proof(root, path, checks))
    return sorted(found, key=lambda proof: proof.path)


def text(proofs: Iterable[Proof]) -> str:
    """Return the list as it is kept in the repository."""
    return _HEAD + "".join(line + "\n" for proof in proofs for line in proof.lines())


def missing_steps(root: Path) -> list[str]:
    """Return what a sequence of a scenario names and is not there, or has no tests; molecule passes over that."""
    places = (place for check in CHECKS if check.session == "molecule" for place in _places(root, check))
    return [f"{place.relative_to(root)}: a sequence names it" for place in places if not _is_step(root, place)]


def _is_step(root: Path, place: Path) -> bool:
    if not place.is_dir():
        return place.exists()
    return any(_proof(root, path, ()).tests for path in place.rglob("test_*.py"))


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


def _file(root: Path, check: Check) -> Path:
    return root / SCENARIOS / check.arguments[-1] / "molecule.yml"


def _steps(root: Path, check: Check) -> list[str]:
    scenario = yaml.safe_load(_file(root, check).read_text(encoding="utf-8"))
    steps = (scenario.get("scenario") or {}).get("test_sequence")
    if not steps:
        place = _file(root, check).relative_to(root)
        raise RefusedError(f"Cannot read the steps of {place}: it has no scenario.test_sequence. Add it.")
    return [str(step) for step in steps]


def _places(root: Path, check: Check) -> list[Path]:
    """Return what the steps of a scenario run, where they name it."""
    named = (step.split()[1] for step in _steps(root, check) if " " in step)
    return [(_file(root, check).parent / place).resolve() for place in named]


def _sequence(root: Path, check: Check) -> Proof:
    return Proof(_file(root, check).relative_to(root).as_posix(), tuple(_steps(root, check)), (check.name,))


def _proof(root: Path, path: Path, checks: tuple[str, ...]) -> Proof:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return Proof(path.relative_to(root).as_posix(), tuple(_tests(tree)), checks)


def _tests(tree: ast.Module | ast.ClassDef) -> Iterator[str]:
    """Return the names of the tests, those of a class behind its own, in the order of the file."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{name}" for name in _tests(node))
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            yield node.name
