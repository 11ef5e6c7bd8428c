# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told about an image is what was read, in the field's own words."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Child, Layout, Watcher
from ansible_collections.cephclient.rbd.plugins.module_utils._image_report import (
    Clone,
    ImageDetails,
    ImageReport,
    Lock,
    Mirroring,
    Parent,
    Snapshot,
    Times,
    TrashEntry,
    Usage,
    iso,
    uncountable,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import APP, DEFAULT_FEATURES

NOON = datetime(2026, 3, 1, 12)  # as librbd gives it
AFTER = NOON + timedelta(seconds=1)
LATER = NOON + timedelta(seconds=2)
IMAGE = ImageDetails("1a2b", 1 << 30, 256, "rbd_data.1a2b", DEFAULT_FEATURES, 0, Layout(), Times(NOON, AFTER, LATER))


def test_a_plain_image() -> None:
    assert ImageReport(APP, IMAGE).result() == {
        "image": "rbd/app",
        "pool": "rbd",
        "namespace": "",
        "name": "app",
        "exists": True,
        "error": None,
        "image_id": "1a2b",
        "size": 1 << 30,
        "objects": 256,
        "block_name_prefix": "rbd_data.1a2b",
        "features": ["layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten"],
        "flags": [],
        "object_size": 1 << 22,
        "stripe_unit": 1 << 22,
        "stripe_count": 1,
        "data_pool": None,
        "created": "2026-03-01T12:00:00Z",
        "accessed": "2026-03-01T12:00:01Z",
        "modified": "2026-03-01T12:00:02Z",
        "parent": None,
        "depth": 0,
        "children": [],
        "snapshots": [],
        "hidden_snapshots": [],
        "snapshot_limit": None,
        "group": None,
        "watchers": [],
        "lock": None,
        "config": {},
        "metadata": {},
        "usage": None,
        "mirroring": None,
    }


def test_an_image_with_everything() -> None:
    shown = replace(
        IMAGE,
        flags=3,
        layout=Layout(1 << 20, 4096, 8, "data"),
        parent=Parent(ImageSpec("golden", "", "debian", "v1"), "77aa", 4096, in_trash=True),
        depth=2,
        children=(Clone(Child(ImageSpec("vms", "n", "vm"), in_trash=True), "88bb", "s1"),),
        snapshot_limit=7,
        group="rbd/g",
        watchers=(Watcher("10.0.0.5:0/1", "client.7"),),
        lock=Lock(exclusive=True, tag="internal", holders=(("client.7", "auto 1", "10.0.0.5:0/1"),)),
        config={"rbd_cache": "false"},
        metadata={"owner": "app"},
        mirroring=Mirroring("journal", "disabling", primary=False, global_id="99cc"),
    ).result()
    plain = IMAGE.result()
    assert {name: value for name, value in shown.items() if value != plain[name]} == {
        "flags": ["object-map-invalid", "fast-diff-invalid"],
        "object_size": 1 << 20,
        "stripe_unit": 4096,
        "stripe_count": 8,
        "data_pool": "data",
        "parent": {"image": "golden/debian@v1", "image_id": "77aa", "overlap": 4096, "in_trash": True},
        "depth": 2,
        "children": [{"image": "vms/n/vm", "image_id": "88bb", "snapshot": "s1", "in_trash": True}],
        "snapshot_limit": 7,
        "group": "rbd/g",
        "watchers": [{"client": "client.7", "address": "10.0.0.5:0/1"}],
        "lock": {
            "exclusive": True,
            "automatic": True,
            "tag": "internal",
            "lockers": [{"client": "client.7", "address": "10.0.0.5:0/1", "cookie": "auto 1"}],
        },
        "config": {"rbd_cache": "false"},
        "metadata": {"owner": "app"},
        "mirroring": {"mode": "journal", "state": "disabling", "primary": False, "global_id": "99cc"},
    }


def test_the_users_snapshots_are_told_apart_from_the_hidden_ones() -> None:
    snapshots = (
        Snapshot(4, "s1", 512, NOON, protected=True),
        Snapshot(5, "7f-11", 512, NOON, "trash", original_name="s0"),
        Snapshot(6, ".group.2", 512, NOON, "group", original_name="g1", group="rbd/g"),
    )
    shown = replace(IMAGE, snapshots=snapshots, usage=Usage(1, {4: 2}, "fast-diff")).result()
    common = {"size": 512, "created": "2026-03-01T12:00:00Z"}
    assert shown["snapshots"] == [{"name": "s1", "id": 4, **common, "protected": True, "used": 2}]
    assert shown["hidden_snapshots"] == [
        {"name": "7f-11", "id": 5, **common, "namespace": "trash", "original_name": "s0", "group": None},
        {"name": ".group.2", "id": 6, **common, "namespace": "group", "original_name": "g1", "group": "rbd/g"},
    ]


def test_what_was_not_counted_is_null_and_never_nothing() -> None:
    image = replace(IMAGE, snapshots=(Snapshot(4, "s1", 512, NOON),))
    not_asked = image.result()
    not_known = replace(image, usage=Usage(reason="it is broken")).result()
    for shown in (not_asked, not_known):
        assert shown["snapshots"][0]["used"] is None
    assert not_asked["usage"] is None
    assert not_known["usage"] == {"head": None, "total": None, "method": None, "reason": "it is broken"}


def test_the_total_is_the_head_and_all_snapshots() -> None:
    assert Usage(1, {4: 10, 5: 100}, "objects").result() == {
        "head": 1,
        "total": 111,
        "method": "objects",
        "reason": None,
    }
    assert Usage(0, {}, "objects").result()["total"] == 0


def test_a_lock_by_hand_is_not_the_one_of_exclusive_lock() -> None:
    assert not Lock(exclusive=False, tag="", holders=()).automatic


@pytest.mark.parametrize(
    ("features", "flags", "reason"),
    [
        (DEFAULT_FEATURES, 0, None),
        (DEFAULT_FEATURES & ~0x10, 0, "rbd/app is without the feature fast-diff"),
        (DEFAULT_FEATURES, 1, "the object map of rbd/app is invalid"),
        (DEFAULT_FEATURES, 2, "the object map of rbd/app is invalid"),
    ],
)
def test_fast_diff_is_trusted_only_where_it_is_there_and_valid(features: int, flags: int, reason: str | None) -> None:
    found = uncountable(APP, features, flags)
    assert (found is None) == (reason is None)
    assert (found or "").startswith(reason or "")


def test_an_image_that_does_not_exist_and_one_that_cannot_be_read() -> None:
    names = {"image": "rbd/app", "pool": "rbd", "namespace": "", "name": "app"}
    assert ImageReport(APP, None).result() == {**names, "exists": False, "error": None}
    broken = ImageReport(APP, None, RbdError("look at rbd/app", "it is broken")).result()
    assert broken == {**names, "exists": True, "error": "Cannot look at rbd/app: it is broken."}


def test_an_entry_of_the_trash() -> None:
    assert TrashEntry(ImageSpec("rbd", "n", "old"), "1a2b", "USER", NOON, LATER).result() == {
        "image": "rbd/n/old",
        "pool": "rbd",
        "namespace": "n",
        "name": "old",
        "image_id": "1a2b",
        "source": "USER",
        "deleted": "2026-03-01T12:00:00Z",
        "kept_until": "2026-03-01T12:00:02Z",
    }


def test_times_are_utc_whether_or_not_librbd_says_so() -> None:
    assert iso(NOON) == "2026-03-01T12:00:00Z"
    assert iso(NOON.replace(tzinfo=timezone(timedelta(hours=2)))) == "2026-03-01T10:00:00Z"
