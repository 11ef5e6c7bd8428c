# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before an image is mapped for writing: who else writes to it, and what the kernel cannot map."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._features import FEATURES, LOSSES
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Watcher
from ansible_collections.cephclient.rbd.plugins.module_utils._image_report import Lock, Mirroring
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._image_use import ImageUse, left_lock
from ansible_collections.cephclient.rbd.plugins.module_utils._mapping import (
    DisableFeatures,
    MapCurrent,
    MapImage,
    MapRequest,
    plan_mapping,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._plan import Action
from ansible_collections.cephclient.rbd.plugins.module_utils._rbdmap_file import RbdmapEntry
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    DEFAULT_FEATURES,
    FSID,
    KRBD_FEATURES,
    device,
    facts,
    is_sentence,
)

OTHER = Watcher("10.0.0.5:0/77", "client.7")
AUTOMATIC = Lock(True, "internal", (("client.7", "auto 1", "10.0.0.5:0/77"),))
BY_HAND = Lock(True, "", (("client.7", "mine", "10.0.0.5:0/77"),))
NOT_PRIMARY = Mirroring("snapshot", "enabled", False, "g")
USES = {
    "open elsewhere": ImageUse((OTHER,)),
    "open and locked elsewhere": ImageUse((OTHER,), AUTOMATIC),
    "locked by hand": ImageUse((), BY_HAND),
    "not primary": ImageUse((), None, NOT_PRIMARY),
}


def plan(
    use: ImageUse | None = None,
    *,
    features: int = DEFAULT_FEATURES,
    disable: int = 0,
    spec: ImageSpec = APP,
    shared: bool = False,
    read_only: bool = False,
) -> list[Action]:
    """The plan of an image that is not mapped yet."""
    entry = replace(RbdmapEntry.of(spec, read_only=read_only), shared=shared)
    image = facts(features=features, snapshots=("one",))
    now = MapCurrent(FSID, image, (), (), KRBD_FEATURES, use=use)
    return plan_mapping(0, MapRequest("mapped", entry, disable), now, check_mode=False)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
class TestUsedElsewhere:
    def test_is_not_mapped_for_writing(self, use: ImageUse) -> None:
        with pytest.raises(RbdError) as refused:
            plan(use)
        assert is_sentence(refused.value)

    def test_is_mapped_read_only(self, use: ImageUse) -> None:
        assert plan(use, read_only=True)
        assert plan(use, spec=replace(APP, snap="one"))


class TestWhoUsesIt:
    def test_the_client_and_its_address_are_named(self) -> None:
        with pytest.raises(RbdError, match=r"in use by client\.7 at 10\.0\.0\.5:0/77.* shared: true"):
            plan(USES["open elsewhere"])

    def test_the_owner_of_the_lock_is_told_from_a_mere_watcher(self) -> None:
        with pytest.raises(RbdError, match="which holds its lock"):
            plan(USES["open and locked elsewhere"])

    def test_an_image_that_is_shared_may_be_open_elsewhere(self) -> None:
        (action,) = plan(USES["open and locked elsewhere"], shared=True)
        assert isinstance(action, MapImage)
        assert not action.alone

    def test_a_lock_taken_by_hand_holds_for_those_who_share_it_too(self) -> None:
        with pytest.raises(
            RbdError, match=r"locked it by hand \(lock id 'mine'\).*rbd lock rm rbd/app 'mine' client\.7"
        ):
            plan(USES["locked by hand"], shared=True)
        assert plan(ImageUse((), replace(BY_HAND, exclusive=False)), shared=True)

    def test_a_copy_made_by_mirroring_is_not_shared_either(self) -> None:
        with pytest.raises(RbdError, match="rbd mirror image promote rbd/app"):
            plan(USES["not primary"], shared=True)
        assert plan(ImageUse((), None, replace(NOT_PRIMARY, primary=True)))

    def test_a_lock_whose_owner_died_is_no_obstacle_but_is_told(self) -> None:
        use = ImageUse((), AUTOMATIC)
        assert plan(use)
        said = left_lock(APP, use)
        assert said is not None
        assert "client.7 at 10.0.0.5:0/77, which is not there any more" in said

    @pytest.mark.parametrize("use", [ImageUse(), ImageUse((OTHER,), AUTOMATIC), ImageUse((), BY_HAND)])
    def test_nothing_is_told_of_a_lock_that_is_not_left(self, use: ImageUse) -> None:
        assert left_lock(APP, use) is None

    def test_a_mapping_of_the_same_image_under_its_old_name_is_in_the_way(self) -> None:
        old = device(replace(APP, image="old"), number=3)
        now = MapCurrent(FSID, facts(), (), (), KRBD_FEATURES, renamed=(old,))
        with pytest.raises(RbdError, match="/dev/rbd3 is that very image already, mapped when its name was rbd/old"):
            plan_mapping(0, MapRequest("mapped", RbdmapEntry.of(APP)), now, check_mode=False)


class TestFeatures:
    @pytest.mark.parametrize("name", LOSSES)
    def test_a_feature_is_taken_only_where_it_is_named(self, name: str) -> None:
        lacking = KRBD_FEATURES & ~FEATURES[name]
        now = MapCurrent(FSID, facts(features=DEFAULT_FEATURES | FEATURES[name]), (), (), lacking)
        with pytest.raises(RbdError, match=f"features: {name}.*disable_features.*without {name}, {LOSSES[name]}"):
            plan_mapping(0, MapRequest("mapped", RbdmapEntry.of(APP)), now, check_mode=False)
        first, second = plan_mapping(
            0, MapRequest("mapped", RbdmapEntry.of(APP), FEATURES[name]), now, check_mode=False
        )
        assert isinstance(first, DisableFeatures)
        assert isinstance(second, MapImage)
        assert first.mask & FEATURES[name]

    def test_what_the_kernel_can_map_is_kept_though_it_is_named(self) -> None:
        (action,) = plan(disable=FEATURES["object-map"])
        assert isinstance(action, MapImage)

    def test_a_feature_that_cannot_be_disabled_is_not_offered(self) -> None:
        with pytest.raises(RbdError, match="Use the image through librbd"):
            plan(features=DEFAULT_FEATURES | FEATURES["migrating"])

    def test_the_diff_shows_what_goes(self) -> None:
        first, _then = plan(features=DEFAULT_FEATURES | FEATURES["journaling"], disable=FEATURES["journaling"])
        assert "journaling" in first.before()
        assert "journaling" not in first.after()
        assert first.result()["disabled"] == ["journaling"]
