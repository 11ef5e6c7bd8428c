# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations are whole numbers with a unit, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._duration import parse_duration
from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence, outcome

FIFTY_YEARS = 50 * 365 * 24 * 60 * 60


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("1s", 1),
        ("90m", 90 * 60),
        ("12h", 12 * 60 * 60),
        ("7d", 7 * 24 * 60 * 60),
        ("2w", 14 * 24 * 60 * 60),
        ("7 d", 7 * 24 * 60 * 60),
        (" 7d ", 7 * 24 * 60 * 60),
        ("007d", 7 * 24 * 60 * 60),
        ("18250d", FIFTY_YEARS),
    ],
)
def test_every_unit_is_read(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("number", ["7", "0", 7, 86400])
def test_a_bare_number_is_refused_because_its_unit_could_be_any(number: str | int) -> None:
    with pytest.raises(RbdError) as caught:
        parse_duration(number)
    assert str(caught.value) == (
        f"Cannot read the duration '{number}': it has no unit, and could be meant in seconds as well as in days. "
        "Write a whole number with its unit (w, d, h, m or s for weeks, days, hours, minutes or seconds), such as 7d."
    )


@pytest.mark.parametrize(
    "text", ["", "d", "1.5d", "-1d", "+1d", "1D", "1M", "1y", "1 month", "1d12h", "1d 2h", "1d\n1d", "\u0661d", "True"]
)
def test_other_spellings_are_refused_with_the_text_and_the_accepted_forms(text: str) -> None:
    with pytest.raises(RbdError, match="not a whole number with a unit") as caught:
        parse_duration(text)
    assert repr(text) in str(caught.value)
    assert "such as 7d" in str(caught.value)


@pytest.mark.parametrize("text", ["18251d", f"{FIFTY_YEARS + 1}s", "9999999999w"])
def test_what_ceph_could_not_add_to_the_time_is_refused(text: str) -> None:
    with pytest.raises(RbdError, match="longer than 50 years"):
        parse_duration(text)


@given(st.text() | st.from_regex(r"[0-9]{1,12} ?[a-z]?", fullmatch=True) | st.integers())
def test_any_text_is_read_or_refused_in_a_sentence(text: str | int) -> None:
    seconds = outcome(lambda: parse_duration(text))
    if isinstance(seconds, RbdError):
        assert "\n" not in str(seconds)
        assert is_sentence(seconds)
    else:
        assert 0 <= seconds <= FIFTY_YEARS


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_more_is_longer_in_every_unit_and_a_greater_unit_is_longer(one: int, other: int) -> None:
    for unit in "smhd":
        assert (one < other) == (parse_duration(f"{one}{unit}") < parse_duration(f"{other}{unit}"))
    shown = [parse_duration(f"{one + 1}{unit}") for unit in "smhdw"]
    assert shown == sorted(set(shown))
