# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshots of a cluster in memory, which behave as those of librbd do (measured with 16.2)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Callable

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import AlreadyDone, Overtaken, RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Child, ImageFacts
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._snapshot_facts import SnappedImage, Snapshot
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils import support

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=timezone.utc)
VM = Child(ImageSpec("vms", "", "vm"))


def snapped(*snapshots: Snapshot, size: int = 1 << 30, features: int = support.DEFAULT_FEATURES) -> SnappedImage:
    """An image with some snapshots, looked at now."""
    return SnappedImage(support.facts(size, features=features), NOW, snapshots)


def snapshot(
    name: str, number: int, days: float = 0, *, protected: bool = False, children: tuple[Child, ...] | None = ()
) -> Snapshot:
    """A snapshot of 1 GiB that was taken some days ago."""
    return Snapshot(number, name, 1 << 30, NOW - timedelta(days=days), protected, children)


@dataclass
class FakeSnapshots:
    """Reads and changes snapshots.

    :ivar images: by name; their ``mapped`` and ``differing`` are not used.
    :ivar content: of images and snapshots by name, where there is any.
    :ivar before_change: what another run does in the instant before the next change.
    :ivar dead: whether all who have an image open have died, and are forgotten while they are waited for.
    :ivar listed: the snapshots whose clones were read.
    """

    images: dict[str, SnappedImage] = field(default_factory=dict)
    content: dict[str, str] = field(default_factory=dict)
    refusal: RbdError | None = None
    before_change: Callable[[], None] | None = None
    dead: bool = False
    log: list[str] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)

    def fsid(self) -> str:
        return support.FSID

    def now(self) -> datetime:
        return NOW

    def look_up(self, spec: ImageSpec, detachable: Callable[[SnappedImage], Collection[str]]) -> SnappedImage | None:
        self.log.append(f"look_up {spec}")
        if self.refusal is not None:
            raise self.refusal
        image = self.images.get(str(spec))
        if image is None:
            return None
        bare = replace(image, snapshots=tuple(replace(each, children=()) for each in image.snapshots))
        names = detachable(bare)
        self.listed += sorted(names)
        return replace(
            bare,
            snapshots=tuple(each if each.name in names else replace(each, children=()) for each in image.snapshots),
        )

    def differs(self, spec: ImageSpec) -> bool:
        self.log.append(f"differs {spec}")
        facts = self.images[str(spec.head)].facts
        assert facts is not None
        if facts.size != self._find(spec).size:
            return True
        return self.content.get(str(spec.head)) != self.content.get(str(spec))

    def await_forgotten(self, spec: ImageSpec, facts: ImageFacts) -> bool:
        self.log.append(f"await_forgotten {spec} {facts.image_id}")
        image = self.images[str(spec)]
        if image.facts is not None and self.dead:
            self.images[str(spec)] = replace(image, facts=replace(image.facts, watchers=()))
        return self.dead

    def create(self, spec: ImageSpec) -> None:
        image = self._begin(f"create {spec}", spec)
        if image.find(spec.snap or "") is not None:
            raise AlreadyDone(f"create {spec}", "it is there")
        facts = image.facts
        assert facts is not None
        numbers = [each.number for each in image.snapshots]
        made = Snapshot(max(numbers, default=0) + 1, spec.snap or "", facts.size, NOW)
        self.images[str(spec.head)] = replace(image, snapshots=(*image.snapshots, made))
        if str(spec.head) in self.content:
            self.content[str(spec)] = self.content[str(spec.head)]

    def protect(self, spec: ImageSpec) -> None:
        self._begin(f"protect {spec}", spec)
        if self._find(spec).protected:
            raise AlreadyDone(f"protect {spec}", "it is protected")
        self._replace(spec, replace(self._find(spec), protected=True))

    def unprotect(self, spec: ImageSpec) -> None:
        self._begin(f"unprotect {spec}", spec)
        if not self._find(spec).protected:
            raise AlreadyDone(f"unprotect {spec}", "it is not protected")
        self._require_no_clones(spec)
        self._replace(spec, replace(self._find(spec), protected=False))

    def remove(self, spec: ImageSpec) -> None:
        image = self._begin(f"remove {spec}", spec)
        if image.find(spec.snap or "") is None:
            raise AlreadyDone(f"remove {spec}", "it is gone")
        self._require_no_clones(spec)
        if self._find(spec).protected:
            raise Overtaken(f"remove {spec}", "it is protected", "Run again.")
        self._replace(spec, None)

    def roll_back(self, spec: ImageSpec) -> None:
        image = self._begin(f"roll_back {spec}", spec)
        facts, target = image.facts, self._find(spec)
        assert facts is not None
        assert target.size is not None
        if facts.watchers:
            raise RbdError(f"roll {spec.head} back to {spec.snap}", "it is in use", "Close it.")
        self.images[str(spec.head)] = replace(image, facts=replace(facts, size=target.size))
        self.content[str(spec.head)] = self.content.get(str(spec), "")

    def _begin(self, call: str, spec: ImageSpec) -> SnappedImage:
        self.log.append(call)
        other, self.before_change = self.before_change, None
        if other is not None:
            other()
        return self.images[str(spec.head)]

    def _find(self, spec: ImageSpec) -> Snapshot:
        found = self.images[str(spec.head)].find(spec.snap or "")
        if found is None:
            raise Overtaken(f"find {spec}", "there is no such snapshot", "Run again.")
        return found

    def _replace(self, spec: ImageSpec, new: Snapshot | None) -> None:
        image = self.images[str(spec.head)]
        others = [each if each.name != spec.snap else new for each in image.snapshots]
        self.images[str(spec.head)] = replace(image, snapshots=tuple(each for each in others if each is not None))

    def _require_no_clones(self, spec: ImageSpec) -> None:
        if self._find(spec).children != ():
            raise Overtaken(f"detach {spec}", "it has been cloned", "Run again.")
