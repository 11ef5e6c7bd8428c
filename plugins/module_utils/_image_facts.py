# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What librbd tells about one image."""

from __future__ import annotations

from dataclasses import dataclass


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
class ImageFacts:
    """One image as it is in the cluster.

    :ivar size: bytes.
    :ivar features: mask of the image's features.
    :ivar snapshots: names of the user's snapshots, oldest first.
    :ivar watchers: who has it open for writing, other than this very session.
    """

    image_id: str
    size: int
    features: int
    snapshots: tuple[str, ...] = ()
    watchers: tuple[Watcher, ...] = ()
