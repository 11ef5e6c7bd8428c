# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Features by name, and what a kernel lacks."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._features import FEATURES, feature_names, unmappable
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    DEFAULT_FEATURES,
    KRBD_FEATURES,
)

masks = st.integers(0, 2**64 - 1)


@given(masks)
def test_every_bit_has_a_name_of_its_own(mask: int) -> None:
    names = feature_names(mask)
    assert len(set(names)) == len(names) == bin(mask).count("1")


def test_an_unknown_bit_is_shown_by_its_number() -> None:
    assert feature_names(1 | 1 << 40) == ("layering", "bit 40")


def test_the_default_features_can_be_mapped() -> None:
    assert unmappable(DEFAULT_FEATURES, KRBD_FEATURES, read_only=False) == ()


def test_journaling_keeps_from_writing_only() -> None:
    mask = DEFAULT_FEATURES | FEATURES["journaling"]
    assert unmappable(mask, KRBD_FEATURES, read_only=False) == ("journaling",)
    assert unmappable(mask, KRBD_FEATURES, read_only=True) == ()


@pytest.mark.parametrize("name", ["layering", "striping", "data-pool", "dirty-cache"])
def test_what_changes_the_layout_keeps_from_reading_too(name: str) -> None:
    assert unmappable(FEATURES[name], 0, read_only=True) == (name,)


@given(masks, masks)
def test_whoever_may_write_may_read(features: int, supported: int) -> None:
    assert set(unmappable(features, supported, read_only=True)) <= set(unmappable(features, supported, read_only=False))


@given(masks)
def test_a_kernel_that_has_them_all_lacks_none(features: int) -> None:
    assert unmappable(features, features, read_only=False) == ()
