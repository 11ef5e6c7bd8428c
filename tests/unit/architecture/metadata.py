# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: what is written down twice agrees, and every file carries its licence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

# REUSE-IgnoreStart
HEADER = (
    "SPDX-FileCopyrightText: cephclient.rbd contributors",
    "SPDX-License-Identifier: GPL-3.0-or-later",
)
# REUSE-IgnoreEnd
# A header stands at the top; an interpreter line or a YAML marker may come before it.
HEADER_LINES = 6
WITH_HEADER = {".cfg", ".ini", ".j2", ".md", ".py", ".rst", ".sh", ".toml", ".yaml", ".yml"}
PLACES = ("docs", "extensions", "meta", "playbooks", "plugins", "roles", "tests")
REQUIRES_ANSIBLE = ">=2.19.0"
MISSING = "nothing"


def files_without_header(root: Path) -> list[str]:
    """Name the files that lack a licence header though their format has comments."""
    return [
        f"{path.relative_to(root)}: lacks its two SPDX lines"
        for path in _files(root)
        if path.suffix in WITH_HEADER and not _has_header(path)
    ]


def public_module_utils(root: Path) -> list[str]:
    """Name the module utilities that are not marked as private."""
    place = root / "plugins" / "module_utils"
    return [
        f"{path.relative_to(root)}: the name must begin with an underscore"
        for path in sorted(place.glob("*"))
        if not path.name.startswith("_")
    ]


def action_group_differences(root: Path) -> list[str]:
    """Compare the action group with the modules that exist."""
    listed = _runtime(root)["action_groups"]["rbd"]
    existing = sorted(path.stem for path in (root / "plugins" / "modules").glob("*.py") if path.stem != "__init__")
    if not existing:
        return []
    return [
        *(f"meta/runtime.yml: the group lacks the module {name}" for name in existing if name not in listed),
        *(f"meta/runtime.yml: the group lists {name}, which is no module" for name in listed if name not in existing),
        *([] if listed == sorted(set(listed)) else ["meta/runtime.yml: the group is not sorted, or repeats a name"]),
    ]


def wrong_requires_ansible(root: Path) -> list[str]:
    """Compare the required ansible-core with what the collection promises."""
    found = _runtime(root).get("requires_ansible")
    return [] if found == REQUIRES_ANSIBLE else [f"meta/runtime.yml: requires_ansible is {found!r}"]


def molecule_prerun(root: Path) -> list[str]:
    """Find out whether molecule would install the collection by itself.

    It would copy the checkout into the user's home, where every later run finds
    that copy instead of what is to be tested.
    """
    config = root / "extensions" / "molecule" / "config.yml"
    if not config.exists() or _load(config).get("prerun") is False:
        return []
    return ["extensions/molecule/config.yml: lacks prerun: false"]


def role_default_differences(root: Path) -> list[str]:
    """Compare the defaults of every role with its argument specification."""
    return [difference for role in sorted((root / "roles").glob("*")) for difference in _differences(role)]


def _differences(role: Path) -> Iterator[str]:
    specs: dict[str, Any] = _load(role / "meta" / "argument_specs.yml").get("argument_specs", {})
    defaults = _load(role / "defaults" / "main.yml")
    options: dict[str, Any] = specs.get("main", {}).get("options", {})
    known = {name for spec in specs.values() for name in spec.get("options", {})}
    where = f"roles/{role.name}"
    if "main" not in specs:
        yield f"{where}/meta/argument_specs.yml: describes no entry point 'main'"
    for name in sorted(set(defaults) - known):
        yield f"{where}/defaults/main.yml: {name} is no option of the role"
    for name, option in sorted(options.items()):
        specified, actual = option.get("default", MISSING), defaults.get(name, MISSING)
        # 1 and True, or 1 and "1", are different things to a user.
        if (type(specified), specified) != (type(actual), actual):
            yield f"{where}: {name} is {specified!r} in argument_specs.yml, {actual!r} in defaults"


def _files(root: Path) -> Iterator[Path]:
    yield from (path for path in sorted(root.iterdir()) if path.is_file() and path.name != "CHANGELOG.md")
    for place in PLACES:
        for path in sorted((root / place).rglob("*")):
            parts = path.relative_to(root).parts
            if path.is_file() and "fixtures" not in parts and parts[:2] != ("tests", "output"):
                yield path


def _has_header(path: Path) -> bool:
    top = "\n".join(path.read_text(encoding="utf-8").splitlines()[:HEADER_LINES])
    return all(line in top for line in HEADER)


def _runtime(root: Path) -> dict[str, Any]:
    return _load(root / "meta" / "runtime.yml")


def _load(path: Path) -> dict[str, Any]:
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}
