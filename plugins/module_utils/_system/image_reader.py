# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything about images, read from the cluster."""

from __future__ import annotations

from typing import Any, Protocol

from .._errors import Overtaken
from .._image_report import ImageDetails, Parent, Times, TrashEntry, Wish
from .._image_spec import ImageSpec
from . import open_image
from .ancestry import Ancestry, Link, link_of
from .bindings import rbd
from .ceph_errors import NoImage
from .cluster import LibrbdSession
from .image_use import read_watchers

# How often an image is read anew because a snapshot or a clone of it vanished meanwhile.
LOOKS = 3


class ImageReader(Protocol):
    """Reads images and changes none; may be used by several threads. All methods raise RbdError.

    A place is a pool and a namespace, given by the image-spec of whatever lies there.
    """

    def namespaces(self, pool: str) -> tuple[str, ...]:
        """The names of a pool's namespaces, without the default one."""

    def images(self, place: ImageSpec) -> tuple[ImageSpec, ...]:
        """The images in the place."""

    def trash(self, place: ImageSpec) -> tuple[TrashEntry, ...]:
        """The trash of the place."""

    def read(self, spec: ImageSpec, wish: Wish) -> ImageDetails | None:
        """Everything about an image, or None where there is none that could be opened."""


class LibrbdImageReader:
    """The real images."""

    def __init__(self, session: LibrbdSession) -> None:
        self._session = session
        self._ancestry = Ancestry(session)

    def namespaces(self, pool: str) -> tuple[str, ...]:
        with self._session.pool(ImageSpec(pool, "", ""), f"list the namespaces of {pool}") as ioctx:
            return tuple(sorted(rbd.RBD().namespace_list(ioctx)))

    def images(self, place: ImageSpec) -> tuple[ImageSpec, ...]:
        with self._session.pool(place, f"list the images of {place.pool_path}") as ioctx:
            names = sorted(str(image) for image in rbd.RBD().list(ioctx))
        return tuple(ImageSpec(place.pool, place.namespace, name) for name in names)

    def trash(self, place: ImageSpec) -> tuple[TrashEntry, ...]:
        with self._session.pool(place, f"list the trash of {place.pool_path}") as ioctx:
            entries = list(rbd.RBD().trash_list(ioctx))
        return tuple(
            TrashEntry(
                spec=ImageSpec(place.pool, place.namespace, str(entry["name"])),
                image_id=str(entry["id"]),
                source=str(entry["source"]),
                deleted=entry["deletion_time"],
                kept_until=entry["deferment_end_time"],
            )
            for entry in entries
        )

    def read(self, spec: ImageSpec, wish: Wish) -> ImageDetails | None:
        for _look in range(LOOKS - 1):
            try:
                return self._read(spec, wish)
            except Overtaken:
                continue
        return self._read(spec, wish)

    def _read(self, spec: ImageSpec, wish: Wish) -> ImageDetails | None:
        try:
            with self._session.open(spec, f"look at {spec}") as image:
                return self._details(image, spec, wish)
        except NoImage:
            return None

    def _details(self, image: Any, spec: ImageSpec, wish: Wish) -> ImageDetails:
        stat = image.stat()
        link = link_of(image)
        snapshots = open_image.snapshots_of(image, spec.namespace, self._pool_name)
        with self._session.pool(spec, f"look at {spec}") as ioctx:
            config, metadata = open_image.settings_of(ioctx, image)
        return ImageDetails(
            image_id=str(image.id()),
            size=int(stat["size"]),
            objects=int(stat["num_objs"]),
            block_name_prefix=str(stat["block_name_prefix"]),
            features=int(image.features()),
            flags=int(image.flags()),
            layout=open_image.layout_of(image, self._pool_name),
            times=Times(image.create_timestamp(), image.access_timestamp(), image.modify_timestamp()),
            parent=self._parent(image, link),
            depth=self._ancestry.depth(link),
            snapshots=snapshots,
            snapshot_limit=open_image.snapshot_limit_of(image),
            children=open_image.clones_of(image, snapshots) if wish.children else None,
            group=open_image.group_of(image, spec.namespace, self._pool_name),
            watchers=read_watchers(image),
            lock=open_image.lock_of(image),
            config=config,
            metadata=metadata,
            usage=None
            if wish.usage == "never"
            else open_image.usage_of(image, spec, snapshots, wish.usage == "always"),
            mirroring=open_image.mirroring_of(image),
        )

    def _parent(self, image: Any, link: Link | None) -> Parent | None:
        if link is None:
            return None
        return Parent(link.spec, link.image_id, int(image.overlap()), self._ancestry.in_trash(link))

    def _pool_name(self, number: int) -> str:
        return str(self._session.connected().pool_reverse_lookup(number))
