# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of live mounts in one call: none may hold another busy, or hide it."""

from __future__ import annotations

from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._mount import (
    MakeMountPoint,
    MountImage,
    SetOwnership,
    Unmount,
    mounts_last,
    unmounts_first,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._ownership import NO_OWNERSHIP, Ownership
from ansible_collections.cephclient.rbd.plugins.module_utils._plan import Action
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import APP, mount as mounted

# One is inside another one, one has a name that merely begins alike, and one is long but not deep.
PATHS = ("/srv", "/srv/app", "/srv/app/log", "/srv/app/log/old", "/srv/app2", "/a-name-that-is-longer-than-the-others")


def unmount(index: int, path: str) -> list[Action]:
    return [Unmount(index, path, APP, mounted(path))]


def mount(index: int, path: str) -> list[Action]:
    return [MakeMountPoint(index, path), MountImage(index, path, APP, NO_OWNERSHIP)]


def correct(index: int, path: str) -> list[Action]:
    return [SetOwnership(index, path, Ownership(0, 0, 0o755), Ownership(mode=0o700))]


plans = (
    st.lists(st.tuples(st.sampled_from([unmount, mount, correct]), st.sampled_from(PATHS)), unique_by=lambda it: it[1])
    .map(lambda items: [make(index, path) for index, (make, path) in enumerate(items)])
    .map(lambda steps: [action for actions in steps for action in actions])
)


def inside(action: Action, other: Action) -> bool:
    return action.subject.startswith(f"{other.subject}/")


@given(plans)
def test_every_step_is_in_one_of_the_two_parts(actions: list[Action]) -> None:
    before, after = unmounts_first(actions), mounts_last(actions)
    assert all(isinstance(action, Unmount) for action in before)
    assert not any(isinstance(action, Unmount) for action in after)
    assert sorted(map(repr, before + after)) == sorted(map(repr, actions))


@given(plans)
def test_what_is_inside_is_unmounted_first(actions: list[Action]) -> None:
    ordered = unmounts_first(actions)
    for position, action in enumerate(ordered):
        assert not any(inside(later, action) for later in ordered[position + 1 :])


@given(plans)
def test_what_is_inside_is_mounted_last(actions: list[Action]) -> None:
    ordered = mounts_last(actions)
    for position, action in enumerate(ordered):
        assert not any(inside(earlier, action) for earlier in ordered[:position])


@given(plans)
def test_the_steps_of_one_mount_point_keep_their_order(actions: list[Action]) -> None:
    for path in PATHS:
        of_path = [action for action in actions if action.subject == path]
        assert [
            action for action in unmounts_first(actions) + mounts_last(actions) if action.subject == path
        ] == of_path


def test_the_mount_made_last_at_a_path_stays_the_first_to_go() -> None:
    stacked = [Unmount(index, "/srv/app", APP, mounted("/srv/app")) for index in (2, 1, 0)]
    assert unmounts_first(stacked) == stacked
