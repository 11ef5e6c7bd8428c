# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_info from its parameters to its result."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import (
    ClusterUnavailable,
    ClusterUnprepared,
    RbdError,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Layout
from ansible_collections.cephclient.rbd.plugins.module_utils._image_report import (
    ImageDetails,
    Times,
    TrashEntry,
    Wish,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.info import InfoOperation
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import Run, run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence

NOON = datetime(2026, 3, 1, 12)  # as librbd gives it
DETAILS = ImageDetails("1a2b", 512, 1, "rbd_data.1a2b", 1, 0, Layout(), Times(NOON, NOON, NOON))


@dataclass
class FakeReader:
    """A cluster of some images by image-spec; a None is listed but cannot be opened, an error is raised.

    :ivar vanishing: images that are gone when they are looked at.
    """

    held: dict[str, ImageDetails | RbdError | None] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    vanishing: tuple[str, ...] = ()
    trashed: tuple[TrashEntry, ...] = ()
    refusal: RbdError | None = None
    wishes: list[Wish] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)

    def namespaces(self, pool: str) -> tuple[str, ...]:
        assert pool == "rbd"
        return self.names

    def images(self, place: ImageSpec) -> tuple[ImageSpec, ...]:
        if self.refusal is not None:
            raise self.refusal
        first = place.pool_path not in self.listed
        self.listed.append(place.pool_path)
        specs = [ImageSpec.parse(name) for name in [*self.held, *(self.vanishing if first else ())]]
        return tuple(spec for spec in specs if spec.pool_path == place.pool_path)

    def trash(self, place: ImageSpec) -> tuple[TrashEntry, ...]:
        return tuple(entry for entry in self.trashed if entry.spec.pool_path == place.pool_path)

    def read(self, spec: ImageSpec, wish: Wish) -> ImageDetails | None:
        if self.refusal is not None:
            raise self.refusal
        self.wishes.append(wish)
        found = self.held.get(str(spec))
        if isinstance(found, RbdError):
            raise found
        return found


def tell(reader: FakeReader, check: bool = False, **options: Any) -> Run:
    names = ("image", "images", "pool", "namespace", "all_namespaces")
    params = {**dict.fromkeys(names), "usage": "fast", "children": True, **options}
    return run(lambda module, *_rest: InfoOperation(module, reader, {"image": {}}), FakeHost(), params, check)


def shown(end: Run) -> list[tuple[str, bool, bool]]:
    """Each image, whether it exists, and whether it was read."""
    return [(image["image"], image["exists"], "size" in image) for image in end.result["images"]]


@pytest.mark.parametrize("check", [True, False])
def test_named_images_are_told_in_their_order_and_a_missing_one_is_no_failure(check: bool) -> None:
    reader = FakeReader({"rbd/a": DETAILS, "rbd/n/b": replace(DETAILS, size=1024)})
    end = tell(reader, check, images=[{"image": "rbd/n/b"}, {"image": "none"}, {"image": "a"}])
    assert (end.failed, end.result["changed"], end.warnings) == (False, False, [])
    assert shown(end) == [("rbd/n/b", True, True), ("rbd/none", False, False), ("rbd/a", True, True)]
    assert [image.get("size") for image in end.result["images"]] == [1024, None, 512]
    assert end.result["trash"] == []


def test_a_single_image_is_a_list_of_one() -> None:
    assert shown(tell(FakeReader({"rbd/a": DETAILS}), image="a")) == [("rbd/a", True, True)]


def test_what_is_wished_is_passed_on() -> None:
    reader = FakeReader({"rbd/a": DETAILS})
    tell(reader, image="a", usage="never", children=False)
    assert reader.wishes == [Wish("never", children=False)]


def test_all_images_of_a_pool_and_its_trash() -> None:
    old = TrashEntry(ImageSpec("rbd", "", "old"), "77aa", "USER", NOON, NOON)
    other = TrashEntry(ImageSpec("rbd", "n", "old"), "88bb", "USER", NOON, NOON)
    reader = FakeReader({"rbd/a": DETAILS, "rbd/n/b": DETAILS, "x/c": DETAILS}, ("n",), trashed=(old, other))

    own = tell(reader, pool="rbd")
    assert (shown(own), own.result["trash"]) == ([("rbd/a", True, True)], [old.result()])
    one = tell(reader, pool="rbd", namespace="n")
    assert (shown(one), one.result["trash"]) == ([("rbd/n/b", True, True)], [other.result()])
    every = tell(reader, pool="rbd", all_namespaces=True)
    assert shown(every) == [("rbd/a", True, True), ("rbd/n/b", True, True)]
    assert every.result["trash"] == [old.result(), other.result()]


def test_an_image_of_a_pool_that_vanishes_meanwhile_is_left_out() -> None:
    end = tell(FakeReader({"rbd/a": DETAILS}, vanishing=("rbd/gone",)), pool="rbd")
    assert (shown(end), end.warnings) == ([("rbd/a", True, True)], [])


def test_an_image_of_a_pool_that_cannot_be_read_does_not_hide_the_others() -> None:
    broken = RbdError("look at rbd/b", "its header is broken", "Look at it.")
    end = tell(FakeReader({"rbd/a": DETAILS, "rbd/b": broken, "rbd/c": None}), pool="rbd")
    assert not end.failed
    assert shown(end) == [("rbd/a", True, True), ("rbd/b", True, False), ("rbd/c", True, False)]
    errors = [image["error"] for image in end.result["images"]]
    assert errors[:2] == [None, str(broken)]
    assert "repeat that with 'rbd rm rbd/c'" in errors[2]
    assert is_sentence(Exception(errors[2]))
    assert end.warnings == [f"2 of 3 images could not be read, the first: {broken}"]


def test_a_named_image_that_cannot_be_read_is_a_failure() -> None:
    broken = RbdError("look at rbd/b", "its header is broken", "Look at it.")
    reader = FakeReader({"rbd/a": DETAILS, "rbd/b": broken, "rbd/c": None})
    end = tell(reader, images=[{"image": "a"}, {"image": "b"}, {"image": "c"}, {"image": "none"}])
    assert end.failed
    assert [(failure["index"], failure["item"]) for failure in end.result["failures"]] == [(1, "rbd/b"), (2, "rbd/c")]


def test_the_pools_of_missing_images_are_listed_once_each() -> None:
    reader = FakeReader()
    tell(reader, images=[{"image": "a"}, {"image": "b"}, {"image": "x/c"}])
    assert sorted(reader.listed) == ["rbd", "x"]


def test_what_is_no_image_is_refused_before_the_cluster_is_asked() -> None:
    reader = FakeReader()
    end = tell(reader, images=[{"image": "a/b/c/d"}, {"image": "a@snap"}])
    assert [failure["index"] for failure in end.result["failures"]] == [0, 1]
    assert "told with their image" in end.result["failures"][1]["msg"]
    assert reader.wishes == []


@pytest.mark.parametrize("options", [{"pool": "rbd"}, {"image": "a"}])
def test_a_cluster_that_is_away_is_a_failure(options: dict[str, Any]) -> None:
    away = ClusterUnavailable("reach the cluster", "it is away")
    for check in (True, False):
        end = tell(FakeReader(refusal=away), check, **options)
        assert (end.failed, end.result["msg"]) == (True, str(away))


def test_check_mode_before_the_host_is_prepared_warns() -> None:
    reader = FakeReader(refusal=ClusterUnprepared("reach the cluster", "there is no ceph.conf"))
    end = tell(reader, check=True, image="a")
    assert (end.failed, shown(end)) == (False, [("rbd/a", False, False)])
    assert "there is no ceph.conf" in end.warnings[0]
    assert tell(reader, check=True, pool="rbd").result["images"] == []
    assert tell(reader, image="a").failed


def test_an_empty_list_and_an_empty_pool_have_no_images() -> None:
    for options in ({"images": []}, {"pool": "rbd"}):
        end = tell(FakeReader(), **options)
        assert (end.failed, end.result["images"]) == (False, [])
