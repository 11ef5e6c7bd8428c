# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One snapshot is taken, protected or removed, and what librbd then reports is what was told."""

from __future__ import annotations

from typing import Any

import pytest
from loopback.cluster import LoopbackCluster
from loopback.holder import holding
from loopback.modules import Modules, Ritual
from loopback.snapshots import MIB, clone, listed, steps, take


@pytest.fixture
def image(cluster: LoopbackCluster, namespace: str) -> str:
    """A new image of 8 MiB."""
    spec = f"{namespace}/data"
    cluster.rbd("create", "--size", "8M", spec)
    return spec


def test_create_and_remove(cluster: LoopbackCluster, image: str, ritual: Ritual) -> None:
    subject = f"{image}@daily"
    created = ritual("rbd_snapshot", {"image": image, "snapshot": "daily"})
    assert created.diff == [
        {"before": f"{subject}: absent\n", "after": f"{subject}: {listed(cluster, image)['daily']}\n"}
    ]
    assert created.raw["images"] == [
        {"image": image, "snapshot": "daily", "exists": True, "size": 8 * MIB, "protected": False}
    ]

    cluster.rbd("resize", "--size", "12M", image)
    before = listed(cluster, image)["daily"]
    removed = ritual("rbd_snapshot", {"image": subject, "state": "absent"})
    assert removed.diff == [{"before": f"{subject}: {before}\n", "after": f"{subject}: absent\n"}]
    assert listed(cluster, image) == {}


def test_protection(cluster: LoopbackCluster, image: str, ritual: Ritual, module: Modules) -> None:
    subject = f"{image}@golden"
    created = ritual("rbd_snapshot", {"image": subject, "protected": True})
    assert steps(created) == [("create", subject), ("protect", subject)]
    assert created.diff[0]["after"] == f"{subject}: snapshot of 8 MiB\n{subject}: protected\n"
    assert listed(cluster, image) == {"golden": "snapshot of 8 MiB, protected"}

    assert not module("rbd_snapshot")({"image": subject}).changed
    refused = module("rbd_snapshot")({"image": subject, "state": "absent"})
    assert refused.msg == f"Cannot remove {subject}: it is protected. Set protected to false if it may go."

    assert steps(ritual("rbd_snapshot", {"image": subject, "protected": False})) == [("unprotect", subject)]
    assert listed(cluster, image) == {"golden": "snapshot of 8 MiB"}
    assert steps(ritual("rbd_snapshot", {"image": subject, "protected": True})) == [("protect", subject)]
    removed = ritual("rbd_snapshot", {"image": subject, "state": "absent", "protected": False})
    assert steps(removed) == [("unprotect", subject), ("remove", subject)]
    assert listed(cluster, image) == {}


def test_image_that_somebody_has_open_is_no_obstacle(
    cluster: LoopbackCluster, image: str, ritual: Ritual, system_python: str
) -> None:
    with holding(cluster.conf, system_python, image, locked=True):
        for wish in ({"protected": True}, {"state": "absent", "protected": False}):
            assert ritual("rbd_snapshot", {"image": image, "snapshot": "daily", **wish}).changed


@pytest.mark.parametrize("version", [1, 2])
def test_snapshot_with_clones_stays_and_stays_protected(
    cluster: LoopbackCluster, image: str, namespace: str, module: Modules, version: int
) -> None:
    take(cluster, image, "golden")
    cluster.rbd("snap", "protect", f"{image}@golden")
    for child in ("vm", "gone"):
        clone(cluster, f"{image}@golden", f"{namespace}/{child}", version)
    cluster.rbd("trash", "mv", f"{namespace}/gone")

    for verb, wish in (("remove", {"state": "absent"}), ("unprotect", {"state": "present"})):
        for check in (True, False):
            refused = module("rbd_snapshot")(
                {"image": image, "snapshot": "golden", "protected": False, **wish}, check=check
            )
            assert refused.msg.startswith(f"Cannot {verb} {image}@golden: it has clones: "), refused.raw
            assert f"{namespace}/vm" in refused.msg
            assert f"{namespace}/gone (in the trash)" in refused.msg
    assert listed(cluster, image) == {"golden": "snapshot of 8 MiB, protected"}


def test_unprotected_snapshot_with_a_clone_is_not_put_aside(
    cluster: LoopbackCluster, image: str, namespace: str, module: Modules
) -> None:
    take(cluster, image, "golden")
    clone(cluster, f"{image}@golden", f"{namespace}/vm", 2)

    refused = module("rbd_snapshot")({"image": image, "snapshot": "golden", "state": "absent"})

    assert f"it has clones: {namespace}/vm. Flatten the clones" in refused.msg
    assert listed(cluster, image) == {"golden": "snapshot of 8 MiB"}


def test_clones_in_a_pool_that_the_user_may_not_read_hold_a_snapshot(
    cluster: LoopbackCluster, image: str, pool: str, module: Modules
) -> None:
    keyring = cluster.user("snapper", osd=f"profile rbd pool={image.split('/', maxsplit=1)[0]}")
    take(cluster, image, "golden")
    clone(cluster, f"{image}@golden", f"{pool}/vm", 2)

    user = {"user": "snapper", "keyring": str(keyring)}
    refused = module("rbd_snapshot")({"image": image, "snapshot": "golden", "state": "absent", **user})

    assert f"Cannot remove {image}@golden: whether it has clones cannot be told" in refused.msg
    spared = module("rbd_snapshot")({"image": image, "pattern": "*", "state": "absent", **user})
    assert not spared.changed
    assert listed(cluster, image) == {"golden": "snapshot of 8 MiB"}


def test_users_own_pool_is_enough(cluster: LoopbackCluster, image: str, module: Modules) -> None:
    pool, namespace, _name = image.split("/")
    keyring = cluster.user("owner", osd=f"profile rbd pool={pool} namespace={namespace}")
    user = {"user": "owner", "keyring": str(keyring), "image": image, "snapshot": "daily"}

    for wish in ({"protected": True}, {"state": "rolled_back"}, {"state": "absent", "protected": False}):
        result = module("rbd_snapshot")({**user, **wish})
        assert not result.failed, result.msg
    assert listed(cluster, image) == {}


def test_where_no_clone_can_be_no_other_pool_is_asked(cluster: LoopbackCluster, image: str, module: Modules) -> None:
    # Without 'profile rbd' for the OSDs, the user may not look for clones in the other pools.
    keyring = cluster.user("narrow", osd=f"allow rwx pool={image.split('/', maxsplit=1)[0]}")
    user = {"user": "narrow", "keyring": str(keyring), "image": image, "snapshot": "daily"}

    for wish in ({"protected": False}, {"state": "absent"}):
        result = module("rbd_snapshot")({**user, **wish})
        assert result.changed, result.msg
    take(cluster, image, "daily")
    cluster.rbd("snap", "protect", f"{image}@daily")
    refused = module("rbd_snapshot")({**user, "state": "absent", "protected": False})
    assert "whether it has clones cannot be told" in refused.msg


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "Cannot manage the snapshots of {image}: no snapshot is named. Give snapshot, or with state absent"),
        ({"snapshot": "a/b"}, "Cannot read the image-spec '{image}@a/b': it is not an image-spec."),
        ({"snapshot": "no", "state": "rolled_back"}, "Cannot roll {image} back to no: the image has no snapshot of"),
        ({"snapshot": "new"}, "Cannot create {image}@new: the image has 1 snapshots, and its limit is 1. Remove"),
        ({"snapshot": "old", "protected": True}, "Cannot protect {image}@old: the image lacks the feature layering"),
        ({"snapshot": "old", "keep": 3}, "Cannot manage {image}: keep and older_than choose among the snapshots of a"),
        ({"pattern": "*"}, "Cannot use the pattern '*' for {image}: the state is present, and a pattern only chooses"),
        ({"pattern": "*", "state": "absent", "older_than": "7"}, "Cannot read the duration '7': it has no unit"),
    ],
)
def test_bad_input_has_its_own_sentence(
    cluster: LoopbackCluster, namespace: str, module: Modules, options: dict[str, Any], sentence: str
) -> None:
    image = f"{namespace}/plain"
    cluster.rbd("create", "--size", "8M", "--image-feature", "exclusive-lock", image)
    take(cluster, image, "old")
    cluster.rbd("snap", "limit", "set", "--limit", "1", image)

    refused = module("rbd_snapshot")({"image": image, **options})

    assert refused.failed
    assert refused.msg.startswith(sentence.format(image=image)), refused.msg
    assert list(listed(cluster, image)) == ["old"]


def test_image_that_is_missing(namespace: str, module: Modules) -> None:
    wish = {"image": f"{namespace}/none", "snapshot": "daily"}
    refused = module("rbd_snapshot")(wish)
    assert refused.msg.startswith(f"Cannot create {namespace}/none@daily: there is no image {namespace}/none. Check")

    predicted = module("rbd_snapshot")(wish, check=True)
    assert steps(predicted) == [("create", f"{namespace}/none@daily")]
    assert f"{namespace}/none does not exist; in check mode it is taken for one" in predicted.warnings[0]

    assert not module("rbd_snapshot")({**wish, "state": "absent"}).changed


@pytest.mark.parametrize("image", ["nowhere/data", "rbd/nowhere/data"])
def test_pool_or_namespace_that_is_missing_may_be_made_by_an_earlier_task(module: Modules, image: str) -> None:
    assert "nowhere" in module("rbd_snapshot")({"image": f"{image}@one"}).msg

    predicted = module("rbd_snapshot")({"image": f"{image}@one"}, check=True)
    assert [action["action"] for action in predicted.actions] == ["create"]
    assert f"{image} does not exist; in check mode" in predicted.warnings[0]


def test_every_bad_item_is_named_and_nothing_is_done(cluster: LoopbackCluster, image: str, module: Modules) -> None:
    take(cluster, image, "old")
    items = [{"image": image, "snapshot": "old", "state": "absent"}, {"image": image}, {"image": f"{image}-2"}]

    refused = module("rbd_snapshot")({"images": items, "state": "rolled_back", "snapshot": "daily"})

    assert [(failure["index"], failure["item"]) for failure in refused.raw["failures"]] == [
        (1, f"{image}@daily"),
        (2, f"{image}-2@daily"),
    ]
    assert list(listed(cluster, image)) == ["old"]
