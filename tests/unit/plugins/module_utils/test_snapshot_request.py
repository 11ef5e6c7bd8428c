# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user asks for snapshots is understood, or refused in a sentence of its own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import ItemErrors, RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._snapshot_request import (
    PurgeRequest,
    SnapshotRequest,
    parse_snapshot,
    relate,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import APP, is_sentence, outcome

DAILY = ImageSpec("rbd", "", "app", "daily")
NOTHING = {"snapshot": None, "state": "present", "protected": None, "pattern": None, "keep": None, "older_than": None}


def item(image: str = "app", **options: Any) -> dict[str, Any]:
    return {**NOTHING, "image": image, **options}


@pytest.mark.parametrize(
    "given", [item("app@daily"), item("rbd/app", snapshot="daily"), item("app@daily", snapshot="daily")]
)
def test_a_snapshot_is_named_in_either_way(given: dict[str, Any]) -> None:
    assert parse_snapshot(given) == SnapshotRequest(DAILY)
    assert parse_snapshot({**given, "state": "absent", "protected": False}) == SnapshotRequest(DAILY, "absent", False)


def test_a_pattern_with_what_stays() -> None:
    wish = item("a/b/c", state="absent", pattern="daily-*", keep=7, older_than="2w", protected=False)
    image = ImageSpec("a", "b", "c")
    assert parse_snapshot(wish) == PurgeRequest(image, "daily-*", 7, 14 * 86400, unprotect=True)
    assert parse_snapshot(item("a/b/c", state="absent", pattern="*", protected=True)) == PurgeRequest(image, "*")
    assert parse_snapshot(wish).name == "a/b/c@daily-*"


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*", "daily", True),
        ("daily", "daily", True),
        ("daily", "daily-1", False),
        ("d?ily", "daily", True),
        ("Daily", "daily", False),
        ("[!d]*", "daily", False),
        ("daily-[0-9]", "daily-7", True),
        ("daily.*", "daily-7", False),
    ],
)
def test_patterns_are_those_of_a_shell(pattern: str, name: str, fits: bool) -> None:
    assert PurgeRequest(APP, pattern).matches(name) == fits


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            item(),
            "Cannot manage the snapshots of rbd/app: no snapshot is named. Give snapshot, or with state absent a ",
        ),
        (
            item("app@daily", snapshot="other"),
            "Cannot manage rbd/app@daily: snapshot says 'other'. Name the snapshot o",
        ),
        (item(snapshot="a@b"), "Cannot read the image-spec 'rbd/app@a@b': it is not an image-spec."),
        (item(snapshot=""), "Cannot read the image-spec 'rbd/app@': it is not an image-spec."),
        (
            item("app@daily", keep=0),
            "Cannot manage rbd/app@daily: keep and older_than choose among the snapshots of a ",
        ),
        (item(snapshot="a", older_than="7d"), "Cannot manage rbd/app: keep and older_than choose among the snapshots "),
        (
            item(pattern="*"),
            "Cannot use the pattern '*' for rbd/app: the state is present, and a pattern only chooses wh",
        ),
        (
            item(pattern="*", state="rolled_back"),
            "Cannot use the pattern '*' for rbd/app: the state is rolled_back, an",
        ),
        (
            item(pattern="*", snapshot="a", state="absent"),
            "Cannot use the pattern '*' for rbd/app: the snapshot a is n",
        ),
        (
            item("app@a", pattern="*", state="absent"),
            "Cannot use the pattern '*' for rbd/app@a: the snapshot a is named",
        ),
        (
            item(pattern="", state="absent"),
            "Cannot use the pattern '' for rbd/app: it is empty. Write '*' for every sn",
        ),
        (
            item(pattern="*", keep=-1, state="absent"),
            "Cannot use the pattern '*' for rbd/app: keep is -1. Give the num",
        ),
        (item(pattern="*", older_than="7", state="absent"), "Cannot read the duration '7': it has no unit"),
    ],
)
def test_contradictions_have_their_own_sentence(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RbdError) as refused:
        parse_snapshot(given)
    assert str(refused.value).startswith(sentence)
    assert is_sentence(refused.value)


@given(
    st.fixed_dictionaries(
        {
            "image": st.sampled_from(["app", "app@daily", "a/b/c@d", "/", ""]),
            "snapshot": st.none() | st.text(max_size=3),
            "state": st.sampled_from(["present", "absent", "rolled_back"]),
            "protected": st.none() | st.booleans(),
            "pattern": st.none() | st.text(max_size=3),
            "keep": st.none() | st.integers(-2, 2),
            "older_than": st.none() | st.sampled_from(["7d", "7", ""]),
        }
    )
)
def test_anything_is_understood_or_refused(given: dict[str, Any]) -> None:
    request = outcome(lambda: parse_snapshot(given))
    if isinstance(request, PurgeRequest):
        assert given["state"] == request.state
        assert request.spec.snap is None
    elif isinstance(request, SnapshotRequest):
        assert request.snap
        assert given["keep"] is given["older_than"] is None
    else:
        assert str(request).startswith("Cannot ")


def test_a_pattern_learns_what_the_other_items_of_its_image_name() -> None:
    other = ImageSpec("rbd", "", "log")
    requests = relate(
        [
            PurgeRequest(APP, "*"),
            SnapshotRequest(DAILY),
            SnapshotRequest(ImageSpec("rbd", "", "log", "weekly"), "absent"),
            PurgeRequest(other, "*"),
            PurgeRequest(ImageSpec("vms", "", "app"), "*"),
        ]
    )
    declared = [request.declared for request in requests if isinstance(request, PurgeRequest)]
    assert declared == [{"daily"}, {"weekly"}, frozenset()]


def test_an_image_is_rolled_back_to_one_snapshot() -> None:
    back = [SnapshotRequest(ImageSpec("rbd", "", image, snap), "rolled_back") for image, snap in ("ax", "bx", "ay")]
    assert relate(back[:2]) == back[:2]
    with pytest.raises(ItemErrors) as refused:
        relate(back)
    (failure,) = refused.value.failures
    assert (failure.index, failure.item) == (2, "rbd/a@y")
    assert str(failure.error) == (
        "Cannot roll rbd/a back to y: item 0 of the same list rolls it back to x. Name one of them."
    )
