# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of a cluster in memory, which behave as those of librbd do (measured with 16.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Callable

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import Overtaken, RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._features import CLONE_CHILD, DECLARABLE_MASK, FEATURES
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import (
    Child,
    ImageFacts,
    Layout,
    TrashedImage,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._image_source import SourceFile
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._image_wish import ImageDefaults, ParentFacts
from ansible_collections.cephclient.rbd.plugins.module_utils._system.ceph_errors import NoImage
from ansible_collections.cephclient.rbd.plugins.module_utils._system.image_changes import unfinished_prefix
from ansible_collections.cephclient.rbd.plugins.module_utils._system.progress import OnProgress
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils import support
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeCluster

OBJECT_MAP = FEATURES["object-map"] | FEATURES["fast-diff"]
FLAGS = 3
OPTIONS = {"rbd_cache": ("true", "false"), "rbd_clone_copy_on_read": ("true", "false"), "rbd_cache_size": ("1024",)}
DELETED = "2026-11-01T12:00:00Z"


@dataclass
class FakeImages:
    """Reads and changes the images of a cluster; each change first looks at what librbd would look at.

    :ivar in_trash: pool path and image of what a user moved to the trash.
    :ivar retentions: for how long, by image id.
    :ivar clone_format: 1 or 2, which needs no protected snapshots.
    :ivar snapshot_sizes: bytes, where a snapshot is not as large as its image.
    :ivar before_change: what another run does in the instant before the next change.
    :ivar dead: the clients that have died, and that the cluster forgets while they are waited for.
    """

    cluster: FakeCluster
    in_trash: list[tuple[str, TrashedImage]] = field(default_factory=list)
    retentions: dict[str, int] = field(default_factory=dict)
    pools: tuple[str, ...] = ("rbd", "data")
    default: ImageDefaults = field(default_factory=lambda: ImageDefaults(support.DEFAULT_FEATURES, Layout()))
    clone_format: int = 1
    snapshot_sizes: dict[str, int] = field(default_factory=dict)
    before_change: Callable[[], None] | None = None
    dead: tuple[str, ...] = ()
    made: int = 0

    # Reading

    def fsid(self) -> str:
        return self.cluster.fsid()

    def read(
        self, spec: ImageSpec, children: bool = False, settings: bool = False, clone: bool = False
    ) -> ImageFacts | None:
        self.cluster.answer(f"read {spec}" + (" that may be a clone in the making" if clone else ""))
        facts = self.cluster.images.get(str(spec))
        return None if facts is None else self._seen(spec, facts, children, settings)

    def trashed(self, spec: ImageSpec) -> tuple[TrashedImage, ...]:
        self.cluster.answer(f"trashed {spec}")
        return tuple(image for pool, image in self.in_trash if (pool, image.name) == (spec.pool_path, spec.image))

    def unfinished(self, spec: ImageSpec, prefix: str) -> tuple[str, ...]:
        found = [(ImageSpec.parse(name), facts) for name, facts in self.cluster.images.items() if not facts.watchers]
        mine = [image.image for image, _facts in found if image.pool_path == spec.pool_path]
        return tuple(name for name in mine if name.startswith(prefix))

    def defaults(self, spec: ImageSpec) -> ImageDefaults:
        self.cluster.answer(f"defaults {spec.pool}")
        return self.default

    def obstacle(self, pools: Iterable[str]) -> tuple[str, str] | None:
        missing = [pool for pool in pools if pool not in self.pools]
        return (f"there is no pool {missing[0]}", "Create it.") if missing else None

    def parent(self, spec: ImageSpec) -> ParentFacts:
        facts = self.read(spec.head, settings=True)
        if facts is None:
            return ParentFacts(None, None, must_be_protected=False)
        size = self.snapshot_sizes.get(str(spec), facts.size) if spec.snap in facts.snapshots else None
        return ParentFacts(facts, size, must_be_protected=self.clone_format == 1)

    def config_faults(self, spec: ImageSpec, config: Mapping[str, str | None]) -> dict[str, str]:
        self.cluster.answer(f"config_faults {spec} {' '.join(config)}")
        return {name: "librbd does not take it" for name, value in config.items() if value not in OPTIONS.get(name, ())}

    def await_forgotten(self, spec: ImageSpec, facts: ImageFacts) -> bool:
        self.cluster.answer(f"await_forgotten {spec} {facts.image_id}")
        for name, image in self.cluster.images.items():
            left = tuple(watcher for watcher in image.watchers if watcher.client not in self.dead)
            self.cluster.images[name] = replace(image, watchers=left)
        return bool(self.dead)

    # Changing

    def create(self, spec: ImageSpec, facts: ImageFacts) -> None:
        self._begin(f"create {spec}")
        self._refuse_existing(spec)
        self._hold(spec, replace(facts, features=_derived(facts), parent=None, config={}, metadata={}))

    def create_filled(self, spec: ImageSpec, facts: ImageFacts, fill: Callable[[ImageSpec], None]) -> None:
        unfinished = replace(spec, image=f"{unfinished_prefix(spec)}1")
        self.create(unfinished, facts)
        try:
            fill(unfinished)
            self.rename(unfinished, spec)
        except RbdError:
            del self.cluster.images[str(unfinished)]
            raise

    def clone(self, spec: ImageSpec, facts: ImageFacts) -> None:
        self._begin(f"clone {spec}")
        self._refuse_existing(spec)
        parent = facts.parent
        assert parent is not None
        image = self._open(parent.head)
        if parent.snap not in image.snapshots:
            raise NoImage(f"clone {parent}", "there is no such snapshot", "Check it.")
        if self.clone_format == 1 and (parent.snap not in image.protected or parent.namespace != spec.namespace):
            raise RbdError(f"clone {parent}", "invalid argument", "Protect it, or stay in its namespace.")
        if not facts.features & FEATURES["layering"]:
            raise RbdError(f"clone {parent}", "layering is needed", "Enable it.")
        size = self.snapshot_sizes.get(str(parent), image.size)
        # librbd copies the metadata of the parent, overrides included.
        copied = replace(facts, size=size, features=_derived(facts), config=image.config, metadata=image.metadata)
        self._hold(spec, copied)

    def restore(self, spec: ImageSpec, image_id: str) -> None:
        self._begin(f"restore {spec} {image_id}")
        self._refuse_existing(spec)
        found = [entry for entry in self.in_trash if entry[1].image_id == image_id]
        if not found:
            raise NoImage(f"restore {spec}", "it is not in the trash", "Run again.")
        self.in_trash.remove(found[0])
        self.cluster.images[str(spec)] = found[0][1].facts

    def rename(self, old: ImageSpec, new: ImageSpec) -> None:
        self._begin(f"rename {old} {new}")
        facts = self._open(old)
        self._refuse_existing(new)
        del self.cluster.images[str(old)]
        self.cluster.images[str(new)] = facts

    def resize(self, spec: ImageSpec, size: int, shrink: bool) -> None:
        self._begin(f"resize {spec} {size}")
        facts = self._open(spec, alone=shrink)
        if size < facts.size and not shrink:
            raise RbdError(f"resize {spec}", "shrinking is not allowed", "Grow it.")
        self.cluster.images[str(spec)] = replace(facts, size=size)

    def change_features(self, spec: ImageSpec, enable: int, disable: int) -> None:
        self._begin(f"change_features {spec} {enable} {disable}")
        facts = self._open(spec, alone=True)
        if (enable | disable) & FEATURES["layering"] or enable & FEATURES["deep-flatten"]:
            raise RbdError(f"update the features of {spec}", "invalid argument", "Do not.")
        if disable & OBJECT_MAP:
            disable |= OBJECT_MAP
        if enable & OBJECT_MAP:
            enable |= OBJECT_MAP
        features = facts.features & ~disable | enable
        if features & (OBJECT_MAP | FEATURES["journaling"]) and not features & FEATURES["exclusive-lock"]:
            raise RbdError(f"update the features of {spec}", "exclusive-lock is needed", "Enable it.")
        flags = (FLAGS if enable & OBJECT_MAP else facts.flags) if features & OBJECT_MAP else 0
        self.cluster.images[str(spec)] = replace(facts, features=features, flags=flags)

    def rebuild_object_map(self, spec: ImageSpec) -> None:
        self._begin(f"rebuild_object_map {spec}")
        facts = self._open(spec)
        if not facts.features & OBJECT_MAP:
            raise RbdError(f"rebuild the object map of {spec}", "it has none", "Enable it.")
        self.cluster.images[str(spec)] = replace(facts, flags=0)

    def flatten(self, spec: ImageSpec, on_progress: OnProgress) -> None:
        self._begin(f"flatten {spec}")
        facts = self._open(spec)
        if facts.parent is None:
            raise RbdError(f"flatten {spec}", "it has no parent", "Leave it.")
        assert on_progress(1, 2) == 0
        op_features = facts.op_features & ~CLONE_CHILD
        features = facts.features if op_features else facts.features & ~FEATURES["operations"]
        self.cluster.images[str(spec)] = replace(facts, parent=None, op_features=op_features, features=features)

    def set_config(self, spec: ImageSpec, values: Mapping[str, str | None]) -> None:
        self._begin(f"set_config {spec}")
        facts = self._open(spec)
        self.cluster.images[str(spec)] = replace(facts, config=_merged(facts.config, values))

    def set_metadata(self, spec: ImageSpec, values: Mapping[str, str | None]) -> None:
        self._begin(f"set_metadata {spec}")
        facts = self._open(spec)
        self.cluster.images[str(spec)] = replace(facts, metadata=_merged(facts.metadata, values))

    def purge_snapshots(self, spec: ImageSpec, names: tuple[str, ...], protected: tuple[str, ...]) -> None:
        self._begin(f"purge_snapshots {spec}")
        facts = self._open(spec, alone=True)
        if self._children(spec):
            raise RbdError(f"unprotect a snapshot of {spec}", "it has clones", "Flatten them.")
        if set(facts.protected) - set(protected):
            raise RbdError(f"remove a snapshot of {spec}", "it is protected", "Unprotect it.")
        if set(names) - set(facts.snapshots):
            raise Overtaken(f"remove a snapshot of {spec}", "it is not there", "Run again.")
        left = tuple(name for name in facts.snapshots if name not in names)
        self.cluster.images[str(spec)] = replace(facts, snapshots=left, protected=())

    def remove(self, spec: ImageSpec, on_progress: OnProgress) -> None:
        self._begin(f"remove {spec}")
        facts = self._open(spec, alone=True)
        if facts.snapshots or facts.hidden_snapshots:
            raise RbdError(f"remove {spec}", "it has snapshots", "Remove them first.")
        assert on_progress(1, 1) == 0
        del self.cluster.images[str(spec)]

    def trash(self, spec: ImageSpec, retention: int) -> None:
        self._begin(f"trash {spec}")
        facts = self._open(spec, alone=True)
        del self.cluster.images[str(spec)]
        self.in_trash.append((spec.pool_path, TrashedImage(facts.image_id, spec.image, facts, DELETED)))
        self.retentions[facts.image_id] = retention

    # Inside

    def _begin(self, call: str) -> None:
        self.cluster.answer(call)
        if self.before_change is not None:
            other, self.before_change = self.before_change, None
            other()

    def _open(self, spec: ImageSpec, alone: bool = False) -> ImageFacts:
        facts = self.cluster.images.get(str(spec))
        if facts is None:
            raise NoImage(f"open {spec}", "there is no such image", "Run again.")
        if alone and facts.watchers:
            raise RbdError(f"change {spec}", "it is in use", "Unmap it.")
        return facts

    def _refuse_existing(self, spec: ImageSpec) -> None:
        if str(spec) in self.cluster.images:
            raise Overtaken(f"create {spec}", "it exists", "Run again.")

    def _hold(self, spec: ImageSpec, facts: ImageFacts) -> None:
        self.made += 1
        self.cluster.images[str(spec)] = replace(facts, image_id=f"made{self.made}")

    def _seen(self, spec: ImageSpec, facts: ImageFacts, children: bool, settings: bool) -> ImageFacts:
        """Only what was asked for."""
        return replace(
            facts,
            children=self._children(spec) if children else (),
            config=(facts.config or {}) if settings else None,
            metadata=(facts.metadata or {}) if settings else None,
        )

    def _children(self, spec: ImageSpec) -> tuple[Child, ...]:
        held = [(ImageSpec.parse(name), facts, False) for name, facts in self.cluster.images.items()]
        held += [(ImageSpec.parse(f"{pool}/{image.name}"), image.facts, True) for pool, image in self.in_trash]
        clones = [(child, gone) for child, facts, gone in held if facts.parent and facts.parent.head == spec]
        return tuple(Child(child, in_trash=gone) for child, gone in clones)


@dataclass
class FakeSources:
    """Files whose content images can get.

    :ivar refuses: the path whose content cannot be read to its end.
    :ivar filled: which image each content went into.
    """

    files: dict[str, SourceFile] = field(default_factory=dict)
    refuses: str = ""
    filled: list[tuple[str, str]] = field(default_factory=list)

    def inspect(self, path: str, declared: str | None) -> SourceFile:
        if path not in self.files:
            raise RbdError(f"import {path}", "there is no such file", "Check the path.")
        return replace(self.files[path], format=declared or self.files[path].format)

    def fill(self, source: SourceFile, spec: ImageSpec, on_progress: OnProgress) -> None:
        assert on_progress(1, 2) == 0
        if source.path == self.refuses:
            raise RbdError(f"import {source.path}", "it cannot be read", "Check the disk.")
        self.filled.append((source.path, str(spec)))


def _derived(facts: ImageFacts) -> int:
    """What librbd makes of the features that it is given: it adds what follows from the layout."""
    layout = facts.layout
    features = facts.features & DECLARABLE_MASK
    if features & OBJECT_MAP:
        features |= OBJECT_MAP
    if (layout.stripe_unit, layout.stripe_count) != (layout.object_size, 1):
        features |= FEATURES["striping"]
    return features | (FEATURES["data-pool"] if layout.data_pool is not None else 0)


def _merged(actual: Mapping[str, str] | None, values: Mapping[str, str | None]) -> dict[str, str]:
    merged = dict(actual or {})
    for name, value in values.items():
        if value is not None:
            merged[name] = value
        elif name in merged:
            del merged[name]
        else:
            raise Overtaken(f"remove {name}", "it is not set", "Run again.")
    return merged
