# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is changed about an image, what cannot be, and what not while somebody uses it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._features import feature_names
from ansible_collections.cephclient.rbd.plugins.module_utils._image import outcome, plan_image
from ansible_collections.cephclient.rbd.plugins.module_utils._image_actions import (
    ChangeFeatures,
    ChangeSettings,
    FlattenImage,
    GrowImage,
    ImageAction,
    ShrinkImage,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import ImageFacts, Layout
from ansible_collections.cephclient.rbd.plugins.module_utils._image_wish import ImageCurrent, LayoutWish
from ansible_collections.cephclient.rbd.plugins.module_utils._settings import SettingsWish
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.image_values import (
    GIB,
    KIB,
    MIB,
    OTHER_PARENT,
    PARENT,
    SOMEBODY,
    mask,
    present,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    DEFAULT_FEATURES,
    device,
    facts,
)

CLONE = replace(facts(), parent=PARENT)
STRIPED = replace(facts(), layout=Layout(4 * MIB, 64 * KIB, 4, "data"))
LOCKED = mask("layering", "exclusive-lock")
MAPPED = mask("layering", "exclusive-lock", "object-map", "fast-diff")


def steps(image: ImageFacts, **wish: Any) -> list[ImageAction]:
    return list(plan_image(0, present(**wish), ImageCurrent(image)))


def settings(**given: str | None) -> SettingsWish:
    return SettingsWish(given)


def in_use(image: ImageFacts) -> list[Any]:
    """The image as somebody elsewhere, and as this host uses it, each with what the refusal says."""
    return [
        (ImageCurrent(replace(image, watchers=(SOMEBODY,))), r"it is in use by client\.7 at 10\.0\.0\.5:0/1"),
        (ImageCurrent(image, (device(number=3),)), "it is mapped on this host as /dev/rbd3"),
    ]


class TestSize:
    def test_grows_what_is_smaller(self) -> None:
        (action,) = steps(facts(GIB), size=2 * GIB)
        assert action == GrowImage(0, "rbd/app", APP, GIB, 2 * GIB)
        assert (action.before(), action.after()) == ("image of 1 GiB", "image of 2 GiB")
        assert action.result() == {"action": "grow", "subject": "rbd/app", "size": 2 * GIB}

    def test_grows_what_is_in_use(self) -> None:
        for current, _cause in in_use(facts(GIB)):
            assert [action.kind for action in plan_image(0, present(size=2 * GIB), current)] == ["grow"]

    def test_never_shrinks_by_as_little_as_a_byte(self) -> None:
        with pytest.raises(RbdError, match=r"^Cannot resize rbd/app: it has 1 GiB, .* destroys data\."):
            steps(facts(GIB), size=GIB - 1)

    def test_shrinks_if_told_so(self) -> None:
        (action,) = steps(facts(GIB), size=GIB - 1, shrink=True)
        assert action == ShrinkImage(0, "rbd/app", APP, GIB, GIB - 1)
        assert action.result()["action"] == "shrink"

    def test_may_shrink_does_not_mean_that_it_shall(self) -> None:
        assert steps(facts(GIB), shrink=True) == steps(facts(GIB), size=GIB, shrink=True) == []

    @pytest.mark.parametrize(("current", "cause"), in_use(facts(GIB)), ids=["watched", "mapped"])
    def test_never_shrinks_what_is_in_use(self, current: ImageCurrent, cause: str) -> None:
        with pytest.raises(RbdError, match=f"^Cannot shrink rbd/app: {cause}"):
            plan_image(0, present(size=MIB, shrink=True), current)


class TestFeatures:
    def test_exactly_those_declared_are_on(self) -> None:
        (action,) = steps(facts(features=MAPPED), features=mask("layering", "exclusive-lock", "journaling"))
        assert isinstance(action, ChangeFeatures)
        assert action.before() == "features layering exclusive-lock object-map fast-diff"
        assert action.after() == "features layering exclusive-lock journaling"
        assert action.result()["enabled"] == ["journaling"]
        assert action.result()["disabled"] == ["object-map", "fast-diff"]

    def test_those_of_librbd_itself_are_left_alone(self) -> None:
        own = mask("striping", "data-pool", "operations", "migrating", "non-primary", "dirty-cache")
        assert steps(facts(features=LOCKED | own), features=LOCKED) == []
        (action,) = steps(facts(features=LOCKED | own), features=mask("layering"))
        after = action.outcome(facts(features=LOCKED | own))
        assert after is not None
        assert after.features == mask("layering") | own

    @pytest.mark.parametrize(
        ("had", "wished", "cause"),
        [
            (LOCKED, mask("exclusive-lock"), "layering cannot be disabled once an image exists"),
            (mask("exclusive-lock"), LOCKED, "layering cannot be enabled once an image exists"),
            (LOCKED, LOCKED | mask("deep-flatten"), "deep-flatten can only be given to a new image"),
        ],
    )
    def test_what_is_fixed_is_refused(self, had: int, wished: int, cause: str) -> None:
        with pytest.raises(RbdError, match=f"^Cannot change the features of rbd/app: {cause}"):
            steps(facts(features=had), features=wished)

    def test_deep_flatten_can_be_taken_away(self) -> None:
        (action,) = steps(facts(features=LOCKED | mask("deep-flatten")), features=LOCKED)
        assert action.result()["disabled"] == ["deep-flatten"]

    @pytest.mark.parametrize(("current", "cause"), in_use(facts()), ids=["watched", "mapped"])
    def test_not_while_it_is_in_use(self, current: ImageCurrent, cause: str) -> None:
        with pytest.raises(RbdError, match=f"^Cannot change the features of rbd/app: {cause}"):
            plan_image(0, present(features=LOCKED), current)
        assert plan_image(0, present(features=DEFAULT_FEATURES), current) == []


class TestObjectMap:
    def test_is_rebuilt_once_it_is_enabled(self) -> None:
        actions = steps(facts(features=LOCKED), features=MAPPED)
        assert [action.kind for action in actions] == ["change_features", "rebuild_object_map"]
        enabled = actions[0].outcome(facts(features=LOCKED))
        assert enabled is not None
        assert enabled.flags == 3
        assert outcome(actions, facts(features=LOCKED)) == facts(features=MAPPED)

    @pytest.mark.parametrize("flags", [1, 2, 3])
    def test_is_rebuilt_where_it_is_invalid(self, flags: int) -> None:
        invalid = replace(facts(features=MAPPED), flags=flags)
        (action,) = steps(invalid, features=MAPPED)
        assert (action.before(), action.after()) == ("object map invalid", "object map valid")
        assert action.outcome(invalid) == facts(features=MAPPED)

    def test_is_left_invalid_where_nobody_wishes_it(self) -> None:
        assert steps(replace(facts(features=MAPPED), flags=3)) == []

    def test_is_not_rebuilt_where_it_goes(self) -> None:
        actions = steps(replace(facts(features=MAPPED), flags=3), features=LOCKED)
        assert [action.kind for action in actions] == ["change_features"]
        assert outcome(actions, replace(facts(features=MAPPED), flags=3)) == facts(features=LOCKED)

    def test_stays_invalid_while_other_features_change(self) -> None:
        invalid = replace(facts(features=MAPPED), flags=3)
        actions = steps(invalid, features=MAPPED | mask("journaling"))
        assert [action.kind for action in actions] == ["change_features", "rebuild_object_map"]


class TestLayout:
    @pytest.mark.parametrize(
        ("wish", "name", "created_with"),
        [
            (LayoutWish(object_size=MIB), "object_size", "4 MiB"),
            (LayoutWish(stripe_unit=MIB, stripe_count=4), "stripe_unit", "64 KiB"),
            (LayoutWish(stripe_unit=64 * KIB, stripe_count=8), "stripe_count", "4"),
            (LayoutWish(data_pool="rbd"), "data_pool", "data"),
        ],
        ids=str,
    )
    def test_is_never_changed(self, wish: LayoutWish, name: str, created_with: str) -> None:
        match = f"^Cannot change {name} of rbd/app: it was created with {created_with}, and that cannot be changed"
        with pytest.raises(RbdError, match=match):
            steps(STRIPED, layout=wish)

    def test_may_be_declared_as_it_is(self) -> None:
        assert steps(STRIPED, layout=LayoutWish(4 * MIB, 64 * KIB, 4, "data")) == []
        assert steps(facts(), layout=LayoutWish(data_pool="rbd")) == []


class TestParent:
    def test_is_declared_as_it_is(self) -> None:
        assert steps(CLONE, parent=PARENT) == steps(CLONE) == []

    @pytest.mark.parametrize("flatten", [True, False])
    def test_is_never_another_one(self, flatten: bool) -> None:
        with pytest.raises(RbdError, match=r"a clone of rbd/golden@two: it is a clone of rbd/golden@one\."):
            steps(CLONE, parent=OTHER_PARENT, flatten=flatten)

    def test_is_not_given_to_what_has_none(self) -> None:
        with pytest.raises(RbdError, match=r"^Cannot make rbd/app a clone of rbd/golden@one: it is there already"):
            steps(facts(), parent=PARENT)

    def test_is_gone_once_flattened(self) -> None:
        (action,) = steps(CLONE, parent=PARENT, flatten=True)
        assert action == FlattenImage(0, "rbd/app", APP, PARENT)
        assert (action.before(), action.after()) == ("clone of rbd/golden@one", "no clone")
        assert action.result()["parent"] == "rbd/golden@one"
        flat = action.outcome(CLONE)
        assert flat == facts()
        assert steps(facts(), parent=PARENT, flatten=True) == steps(facts(), flatten=True) == []


class TestSettings:
    def test_what_differs_is_set_and_shown(self) -> None:
        image = replace(facts(), config={"a": "1", "b": "2"}, metadata={"x": "1"})
        config, metadata = steps(
            image, config=settings(a="1", b="3", c="4", d=None), metadata=SettingsWish({"y": "2"}, purge=True)
        )
        assert isinstance(config, ChangeSettings)
        assert (config.before(), config.after()) == ("config b=2, c not set", "config b=3, c=4")
        assert config.result() == {"action": "set_config", "subject": "rbd/app", "config": {"b": "3", "c": "4"}}
        assert (metadata.before(), metadata.after()) == ("metadata x=1, y not set", "metadata x not set, y=2")
        assert metadata.result()["action"] == "set_metadata"
        after = outcome([config, metadata], image)
        assert after is not None
        assert (after.config, after.metadata) == ({"a": "1", "b": "3", "c": "4"}, {"y": "2"})

    def test_what_librbd_does_not_know_is_refused(self) -> None:
        current = ImageCurrent(facts(), config_faults={"rbd_cach": "librbd has no such option"})
        with pytest.raises(RbdError, match=r"^Cannot set the config rbd_cach of rbd/app: librbd has no such option\."):
            plan_image(0, present(config=settings(rbd_cach="1")), current)

    def test_what_librbd_does_not_know_can_be_taken_away(self) -> None:
        current = ImageCurrent(replace(facts(), config={"old": "1"}), config_faults={"old": "no such option"})
        assert len(plan_image(0, present(config=settings(old=None)), current)) == 1

    def test_faults_of_what_is_not_changed_do_not_matter(self) -> None:
        current = ImageCurrent(replace(facts(), config={"old": "1"}), config_faults={"old": "no such option"})
        assert plan_image(0, present(config=settings(old="1")), current) == []
        assert len(plan_image(0, present(config=settings(new="1")), current)) == 1

    def test_metadata_may_have_the_name_of_a_fault(self) -> None:
        current = ImageCurrent(facts(), config_faults={"os": "no such option"})
        assert len(plan_image(0, present(metadata=settings(os="debian")), current)) == 1

    def test_are_set_while_the_image_is_in_use(self) -> None:
        for current, _cause in in_use(facts()):
            assert len(plan_image(0, present(metadata=settings(a="1")), current)) == 1


def test_the_steps_follow_each_other() -> None:
    image = replace(facts(GIB, features=LOCKED), parent=PARENT, config={}, metadata={})
    actions = steps(
        image, flatten=True, size=2 * GIB, features=MAPPED, config=settings(a="1"), metadata=settings(b="2")
    )
    assert [action.result()["action"] for action in actions] == [
        "flatten",
        "grow",
        "change_features",
        "rebuild_object_map",
        "set_config",
        "set_metadata",
    ]
    after = outcome(actions, image)
    assert after is not None
    assert (after.parent, after.size, after.flags) == (None, 2 * GIB, 0)
    assert feature_names(after.features) == ("layering", "exclusive-lock", "object-map", "fast-diff")
