# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of mappings: one image is told from another, and nothing in use is unmapped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._features import FEATURES
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import ImageFacts
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._krbd_device import KrbdDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._map_options import MapOptions
from ansible_collections.cephclient.rbd.plugins.module_utils._mapping import (
    MapCurrent,
    MapImage,
    MapRequest,
    UnmapImage,
    live_differences,
    plan_mapping,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._mountinfo import Mount
from ansible_collections.cephclient.rbd.plugins.module_utils._plan import Action
from ansible_collections.cephclient.rbd.plugins.module_utils._rbdmap_file import RbdmapEntry
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils import support
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    DEFAULT_FEATURES,
    FSID,
    KRBD_FEATURES,
    OTHER_FSID,
    btrfs,
    device,
    facts,
    is_sentence,
    mount,
    outcome,
)

STATES = ("mapped", "present", "unmapped", "absent")
JOURNALING = DEFAULT_FEATURES | FEATURES["journaling"]


def request(state: str, *, spec: ImageSpec = APP, read_only: bool = False, **options: object) -> MapRequest:
    entry = RbdmapEntry.of(
        spec, user="admin", keyring="/etc/ceph/k", options=MapOptions.from_dict(options), read_only=read_only
    )
    return MapRequest(state, entry)


def current(
    *devices: KrbdDevice,
    image: ImageFacts | None = None,
    mounts: tuple[Mount, ...] = (),
    supported: int | None = KRBD_FEATURES,
) -> MapCurrent:
    return MapCurrent(FSID, image, devices, mounts, supported)


requests = st.builds(
    lambda state, read_only: request(state, read_only=read_only), st.sampled_from(STATES), st.booleans()
)
currents = st.builds(
    MapCurrent,
    fsid=st.just(FSID),
    facts=st.none() | support.image_facts,
    devices=st.lists(support.devices, max_size=3, unique_by=lambda found: found.number).map(tuple),
    mounts=st.lists(st.builds(mount, st.just("/srv"), st.sampled_from([(252, 0), (252, 16), (8, 1)])), max_size=2).map(
        tuple
    ),
    supported=st.none() | st.just(KRBD_FEATURES),
)


def applied(actions: Sequence[Action], now: MapCurrent) -> MapCurrent:
    for action in actions:
        if isinstance(action, MapImage):
            assert now.facts is not None
            assert action.fsid == FSID
            number = 1 + max((found.number for found in now.devices), default=0)
            made = device(number=number, image_id=now.facts.image_id)
            now = replace(now, devices=(*now.devices, made), supported=KRBD_FEATURES)
        else:
            assert isinstance(action, UnmapImage)
            assert all(held.devno != action.device.devno for held in now.mounts), "would unmap what is mounted"
            assert action.device.fsid == now.fsid, "would unmap another cluster's image"
            now = replace(now, devices=tuple(found for found in now.devices if found != action.device))
    return now


class TestAnyRequest:
    @given(requests, currents)
    def test_is_planned_or_refused_and_is_done_after_one_run(self, wish: MapRequest, now: MapCurrent) -> None:
        actions = outcome(lambda: plan_mapping(0, wish, now, check_mode=False))
        if isinstance(actions, RbdError):
            assert is_sentence(actions)
            return
        after = applied(actions, now)
        assert plan_mapping(0, wish, after, check_mode=False) == []

    @given(requests, currents)
    def test_check_mode_plans_the_same_for_an_image_that_exists(self, wish: MapRequest, now: MapCurrent) -> None:
        mounted = any(mount.devno == device.devno for device in now.own for mount in now.mounts)
        if now.facts is None or (mounted and wish.state in ("unmapped", "absent")):
            return
        checked = outcome(lambda: plan_mapping(0, wish, now, check_mode=True))
        real = outcome(lambda: plan_mapping(0, wish, now, check_mode=False))
        assert str(checked) == str(real)

    @given(currents)
    def test_present_is_about_the_line_alone(self, now: MapCurrent) -> None:
        assert plan_mapping(0, request("present"), now, check_mode=False) == []


class TestMapped:
    def test_maps_what_is_not_mapped(self) -> None:
        wish = request("mapped")
        assert plan_mapping(2, wish, current(image=facts()), check_mode=False) == [
            MapImage(2, "rbd/app", wish.entry, FSID, facts(), alone=True)
        ]

    def test_an_image_that_does_not_exist_is_an_error(self) -> None:
        with pytest.raises(RbdError, match="pool rbd/team has no such image"):
            plan_mapping(0, request("mapped", spec=ImageSpec("rbd", "team", "app")), current(), check_mode=False)

    def test_check_mode_takes_it_for_one_that_will_exist(self) -> None:
        (action,) = plan_mapping(0, request("mapped"), current(), check_mode=True)
        assert isinstance(action, MapImage)

    def test_another_clusters_image_of_that_name_is_in_the_way(self) -> None:
        foreign = device(fsid=OTHER_FSID)
        with pytest.raises(RbdError, match=f"/dev/rbd0 is .* in another cluster .{OTHER_FSID}"):
            plan_mapping(0, request("mapped"), current(foreign, image=facts()), check_mode=False)

    def test_names_the_features_that_the_kernel_lacks(self) -> None:
        image = facts(features=JOURNALING)
        with pytest.raises(RbdError, match="does not support the image's features: journaling") as refused:
            plan_mapping(0, request("mapped"), current(image=image), check_mode=False)
        assert "(without journaling, mirroring by journal ends)" in str(refused.value)

    def test_features_do_not_matter_once_it_is_mapped(self) -> None:
        now = current(device(), image=facts(features=JOURNALING))
        assert plan_mapping(0, request("mapped"), now, check_mode=False) == []

    @pytest.mark.parametrize("options", [{"read_only": True}, {"ro": True}])
    def test_read_only_needs_fewer_features(self, options: dict[str, bool]) -> None:
        now = current(image=facts(features=JOURNALING))
        assert plan_mapping(0, request("mapped", **options), now, check_mode=False)  # type: ignore[arg-type]  # a bool

    def test_a_snapshot_needs_no_more_than_a_read_only_mapping(self) -> None:
        snapshot = request("mapped", spec=replace(APP, snap="one"))
        now = current(image=facts(features=JOURNALING, snapshots=("one",)))
        assert plan_mapping(0, snapshot, now, check_mode=False)

    def test_a_snapshots_layout_must_be_supported_all_the_same(self) -> None:
        snapshot = request("mapped", spec=replace(APP, snap="one"))
        now = current(image=facts(features=JOURNALING, snapshots=("one",)), supported=0)
        with pytest.raises(RbdError, match="does not support"):
            plan_mapping(0, snapshot, now, check_mode=False)

    def test_the_kernel_is_asked_later_where_its_module_is_not_loaded(self) -> None:
        now = current(image=facts(features=JOURNALING), supported=None)
        assert plan_mapping(0, request("mapped"), now, check_mode=False)

    def test_an_image_that_took_over_the_name_of_a_mapped_one_is_not_taken_for_mapped(self) -> None:
        now = current(device(image_id="renamed"), image=facts(image_id="newer"))
        with pytest.raises(RbdError, match=r"/dev/rbd0 is another image .*renamed.*newer") as refused:
            plan_mapping(0, request("mapped"), now, check_mode=False)
        assert is_sentence(refused.value)

    def test_one_stale_mapping_beside_a_good_one_is_refused(self) -> None:
        now = current(device(), device(number=1, image_id="renamed"), image=facts())
        with pytest.raises(RbdError, match="/dev/rbd1 is another image"):
            plan_mapping(0, request("mapped"), now, check_mode=False)

    def test_a_mapped_image_that_the_cluster_has_no_more_under_that_name_is_refused(self) -> None:
        # Else its line would be written, and hold up the next boot.
        with pytest.raises(RbdError):
            plan_mapping(0, request("mapped"), current(device(), image=None), check_mode=False)

    def test_check_mode_on_a_host_that_cannot_ask_takes_what_has_the_name_for_it(self) -> None:
        now = replace(current(device()), fsid=None)
        assert plan_mapping(0, request("mapped"), now, check_mode=True) == []


@pytest.mark.parametrize("state", ["unmapped", "absent"])
class TestUnmapped:
    def test_unmaps_every_mapping_of_the_image(self, state: str) -> None:
        actions = plan_mapping(0, request(state), current(device(), device(number=1)), check_mode=False)
        assert [action.result() for action in actions] == [
            {"action": "unmap", "subject": "rbd/app", "device": "/dev/rbd0"},
            {"action": "unmap", "subject": "rbd/app", "device": "/dev/rbd1"},
        ]

    def test_leaves_another_clusters_image_alone(self, state: str) -> None:
        assert plan_mapping(0, request(state), current(device(fsid=OTHER_FSID)), check_mode=False) == []

    def test_without_the_clusters_identity_nothing_is_unmapped(self, state: str) -> None:
        now = replace(current(device()), fsid=None)
        assert plan_mapping(0, request(state), now, check_mode=False) == []

    def test_refuses_while_it_is_mounted_and_says_where(self, state: str) -> None:
        now = current(device(), mounts=(mount("/srv/b"), mount("/srv/a")))
        with pytest.raises(RbdError, match="/dev/rbd0 is mounted at /srv/a, /srv/b"):
            plan_mapping(0, request(state), now, check_mode=False)

    def test_one_mounted_mapping_keeps_the_others_too(self, state: str) -> None:
        now = current(device(), device(number=1), mounts=(mount("/srv", (252, 16)),))
        with pytest.raises(RbdError, match="/dev/rbd1 is mounted"):
            plan_mapping(0, request(state), now, check_mode=False)

    def test_refuses_while_a_btrfs_is_mounted(self, state: str) -> None:
        now = current(device(), mounts=(btrfs("/srv"),))
        with pytest.raises(RbdError, match="mounted at /srv"):
            plan_mapping(0, request(state), now, check_mode=False)


class TestLiveDifferences:
    def test_none(self) -> None:
        assert live_differences(request("mapped").entry, device()) == []

    def test_user(self) -> None:
        mapping = device(options="name=other,key=client.other")
        assert live_differences(request("mapped").entry, mapping) == ["it was mapped by client.other, not client.admin"]

    def test_read_only(self) -> None:
        assert live_differences(request("mapped").entry, device(read_only=True)) == ["it is read-only"]
        assert live_differences(request("mapped", read_only=True).entry, device()) == ["it is not read-only"]

    def test_a_snapshot_is_always_read_only(self) -> None:
        snapshot = request("mapped", spec=replace(APP, snap="one")).entry
        assert live_differences(snapshot, device(read_only=True)) == []

    def test_options(self) -> None:
        entry = request("mapped", queue_depth=256, lock_on_read=True).entry
        mapping = device(options="name=admin,key=client.admin,queue_depth=128")
        assert live_differences(entry, mapping) == ["it lacks the options lock_on_read,queue_depth=256"]

    def test_what_an_older_kernel_does_not_show_is_no_difference(self) -> None:
        entry = request("mapped", queue_depth=256).entry
        assert live_differences(entry, replace(device(), config="")) == []

    def test_an_option_of_the_rbd_command_is_no_difference(self) -> None:
        assert live_differences(request("mapped", udev=False, ip="10.0.0.9").entry, device()) == []

    def test_a_line_without_a_user_means_admin(self) -> None:
        mapping = device(options="name=other,key=client.other")
        assert live_differences(RbdmapEntry.of(APP), mapping) == ["it was mapped by client.other, not client.admin"]
        assert live_differences(RbdmapEntry.of(APP), device()) == []
