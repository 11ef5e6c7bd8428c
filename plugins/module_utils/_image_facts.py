# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What librbd tells about one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ._image_spec import ImageSpec


@dataclass(frozen=True)
class Watcher:
    """A client that has the image open for writing.

    :ivar address: its address and nonce, as ``10.0.0.5:0/1234``.
    :ivar client: its id in the cluster, as ``client.4123``.
    """

    address: str
    client: str

    def __str__(self) -> str:
        return f"{self.client} at {self.address}"


@dataclass(frozen=True)
class Extent:
    """A written range of an image, in bytes."""

    offset: int
    length: int


@dataclass(frozen=True)
class Layout:
    """How an image lies in its objects; fixed when it is created.

    :ivar object_size: bytes, a power of two.
    :ivar stripe_unit: bytes; the object size where the image is not striped.
    :ivar stripe_count: objects that a stripe goes over; 1 where the image is not striped.
    :ivar data_pool: the pool of its data, or None where that is the image's own.
    """

    object_size: int = 1 << 22
    stripe_unit: int = 1 << 22
    stripe_count: int = 1
    data_pool: str | None = None


@dataclass(frozen=True)
class Child:
    """A clone of one of an image's snapshots.

    :ivar spec: the clone, or what it was called before it went to the trash.
    :ivar in_trash: whether it lies in the trash.
    """

    spec: ImageSpec
    in_trash: bool = False

    def __str__(self) -> str:
        return f"{self.spec} (in the trash)" if self.in_trash else str(self.spec)


@dataclass(frozen=True)
class ImageFacts:
    """One image as it is in the cluster.

    :ivar size: bytes.
    :ivar features: mask of the image's features.
    :ivar snapshots: names of the user's snapshots, oldest first.
    :ivar watchers: who has it open for writing, other than this very session.
    :ivar flags: mask of the image's flags: an object map that is invalid.
    :ivar op_features: mask of what makes librbd set the feature ``operations``, for example being a clone of
        version 2.
    :ivar parent: the snapshot that it is a clone of, or None.
    :ivar protected: which of its snapshots are protected.
    :ivar hidden_snapshots: snapshots that no user made: of groups, of mirroring, or removed ones that clones still use.
    :ivar children: clones of its snapshots; read only where somebody asks for them. None where the user may not look
        into every pool, and so cannot know them.
    :ivar config: image-level overrides of librbd's options; read only where somebody asks for them.
    :ivar metadata: the user's own metadata; read only where somebody asks for them.
    """

    image_id: str
    size: int
    features: int
    snapshots: tuple[str, ...] = ()
    watchers: tuple[Watcher, ...] = ()
    flags: int = 0
    op_features: int = 0
    layout: Layout = Layout()
    parent: ImageSpec | None = None
    protected: tuple[str, ...] = ()
    hidden_snapshots: int = 0
    children: tuple[Child, ...] | None = ()
    config: Mapping[str, str] | None = None
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True)
class TrashedImage:
    """An image in the trash.

    :ivar name: what it was called.
    :ivar facts: the image itself.
    :ivar deleted: when it was moved there, as librbd tells it (UTC).
    """

    image_id: str
    name: str
    facts: ImageFacts
    deleted: str
