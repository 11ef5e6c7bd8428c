# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make ``ansible_collections.cephclient.rbd`` mean this checkout, whatever its directory is called."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import hypothesis

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "ansible_collections.cephclient.rbd"


def _is_importable() -> bool:
    """Tell whether the package is already this checkout, as it is below ansible-test's own loader."""
    try:
        spec = importlib.util.find_spec(PACKAGE)
    except ModuleNotFoundError:
        return False
    places = spec.submodule_search_locations if spec else None
    return any(Path(place).resolve() == ROOT for place in places or [])


def _provide_package() -> None:
    """Enter the three levels of the package into the table of imported modules.

    Neither a link on disk nor a changed sys.path is needed: Python looks for
    everything below a package in its ``__path__``.
    """
    for name in [name for name in sys.modules if name.split(".")[0] == "ansible_collections"]:
        del sys.modules[name]
    parts = PACKAGE.split(".")
    parent: types.ModuleType | None = None
    for depth, part in enumerate(parts, start=1):
        module = types.ModuleType(".".join(parts[:depth]))
        module.__path__ = [str(ROOT)] if depth == len(parts) else []
        sys.modules[module.__name__] = module
        if parent:
            setattr(parent, part, module)
        parent = module


# How long an example takes says more about the machine, and what else it does, than about the code.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

if not _is_importable():
    _provide_package()
