# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces of pools: what rbd_namespace reads and changes."""

from __future__ import annotations

from typing import Protocol

from .._errors import AlreadyDone, PlaceMissing, RbdError
from .._image_spec import ImageSpec
from .._pool_content import Content
from .bindings import rbd
from .cluster import LibrbdSession


class Namespaces(Protocol):
    """Reads and changes namespaces. All methods raise RbdError."""

    def names(self, pool: str) -> tuple[str, ...] | None:
        """The namespaces of a pool, or None without such a pool."""

    def content(self, pool: str, namespace: str) -> Content:
        """The images and groups of a namespace; of none at all where the namespace is empty text.

        One that another run has just removed holds nothing.
        """

    def create(self, pool: str, namespace: str) -> None:
        """Create a namespace.

        :raises AlreadyDone: another run has just created it.
        """

    def remove(self, pool: str, namespace: str) -> None:
        """Remove an empty namespace.

        :raises AlreadyDone: another run has just removed it.
        """


class LibrbdNamespaces:
    """The real namespaces."""

    def __init__(self, session: LibrbdSession) -> None:
        self._session = session

    def names(self, pool: str) -> tuple[str, ...] | None:
        if not self._session.connected().pool_exists(pool):
            return None
        with self._session.pool(place(pool), f"list the namespaces of pool {pool}") as ioctx:
            return tuple(str(name) for name in rbd.RBD().namespace_list(ioctx))

    def content(self, pool: str, namespace: str) -> Content:
        spec = place(pool, namespace)
        try:
            with self._session.pool(spec, f"list what {spec.pool_path} holds") as ioctx:
                library = rbd.RBD()
                return Content(
                    images=tuple(str(name) for name in library.list(ioctx)),
                    trash=tuple(str(entry["name"]) for entry in library.trash_list(ioctx)),
                    groups=tuple(str(name) for name in library.group_list(ioctx)),
                )
        except PlaceMissing:
            return Content()

    def create(self, pool: str, namespace: str) -> None:
        what = f"create the namespace {pool}/{namespace}"
        with self._session.pool(place(pool), what) as ioctx:
            try:
                rbd.RBD().namespace_create(ioctx, namespace)
            except rbd.ImageExists:
                raise AlreadyDone(what, "another run has just created it") from None

    def remove(self, pool: str, namespace: str) -> None:
        what = f"remove the namespace {pool}/{namespace}"
        with self._session.pool(place(pool), what) as ioctx:
            try:
                rbd.RBD().namespace_remove(ioctx, namespace)
            except rbd.ImageNotFound:
                raise AlreadyDone(what, "another run has just removed it") from None
            except rbd.ImageBusy:
                raise RbdError(what, "it holds images, which were created just now", "Run again.") from None


def place(pool: str, namespace: str = "") -> ImageSpec:
    """A pool, or a namespace of it, as the session takes it: without an image."""
    return ImageSpec(pool, namespace, "")
