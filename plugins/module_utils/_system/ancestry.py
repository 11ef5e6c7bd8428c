# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ancestors of clones. Many images have the same, so each of them is read once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._errors import ClusterUnavailable, RbdError
from .._image_spec import ImageSpec
from .bindings import rbd
from .cluster import LibrbdSession
from .open_image import parent_of


@dataclass(frozen=True)
class Link:
    """What a clone hangs on.

    :ivar spec: the parent's snapshot; of a parent in the trash, what it was called.
    :ivar image_id: the parent's id, by which it is found wherever it lies.
    """

    spec: ImageSpec
    image_id: str


class Ancestry:
    """Reads the ancestors; may be used by several threads."""

    def __init__(self, session: LibrbdSession) -> None:
        self._session = session
        self._parents: dict[Link, Link | None] = {}
        self._in_trash: dict[tuple[str, str, str], bool] = {}

    def depth(self, link: Link | None) -> int | None:
        """How many ancestors there are from this one on, or None where one of them cannot be read.

        :raises ClusterUnavailable: no answer in time.
        """
        depth = 0
        while link is not None:
            depth += 1
            try:
                link = self._parent(link)
            except ClusterUnavailable:
                raise
            except RbdError:
                return None
        return depth

    def in_trash(self, link: Link) -> bool:
        """Whether the parent lies in the trash.

        :raises RbdError: the user may not look there.
        """
        key = (link.spec.pool, link.spec.namespace, link.image_id)
        if key not in self._in_trash:
            self._in_trash[key] = self._look_into_trash(link)
        return self._in_trash[key]

    def _parent(self, link: Link) -> Link | None:
        if link not in self._parents:
            self._parents[link] = self._read_parent(link)
        return self._parents[link]

    def _read_parent(self, link: Link) -> Link | None:
        """What the snapshot itself hangs on; the image may have been flattened since."""
        what = f"look at {link.spec}"
        with self._session.open(link.spec.head, what, image_id=link.image_id) as image:
            # By id, since a snapshot in the trash is not found by its name.
            ids = [int(snap["id"]) for snap in image.list_snaps() if snap["name"] == link.spec.snap]
            if not ids:
                raise RbdError(what, "there is no such snapshot any more", "Run again.")
            image.set_snap_by_id(ids[0])
            return link_of(image)

    def _look_into_trash(self, link: Link) -> bool:
        with self._session.pool(link.spec, f"look into the trash of {link.spec.pool_path}") as ioctx:
            try:
                rbd.RBD().trash_get(ioctx, link.image_id)
            except rbd.ImageNotFound:
                return False
        return True


def link_of(image: Any) -> Link | None:
    """What an open image hangs on, or None where it is no clone."""
    spec = parent_of(image)
    return None if spec is None else Link(spec, str(image.parent_id()))
