# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to a snapshot, each with what librbd will report of the image afterwards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from ._image_spec import ImageSpec
from ._plan import Action
from ._size import format_size
from ._snapshot_facts import SnappedImage, Snapshot


@dataclass(frozen=True)
class SnapshotAction(Action):
    """One step for a snapshot.

    :ivar spec: the snapshot.
    """

    spec: ImageSpec

    def outcome(self, image: SnappedImage) -> SnappedImage:
        """The image once the step is done."""
        raise NotImplementedError


@dataclass(frozen=True)
class CreateSnapshot(SnapshotAction):
    """Take a snapshot.

    :ivar size: bytes of the image, or None where nobody knows them.
    :ivar taken: when, about.
    """

    kind: ClassVar[str] = "create"

    size: int | None
    taken: datetime

    def before(self) -> str:
        return "absent"

    def after(self) -> str:
        return _describe(self.size)

    def result(self) -> dict[str, Any]:
        return {**super().result(), "size": self.size}

    def outcome(self, image: SnappedImage) -> SnappedImage:
        number = image.snapshots[-1].number + 1 if image.snapshots else 0
        made = Snapshot(number, self.spec.snap or "", self.size, self.taken)
        return replace(image, snapshots=(*image.snapshots, made))


@dataclass(frozen=True)
class _ChangeProtection(SnapshotAction):
    protected: ClassVar[bool]

    def before(self) -> str:
        return "not protected" if self.protected else "protected"

    def after(self) -> str:
        return "protected" if self.protected else "not protected"

    def outcome(self, image: SnappedImage) -> SnappedImage:
        return replace(
            image,
            snapshots=tuple(
                replace(snapshot, protected=self.protected) if snapshot.name == self.spec.snap else snapshot
                for snapshot in image.snapshots
            ),
        )


@dataclass(frozen=True)
class ProtectSnapshot(_ChangeProtection):
    """Keep it from being removed."""

    kind: ClassVar[str] = "protect"
    protected: ClassVar[bool] = True


@dataclass(frozen=True)
class UnprotectSnapshot(_ChangeProtection):
    """Allow its removal."""

    kind: ClassVar[str] = "unprotect"
    protected: ClassVar[bool] = False


@dataclass(frozen=True)
class RemoveSnapshot(SnapshotAction):
    """Remove it, with the data that it alone holds."""

    kind: ClassVar[str] = "remove"

    size: int | None

    def before(self) -> str:
        return _describe(self.size)

    def after(self) -> str:
        return "absent"

    def outcome(self, image: SnappedImage) -> SnappedImage:
        left = tuple(snapshot for snapshot in image.snapshots if snapshot.name != self.spec.snap)
        return replace(image, snapshots=left)


@dataclass(frozen=True)
class RollBack(SnapshotAction):
    """Give the image the content and the size of the snapshot.

    :ivar old: bytes of the image before.
    :ivar size: bytes of the snapshot.
    """

    kind: ClassVar[str] = "roll_back"

    old: int
    size: int

    def before(self) -> str:
        return f"image of {format_size(self.old)} that differs from {self.spec}"

    def after(self) -> str:
        return f"image of {format_size(self.size)} with the content of {self.spec}"

    def result(self) -> dict[str, Any]:
        return {**super().result(), "snapshot": self.spec.snap, "size": self.size}

    def outcome(self, image: SnappedImage) -> SnappedImage:
        facts = replace(image.facts, size=self.size) if image.facts else None
        return replace(image, facts=facts, differing=frozenset())


def _describe(size: int | None) -> str:
    return "snapshot" if size is None else f"snapshot of {format_size(size)}"
