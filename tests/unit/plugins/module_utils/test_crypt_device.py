# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name of the opened side of an encrypted image: one for each image, and an image for each name."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._crypt_device import (
    crypt_name,
    crypt_path,
    from_crypt_path,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence, outcome

parts = st.text("ab-.", min_size=1, max_size=5)
specs = st.builds(ImageSpec, parts, st.just("") | parts, parts, st.none() | parts)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        (ImageSpec("rbd", "", "app"), "rbd-rbd-app"),
        (ImageSpec("a", "", "b-c"), "rbd-a-b--c"),
        (ImageSpec("a-b", "", "c"), "rbd-a--b-c"),
        (ImageSpec("a", "b", "c"), "rbd-a-b-c"),
        (ImageSpec("a", "", "b", "mon-day"), "rbd-a-b@mon--day"),
    ],
)
def test_the_name(spec: ImageSpec, name: str) -> None:
    assert crypt_name(spec) == name
    assert crypt_path(spec) == f"/dev/mapper/{name}"


@given(specs)
def test_the_name_leads_back_to_the_image(spec: ImageSpec) -> None:
    path = outcome(lambda: crypt_path(spec))
    if isinstance(path, RbdError):
        assert any(
            part[:1] == "-" or part[-1:] == "-" for part in (spec.pool, spec.namespace, spec.image, spec.snap or "")
        )
    else:
        assert from_crypt_path(path) == spec


@given(st.text("rbd-a@", max_size=14))
def test_a_path_that_means_an_image_is_the_one_that_the_image_gives(text: str) -> None:
    spec = from_crypt_path(f"/dev/mapper/{text}")
    assert spec is None or crypt_name(spec) == text


@pytest.mark.parametrize(
    "path", ["/dev/rbd/rbd/app", "/dev/mapper/vg-lv", "/dev/mapper/rbd-app", "/dev/mapper/rbd-a-b-c-d"]
)
def test_what_is_no_such_path(path: str) -> None:
    assert from_crypt_path(path) is None


@pytest.mark.parametrize(
    "spec", [ImageSpec("a-", "", "b"), ImageSpec("a", "", "-b"), ImageSpec("p" * 60, "", "i" * 70)]
)
def test_a_name_that_would_be_ambiguous_or_too_long_is_refused(spec: ImageSpec) -> None:
    with pytest.raises(RbdError) as refused:
        crypt_name(spec)
    assert is_sentence(refused.value)
