# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What librbd tells about the snapshots of one image."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ._image_facts import Child, ImageFacts
from ._krbd_device import KrbdDevice


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that a user made.

    :ivar number: its id. The cluster counts up: of two snapshots the later one has the greater number.
    :ivar size: bytes of the image when it was taken, or None where nobody knows them yet.
    :ivar taken: when, by the cluster's clock.
    :ivar children: its clones, or None where the user may not list them; read only where somebody asks for them.
    """

    number: int
    name: str
    size: int | None
    taken: datetime
    protected: bool = False
    children: tuple[Child, ...] | None = ()


@dataclass(frozen=True)
class SnappedImage:
    """An image with its snapshots.

    :ivar facts: the image without its snapshots, or None for one that check mode takes for granted.
    :ivar seen: when it was looked at, by this host's clock.
    :ivar snapshots: the user's, oldest first.
    :ivar limit: how many snapshots it may have, those that no user made included; None without a limit.
    :ivar mapped: its mappings on this host, and those of its snapshots.
    :ivar differing: names of the snapshots whose size or content is not the image's own; read only where somebody asks.
    """

    facts: ImageFacts | None
    seen: datetime
    snapshots: tuple[Snapshot, ...] = ()
    limit: int | None = None
    mapped: tuple[KrbdDevice, ...] = ()
    differing: frozenset[str] = frozenset()

    def find(self, name: str) -> Snapshot | None:
        """The snapshot of that name, or None without one."""
        return next((snapshot for snapshot in self.snapshots if snapshot.name == name), None)

    def mapping(self, name: str | None) -> KrbdDevice | None:
        """A mapping on this host of the snapshot of that name, or with None of the image itself."""
        return next((device for device in self.mapped if device.spec.snap == name), None)
