# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an image comes to be, which way comes first, and what librbd will report of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._features import feature_names
from ansible_collections.cephclient.rbd.plugins.module_utils._image import plan_image
from ansible_collections.cephclient.rbd.plugins.module_utils._image_actions import (
    CloneImage,
    CreateImage,
    ImageAction,
    ImportImage,
    MakeImage,
    RenameImage,
    RestoreImage,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Layout
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._image_wish import (
    ImageCurrent,
    ImageDefaults,
    LayoutWish,
    ParentFacts,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.image_values import (
    DEFAULTS,
    GIB,
    KIB,
    MIB,
    OLD,
    PARENT,
    SOMEBODY,
    SOURCE,
    in_trash,
    mask,
    parent_facts,
    present,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    DEFAULT_FEATURES,
    device,
    facts,
)

OBSTACLE = ("the pool rbd is full", "Add storage.")


def steps(current: ImageCurrent, **wish: Any) -> list[ImageAction]:
    return list(plan_image(0, present(**wish), current))


def made(current: ImageCurrent, **wish: Any) -> MakeImage:
    """The first step, which makes the image."""
    action = steps(current, **wish)[0]
    assert isinstance(action, MakeImage)
    return action


def layout(**wish: Any) -> Layout:
    return made(ImageCurrent(defaults=DEFAULTS), size=GIB, layout=LayoutWish(**wish)).facts.layout


class TestOrder:
    """Renamed, restored, cloned or imported, created: what is there already comes before what would be new."""

    everything = ImageCurrent(
        former=facts(image_id="former"),
        trashed=(in_trash(facts(image_id="gone")),),
        defaults=DEFAULTS,
        parent=parent_facts(),
        source=SOURCE,
    )

    def test_a_former_name_is_first(self) -> None:
        wish = {"size": GIB, "renamed_from": OLD}
        assert isinstance(made(self.everything, **wish), RenameImage)
        assert isinstance(made(replace(self.everything, former=None), **wish), RestoreImage)

    def test_then_the_trash_unless_declined(self) -> None:
        assert isinstance(made(self.everything, size=GIB), RestoreImage)
        assert isinstance(made(self.everything, size=GIB, restore=False), ImportImage)

    def test_then_what_it_is_made_of(self) -> None:
        wish = {"size": GIB, "restore": False}
        assert isinstance(made(self.everything, parent=PARENT, **wish), CloneImage)
        assert isinstance(made(replace(self.everything, source=None), **wish), CreateImage)

    @pytest.mark.parametrize("wish", [{"size": GIB}, {"parent": PARENT}, {}])
    def test_nothing_new_is_begun_where_it_cannot_be_ended(self, wish: dict[str, Any]) -> None:
        with pytest.raises(RbdError, match=r"^Cannot create rbd/app: the pool rbd is full\. Add storage\.$"):
            steps(replace(self.everything, obstacle=OBSTACLE), restore=False, **wish)

    def test_a_full_pool_does_not_keep_an_image_in_the_trash(self) -> None:
        assert isinstance(made(replace(self.everything, obstacle=OBSTACLE)), RestoreImage)


class TestCreate:
    def test_gets_the_defaults_of_its_cluster(self) -> None:
        striped = Layout(4 * MIB, 64 * KIB, 4, "data")
        action = made(ImageCurrent(defaults=ImageDefaults(mask("layering"), striped)), size=GIB)
        assert action.facts.layout == striped
        assert feature_names(action.facts.features) == ("layering", "striping", "data-pool")

    def test_what_is_declared_comes_before_the_defaults(self) -> None:
        action = made(
            ImageCurrent(defaults=ImageDefaults(DEFAULT_FEATURES, Layout(data_pool="data"))),
            size=GIB,
            features=mask("layering"),
            layout=LayoutWish(8 * MIB, MIB, 8, "archive"),
        )
        assert action.facts.layout == Layout(8 * MIB, MIB, 8, "archive")
        assert feature_names(action.facts.features) == ("layering", "striping", "data-pool")

    def test_no_features_can_be_declared(self) -> None:
        action = made(ImageCurrent(defaults=DEFAULTS), size=GIB, features=0)
        assert action.facts.features == 0
        assert action.after().endswith("features none")

    def test_without_a_cluster_librbds_own_defaults_serve(self) -> None:
        action = made(ImageCurrent(), size=GIB)
        assert (action.facts.features, action.facts.layout) == (DEFAULT_FEATURES, Layout())

    def test_is_described_on_a_line_and_in_the_result(self) -> None:
        action = made(
            ImageCurrent(defaults=DEFAULTS),
            size=GIB,
            features=mask("layering"),
            layout=LayoutWish(None, MIB, 2, "data"),
        )
        assert action.after() == (
            "image of 1 GiB, objects of 4 MiB, stripes of 1 MiB over 2, data in pool data, "
            "features layering striping data-pool"
        )
        assert action.result() == {
            "action": "create",
            "subject": "rbd/app",
            "size": GIB,
            "features": ["layering", "striping", "data-pool"],
            "object_size": 4 * MIB,
            "stripe_unit": MIB,
            "stripe_count": 2,
            "data_pool": "data",
        }


class TestLayout:
    def test_an_image_is_striped_only_if_told_so(self) -> None:
        assert layout() == Layout()
        assert layout(object_size=MIB) == Layout(MIB, MIB, 1)
        assert layout(stripe_unit=64 * KIB, stripe_count=4) == Layout(4 * MIB, 64 * KIB, 4)

    def test_the_whole_object_in_one_piece_is_no_striping(self) -> None:
        action = made(ImageCurrent(defaults=DEFAULTS), size=GIB, layout=LayoutWish(stripe_unit=4 * MIB, stripe_count=1))
        assert action.facts.features == DEFAULT_FEATURES

    def test_data_in_its_own_pool_are_in_no_other(self) -> None:
        assert layout(data_pool="rbd").data_pool is None
        assert layout(data_pool="data").data_pool == "data"

    @pytest.mark.parametrize("wish", [{"stripe_unit": MIB}, {"stripe_count": 4}])
    def test_half_a_striping_is_refused(self, wish: dict[str, int]) -> None:
        with pytest.raises(RbdError, match="of stripe_unit and stripe_count only one is given"):
            layout(**wish)

    @pytest.mark.parametrize("unit", [3 * MIB, 8 * MIB, MIB + 1])
    def test_stripes_must_divide_objects(self, unit: int) -> None:
        with pytest.raises(RbdError, match=r"stripes of .* do not divide objects of 4 MiB"):
            layout(stripe_unit=unit, stripe_count=2)

    def test_stripes_of_the_cluster_must_divide_objects_of_the_wish(self) -> None:
        striped = ImageCurrent(defaults=ImageDefaults(DEFAULT_FEATURES, Layout(4 * MIB, 2 * MIB, 4)))
        with pytest.raises(RbdError, match=r"stripes of 2 MiB do not divide objects of 1 MiB"):
            steps(striped, size=GIB, layout=LayoutWish(object_size=MIB))


class TestClone:
    def test_inherits_size_features_and_layout_but_not_the_data_pool(self) -> None:
        golden = replace(
            facts(
                image_id="golden", features=mask("layering", "exclusive-lock", "striping", "data-pool", "operations")
            ),
            layout=Layout(MIB, 64 * KIB, 4, "data"),
        )
        action = made(ImageCurrent(defaults=DEFAULTS, parent=parent_facts(golden, size=3 * GIB)), parent=PARENT)
        assert isinstance(action, CloneImage)
        assert (action.facts.size, action.facts.layout) == (3 * GIB, Layout(MIB, 64 * KIB, 4))
        assert feature_names(action.facts.features) == ("layering", "striping", "exclusive-lock")
        assert action.facts.parent == PARENT
        assert action.after().endswith("clone of rbd/golden@one")
        assert action.result()["parent"] == "rbd/golden@one"

    def test_inherits_the_metadata_and_the_overrides(self) -> None:
        golden = replace(facts(), config={"rbd_cache": "false"}, metadata={"os": "debian"})
        action = made(ImageCurrent(defaults=DEFAULTS, parent=parent_facts(golden)), parent=PARENT)
        assert (action.facts.config, action.facts.metadata) == ({"rbd_cache": "false"}, {"os": "debian"})

    def test_lies_in_the_data_pool_of_its_own_cluster_or_wish(self) -> None:
        current = ImageCurrent(
            defaults=ImageDefaults(DEFAULT_FEATURES, Layout(data_pool="data")), parent=parent_facts()
        )
        assert made(current, parent=PARENT).facts.layout.data_pool == "data"
        assert made(current, parent=PARENT, layout=LayoutWish(data_pool="fast")).facts.layout.data_pool == "fast"

    @pytest.mark.parametrize(
        ("wish", "kinds"),
        [
            ({}, ["clone"]),
            ({"size": GIB}, ["clone"]),
            ({"size": 2 * GIB}, ["clone", "grow"]),
            ({"size": GIB // 2, "shrink": True}, ["clone", "shrink"]),
            ({"flatten": True}, ["clone", "flatten"]),
        ],
    )
    def test_is_as_large_as_the_snapshot_until_it_is_changed(self, wish: dict[str, Any], kinds: list[str]) -> None:
        current = ImageCurrent(defaults=DEFAULTS, parent=parent_facts())
        assert [action.kind for action in steps(current, parent=PARENT, **wish)] == kinds

    def test_is_not_made_smaller_by_accident(self) -> None:
        with pytest.raises(RbdError, match="to shrink an image destroys data"):
            steps(ImageCurrent(defaults=DEFAULTS, parent=parent_facts()), parent=PARENT, size=GIB // 2)

    @pytest.mark.parametrize(
        ("parent", "cause"),
        [
            (ParentFacts(None, None, must_be_protected=False), r"there is no image rbd/golden\. Check"),
            (None, r"there is no image rbd/golden\. Check"),
            (parent_facts(size=None), r"rbd/golden has no snapshot 'one' \(it has: one\)"),
            (ParentFacts(facts(), None, must_be_protected=False), r"rbd/golden has no snapshot 'one' \(it has: none\)"),
            (
                ParentFacts(facts(snapshots=("one", "two")), GIB, must_be_protected=True),
                "the snapshot rbd/golden@one is not protected",
            ),
            (
                ParentFacts(replace(facts(snapshots=("one", "two")), protected=("two",)), GIB, must_be_protected=True),
                "the snapshot rbd/golden@one is not protected",
            ),
        ],
        ids=["no image", "nothing read", "no snapshot", "no snapshot at all", "unprotected", "another protected"],
    )
    def test_needs_a_snapshot_that_can_be_cloned(self, parent: ParentFacts | None, cause: str) -> None:
        with pytest.raises(RbdError, match=f"^Cannot clone rbd/golden@one to rbd/app: {cause}"):
            steps(ImageCurrent(defaults=DEFAULTS, parent=parent), parent=PARENT)

    def test_of_version_1_stays_in_the_namespace_of_its_parent(self) -> None:
        elsewhere = ImageSpec("vms", "web", "golden", "one")
        current = ImageCurrent(defaults=DEFAULTS, parent=parent_facts())
        with pytest.raises(RbdError, match="this cluster makes clones only within a namespace"):
            steps(current, parent=elsewhere)
        assert isinstance(made(current, parent=replace(elsewhere, namespace="")), CloneImage)
        of_version_2 = parent_facts(must_be_protected=False)
        assert isinstance(made(replace(current, parent=of_version_2), parent=elsewhere), CloneImage)

    def test_of_version_2_needs_no_protection(self) -> None:
        unprotected = ParentFacts(facts(snapshots=("one",)), GIB, must_be_protected=False)
        assert isinstance(made(ImageCurrent(defaults=DEFAULTS, parent=unprotected), parent=PARENT), CloneImage)

    @pytest.mark.parametrize(
        ("inherited", "wished"), [(DEFAULT_FEATURES, mask("exclusive-lock")), (mask("exclusive-lock"), None)]
    )
    def test_needs_layering(self, inherited: int, wished: int | None) -> None:
        current = ImageCurrent(defaults=DEFAULTS, parent=parent_facts(facts(features=inherited)))
        with pytest.raises(RbdError, match="a clone needs the feature layering"):
            steps(current, parent=PARENT, features=wished)


class TestImport:
    current = ImageCurrent(defaults=DEFAULTS, source=SOURCE)

    def test_is_as_large_as_the_content_or_larger(self) -> None:
        assert made(self.current).facts.size == GIB
        assert made(self.current, size=2 * GIB).facts.size == 2 * GIB
        with pytest.raises(RbdError, match=r"^Cannot import /srv/golden.raw into rbd/app: it holds 1 GiB, more than"):
            steps(self.current, size=GIB - 1)

    def test_says_where_the_content_comes_from(self) -> None:
        action = made(self.current)
        assert isinstance(action, ImportImage)
        assert action.after().endswith(", content of /srv/golden.raw")
        result = action.result()
        assert (result["action"], result["source"], result["source_format"]) == ("import", "/srv/golden.raw", "raw")


class TestRestore:
    def test_the_same_image_comes_back(self) -> None:
        image = facts(GIB, image_id="gone")
        (action,) = steps(ImageCurrent(trashed=(in_trash(image),)), size=GIB)
        assert isinstance(action, RestoreImage)
        assert action.before() == "in the trash since 2026-11-01T12:00:00Z as gone"
        assert action.result() == {"action": "restore", "subject": "rbd/app", "id": "gone"}
        assert action.outcome(None) == image

    def test_is_then_changed_as_any_other(self) -> None:
        kinds = [action.kind for action in steps(ImageCurrent(trashed=(in_trash(facts(GIB)),)), size=2 * GIB)]
        assert kinds == ["restore", "grow"]

    def test_nobody_guesses_which_one_is_meant(self) -> None:
        both = (in_trash(facts(image_id="aa"), "2026-01-01T00:00:00Z"), in_trash(facts(image_id="bb")))
        with pytest.raises(RbdError, match=r"several images of that name: aa \(deleted 2026-01-01T00:00:00Z\), bb \("):
            steps(ImageCurrent(trashed=both), size=GIB)


class TestRename:
    def test_the_same_image_has_another_name(self) -> None:
        (action,) = steps(ImageCurrent(former=facts(image_id="ffff")), renamed_from=OLD)
        assert action == RenameImage(0, "rbd/app", APP, facts(image_id="ffff"), OLD)
        assert action.before() == "called rbd/old"
        assert action.result() == {"action": "rename", "subject": "rbd/app", "renamed_from": "rbd/old"}

    @pytest.mark.parametrize(
        ("current", "cause"),
        [
            (ImageCurrent(former=facts(watchers=(SOMEBODY,))), "it is in use by client.7"),
            (ImageCurrent(former=facts(), mapped=(device(OLD, 2),)), "it is mapped on this host as /dev/rbd2"),
        ],
        ids=["watched", "mapped"],
    )
    def test_not_from_under_whoever_uses_it(self, current: ImageCurrent, cause: str) -> None:
        with pytest.raises(RbdError, match=f"^Cannot rename rbd/old: {cause}"):
            steps(current, renamed_from=OLD)

    def test_without_that_name_it_is_made_anew(self) -> None:
        assert isinstance(made(ImageCurrent(defaults=DEFAULTS), size=GIB, renamed_from=OLD), CreateImage)
