# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of the boot program, which Ansible has sent along with the module as Python files of the collection."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .._errors import RbdError
from .._service_request import PROGRAM

if TYPE_CHECKING:
    # Ansible sends what is imported anywhere in a module's files. It is not run: that would load Ceph's bindings.
    from .boot import rbdmap_clusters, rbdmap_unit  # noqa: F401  # to be sent

_PACKAGE = f"{__package__}.boot"
# Where they are placed, no package is around them.
_IMPORT_HERE, _IMPORT_THERE = "\nfrom .rbdmap_", "\nfrom rbdmap_"


def program_texts() -> Mapping[str, str]:
    """The text of each of the program's files, by the path that it has on a host.

    :raises RbdError: Ansible has not sent it.
    """
    return {path: _text(path.rpartition("/")[2]) for path in PROGRAM}


def _text(name: str) -> str:
    raw = pkgutil.get_data(_PACKAGE, name)
    if raw is None:
        raise RbdError(f"read {name}", f"the package {_PACKAGE} cannot read its files", "Install the collection again.")
    return raw.decode("utf-8").replace(_IMPORT_HERE, _IMPORT_THERE)
