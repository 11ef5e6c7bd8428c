# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a clone that rbd_image makes shares with its parent, and when an object becomes its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from loopback.cluster import LoopbackCluster
from loopback.content import Content
from loopback.modules import Modules, Ritual

MIB = 2**20
OBJECTS = 4
SECTOR = 512
COPY_ON_READ = {"rbd_clone_copy_on_read": True}
ALL = set(range(OBJECTS))


@pytest.fixture
def data() -> bytes:
    """What is in the golden image; random, so that nothing of it is like anything else."""
    return os.urandom(OBJECTS * MIB)


@pytest.fixture
def golden(cluster: LoopbackCluster, namespace: str, data: bytes, tmp_path: Path) -> str:
    """The protected snapshot of an image whose objects of 1 MiB are all there."""
    (tmp_path / "golden.raw").write_bytes(data)
    cluster.rbd("import", "--object-size", "1M", str(tmp_path / "golden.raw"), f"{namespace}/golden")
    cluster.rbd("snap", "create", f"{namespace}/golden@one")
    cluster.rbd("snap", "protect", f"{namespace}/golden@one")
    return f"{namespace}/golden@one"


@pytest.fixture
def clone(cluster: LoopbackCluster, namespace: str, golden: str, module: Modules) -> Content:
    """A clone of it."""
    assert module("rbd_image")({"image": f"{namespace}/vm", "parent": golden}).changed
    return Content(cluster, f"{namespace}/vm")


@pytest.fixture
def copying_clone(cluster: LoopbackCluster, namespace: str, golden: str, module: Modules) -> Content:
    """A clone of it with copy-on-read."""
    options = {"image": f"{namespace}/vm", "parent": golden, "config": COPY_ON_READ}
    assert module("rbd_image")(options).changed
    return Content(cluster, f"{namespace}/vm")


@pytest.mark.parametrize("read_only", [False, True])
def test_shares_everything_also_after_all_of_it_was_read(clone: Content, data: bytes, read_only: bool) -> None:
    assert clone.read(read_only=read_only) == data
    assert (clone.objects(), clone.used()) == (set(), 0)


def test_write_copies_the_object_written_and_no_other(
    cluster: LoopbackCluster, golden: str, clone: Content, data: bytes
) -> None:
    offset, written = 2 * MIB + 3 * SECTOR, b"w" * SECTOR

    clone.write(offset, written)

    assert (clone.objects(), clone.used()) == ({2}, MIB)
    assert clone.read() == data[:offset] + written + data[offset + SECTOR :]
    for parent in (golden, golden.partition("@")[0]):
        assert Content(cluster, parent).read() == data


def test_clones_of_one_parent_do_not_see_each_other(
    cluster: LoopbackCluster, namespace: str, golden: str, module: Modules, data: bytes
) -> None:
    names = [f"{namespace}/vm{number}" for number in range(3)]
    assert module("rbd_image")({"parent": golden, "images": [{"image": name} for name in names]}).changed
    clones = [Content(cluster, name) for name in names]

    clones[0].write(0, b"0" * SECTOR)
    clones[1].write(MIB, b"1" * SECTOR)

    assert [clone.objects() for clone in clones] == [{0}, {1}, set()]
    assert [clone.read(0, SECTOR) for clone in clones] == [b"0" * SECTOR, data[:SECTOR], data[:SECTOR]]


class TestCopyOnRead:
    @pytest.mark.parametrize(
        ("offset", "length", "copied"),
        [(2 * MIB + 100, SECTOR, {2}), (2 * MIB - SECTOR, 2 * SECTOR, {1, 2}), (0, OBJECTS * MIB, ALL)],
        ids=["within an object", "over a boundary", "all"],
    )
    def test_read_copies_the_objects_read_and_no_others(
        self, copying_clone: Content, data: bytes, offset: int, length: int, copied: set[int]
    ) -> None:
        assert copying_clone.read(offset, length, read_only=False) == data[offset : offset + length]

        assert (copying_clone.objects(), copying_clone.used()) == (copied, len(copied) * MIB)
        assert copying_clone.read() == data

    def test_image_opened_read_only_copies_nothing(self, copying_clone: Content, data: bytes) -> None:
        assert copying_clone.read(read_only=True) == data
        assert copying_clone.objects() == set()

    def test_snapshot_copies_nothing(
        self, cluster: LoopbackCluster, namespace: str, copying_clone: Content, data: bytes
    ) -> None:
        cluster.rbd("snap", "create", f"{namespace}/vm@of-its-own")
        assert Content(cluster, f"{namespace}/vm@of-its-own").read(read_only=False) == data
        assert copying_clone.objects() == set()

    def test_clone_without_the_exclusive_lock_copies_too(
        self, cluster: LoopbackCluster, namespace: str, golden: str, module: Modules
    ) -> None:
        options = {"image": f"{namespace}/vm", "parent": golden, "config": COPY_ON_READ, "features": ["layering"]}
        assert module("rbd_image")(options).changed
        clone = Content(cluster, f"{namespace}/vm")

        clone.read(0, SECTOR, read_only=False)

        assert clone.objects() == {0}

    def test_it_is_set_and_taken_back_for_one_clone(
        self, namespace: str, clone: Content, ritual: Ritual, data: bytes
    ) -> None:
        ritual("rbd_image", {"image": f"{namespace}/vm", "config": COPY_ON_READ})
        clone.read(0, SECTOR, read_only=False)
        assert clone.objects() == {0}

        ritual("rbd_image", {"image": f"{namespace}/vm", "config": dict.fromkeys(COPY_ON_READ)})
        assert clone.read(read_only=False) == data
        assert clone.objects() == {0}


class TestFlatten:
    def test_detaches_with_all_the_data(
        self, cluster: LoopbackCluster, namespace: str, golden: str, clone: Content, ritual: Ritual, data: bytes
    ) -> None:
        clone.write(MIB, b"w" * SECTOR)

        ritual("rbd_image", {"image": f"{namespace}/vm", "flatten": True})

        assert (clone.objects(), clone.used()) == (ALL, OBJECTS * MIB)
        assert cluster.json("rbd", "children", golden) == []
        # Nothing needs the parent any more.
        cluster.rbd("snap", "unprotect", golden)
        cluster.rbd("snap", "rm", golden)
        cluster.rbd("rm", golden.partition("@")[0])
        assert clone.read() == data[:MIB] + b"w" * SECTOR + data[MIB + SECTOR :]

    def test_larger_clone_takes_no_space_for_what_the_parent_never_had(
        self, cluster: LoopbackCluster, namespace: str, golden: str, ritual: Ritual, data: bytes
    ) -> None:
        ritual("rbd_image", {"image": f"{namespace}/vm", "parent": golden, "size": "8M", "flatten": True})
        clone = Content(cluster, f"{namespace}/vm")

        assert clone.objects() == ALL
        assert clone.read() == data + bytes(4 * MIB)
