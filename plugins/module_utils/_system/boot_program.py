# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of the boot program, which Ansible has sent along with the module as Python files of the collection."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
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
    try:
        source = _source(f"{_PACKAGE}.{name.removesuffix('.py')}")
    except ImportError as error:
        raise RbdError(f"read {name}", str(error), "Install the collection again.") from error
    return source.replace(_IMPORT_HERE, _IMPORT_THERE)


def _source(module: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is not None:
        # It runs nothing of the module. Mitogen fetches it here, and knows of no source before (mitogen.core.Importer).
        importlib.util.module_from_spec(spec)
        # As importlib.abc.InspectLoader says, which the loader of zip files is none of.
        get_source: Callable[[str], str | None] = getattr(spec.loader, "get_source", lambda _name: None)
        source = get_source(module)
        if source is not None:
            return source
    raise ImportError(f"the source of {module} is not there")
