# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rule: pure files do no input or output, neither themselves nor through a file that they import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

MODULE_UTILS = Path("plugins", "module_utils")
PACKAGE = "ansible_collections.cephclient.rbd.plugins.module_utils"
# What stands between the pure files and the system, by its name below module_utils.
WIRING = {"_argspec", "_module", "_operations"}
SYSTEM = f"{PACKAGE}._system"

IMPURE = {
    *("ctypes", "fcntl", "ftplib", "glob", "http", "importlib", "multiprocessing", "os", "pathlib", "pty"),
    *("select", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "urllib"),
    *("rados", "rbd", "requests"),
    "ansible.module_utils.basic",
    "ansible.module_utils.common.file",
    "ansible.module_utils.common.process",
    "ansible.module_utils.common.respawn",
    "ansible.module_utils.urls",
    SYSTEM,
}
IMPURE_CALLS = {"__import__", "breakpoint", "eval", "exec", "input", "open", "print"}


def impure_files(root: Path) -> list[str]:
    """Name each place where a pure file reaches input or output."""
    place = root / MODULE_UTILS
    return [
        f"{path.relative_to(root)}:{line}: {what}"
        for path in sorted(place.rglob("*.py"))
        if _top(path, place) not in {*WIRING, "_system"}
        for line, what in _impurities(path, place)
    ]


def _impurities(path: Path, place: Path) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for line, name in _imports(tree, _package_of(path, place)):
        if _is_impure(name):
            yield line, f"imports {name}"
        elif _is_wiring(name) and (via := _impure_name_behind(name, place)):
            yield line, f"imports {name}, which imports {via}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            yield node.lineno, f"calls {node.func.id}()"


def _imports(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """Yield each imported name in full, wherever in the file it is imported.

    ``from a import b`` may mean the module a.b, so that is the name given.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def _package_of(path: Path, place: Path) -> str:
    return ".".join([PACKAGE, *path.relative_to(place).parent.parts])


def _is_impure(name: str) -> bool:
    return any(name == impure or name.startswith(f"{impure}.") for impure in IMPURE)


def _is_wiring(name: str) -> bool:
    return name.removeprefix(f"{PACKAGE}.").split(".")[0] in WIRING


def _top(path: Path, place: Path) -> str:
    return path.relative_to(place).parts[0].removesuffix(".py")


def _impure_name_behind(name: str, place: Path) -> str | None:
    """Find what a wiring file, or any file of a wiring directory, imports that a pure one may not."""
    top = name.removeprefix(f"{PACKAGE}.").split(".")[0]
    for path in [place / f"{top}.py", *sorted((place / top).rglob("*.py"))]:
        if path.exists():
            tree = ast.parse(path.read_text(encoding="utf-8"))
            imported = [behind[1] for behind in _imports(tree, _package_of(path, place))]
            if impure := next(filter(_is_impure, imported), None):
                return impure
    return None
