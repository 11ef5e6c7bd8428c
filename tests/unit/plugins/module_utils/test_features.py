# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Features by name, and what a kernel lacks."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._features import (
    DECLARABLE,
    DECLARABLE_MASK,
    FEATURES,
    change_features,
    feature_names,
    parse_features,
    unmappable,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils import image_values
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.image_values import mask, quick
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    DEFAULT_FEATURES,
    KRBD_FEATURES,
    is_sentence,
    outcome,
)

masks = st.integers(0, 2**64 - 1)


@given(masks)
def test_every_bit_has_a_name_of_its_own(mask: int) -> None:
    names = feature_names(mask)
    assert len(set(names)) == len(names) == bin(mask).count("1")


def test_an_unknown_bit_is_shown_by_its_number() -> None:
    assert feature_names(1 | 1 << 40) == ("layering", "bit 40")


def test_the_default_features_can_be_mapped() -> None:
    assert unmappable(DEFAULT_FEATURES, KRBD_FEATURES, read_only=False) == 0


def test_journaling_keeps_from_writing_only() -> None:
    mask = DEFAULT_FEATURES | FEATURES["journaling"]
    assert unmappable(mask, KRBD_FEATURES, read_only=False) == FEATURES["journaling"]
    assert unmappable(mask, KRBD_FEATURES, read_only=True) == 0


@pytest.mark.parametrize("name", ["layering", "striping", "data-pool", "dirty-cache"])
def test_what_changes_the_layout_keeps_from_reading_too(name: str) -> None:
    assert unmappable(FEATURES[name], 0, read_only=True) == FEATURES[name]


@given(masks, masks)
def test_whoever_may_write_may_read(features: int, supported: int) -> None:
    more = unmappable(features, supported, read_only=False)
    assert unmappable(features, supported, read_only=True) & ~more == 0


@given(masks)
def test_a_kernel_that_has_them_all_lacks_none(features: int) -> None:
    assert unmappable(features, features, read_only=False) == 0


class TestDeclared:
    @quick
    @given(image_values.masks, st.randoms(use_true_random=False))
    def test_names_give_the_mask_that_they_come_from_in_any_order(self, declared: int, random: Random) -> None:
        names = [*feature_names(declared), *feature_names(declared)]
        random.shuffle(names)
        assert parse_features(names) == declared

    @quick
    @given(st.lists(st.sampled_from([*FEATURES, "exclusive_lock", "nonsense", ""])))
    def test_any_names_are_read_or_refused_in_a_sentence(self, names: list[str]) -> None:
        declared = outcome(lambda: parse_features(names))
        if isinstance(declared, RbdError):
            assert is_sentence(declared)
        else:
            assert set(feature_names(declared)) == set(names) <= set(DECLARABLE)

    @pytest.mark.parametrize(
        ("names", "sentence"),
        [
            (["object-map", "fast-diff"], "Cannot use the feature object-map: it needs exclusive-lock. Add exclusive-"),
            (["exclusive-lock", "object-map"], "it needs fast-diff. Add fast-diff."),
            (["exclusive-lock", "fast-diff"], "it needs object-map. Add object-map."),
            (["object-map"], "Add exclusive-lock and fast-diff."),
            (["layering", "journaling"], "it needs exclusive-lock"),
            (["exclusive_lock"], "librbd has no feature of that name. Did you mean exclusive-lock? The names are"),
            (["zzz"], "librbd has no feature of that name. The names are layering, exclusive-lock,"),
        ],
        ids=str,
    )
    def test_what_is_missing_is_named(self, names: list[str], sentence: str) -> None:
        with pytest.raises(RbdError) as refused:
            parse_features(names)
        assert sentence in str(refused.value)

    @pytest.mark.parametrize("name", sorted(set(FEATURES) - set(DECLARABLE)))
    def test_what_librbd_sets_by_itself_is_not_declared(self, name: str) -> None:
        with pytest.raises(RbdError, match="librbd sets it by itself"):
            parse_features(["layering", name])


class TestChange:
    @quick
    @given(image_values.masks, masks)
    def test_gives_exactly_what_is_wanted_and_leaves_librbds_own_alone(self, wanted: int, actual: int) -> None:
        change = outcome(lambda: change_features("change it", wanted, actual))
        if isinstance(change, RbdError):
            fixed = (wanted ^ actual) & mask("layering") or wanted & ~actual & mask("deep-flatten")
            assert fixed
            assert "once an image exists" in change.cause or "only be given to a new image" in change.cause
            return
        enable, disable = change
        after = actual & ~disable | enable
        assert after & DECLARABLE_MASK == wanted
        assert after & ~DECLARABLE_MASK == actual & ~DECLARABLE_MASK
        assert enable & actual == 0
        assert disable & ~actual == 0

    @quick
    @given(image_values.masks)
    def test_is_nothing_where_all_is_as_wanted(self, declared: int) -> None:
        assert change_features("change it", declared, declared) == (0, 0)
