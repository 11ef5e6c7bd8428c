# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of pools and namespaces that an image-spec and a capability can hold."""

from __future__ import annotations

from ._errors import RbdError


def require_pool_name(pool: str) -> None:
    """Refuse the name of a pool that no image-spec could name, or that is Ceph's own.

    :raises RbdError: the name is empty, has a character with a meaning of its own, or begins with a dot.
    """
    what = f"use the pool {pool!r}"
    _require_plain(what, pool)
    if pool.startswith("."):
        raise RbdError(what, "names that begin with a dot are those of Ceph's own pools", "Choose another name.")


def require_namespace_name(namespace: str) -> None:
    """Refuse the name of a namespace that no image-spec or capability could name.

    :raises RbdError: the name is empty, has a character with a meaning of its own, or an asterisk.
    """
    what = f"use the namespace {namespace!r}"
    _require_plain(what, namespace)
    if "*" in namespace:
        raise RbdError(
            what,
            "an asterisk in a capability stands for any name, so nobody could be given this namespace alone",
            "Choose another name.",
        )


def _require_plain(what: str, name: str) -> None:
    if not name:
        raise RbdError(what, "the name is empty", "Give a name, or leave the option out.")
    if any(char in "/@\"'" or not char.isprintable() for char in name):
        raise RbdError(
            what,
            "an image-spec or a capability cannot hold a name with / or @, a quote or a control character",
            "Choose another name.",
        )
