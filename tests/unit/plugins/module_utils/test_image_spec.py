# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image-specs are read as the rbd command reads them, and lead to their device and back."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec, from_device

names = st.text("azAZ09+.:=_-", min_size=1, max_size=8).filter(lambda name: name not in (".", ".."))
specs = st.builds(ImageSpec, names, st.just("") | names, names, st.none() | names)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("app", ImageSpec("rbd", "", "app")),
        ("pool/app", ImageSpec("pool", "", "app")),
        ("pool/space/app", ImageSpec("pool", "space", "app")),
        ("app@snap", ImageSpec("rbd", "", "app", "snap")),
        ("pool/space/app@snap", ImageSpec("pool", "space", "app", "snap")),
    ],
)
def test_every_form_is_read(text: str, spec: ImageSpec) -> None:
    assert ImageSpec.parse(text) == spec


@pytest.mark.parametrize(
    "text", ["", "/", "/app", "pool/", "a/b/c/d", "app@", "@snap", "app@a@b", "pool@a/app", "a//b", "app\n", "a\udcffb"]
)
def test_other_texts_are_refused_with_the_syntax(text: str) -> None:
    with pytest.raises(RbdError, match="it is not an image-spec") as caught:
        ImageSpec.parse(text)
    assert repr(text) in str(caught.value)
    assert "[<pool>/[<namespace>/]]<image>[@<snap>]" in str(caught.value)


@given(specs)
def test_the_text_of_a_spec_is_the_spec_again(spec: ImageSpec) -> None:
    assert ImageSpec.parse(str(spec)) == spec


@given(specs)
def test_the_device_of_a_spec_leads_back_to_it(spec: ImageSpec) -> None:
    assert from_device(spec.device) == spec


def test_the_head_is_the_image_without_its_snapshot() -> None:
    assert ImageSpec.parse("pool/space/app@snap").head == ImageSpec("pool", "space", "app")
    assert ImageSpec.parse("pool/space/app@snap").pool_path == "pool/space"
    assert ImageSpec.parse("app").pool_path == "rbd"


@pytest.mark.parametrize(
    "path",
    ["", "/dev/rbd0", "/dev/rbd/", "/dev/rbd/app", "/dev/rbd/a/b/c/d", "/dev/rbd/rbd/app/", "rbd/app"],
)
def test_other_paths_are_no_links_to_a_device(path: str) -> None:
    assert from_device(path) is None


def test_repeated_slashes_count_as_one() -> None:
    assert from_device("/dev//rbd/rbd//app") == ImageSpec("rbd", "", "app")


@pytest.mark.parametrize("name", ["my app", "a#b", "a'b", "a*b", "a\\b", "a,b", "a%b", "\u00e9", "a\nb"])
def test_a_name_that_udev_or_rbdmap_would_change_cannot_be_mapped(name: str) -> None:
    with pytest.raises(RbdError, match="udev or rbdmap would change the name"):
        ImageSpec("rbd", "", name).require_mappable()
    with pytest.raises(RbdError):
        ImageSpec(name, "", "app").require_mappable()
    with pytest.raises(RbdError):
        ImageSpec("rbd", name, "app").require_mappable()
    with pytest.raises(RbdError):
        ImageSpec("rbd", "", "app", name).require_mappable()


@given(specs)
def test_plain_names_can_be_mapped(spec: ImageSpec) -> None:
    spec.require_mappable()
