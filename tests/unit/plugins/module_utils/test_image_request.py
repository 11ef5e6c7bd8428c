# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user asks for an image, read or refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._image_request import parse_image
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._image_wish import ImageRequest, LayoutWish
from ansible_collections.cephclient.rbd.plugins.module_utils._settings import SettingsWish
from ansible_collections.cephclient.rbd.plugins.modules.rbd_image import _ITEM
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.image_values import (
    GIB,
    KIB,
    MIB,
    OLD,
    mask,
    quick,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import APP, is_sentence, outcome


def item(**given: Any) -> dict[str, Any]:
    """An item as it comes from the argument specification."""
    return {**{name: spec.get("default") for name, spec in _ITEM.items()}, "image": "app", **given}


def test_a_name_alone_asks_that_the_image_exists() -> None:
    assert parse_image(item()) == ImageRequest(APP)


def test_every_option_is_read() -> None:
    request = parse_image(
        item(
            image="rbd/app",
            size="20G",
            shrink=True,
            features=["exclusive-lock", "layering"],
            object_size="8M",
            stripe_unit="64K",
            stripe_count=4,
            data_pool="data",
            parent="golden@one",
            flatten=True,
            config={"rbd_cache": False},
            purge_config=True,
            metadata={"tier": 1},
            renamed_from="old",
            restore=False,
            retention="7d",
            purge_snapshots=True,
        )
    )
    assert request == ImageRequest(
        APP,
        "present",
        size=20 * GIB,
        features=mask("layering", "exclusive-lock"),
        layout=LayoutWish(8 * MIB, 64 * KIB, 4, "data"),
        parent=ImageSpec("rbd", "", "golden", "one"),
        flatten=True,
        shrink=True,
        config=SettingsWish({"rbd_cache": "false"}, purge=True),
        metadata=SettingsWish({"tier": "1"}),
        retention=7 * 86400,
        restore=False,
        renamed_from=OLD,
        purge_snapshots=True,
    )


def test_a_source_has_a_format_or_none() -> None:
    assert parse_image(item(source="/srv/a")).source == ("/srv/a", None)
    assert parse_image(item(source="/srv/a", source_format="qcow2")).source == ("/srv/a", "qcow2")


def test_no_features_are_not_the_same_as_nothing_wished() -> None:
    assert parse_image(item(features=[])).features == 0
    assert parse_image(item()).features is None


@pytest.mark.parametrize("state", ["absent", "trashed"])
def test_settings_are_for_an_image_that_shall_be_there(state: str) -> None:
    request = parse_image(item(state=state, config={"a": 1}, metadata={"a": 1}, purge_config=True))
    assert (request.config, request.metadata) == (None, None)


@pytest.mark.parametrize(
    ("given_options", "sentence"),
    [
        ({"image": "app@one"}, "Cannot manage rbd/app@one: it is a snapshot, not an image"),
        ({"image": "a/b/c/d"}, "it is not an image-spec"),
        ({"size": "20"}, "it has no unit"),
        ({"retention": "7"}, "it has no unit"),
        ({"features": ["exclusive_lock"]}, "Did you mean exclusive-lock?"),
        ({"parent": "a@b", "source": "/srv/a"}, "both parent and source say what it is made from"),
        ({"source_format": "raw"}, "source_format is given without a source"),
        ({"object_size": "3M"}, "it is not a power of two from 4 KiB to 32 MiB"),
        ({"object_size": "2K"}, "it is not a power of two from 4 KiB to 32 MiB"),
        ({"object_size": "64M"}, "it is not a power of two from 4 KiB to 32 MiB"),
        ({"stripe_unit": "1M", "stripe_count": 0}, "it is less than 1"),
        ({"stripe_unit": "1M", "stripe_count": -4}, "it is less than 1"),
        ({"parent": "golden"}, "it is an image, and a clone is made of a snapshot"),
        ({"parent": "rbd/app@one"}, "an image cannot be a clone of itself"),
        ({"renamed_from": "vms/app"}, "an image keeps its pool and namespace when it is renamed"),
        ({"renamed_from": "rbd/test/app"}, "an image keeps its pool and namespace when it is renamed"),
        ({"renamed_from": "rbd/app"}, "both names are the same"),
        ({"renamed_from": "old@one"}, "it is a snapshot, not an image"),
        ({"config": {"a": []}}, "its value is a list or a dictionary"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(given_options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RbdError) as refused:
        parse_image(item(**given_options))
    assert sentence in str(refused.value)
    assert is_sentence(refused.value)


@pytest.mark.parametrize("size", ["4K", "32M"])
def test_the_smallest_and_the_largest_objects_are_taken(size: str) -> None:
    assert parse_image(item(object_size=size)).layout.object_size is not None


_specs = st.sampled_from(["app", "rbd/app", "rbd/test/app", "app@one", "a/b/c/d", "", "golden@one"])
_sizes = st.none() | st.sampled_from(["20G", "4K", "3M", "20", "", "-1G", "9E"])


@quick
@given(
    st.fixed_dictionaries(
        {
            "image": _specs,
            "state": st.sampled_from(["present", "absent", "trashed"]),
            "size": _sizes,
            "features": st.none()
            | st.lists(st.sampled_from(["layering", "object-map", "journaling", "striping", "x"])),
            "object_size": _sizes,
            "stripe_unit": _sizes,
            "stripe_count": st.none() | st.integers(-1, 3),
            "parent": st.none() | _specs,
            "source": st.none() | st.just("/srv/a"),
            "source_format": st.none() | st.just("raw"),
            "retention": st.none() | st.sampled_from(["7d", "7", "x"]),
            "renamed_from": st.none() | _specs,
        }
    )
)
def test_any_item_is_read_or_refused_in_a_sentence(given_options: dict[str, Any]) -> None:
    request = outcome(lambda: parse_image(item(**given_options)))
    if isinstance(request, RbdError):
        assert is_sentence(request), str(request)
    else:
        assert request.spec == ImageSpec.parse(given_options["image"])
