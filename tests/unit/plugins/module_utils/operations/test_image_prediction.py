# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rbd_image predicts is what the cluster then has, for any wish of a user and any images of librbd."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._features import feature_names
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import ImageFacts, Layout
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils import image_values as values
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.image_host import (
    ImageHost,
    golden,
    options,
)

_settings = st.none() | st.dictionaries(
    st.sampled_from(["rbd_cache", "rbd_clone_copy_on_read"]), st.none() | st.booleans()
)
_wishes = st.fixed_dictionaries(
    {
        "state": values.mostly(st.just("present"), st.sampled_from(["absent", "trashed"])),
        "size": values.mostly(st.sampled_from(["1G", "2G", "3G"]), st.none()),
        "features": st.none() | values.masks.map(feature_names).map(list),
        "parent": values.mostly(st.none(), st.sampled_from(["golden@one", "golden@two"])),
        "source": values.mostly(st.none(), st.just(values.SOURCE.path)),
        "renamed_from": values.mostly(st.none(), st.just("old")),
        "object_size": values.mostly(st.none(), st.sampled_from(["1M", "4M"])),
        "data_pool": values.mostly(st.none(), st.sampled_from(["rbd", "data"])),
        "config": _settings,
        "metadata": _settings,
        **{
            name: st.booleans()
            for name in ("flatten", "shrink", "restore", "purge_config", "purge_metadata", "purge_snapshots")
        },
    }
)


def _settled(image: ImageFacts) -> ImageFacts:
    """An image as librbd can have it: nothing is protected that is not there, and all that is read is there."""
    protected = tuple(name for name in image.protected if name in image.snapshots)
    parent = ImageSpec("rbd", "", "golden", "one") if image.parent else None
    layered = {"config": image.config or {}, "metadata": image.metadata or {}, "layout": Layout()}
    return replace(image, protected=protected, parent=parent, children=(), **layered)


_images = values.images.map(_settled)
_parents = st.builds(
    golden,
    protected=values.mostly(st.just(("one",)), st.just(())),
    config=values.held_settings,
    metadata=values.held_settings,
)


@settings(values.thorough, max_examples=500)
@given(_wishes, st.none() | _images, values.mostly(st.none(), _images), values.mostly(st.none(), _images), _parents)
def test_what_is_predicted_is_what_the_cluster_then_has(
    wish: dict[str, Any],
    app: ImageFacts | None,
    old: ImageFacts | None,
    trashed: ImageFacts | None,
    parent: ImageFacts,
) -> None:
    there = {"app": app, "old": old and replace(old, image_id="old"), "golden": parent}
    host = ImageHost(**{name: image for name, image in there.items() if image is not None})
    host.images.in_trash = [("rbd", values.in_trash(replace(trashed, image_id="gone")))] if trashed else []
    before = dict(host.cluster.images)
    if host.once(options(image="app", **wish), check=True).failed:
        assert host.once(options(image="app", **wish)).failed
        assert host.cluster.images == before
        return
    done = host.ritual(options(image="app", **wish))
    (state,) = done.result["images"]
    held = host.cluster.images.get("rbd/app")
    assert state["exists"] == (held is not None)
    if held is not None:
        assert state["size"] == held.size
        assert state["features"] == list(feature_names(held.features))
        assert state["parent"] == (str(held.parent) if held.parent else None)
