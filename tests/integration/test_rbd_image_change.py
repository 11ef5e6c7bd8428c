# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_image changes what is not as declared, and only while nobody is in the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from loopback.cluster import LoopbackCluster
from loopback.holder import holding
from loopback.modules import Modules, Ritual

MIB = 2**20
ALL = ["layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten"]


@pytest.fixture
def image(cluster: LoopbackCluster, namespace: str) -> str:
    """An image of 8 MiB with the default features."""
    spec = f"{namespace}/data"
    cluster.rbd("create", spec, "--size", "8M")
    return spec


def metadata(cluster: LoopbackCluster, image: str) -> dict[str, str]:
    """The image's metadata; the rbd command says nothing at all where there is none."""
    said = cluster.rbd("image-meta", "ls", image, "--format", "json")
    return dict(json.loads(said)) if said.strip() else {}


# The rbd command takes no empty value.
_SET_METADATA = """
pool, namespace, name, *words = args
ioctx = cluster.open_ioctx(pool)
ioctx.set_namespace(namespace)
with rbd.Image(ioctx, name) as image:
    for key, value in zip(words[::2], words[1::2]):
        image.metadata_set(key, value)
ioctx.close()
"""


class TestSize:
    def test_shrinks_only_if_told_so(
        self, cluster: LoopbackCluster, image: str, module: Modules, ritual: Ritual
    ) -> None:
        refused = module("rbd_image")({"image": image, "size": "4M"})
        assert "it has 8 MiB, more than the 4 MiB asked for" in refused.msg
        assert cluster.json("rbd", "info", image)["size"] == 8 * MIB

        done = ritual("rbd_image", {"image": image, "size": "4M", "shrink": True})
        assert [(action["action"], action["size"]) for action in done.actions] == [("shrink", 4 * MIB)]
        assert cluster.json("rbd", "info", image)["size"] == 4 * MIB

    def test_never_shrinks_what_somebody_has_open(
        self, cluster: LoopbackCluster, image: str, module: Modules, system_python: str
    ) -> None:
        with holding(cluster.conf, system_python, image) as client:
            for check in (True, False):
                refused = module("rbd_image")({"image": image, "size": "4M", "shrink": True}, check=check)
                assert f"Cannot shrink {image}: it is in use by {client} at 127.0.0.1" in refused.msg
        assert cluster.json("rbd", "info", image)["size"] == 8 * MIB

    def test_grows_what_somebody_has_open(
        self, cluster: LoopbackCluster, image: str, module: Modules, system_python: str
    ) -> None:
        with holding(cluster.conf, system_python, image):
            assert module("rbd_image")({"image": image, "size": "12M"}).changed
        assert cluster.json("rbd", "info", image)["size"] == 12 * MIB


class TestFeatures:
    @pytest.mark.parametrize(
        "wanted",
        [
            ["layering", "deep-flatten"],
            ["layering", "exclusive-lock", "deep-flatten"],
            ["layering", "exclusive-lock", "object-map", "fast-diff"],
            ["layering"],
            [*ALL, "journaling"],
        ],
        ids=" ".join,
    )
    def test_exactly_those_declared_are_on(
        self, cluster: LoopbackCluster, image: str, ritual: Ritual, wanted: list[str]
    ) -> None:
        done = ritual("rbd_image", {"image": image, "features": wanted})
        features = cluster.json("rbd", "info", image)["features"]
        assert set(features) == set(wanted)
        assert " ".join(features) in done.diff[0]["after"]
        assert done.raw["images"][0]["features"] == features

    def test_order_of_librbd_is_kept_both_ways(self, cluster: LoopbackCluster, image: str, ritual: Ritual) -> None:
        ritual("rbd_image", {"image": image, "features": ["layering", "deep-flatten"]})
        done = ritual("rbd_image", {"image": image, "features": [*reversed(ALL)]})
        assert [action["action"] for action in done.actions] == ["change_features", "rebuild_object_map"]
        info = cluster.json("rbd", "info", image)
        assert (set(info["features"]), info["flags"]) == (set(ALL), [])

    def test_invalid_object_map_is_rebuilt(self, cluster: LoopbackCluster, image: str, ritual: Ritual) -> None:
        cluster.rbd("feature", "disable", image, "object-map", "fast-diff")
        cluster.rbd("feature", "enable", image, "object-map", "fast-diff")
        assert cluster.json("rbd", "info", image)["flags"]
        done = ritual("rbd_image", {"image": image, "features": ALL})
        assert [action["action"] for action in done.actions] == ["rebuild_object_map"]
        assert cluster.json("rbd", "info", image)["flags"] == []

    def test_not_while_somebody_has_the_image_open(
        self, cluster: LoopbackCluster, image: str, module: Modules, system_python: str
    ) -> None:
        with holding(cluster.conf, system_python, image) as client:
            refused = module("rbd_image")({"image": image, "features": ["layering"]})
        assert f"it is in use by {client}" in refused.msg
        assert set(cluster.json("rbd", "info", image)["features"]) == set(ALL)

    @pytest.mark.parametrize(
        ("wanted", "sentence"),
        [
            (["exclusive-lock"], "layering cannot be disabled once an image exists"),
            (["layering", "object-map"], "Cannot use the feature object-map: it needs exclusive-lock."),
            (["layering", "exclusive-lock", "fast-diff"], "it needs object-map"),
            (["layering", "exclusive-lock", "object-map"], "it needs fast-diff"),
            (["layering", "journaling"], "it needs exclusive-lock"),
            (["layering", "exclusive_lock"], "Did you mean exclusive-lock?"),
            (["layering", "striping"], "librbd sets it by itself, from stripe_unit and stripe_count"),
        ],
        ids=str,
    )
    def test_what_cannot_be_is_said(self, image: str, module: Modules, wanted: list[str], sentence: str) -> None:
        result = module("rbd_image")({"image": image, "features": wanted}, check=True)
        assert (result.failed, sentence in result.msg) == (True, True), result.msg

    def test_deep_flatten_is_never_given_back(self, image: str, module: Modules, ritual: Ritual) -> None:
        ritual("rbd_image", {"image": image, "features": ALL[:-1]})
        assert (
            "deep-flatten can only be given to a new image"
            in module("rbd_image")({"image": image, "features": ALL}).msg
        )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"object_size": "1M"}, "it was created with 4 MiB"),
        ({"stripe_unit": "1M", "stripe_count": 4}, "it was created with 4 MiB"),
        ({"data_pool": "elsewhere"}, "it was created with rbd"),
    ],
    ids=str,
)
def test_what_is_fixed_at_creation_is_not_changed(
    image: str, module: Modules, options: dict[str, Any], sentence: str
) -> None:
    result = module("rbd_image")({"image": image, **options}, check=True)
    assert (sentence in result.msg, "cannot be changed afterwards" in result.msg) == (True, True), result.msg


class TestSettings:
    def test_drift_is_corrected_and_the_rest_left_alone(
        self, cluster: LoopbackCluster, image: str, ritual: Ritual
    ) -> None:
        cluster.rbd("image-meta", "set", image, "owner", "somebody")
        cluster.rbd("image-meta", "set", image, "theirs", "kept")
        cluster.rbd("config", "image", "set", image, "rbd_cache", "false")

        done = ritual("rbd_image", {"image": image, "metadata": {"owner": "web"}, "config": {"rbd_cache_size": 1024}})

        assert [action["action"] for action in done.actions] == ["set_config", "set_metadata"]
        assert "metadata owner=somebody" in done.diff[0]["before"]
        assert "metadata owner=web" in done.diff[0]["after"]
        assert metadata(cluster, image) == {
            "conf_rbd_cache": "false",
            "conf_rbd_cache_size": "1024",
            "owner": "web",
            "theirs": "kept",
        }

    def test_null_removes_one_and_purge_the_rest(self, cluster: LoopbackCluster, image: str, ritual: Ritual) -> None:
        for name in ("one", "two", "three"):
            cluster.rbd("image-meta", "set", image, name, "x")
        cluster.rbd("config", "image", "set", image, "rbd_cache", "false")

        ritual("rbd_image", {"image": image, "metadata": {"one": None, "absent": None}})
        assert set(metadata(cluster, image)) == {"two", "three", "conf_rbd_cache"}

        ritual("rbd_image", {"image": image, "metadata": {"two": "x"}, "purge_metadata": True})
        assert set(metadata(cluster, image)) == {"two", "conf_rbd_cache"}

        done = ritual("rbd_image", {"image": image, "purge_config": True})
        assert "config rbd_cache not set" in done.diff[0]["after"]
        assert set(metadata(cluster, image)) == {"two"}

    def test_an_empty_value_of_others_does_not_mix_up_the_rest(
        self, cluster: LoopbackCluster, image: str, module: Modules, ritual: Ritual
    ) -> None:
        cluster.python(_SET_METADATA, *image.split("/"), "a", "", "b", "two", "c", "three")
        assert not module("rbd_image")({"image": image, "metadata": {"b": "two", "c": "three"}}).changed

        ritual("rbd_image", {"image": image, "metadata": {"b": "two"}, "purge_metadata": True})
        assert metadata(cluster, image) == {"b": "two"}

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"config": {"rbd_nonsense": 1}}, "librbd has no such option for an image"),
            ({"config": {"rbd_cach": True}}, "(but rbd_cache)"),
            ({"config": {"rbd_cache": "maybe"}}, "librbd does not take the value 'maybe' for it"),
            ({"config": {"rbd_cache": ["a"]}}, "its value is a list or a dictionary"),
            ({"metadata": {"conf_rbd_cache": True}}, "Set it as config: rbd_cache."),
        ],
        ids=str,
    )
    def test_what_librbd_would_refuse_is_refused_before(
        self, cluster: LoopbackCluster, image: str, module: Modules, options: dict[str, Any], sentence: str
    ) -> None:
        for check in (True, False):
            result = module("rbd_image")({"image": image, **options}, check=check)
            assert (result.failed, sentence in result.msg) == (True, True), result.msg
        assert metadata(cluster, image) == {}
