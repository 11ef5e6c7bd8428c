# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image is rolled back to the bytes and the size of a snapshot, but not while somebody has it open."""

from __future__ import annotations

import pytest
from loopback.cluster import LoopbackCluster
from loopback.content import Content
from loopback.holder import holding
from loopback.modules import Modules, Ritual
from loopback.snapshots import MIB, listed, steps, take

OLD = b"old" * 1000
NEW = b"new" * 1000


@pytest.fixture
def image(cluster: LoopbackCluster, namespace: str) -> str:
    """An image of 12 MiB, in three objects, with a snapshot of what is written in the second."""
    spec = f"{namespace}/data"
    cluster.rbd("create", "--size", "12M", spec)
    Content(cluster, spec).write(5 * MIB, OLD)
    take(cluster, spec, "before")
    return spec


def test_bytes_and_size_are_restored(cluster: LoopbackCluster, image: str, ritual: Ritual) -> None:
    content = Content(cluster, image)
    before = content.read()
    content.write(0, NEW)
    content.write(5 * MIB + 1, NEW)
    cluster.rbd("resize", "--size", "16M", image)
    content.write(15 * MIB, NEW)
    take(cluster, image, "later")

    rolled = ritual("rbd_snapshot", {"image": image, "snapshot": "before", "state": "rolled_back"})

    assert content.read() == before
    assert rolled.actions == [{"action": "roll_back", "subject": image, "snapshot": "before", "size": 12 * MIB}]
    size = cluster.json("rbd", "info", image)["size"] // MIB
    assert rolled.diff == [
        {
            "before": f"{image}: image of 16 MiB that differs from {image}@before\n",
            "after": f"{image}: image of {size} MiB with the content of {image}@before\n",
        }
    ]
    assert listed(cluster, image) == {"before": "snapshot of 12 MiB", "later": "snapshot of 16 MiB"}


@pytest.mark.parametrize(
    ("offset", "data"),
    [(0, b"\x01"), (12 * MIB - 1, b"\x01"), (5 * MIB + 2999, b"D"), (4 * MIB - 1, b"\0\x01")],
)
def test_a_single_byte_makes_the_difference(
    cluster: LoopbackCluster, image: str, ritual: Ritual, offset: int, data: bytes
) -> None:
    content = Content(cluster, image)
    before = content.read()
    content.write(offset, data)

    assert ritual("rbd_snapshot", {"image": f"{image}@before", "state": "rolled_back"}).changed

    assert content.read() == before


def test_what_was_written_as_it_had_been_is_no_difference(
    cluster: LoopbackCluster, image: str, ritual: Ritual, system_python: str
) -> None:
    content = Content(cluster, image)
    content.write(0, bytes(4096))
    content.write(5 * MIB, OLD)
    assert cluster.json("rbd", "diff", "--from-snap", "before", image) != []

    with holding(cluster.conf, system_python, image):
        done = ritual("rbd_snapshot", {"image": image, "snapshot": "before", "state": "rolled_back"})
    assert not done.changed


@pytest.mark.parametrize("features", ["layering", "layering,exclusive-lock,object-map,fast-diff,journaling"])
def test_clone_is_rolled_back_over_its_parent(
    cluster: LoopbackCluster, image: str, namespace: str, ritual: Ritual, features: str
) -> None:
    cluster.rbd("snap", "protect", f"{image}@before")
    clone = f"{namespace}/vm"
    cluster.rbd("clone", "--image-feature", features, f"{image}@before", clone)
    content = Content(cluster, clone)
    take(cluster, clone, "fresh")
    before = content.read()
    content.write(5 * MIB, NEW)

    assert ritual("rbd_snapshot", {"image": clone, "snapshot": "fresh", "state": "rolled_back"}).changed

    assert content.read() == before
    assert before[5 * MIB :].startswith(OLD)


def test_protection_is_part_of_it(cluster: LoopbackCluster, image: str, ritual: Ritual) -> None:
    Content(cluster, image).write(0, NEW)
    wish = {"image": image, "snapshot": "before", "state": "rolled_back", "protected": True}
    rolled = ritual("rbd_snapshot", wish)
    assert steps(rolled) == [("protect", f"{image}@before"), ("roll_back", image)]
    assert listed(cluster, image) == {"before": "snapshot of 12 MiB, protected"}


def test_image_that_somebody_has_open_is_left_alone(
    cluster: LoopbackCluster, image: str, module: Modules, system_python: str
) -> None:
    content = Content(cluster, image)
    content.write(0, NEW)
    wish = {"image": image, "snapshot": "before", "state": "rolled_back"}

    with holding(cluster.conf, system_python, image) as client:
        for check in (True, False):
            refused = module("rbd_snapshot")(wish, check=check)
            assert refused.msg.startswith(
                f"Cannot roll {image} back to before: it is in use by {client} at 127.0.0.1"
            ), refused.raw
    assert content.read(0, len(NEW)) == NEW

    assert module("rbd_snapshot")(wish).changed
    assert content.read(0, len(NEW)) == bytes(len(NEW))


def test_snapshot_before_and_after_a_rollback_in_one_call(cluster: LoopbackCluster, image: str, ritual: Ritual) -> None:
    content = Content(cluster, image)
    cluster.rbd("resize", "--size", "16M", image)
    content.write(15 * MIB, NEW)
    items = [
        {"image": image, "snapshot": "failed"},
        {"image": image, "snapshot": "before", "state": "rolled_back"},
        {"image": image, "snapshot": "again"},
    ]

    ritual("rbd_snapshot", {"images": items})

    assert listed(cluster, image) == {
        "before": "snapshot of 12 MiB",
        "failed": "snapshot of 16 MiB",
        "again": "snapshot of 12 MiB",
    }
    assert Content(cluster, f"{image}@failed").read(15 * MIB, len(NEW)) == NEW
