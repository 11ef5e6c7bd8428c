# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Capabilities: exactly those that the places need, compared by what they mean."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._capabilities import (
    READ_ONLY,
    READ_WRITE,
    Access,
    capabilities,
    same,
    show,
)

names = st.text(
    st.characters(exclude_characters="/@\"'*", exclude_categories=["C", "Z"]), min_size=1
) | st.sampled_from(["rbd", "a b", "a,b", "a;b", "a=b", "pool", "namespace", "profile", "allow"])
accesses = st.builds(Access, names, st.none() | names, st.sampled_from([READ_WRITE, READ_ONLY]))
places = st.lists(accesses, min_size=1, max_size=3, unique_by=lambda access: access.name)


@pytest.mark.parametrize(
    ("given_", "mon", "grants"),
    [
        ([Access("rbd")], "profile rbd", "profile rbd pool=rbd"),
        ([Access("rbd", "blue")], "profile rbd", "profile rbd pool=rbd namespace=blue"),
        (
            [Access("rbd", None, READ_ONLY)],
            "profile simple-rados-client",
            "profile rbd-read-only pool=rbd",
        ),
        (
            [Access("a", None, READ_ONLY), Access("b", "ns")],
            "profile rbd",
            "profile rbd-read-only pool=a, profile rbd pool=b namespace=ns",
        ),
        ([Access("a b", "n:s")], "profile rbd", 'profile rbd pool="a b" namespace="n:s"'),
    ],
)
def test_the_capabilities_of_some_places(given_: list[Access], mon: str, grants: str) -> None:
    assert capabilities(given_) == {"mon": mon, "mgr": grants, "osd": grants}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("profile rbd pool=a, profile rbd pool=b", "profile rbd pool=b,profile  rbd  pool=a"),
        ("profile rbd pool=a", 'profile rbd pool="a"'),
        ("profile rbd pool=a", "profile rbd pool a"),
        ("profile rbd pool=a", "allow profile rbd pool='a'"),
        ("profile rbd pool=a; profile rbd pool=b", "profile rbd pool=a, profile rbd pool=b"),
    ],
)
def test_what_means_the_same_is_the_same(one: str, other: str) -> None:
    assert same({"osd": one}, {"osd": other})


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"osd": "profile rbd pool=a"}, {"osd": "profile rbd"}),
        ({"osd": "profile rbd pool=a"}, {"osd": "profile rbd pool=a namespace=n"}),
        ({"osd": "profile rbd pool=a"}, {"osd": "profile rbd-read-only pool=a"}),
        ({"osd": "profile rbd pool=a"}, {"osd": "profile rbd pool=a, allow *"}),
        ({"osd": "profile rbd pool=a"}, {"mon": "profile rbd pool=a"}),
        ({"osd": "profile rbd pool=a"}, {"osd": "profile rbd pool=a", "mds": "allow *"}),
        ({"osd": 'profile rbd pool="a b"'}, {"osd": "profile rbd pool=a b"}),
        ({"mon": "profile rbd"}, {"mon": "allow *"}),
        ({"mon": "profile rbd"}, {}),
    ],
)
def test_what_means_something_else_is_not(left: dict[str, str], right: dict[str, str]) -> None:
    assert not same(left, right)
    assert not same(right, left)


@given(places, places)
def test_two_requests_have_the_same_capabilities_only_if_they_are_the_same(
    one: list[Access], other: list[Access]
) -> None:
    assert same(capabilities(one), capabilities(other)) == (set(one) == set(other))


@given(places, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(given_: list[Access], random: object) -> None:
    shuffled = list(given_)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    assert same(capabilities(given_), capabilities(shuffled))


def test_they_are_shown_as_the_command_takes_them() -> None:
    assert show({"osd": "profile rbd pool=a", "mon": "profile rbd"}) == "mon 'profile rbd' osd 'profile rbd pool=a'"
    assert show({}) == "no capabilities"
