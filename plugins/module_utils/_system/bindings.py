# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ceph's Python bindings, or None where this Python lacks them."""

from __future__ import annotations

try:
    import rados
    import rbd
except ImportError:
    rados = None
    rbd = None

__all__ = ["BINDINGS", "have_bindings", "rados", "rbd"]

# The module that a Python is probed for; python3-rbd depends on python3-rados.
BINDINGS = "rbd"


def have_bindings() -> bool:
    """Whether this Python has them."""
    return rados is not None and rbd is not None
