# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of images: it never shrinks, never replaces, never removes what is in use."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._image import (
    CreateImage,
    GrowImage,
    ImageRequest,
    RemoveImage,
    plan_image,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import ImageFacts, Watcher
from ansible_collections.cephclient.rbd.plugins.module_utils._krbd_device import KrbdDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._plan import Action
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils import support
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    device,
    facts,
    is_sentence,
    outcome,
)

GIB = 1 << 30

requests = st.builds(ImageRequest, st.just(APP), st.sampled_from(["present", "absent"]), st.none() | support.sizes)
states = st.none() | support.image_facts
mappings = st.lists(support.devices, max_size=2)


def present(size: int | None) -> ImageRequest:
    return ImageRequest(APP, "present", size)


ABSENT = ImageRequest(APP, "absent", None)


def applied(actions: Sequence[Action], image: ImageFacts | None) -> ImageFacts | None:
    """What the cluster holds afterwards."""
    for action in actions:
        if isinstance(action, CreateImage):
            assert image is None, "would be created over an image"
            image = facts(action.size)
        elif isinstance(action, GrowImage):
            assert image is not None
            assert action.size > image.size, "would shrink"
            image = facts(action.size, image_id=image.image_id)
        else:
            assert isinstance(action, RemoveImage)
            image = None
    return image


class TestAnyRequest:
    @given(requests, states, mappings)
    def test_is_planned_or_refused_and_is_done_after_one_run(
        self, wish: ImageRequest, image: ImageFacts | None, mapped: list[KrbdDevice]
    ) -> None:
        actions = outcome(lambda: plan_image(0, wish, image, mapped))
        if isinstance(actions, RbdError):
            assert is_sentence(actions)
            return
        after = applied(actions, image)
        assert plan_image(0, wish, after, mapped if after else ()) == []

    @given(states, mappings)
    def test_removes_only_what_nobody_uses(self, image: ImageFacts | None, mapped: list[KrbdDevice]) -> None:
        used = image is not None and bool(mapped or image.watchers or image.snapshots)
        actions = outcome(lambda: plan_image(0, ABSENT, image, mapped))
        assert isinstance(actions, RbdError) == used
        assert used or bool(actions) == (image is not None)


class TestPresent:
    def test_creates_what_is_missing(self) -> None:
        (action,) = plan_image(3, present(GIB), None)
        assert action == CreateImage(3, "rbd/app", APP, GIB)
        assert (action.before(), action.after()) == ("absent", "image of 1 GiB")
        assert action.result() == {"action": "create", "subject": "rbd/app", "size": GIB}

    def test_without_a_size_the_image_must_exist(self) -> None:
        with pytest.raises(RbdError, match=r"^Cannot find the image rbd/app: .* no size is given .*20G\.$"):
            plan_image(0, present(None), None)
        assert plan_image(0, present(None), facts()) == []

    def test_grows_what_is_smaller(self) -> None:
        (action,) = plan_image(0, present(2 * GIB), facts(GIB))
        assert (action.before(), action.after()) == ("image of 1 GiB", "image of 2 GiB")

    def test_never_shrinks_by_as_little_as_a_byte(self) -> None:
        with pytest.raises(RbdError, match="destroys data"):
            plan_image(0, present(GIB - 1), facts(GIB))

    def test_use_does_not_matter(self) -> None:
        busy = facts(snapshots=("one",), watchers=(Watcher("10.0.0.5:0/1", "client.7"),))
        assert plan_image(0, present(GIB), busy, [device()]) == []


class TestAbsent:
    def test_names_the_device_that_maps_it(self) -> None:
        with pytest.raises(RbdError, match=r"mapped on this host as /dev/rbd3"):
            plan_image(0, ABSENT, facts(), [device(number=3)])

    def test_names_each_watcher(self) -> None:
        watched = facts(watchers=(Watcher("10.0.0.5:0/1", "client.7"), Watcher("10.0.0.6:0/1", "client.8")))
        with pytest.raises(RbdError, match=r"client\.7 at 10.0.0.5:0/1, client.8 at 10.0.0.6:0/1"):
            plan_image(0, ABSENT, watched)

    def test_names_the_snapshots(self) -> None:
        with pytest.raises(RbdError, match="has snapshots: one, two"):
            plan_image(0, ABSENT, facts(snapshots=("one", "two")))

    def test_shows_what_is_lost(self) -> None:
        (action,) = plan_image(0, ABSENT, facts(GIB))
        assert (action.kind, action.before(), action.after()) == ("remove", "image of 1 GiB", "absent")
