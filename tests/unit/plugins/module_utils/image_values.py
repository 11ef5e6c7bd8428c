# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wishes for images, and states of them: examples, and all that hypothesis may draw."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import settings, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._features import FEATURES, OBJECT_MAP
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import (
    Child,
    ImageFacts,
    Layout,
    TrashedImage,
    Watcher,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._image_source import SourceFile
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._image_wish import (
    ImageCurrent,
    ImageDefaults,
    ImageRequest,
    LayoutWish,
    ParentFacts,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._settings import SettingsWish
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils import support
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import APP, DEFAULT_FEATURES, facts

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

# A machine that is busy does not fail a test.
quick = settings(deadline=None, database=None)
thorough = settings(quick, max_examples=200)

OLD = ImageSpec("rbd", "", "old")
PARENT = ImageSpec("rbd", "", "golden", "one")
OTHER_PARENT = ImageSpec("rbd", "", "golden", "two")
CHILD = Child(ImageSpec("vms", "", "web"))
SOMEBODY = Watcher("10.0.0.5:0/1", "client.7")
SOURCE = SourceFile("/srv/golden.raw", "raw", GIB)
DELETED = "2026-11-01T12:00:00Z"

DEFAULTS = ImageDefaults(DEFAULT_FEATURES, Layout())


def present(**wish: Any) -> ImageRequest:
    return ImageRequest(APP, "present", **wish)


def absent(**wish: Any) -> ImageRequest:
    return ImageRequest(APP, "absent", **wish)


def mask(*names: str) -> int:
    return sum(FEATURES[name] for name in names)


def in_trash(image: ImageFacts, deleted: str = DELETED) -> TrashedImage:
    return TrashedImage(image.image_id, APP.image, image, deleted)


def parent_facts(
    image: ImageFacts | None = None, *, size: int | None = GIB, must_be_protected: bool = True
) -> ParentFacts:
    """A snapshot ``one`` that can be cloned, unless told otherwise."""
    golden = replace(image or facts(image_id="golden"), snapshots=("one",), protected=("one",))
    return ParentFacts(golden, size, must_be_protected)


def coherent(layering: bool, deep_flatten: bool, lock: bool, object_map: bool, journaling: bool) -> int:
    """Declarable features of which none lacks what it needs."""
    names = [*["layering"] * layering, *["deep-flatten"] * deep_flatten, *["exclusive-lock"] * lock]
    names += [*["object-map", "fast-diff"] * (lock and object_map), *["journaling"] * (lock and journaling)]
    return mask(*names)


def _flagged(image: ImageFacts, flags: int) -> ImageFacts:
    """Only an object map can be invalid, and only what librbd has done sets the feature ``operations``."""
    features = image.features | FEATURES["operations"] if image.op_features else image.features
    return replace(image, features=features, flags=flags if image.features & OBJECT_MAP else 0)


def mostly(usual: st.SearchStrategy[Any], rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The usual three times as often as the rare, so that a plan is not always refused for one reason or another."""
    return st.sampled_from([usual, usual, usual, rare]).flatmap(lambda chosen: chosen)


none = st.none()
nothing: st.SearchStrategy[tuple[Any, ...]] = st.just(())

masks = mostly(
    st.builds(coherent, st.just(True), st.just(True), st.booleans(), st.booleans(), st.booleans()),
    st.builds(coherent, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.booleans()),
)
some_sizes = mostly(st.sampled_from([GIB, 2 * GIB, 3 * GIB]), support.sizes)
values = st.sampled_from(["true", "false", "1"])
names = st.sampled_from(["rbd_cache", "rbd_clone_copy_on_read", "rbd_nonsense"])
held_settings = st.dictionaries(names, values)
settings_wishes = st.builds(SettingsWish, st.dictionaries(names, none | values), st.booleans())
layouts = mostly(
    st.just(Layout()),
    st.sampled_from(
        [
            Layout(MIB, MIB, 1),
            Layout(4 * MIB, 64 * KIB, 4),
            Layout(4 * MIB, 64 * KIB, 1),
            Layout(data_pool="data"),
        ]
    ),
)
layout_wishes = st.builds(
    LayoutWish,
    object_size=none | st.sampled_from([MIB, 4 * MIB]),
    stripe_unit=none | st.sampled_from([64 * KIB, MIB, 3 * MIB]),
    stripe_count=none | st.sampled_from([1, 4]),
    data_pool=st.sampled_from([None, None, "rbd", "data"]),
)
parents = mostly(st.just(PARENT), st.just(OTHER_PARENT))

requests = st.builds(
    ImageRequest,
    spec=st.just(APP),
    state=mostly(st.just("present"), st.sampled_from(["absent", "trashed"])),
    size=mostly(some_sizes, none),
    features=none | masks,
    layout=mostly(st.just(LayoutWish()), layout_wishes),
    parent=mostly(none, parents),
    flatten=st.booleans(),
    shrink=st.booleans(),
    config=none | settings_wishes,
    metadata=none | settings_wishes,
    retention=st.sampled_from([0, 86400]),
    restore=st.booleans(),
    renamed_from=mostly(none, st.just(OLD)),
    purge_snapshots=st.booleans(),
)
snapshots = st.lists(st.sampled_from(["one", "two"]), max_size=2, unique=True).map(tuple)
images = st.builds(
    _flagged,
    st.builds(
        ImageFacts,
        image_id=st.sampled_from(["1a2b", "ffff"]),
        size=some_sizes,
        features=st.builds(int.__or__, masks, mostly(st.just(0), st.just(FEATURES["striping"]))),
        op_features=mostly(st.just(0), st.integers(1, 15)),
        snapshots=snapshots,
        watchers=mostly(nothing, st.just((SOMEBODY,))),
        layout=layouts,
        parent=none | parents,
        protected=snapshots,
        hidden_snapshots=mostly(st.just(0), st.just(1)),
        children=mostly(nothing, st.sampled_from([(CHILD,), None])),
        config=none | held_settings,
        metadata=none | held_settings,
    ),
    st.sampled_from([0, 0, 1, 3]),
)
currents = st.builds(
    ImageCurrent,
    facts=none | images,
    mapped=mostly(nothing, st.lists(support.devices, max_size=1).map(tuple)),
    trashed=mostly(
        nothing | st.tuples(images.map(in_trash)),
        st.lists(images.map(in_trash), max_size=2).map(tuple),
    ),
    former=none | images,
    defaults=none | st.builds(ImageDefaults, masks, layouts),
    obstacle=mostly(none, st.just(("there is no pool rbd", "Create it."))),
    parent=mostly(
        st.builds(parent_facts, images, size=some_sizes, must_be_protected=st.booleans()),
        st.builds(ParentFacts, none | images, none | some_sizes, must_be_protected=st.booleans()),
    ),
    source=st.sampled_from([None, SOURCE, SourceFile("/srv/small.qcow2", "qcow2", MIB)]),
    config_faults=mostly(none | st.just({}), st.just({"rbd_nonsense": "librbd has no such option for an image"})),
)
