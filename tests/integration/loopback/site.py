# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory from which any Python imports ansible-core and this checkout, and nothing else of ``.venv``."""

from __future__ import annotations

import sys
from pathlib import Path

import ansible

from .daemon import ENVIRONMENT, run

CHECKOUT = Path(__file__).resolve().parents[3]
COLLECTION = "ansible_collections.cephclient.rbd"

# The Python that the modules themselves would go on under.
_FIND_SYSTEM_PYTHON = f"""\
from ansible.module_utils.common.respawn import probe_interpreters_for_module
from {COLLECTION}.plugins.module_utils import _module
print(probe_interpreters_for_module(_module.SYSTEM_PYTHONS, "rbd") or "")
"""


class Site:
    """The directory: a collections path for Ansible, and a PYTHONPATH for modules run without it."""

    def __init__(self, place: Path) -> None:
        """Make it."""
        self.place = place
        collection = place.joinpath(*COLLECTION.split("."))
        collection.parent.mkdir(parents=True)
        collection.symlink_to(CHECKOUT)
        # Linked alone: what the environment has beside it is built for the environment's own Python.
        (place / "ansible").symlink_to(Path(ansible.__file__).parent)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that imports from it."""
        return {**ENVIRONMENT, "PYTHONPATH": str(self.place)}

    def system_python(self) -> str:
        """Find the Python that has Ceph's bindings."""
        found = run([sys.executable, "-c", _FIND_SYSTEM_PYTHON], environment=self.environment).strip()
        if not found:
            raise LookupError("No Python here has Ceph's bindings. Install python3-rbd and python3-rados.")
        return found
