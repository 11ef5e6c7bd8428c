# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of growth: exact, only while mounted for writing, and never the other way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._filesystem import FilesystemRequest
from ansible_collections.cephclient.rbd.plugins.module_utils._filesystem_growth import (
    GrowFilesystem,
    GrowthCurrent,
    growth_waits,
    plan_growth,
    seen_mounts,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._superblock import Geometry
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    btrfs,
    device,
    is_sentence,
    mount,
    outcome,
    root_mount,
)

GIB = 1 << 30
XFS = FilesystemRequest(APP, "xfs", grow=True)
WHOLE = Geometry(GIB >> 12, 1 << 12, group=1 << 16, least=64)
SRV = mount("/srv")
READ_ONLY = replace(mount("/ro", number=51), opts="ro,relatime")
NOW = GrowthCurrent(device(), WHOLE, 2 * GIB, (SRV,), (SRV,))

geometries = st.builds(
    Geometry,
    blocks=st.integers(1, 1 << 20),
    block_size=st.sampled_from([1 << 10, 1 << 12]),
    group=st.sampled_from([0, 8192, 32768]),
    least=st.sampled_from([0, 64, 700]),
    step=st.sampled_from([1, 16]),
)
currents = st.builds(
    GrowthCurrent,
    st.builds(device, read_only=st.booleans()),
    geometries,
    st.integers(1 << 20, 1 << 33),
    st.just((SRV,)),
    st.sampled_from([(), (SRV,), (READ_ONLY,), (READ_ONLY, SRV)]),
)


@given(st.booleans(), currents)
def test_whatever_is_planned_grows_within_the_device_and_once(grow: bool, now: GrowthCurrent) -> None:
    actions = outcome(lambda: plan_growth(0, replace(XFS, grow=grow), now))
    if isinstance(actions, RbdError):
        assert is_sentence(actions)
        assert now.geometry.size > now.device_size
        return
    for action in actions:
        assert isinstance(action, GrowFilesystem)
        assert grow
        assert now.geometry.size < action.size <= now.device_size
        assert now.place is not None
        assert not now.device.read_only
        grown = replace(now, geometry=replace(now.geometry, blocks=action.blocks))
        assert plan_growth(0, XFS, grown) == []
        assert growth_waits(XFS, grown) is None


def test_before_and_after_are_exact() -> None:
    (action,) = plan_growth(3, XFS, replace(NOW, device_size=2 * GIB + 5000))
    assert (action.before(), action.after()) == (
        "xfs of 1073741824 bytes (1 GiB)",
        "xfs of 2147483648 bytes (2 GiB)",
    )
    assert action.result() == {"action": "grow_filesystem", "subject": "rbd/app", "fstype": "xfs", "size": 2 * GIB}


def test_what_the_file_system_leaves_unused_is_no_difference() -> None:
    # 63 blocks are too few for another allocation group.
    assert plan_growth(0, XFS, replace(NOW, device_size=GIB + 63 * 4096)) == []
    assert plan_growth(0, XFS, replace(NOW, device_size=GIB + 64 * 4096))


@pytest.mark.parametrize(
    ("wish", "now", "waits"),
    [
        (replace(XFS, grow=False), NOW, None),
        (XFS, replace(NOW, mounts=(), seen=()), "is grown once it is mounted"),
        (XFS, replace(NOW, seen=(READ_ONLY,)), "until it is mounted for writing"),
        (XFS, replace(NOW, device=device(read_only=True)), "while the image is mapped read-only"),
        (XFS, replace(NOW, device_size=GIB), None),
    ],
)
def test_nothing_is_grown_that_may_not_be(wish: FilesystemRequest, now: GrowthCurrent, waits: str | None) -> None:
    assert plan_growth(0, wish, now) == []
    said = growth_waits(wish, now)
    assert said == waits or (said is not None and waits is not None and waits in said)


@pytest.mark.parametrize("grow", [True, False])
def test_a_device_smaller_than_its_file_system_is_an_error(grow: bool) -> None:
    with pytest.raises(RbdError, match="it has 1 GiB, but /dev/rbd0 has only 512 MiB") as refused:
        plan_growth(0, replace(XFS, grow=grow), replace(NOW, device_size=GIB // 2))
    assert is_sentence(refused.value)


class TestPlace:
    def test_is_a_mount_for_writing(self) -> None:
        seen = seen_mounts(device(), (root_mount(), READ_ONLY, SRV))
        assert seen == (READ_ONLY, SRV)
        assert replace(NOW, seen=seen).place == SRV

    @pytest.mark.parametrize("change", [{"opts": "ro"}, {"super_opts": "ro,noquota"}])
    def test_is_none_that_is_read_only(self, change: dict[str, str]) -> None:
        assert replace(NOW, seen=(replace(SRV, **change),)).place is None

    def test_is_none_that_something_else_is_mounted_over(self) -> None:
        over = mount("/srv", (252, 16), number=60, parent=SRV.mount_id)
        assert seen_mounts(device(), (root_mount(), SRV, over)) == ()

    def test_is_found_for_btrfs_by_its_source(self) -> None:
        assert seen_mounts(device(), (root_mount(), btrfs("/srv"))) == (btrfs("/srv"),)
