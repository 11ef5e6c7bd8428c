# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in the cluster: what rbd_image reads and changes."""

from __future__ import annotations

from typing import Protocol

from .._image_facts import ImageFacts
from .._image_spec import ImageSpec
from .bindings import rbd
from .cluster import LibrbdSession


class Images(Protocol):
    """Reads and changes images. All methods raise RbdError."""

    def fsid(self) -> str:
        """The cluster's identity."""

    def look_up(self, spec: ImageSpec) -> ImageFacts | None:
        """The image's facts, or None without such an image."""

    def create(self, spec: ImageSpec, size: int) -> None:
        """Create an image of ``size`` bytes with the cluster's default features."""

    def grow(self, spec: ImageSpec, size: int) -> None:
        """Grow an image to ``size`` bytes; never shrinks."""

    def remove(self, spec: ImageSpec) -> None:
        """Remove an image with all its data."""


class LibrbdImages:
    """The real images."""

    def __init__(self, session: LibrbdSession) -> None:
        self._session = session

    def fsid(self) -> str:
        return self._session.fsid()

    def look_up(self, spec: ImageSpec) -> ImageFacts | None:
        return self._session.look_up(spec)

    def create(self, spec: ImageSpec, size: int) -> None:
        with self._session.pool(spec, f"create {spec}") as ioctx:
            rbd.RBD().create(ioctx, spec.image, size, old_format=False)

    def grow(self, spec: ImageSpec, size: int) -> None:
        with self._session.open(spec, f"grow {spec}", read_only=False) as image:
            # resize() shrinks by default.
            image.resize(size, allow_shrink=False)

    def remove(self, spec: ImageSpec) -> None:
        with self._session.pool(spec, f"remove {spec}") as ioctx:
            rbd.RBD().remove(ioctx, spec.image)
