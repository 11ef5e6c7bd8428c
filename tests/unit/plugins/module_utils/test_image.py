# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of images: what it makes of each state, and that it never removes what is in use."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._image import outcome, plan_image
from ansible_collections.cephclient.rbd.plugins.module_utils._image_actions import (
    CreateImage,
    GrowImage,
    PurgeSnapshots,
    RemoveImage,
    TrashImage,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Child, ImageFacts, Watcher
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._image_wish import ImageCurrent, ImageRequest
from ansible_collections.cephclient.rbd.plugins.module_utils._krbd_device import KrbdDevice
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils import support
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.image_values import (
    CHILD,
    GIB,
    OLD,
    SOMEBODY,
    absent,
    images,
    present,
    quick,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import APP, device, facts

states = st.none() | images
mappings = st.lists(support.devices, max_size=2).map(tuple)
TRASHED = ImageRequest(APP, "trashed")


class TestPresent:
    def test_creates_what_is_missing(self) -> None:
        (action,) = plan_image(3, present(size=GIB), ImageCurrent())
        assert isinstance(action, CreateImage)
        assert (action.index, action.subject, action.spec, action.facts.size) == (3, "rbd/app", APP, GIB)
        assert action.before() == "absent"
        assert action.after().startswith("image of 1 GiB, ")
        assert action.result()["action"] == "create"
        assert action.result()["subject"] == "rbd/app"
        assert action.result()["size"] == GIB

    def test_without_a_size_the_image_must_exist(self) -> None:
        with pytest.raises(RbdError, match=r"^Cannot find the image rbd/app: .* no size is given .*20G\.$"):
            plan_image(0, present(), ImageCurrent())
        assert plan_image(0, present(), ImageCurrent(facts())) == []

    def test_use_does_not_matter_where_nothing_changes(self) -> None:
        busy = facts(snapshots=("one",), watchers=(SOMEBODY,))
        assert plan_image(0, present(size=GIB), ImageCurrent(busy, (device(),))) == []

    def test_an_image_that_is_there_is_not_made_again(self) -> None:
        current = ImageCurrent(facts(), obstacle=("the pool is full", "Add storage."))
        assert plan_image(0, present(size=GIB), current) == []

    def test_two_images_are_not_taken_for_one_that_was_renamed(self) -> None:
        both = ImageCurrent(facts(), former=facts(image_id="ffff"))
        with pytest.raises(RbdError, match=r"^Cannot rename rbd/old to rbd/app: both names are there, as two images\."):
            plan_image(0, present(renamed_from=OLD), both)
        assert plan_image(0, present(), both) == []

    def test_a_name_of_the_past_does_not_matter_any_more(self) -> None:
        assert plan_image(0, present(renamed_from=OLD), ImageCurrent(facts())) == []


class TestAbsent:
    @quick
    @given(states, mappings, st.booleans())
    def test_removes_only_what_nobody_uses(
        self, image: ImageFacts | None, mapped: tuple[KrbdDevice, ...], purge: bool
    ) -> None:
        used = image is not None and bool(
            mapped
            or image.watchers
            or image.children
            or image.hidden_snapshots
            or (image.snapshots and (not purge or image.children is None))
        )
        actions = support.outcome(lambda: plan_image(0, absent(purge_snapshots=purge), ImageCurrent(image, mapped)))
        assert isinstance(actions, RbdError) == used
        assert used or bool(actions) == (image is not None)

    def test_names_the_device_that_maps_it(self) -> None:
        with pytest.raises(RbdError, match=r"mapped on this host as /dev/rbd3"):
            plan_image(0, absent(), ImageCurrent(facts(), (device(number=3),)))

    def test_in_check_mode_a_mapping_may_be_gone_by_then(self) -> None:
        mapped = ImageCurrent(facts(watchers=(SOMEBODY,)), (device(),))
        assert len(plan_image(0, absent(), mapped, check_mode=True)) == 1

    def test_in_check_mode_somebody_elsewhere_is_there_all_the_same(self) -> None:
        with pytest.raises(RbdError, match=r"it is in use by client\.7"):
            plan_image(0, absent(), ImageCurrent(facts(watchers=(SOMEBODY,))), check_mode=True)

    def test_names_each_watcher(self) -> None:
        watched = facts(watchers=(Watcher("10.0.0.5:0/1", "client.7"), Watcher("10.0.0.6:0/1", "client.8")))
        with pytest.raises(RbdError, match=r"client\.7 at 10.0.0.5:0/1, client.8 at 10.0.0.6:0/1"):
            plan_image(0, absent(), ImageCurrent(watched))

    def test_names_the_snapshots(self) -> None:
        with pytest.raises(RbdError, match="has snapshots: one, two"):
            plan_image(0, absent(), ImageCurrent(facts(snapshots=("one", "two"))))

    @pytest.mark.parametrize("purge", [True, False])
    def test_names_the_clones_and_leaves_their_parent_alone(self, purge: bool) -> None:
        gone = Child(ImageSpec("vms", "test", "db"), in_trash=True)
        parent = replace(facts(snapshots=("one",)), children=(CHILD, gone))
        with pytest.raises(RbdError, match=r"its snapshots have clones: vms/web, vms/test/db \(in the trash\)"):
            plan_image(0, absent(purge_snapshots=purge), ImageCurrent(parent))

    def test_purges_no_snapshot_whose_clones_nobody_can_see(self) -> None:
        unknown = replace(facts(snapshots=("one",)), children=None)
        with pytest.raises(RbdError, match="whether its snapshots have clones cannot be told"):
            plan_image(0, absent(purge_snapshots=True), ImageCurrent(unknown))
        assert len(plan_image(0, absent(), ImageCurrent(replace(facts(), children=None)))) == 1

    @pytest.mark.parametrize("purge", [True, False])
    def test_does_not_purge_what_no_user_made(self, purge: bool) -> None:
        with pytest.raises(RbdError, match="it has snapshots of a group, of mirroring, or removed ones"):
            plan_image(0, absent(purge_snapshots=purge), ImageCurrent(replace(facts(), hidden_snapshots=1)))

    def test_purges_the_protected_ones_too(self) -> None:
        image = replace(facts(snapshots=("one", "two")), protected=("two",))
        purge, remove = plan_image(1, absent(purge_snapshots=True), ImageCurrent(image))
        assert purge == PurgeSnapshots(1, "rbd/app", APP, ("one", "two"), ("two",))
        assert (purge.before(), purge.after()) == ("snapshots one, two", "no snapshots")
        assert purge.result()["snapshots"] == ["one", "two"]
        assert remove.kind == "remove"
        left = outcome([purge], image)
        assert left is not None
        assert (left.snapshots, left.protected) == ((), ())

    def test_shows_what_is_lost(self) -> None:
        (action,) = plan_image(0, absent(), ImageCurrent(facts(GIB)))
        assert (action.kind, action.before(), action.after()) == ("remove", "image of 1 GiB", "absent")
        assert outcome([action], facts(GIB)) is None

    def test_what_is_not_there_is_left_so(self) -> None:
        assert plan_image(0, absent(), ImageCurrent()) == []


class TestTrashed:
    def test_moves_it_there_with_its_snapshots(self) -> None:
        request = replace(TRASHED, retention=7 * 86400)
        (action,) = plan_image(0, request, ImageCurrent(facts(snapshots=("one",))))
        assert isinstance(action, TrashImage)
        assert (action.before(), action.after()) == ("image of 1 GiB", "in the trash, kept for 604800 s")
        assert action.result() == {"action": "trash", "subject": "rbd/app", "retention": 604800}
        assert outcome([action], facts()) is None

    def test_without_a_retention_it_says_nothing_of_one(self) -> None:
        (action,) = plan_image(0, TRASHED, ImageCurrent(facts()))
        assert action.after() == "in the trash"

    def test_what_is_not_there_is_left_so(self) -> None:
        assert plan_image(0, TRASHED, ImageCurrent()) == []

    @pytest.mark.parametrize(
        ("current", "cause"),
        [
            (ImageCurrent(facts(watchers=(SOMEBODY,))), "it is in use by client.7"),
            (ImageCurrent(facts(), (device(number=2),)), "it is mapped on this host as /dev/rbd2"),
        ],
        ids=["watched", "mapped"],
    )
    def test_never_from_under_whoever_uses_it(self, current: ImageCurrent, cause: str) -> None:
        with pytest.raises(RbdError, match=f"^Cannot move rbd/app to the trash: {cause}"):
            plan_image(0, TRASHED, current)


def test_the_outcome_follows_every_step() -> None:
    steps = [
        CreateImage(0, "rbd/app", APP, facts(GIB, image_id="")),
        GrowImage(0, "rbd/app", APP, GIB, 2 * GIB),
        RemoveImage(0, "rbd/app", APP, 2 * GIB),
    ]
    after = [outcome(steps[:number], None) for number in range(4)]
    assert [image and image.size for image in after] == [None, GIB, 2 * GIB, None]
