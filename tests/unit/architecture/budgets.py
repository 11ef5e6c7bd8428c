# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: budgets for size, no exception dropped, no linter silenced without a reason, no ``changed`` by hand."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 400
FUNCTION_LINES = 40
WIRING_LINES = 120

PLACES = ("plugins", "tests", "extensions", "noxfile.py")
# Documentation is as long as the reader needs it; a module's code has a budget of its own.
DOCUMENTATION = (Path("plugins", "modules"), Path("plugins", "doc_fragments"))
DOCUMENTATION_NAMES = {"DOCUMENTATION", "EXAMPLES", "RETURN"}

SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|ruff:\s*noqa|pylint:\s*disable|nosec)\b", re.I)
RULES = r"(noqa:\s*[A-Z]+[0-9]+(,\s*[A-Z]+[0-9]+)*|type:\s*ignore\[[\w, -]+\])"
EXPLAINED = re.compile(rf"#\s*{RULES}\s+(#\s*\S+\s+\S|\(\S+\s+\S.*\))")


def long_files(root: Path) -> list[str]:
    """Name the files beyond their budget."""
    return [
        f"{name}: {lines} lines, at most {FILE_LINES} are allowed"
        for name, text in _sources(root)
        if name.parent not in DOCUMENTATION and (lines := text.count("\n")) > FILE_LINES
    ]


def long_functions(root: Path) -> list[str]:
    """Name the functions beyond their budget; docstrings are free."""
    return [
        f"{name}:{node.lineno}: {node.name} has {lines} lines, at most {FUNCTION_LINES} are allowed"
        for name, text in _sources(root)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (lines := _length(node)) > FUNCTION_LINES
    ]


def long_wiring(root: Path) -> list[str]:
    """Name the modules with more code behind their documentation than wiring needs."""
    return [
        f"{name}: {lines} lines of code, at most {WIRING_LINES} are allowed"
        for name, text in _sources(root)
        if name.parent == Path("plugins", "modules") and (lines := _lines_of_wiring(text)) > WIRING_LINES
    ]


def dropped_exceptions(root: Path) -> list[str]:
    """Name the handlers that do nothing, and the blanket suppressions."""
    return [
        f"{name}:{line}: {what}"
        for name, text in _sources(root)
        for node in ast.walk(ast.parse(text))
        for line, what in _dropped(node)
    ]


def unexplained_suppressions(root: Path) -> list[str]:
    """Name the comments that silence a linter without naming its rule and the reason."""
    return [
        f"{name}:{token.start[0]}: no rule or no reason: {token.string}"
        for name in _names(root)
        for token in _comments(root / name)
        if SUPPRESSION.search(token.string) and not EXPLAINED.search(token.string)
    ]


def changed_by_hand(root: Path) -> list[str]:
    """Name the places where the plugins set ``changed`` to a constant true."""
    return [
        f"{name}:{node.lineno}: sets changed to True"
        for name, text in _sources(root)
        if name.parts[0] == "plugins"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Call, ast.Dict, ast.Assign)) and _sets_changed(node)
    ]


def _sources(root: Path) -> Iterator[tuple[Path, str]]:
    yield from ((name, (root / name).read_text(encoding="utf-8")) for name in _names(root))


def _names(root: Path) -> Iterator[Path]:
    for place in PLACES:
        top = root / place
        for path in [top] if top.is_file() else sorted(top.rglob("*.py")):
            name = path.relative_to(root)
            if name.parts[:2] != ("tests", "output"):
                yield name


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def _lines_of_wiring(text: str) -> int:
    documentation = [
        node.end_lineno or node.lineno
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id in DOCUMENTATION_NAMES for target in node.targets)
    ]
    code = text.splitlines()[max(documentation, default=0) :]
    return sum(1 for line in code if line.strip() and not line.lstrip().startswith("#"))


def _dropped(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.ExceptHandler) and all(_does_nothing(statement) for statement in node.body):
        yield node.lineno, "drops an exception silently"
    if isinstance(node, ast.Call) and _last_name(node.func) == "suppress":
        names = {ast.unparse(argument) for argument in node.args}
        if names & {"Exception", "BaseException"}:
            yield node.lineno, "suppresses every exception"


def _does_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _comments(path: Path) -> Iterator[tokenize.TokenInfo]:
    with path.open("rb") as source:
        yield from (token for token in tokenize.tokenize(source.readline) if token.type == tokenize.COMMENT)


def _sets_changed(node: ast.Call | ast.Dict | ast.Assign) -> bool:
    if isinstance(node, ast.Call):
        pairs = [(keyword.arg, keyword.value) for keyword in node.keywords]
    elif isinstance(node, ast.Dict):
        pairs = [(ast.literal_eval(key), value) for key, value in zip(node.keys, node.values) if _is_text(key)]
    else:
        pairs = [(_last_name(target), node.value) for target in node.targets]
        pairs += [("changed", node.value) for target in node.targets if ast.unparse(target).endswith("['changed']")]
    return any(name == "changed" and isinstance(value, ast.Constant) and value.value is True for name, value in pairs)


def _last_name(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]


def _is_text(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
