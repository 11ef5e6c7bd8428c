# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes are read as the rbd command reads them, except for the bare number, and shown exactly."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._size import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("20G", 20 * 2**30),
        ("20Gi", 20 * 2**30),
        ("20GB", 20 * 2**30),
        ("20GiB", 20 * 2**30),
        ("20 GiB", 20 * 2**30),
        (" 20G ", 20 * 2**30),
        ("1K", 1024),
        ("3M", 3 * 2**20),
        ("5T", 5 * 2**40),
        ("6P", 6 * 2**50),
        ("7E", 7 * 2**60),
        ("1048576B", 2**20),
        ("010G", 10 * 2**30),
        ("9223372036854775807B", 2**63 - 1),
    ],
)
def test_every_spelling_of_the_rbd_command_is_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("number", ["20", "0", 20, 1048576])
def test_a_bare_number_is_refused_because_rbd_would_take_it_as_mebibytes(number: str | int) -> None:
    with pytest.raises(RbdError) as caught:
        parse_size(number)
    assert str(caught.value) == (
        f"Cannot read the size '{number}': it has no unit, and the rbd command would take the bare number as MiB. "
        "Write a whole number with its unit (B, or K, M, G, T, P, E for powers of 1024), for example 20G or 1048576B."
    )


@pytest.mark.parametrize(
    "text",
    ["", "G", "1.5G", "-1G", "+1G", "1g", "1kB", "1Bi", "1Z", "0x10G", "1 0G", "1G\n1G", "\u0661G", "True"],
)
def test_other_spellings_are_refused_with_the_text_and_the_accepted_forms(text: str) -> None:
    with pytest.raises(RbdError, match="not a whole number with a unit") as caught:
        parse_size(text)
    assert repr(text) in str(caught.value)
    assert "20G" in str(caught.value)


@pytest.mark.parametrize("text", ["0B", "0G", "8E", "9223372036854775808B", "99999999999999999999E"])
def test_sizes_that_no_block_device_has_are_refused(text: str) -> None:
    with pytest.raises(RbdError, match=r"an image of no bytes|smaller than 8E"):
        parse_size(text)


def test_a_number_of_any_length_is_an_error_in_words() -> None:
    with pytest.raises(RbdError):
        parse_size("9" * 5000 + "G")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (20 * 2**30, "20 GiB"),
        (1536 * 2**20, "1536 MiB"),
        (1000, "1000 B"),
        (1025, "1025 B"),
        (1024, "1 KiB"),
        (2**60, "1 EiB"),
        (2**70, "1024 EiB"),
        (0, "0 B"),
        (-(2**20), "-1 MiB"),
    ],
)
def test_a_size_is_shown_exactly_in_the_largest_unit_that_divides_it(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.integers(1, 2**63 - 1) | st.integers(1, 2**13).map(lambda number: number * 2**40))
def test_what_is_shown_can_be_read_back(size: int) -> None:
    assert parse_size(format_size(size)) == size
