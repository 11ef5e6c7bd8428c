# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to an image, each with what librbd will report of the image afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ._features import CLONE_CHILD, FEATURES, FLAGS, feature_names, with_operations
from ._image_facts import ImageFacts
from ._image_source import SourceFile
from ._image_spec import ImageSpec
from ._plan import Action
from ._size import format_size

_OBJECT_MAP_FLAGS = sum(FLAGS.values())


@dataclass(frozen=True)
class ImageAction(Action):
    """One step for an image."""

    spec: ImageSpec

    def outcome(self, facts: ImageFacts | None) -> ImageFacts | None:
        """The image's facts once the step is done; None without an image."""
        return facts


@dataclass(frozen=True)
class MakeImage(ImageAction):
    """Any way in which an image comes to be.

    :ivar facts: the image as it will be; without an ``image_id`` where librbd is still to give it one.
    """

    facts: ImageFacts

    def before(self) -> str:
        return "absent"

    def after(self) -> str:
        return describe(self.facts)

    def result(self) -> dict[str, Any]:
        layout = self.facts.layout
        return {
            **super().result(),
            "size": self.facts.size,
            "features": list(feature_names(self.facts.features)),
            "object_size": layout.object_size,
            "stripe_unit": layout.stripe_unit,
            "stripe_count": layout.stripe_count,
            "data_pool": layout.data_pool,
        }

    def outcome(self, facts: ImageFacts | None) -> ImageFacts | None:  # noqa: ARG002  # whatever was there before
        return self.facts


@dataclass(frozen=True)
class CreateImage(MakeImage):
    kind: ClassVar[str] = "create"


@dataclass(frozen=True)
class ImportImage(MakeImage):
    kind: ClassVar[str] = "import"

    source: SourceFile

    def after(self) -> str:
        return f"{describe(self.facts)}, content of {self.source.path}"

    def result(self) -> dict[str, Any]:
        return {**super().result(), "source": self.source.path, "source_format": self.source.format}


@dataclass(frozen=True)
class CloneImage(MakeImage):
    kind: ClassVar[str] = "clone"

    def result(self) -> dict[str, Any]:
        return {**super().result(), "parent": str(self.facts.parent)}


@dataclass(frozen=True)
class RestoreImage(MakeImage):
    kind: ClassVar[str] = "restore"

    deleted: str

    def before(self) -> str:
        return f"in the trash since {self.deleted} as {self.facts.image_id}"

    def result(self) -> dict[str, Any]:
        return {"action": self.kind, "subject": self.subject, "id": self.facts.image_id}


@dataclass(frozen=True)
class RenameImage(MakeImage):
    kind: ClassVar[str] = "rename"

    old: ImageSpec

    def before(self) -> str:
        return f"called {self.old}"

    def result(self) -> dict[str, Any]:
        return {"action": self.kind, "subject": self.subject, "renamed_from": str(self.old)}


@dataclass(frozen=True)
class _Resize(ImageAction):
    old: int
    size: int

    def before(self) -> str:
        return f"image of {format_size(self.old)}"

    def after(self) -> str:
        return f"image of {format_size(self.size)}"

    def result(self) -> dict[str, Any]:
        return {**super().result(), "size": self.size}

    def outcome(self, facts: ImageFacts | None) -> ImageFacts | None:
        return replace(facts, size=self.size) if facts else None


@dataclass(frozen=True)
class GrowImage(_Resize):
    kind: ClassVar[str] = "grow"


@dataclass(frozen=True)
class ShrinkImage(_Resize):
    kind: ClassVar[str] = "shrink"


@dataclass(frozen=True)
class ChangeFeatures(ImageAction):
    """Enable and disable features."""

    kind: ClassVar[str] = "change_features"

    old: int
    enable: int
    disable: int

    @property
    def new(self) -> int:
        """The features afterwards."""
        return self.old & ~self.disable | self.enable

    def before(self) -> str:
        return _named(self.old)

    def after(self) -> str:
        return _named(self.new)

    def result(self) -> dict[str, Any]:
        changed = {"enabled": list(feature_names(self.enable)), "disabled": list(feature_names(self.disable))}
        return {**super().result(), **changed}

    def outcome(self, facts: ImageFacts | None) -> ImageFacts | None:
        if facts is None:
            return None
        # An object map that is enabled later knows nothing of what was written before.
        flags = _OBJECT_MAP_FLAGS if self.enable & (FEATURES["object-map"] | FEATURES["fast-diff"]) else facts.flags
        return replace(facts, features=self.new, flags=flags if self.new & FEATURES["object-map"] else 0)


@dataclass(frozen=True)
class RebuildObjectMap(ImageAction):
    kind: ClassVar[str] = "rebuild_object_map"

    def before(self) -> str:
        return "object map invalid"

    def after(self) -> str:
        return "object map valid"

    def outcome(self, facts: ImageFacts | None) -> ImageFacts | None:
        return replace(facts, flags=facts.flags & ~_OBJECT_MAP_FLAGS) if facts else None


@dataclass(frozen=True)
class FlattenImage(ImageAction):
    """Copy what the image still shares with its parent, and detach it."""

    kind: ClassVar[str] = "flatten"

    parent: ImageSpec

    def before(self) -> str:
        return f"clone of {self.parent}"

    def after(self) -> str:
        return "no clone"

    def result(self) -> dict[str, Any]:
        return {**super().result(), "parent": str(self.parent)}

    def outcome(self, facts: ImageFacts | None) -> ImageFacts | None:
        if facts is None:
            return None
        op_features = facts.op_features & ~CLONE_CHILD
        features = with_operations(facts.features, op_features)
        return replace(facts, parent=None, op_features=op_features, features=features)


@dataclass(frozen=True)
class ChangeSettings(ImageAction):
    """Set and remove overrides or metadata.

    :ivar what: ``config`` or ``metadata``.
    :ivar changes: each name with its old and its new value; None for not set.
    """

    kind: ClassVar[str] = "set"

    what: str
    changes: Mapping[str, tuple[str | None, str | None]]

    def before(self) -> str:
        return self._shown(0)

    def after(self) -> str:
        return self._shown(1)

    def result(self) -> dict[str, Any]:
        return {
            "action": f"set_{self.what}",
            "subject": self.subject,
            self.what: {name: change[1] for name, change in self.changes.items()},
        }

    def outcome(self, facts: ImageFacts | None) -> ImageFacts | None:
        if facts is None:
            return None
        values = dict((facts.config if self.what == "config" else facts.metadata) or {})
        for name, (_old, new) in self.changes.items():
            if new is None:
                values.pop(name, None)
            else:
                values[name] = new
        return replace(facts, config=values) if self.what == "config" else replace(facts, metadata=values)

    def _shown(self, side: int) -> str:
        sides = {name: change[side] for name, change in self.changes.items()}
        words = [f"{name} not set" if value is None else f"{name}={_quoted(value)}" for name, value in sides.items()]
        return f"{self.what} {', '.join(words)}"


@dataclass(frozen=True)
class PurgeSnapshots(ImageAction):
    """Remove snapshots, the protected ones too."""

    kind: ClassVar[str] = "purge_snapshots"

    snapshots: tuple[str, ...]
    protected: tuple[str, ...]

    def before(self) -> str:
        return f"snapshots {', '.join(self.snapshots)}"

    def after(self) -> str:
        return "no snapshots"

    def result(self) -> dict[str, Any]:
        return {**super().result(), "snapshots": list(self.snapshots)}

    def outcome(self, facts: ImageFacts | None) -> ImageFacts | None:
        return replace(facts, snapshots=(), protected=()) if facts else None


@dataclass(frozen=True)
class RemoveImage(ImageAction):
    kind: ClassVar[str] = "remove"

    size: int

    def before(self) -> str:
        return f"image of {format_size(self.size)}"

    def after(self) -> str:
        return "absent"

    def outcome(self, facts: ImageFacts | None) -> ImageFacts | None:  # noqa: ARG002  # whatever was there before
        return None


@dataclass(frozen=True)
class TrashImage(RemoveImage):
    """Move the image to the trash.

    :ivar retention: seconds for which the trash keeps it against removal.
    """

    kind: ClassVar[str] = "trash"

    retention: int

    def after(self) -> str:
        return f"in the trash, kept for {self.retention} s" if self.retention else "in the trash"

    def result(self) -> dict[str, Any]:
        return {**super().result(), "retention": self.retention}


def describe(facts: ImageFacts) -> str:
    """An image on one line."""
    layout = facts.layout
    words = [f"image of {format_size(facts.size)}", f"objects of {format_size(layout.object_size)}"]
    if (layout.stripe_unit, layout.stripe_count) != (layout.object_size, 1):
        words.append(f"stripes of {format_size(layout.stripe_unit)} over {layout.stripe_count}")
    if layout.data_pool is not None:
        words.append(f"data in pool {layout.data_pool}")
    words.append(_named(facts.features))
    if facts.parent is not None:
        words.append(f"clone of {facts.parent}")
    return ", ".join(words)


def _named(features: int) -> str:
    return f"features {' '.join(feature_names(features)) or 'none'}"


def _quoted(value: str) -> str:
    """A value as it is, unless it could be taken for something else on a line with others."""
    return value if value.isprintable() and not set(value) & set(" ,='\"") else repr(value)
