# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owner, group and mode."""

from __future__ import annotations

from dataclasses import astuple

from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._ownership import NO_OWNERSHIP, Ownership

numbers = st.none() | st.integers(0, 3)
wishes = st.builds(Ownership, numbers, numbers, numbers)
actuals = st.builds(Ownership, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))


def applied(change: Ownership, actual: Ownership) -> Ownership:
    def pick(new: int | None, old: int | None) -> int | None:
        return old if new is None else new

    return Ownership(pick(change.uid, actual.uid), pick(change.gid, actual.gid), pick(change.mode, actual.mode))


@given(wishes, actuals)
def test_the_difference_is_all_that_is_needed(wish: Ownership, actual: Ownership) -> None:
    difference = wish.differing_from(actual)
    assert applied(difference, actual) == applied(wish, actual)
    assert not wish.differing_from(applied(difference, actual))


@given(actuals)
def test_no_wish_differs_from_nothing(actual: Ownership) -> None:
    assert not NO_OWNERSHIP.differing_from(actual)


@given(wishes, wishes)
def test_restricted_to_what_the_other_one_speaks_of(one: Ownership, other: Ownership) -> None:
    restricted = one.restricted_to(other)
    for value, own, asked in zip(astuple(restricted), astuple(one), astuple(other)):
        assert value == (None if asked is None else own)


def test_root_and_mode_zero_are_wishes_too() -> None:
    assert Ownership(uid=0)
    assert Ownership(mode=0)
    assert not Ownership()


def test_shown_as_people_write_it() -> None:
    assert str(Ownership(0, 1000, 0o2750)) == "owner 0, group 1000, mode 2750"
    assert str(Ownership(mode=0o5)) == "mode 0005"
