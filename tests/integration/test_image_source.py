# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a raw file is in the image afterwards, zeros take no space, and what goes wrong is told in time."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loopback.cluster import LoopbackCluster
from loopback.content import Content
from loopback.filling import (
    DISK_OBJECTS,
    DISK_SIZE,
    KIB,
    MIB,
    TIMEOUT,
    Filler,
    Images,
    make_qcow2,
    make_raw,
    noise,
    sha256,
)
from loopback.site import Site

pytest_plugins = ["loopback.filling_fixtures"]

OBJECT = 4 * MIB
Loop = Callable[[Path], Path]


@pytest.fixture(params=["raw", "qcow2"])
def either(request: pytest.FixtureRequest, disk: Path) -> Path:
    """The same disk as a raw and as a qcow2 file."""
    return disk if request.param == "raw" else make_qcow2(disk)


@pytest.fixture
def loop() -> Iterator[Loop]:
    """Make a file a block device."""
    made: list[str] = []

    def make(path: Path) -> Path:
        try:
            done = subprocess.run(["losetup", "--find", "--show", path], check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no loop devices here ({error})")
        made.append(done.stdout.strip())
        return Path(made[-1])

    yield make
    for device in made:
        subprocess.run(["losetup", "--detach", device], check=True)


class TestContent:
    @pytest.mark.parametrize(
        ("options", "objects"),
        [
            ((), DISK_OBJECTS),
            (("--image-feature", "layering"), DISK_OBJECTS),
            (("--object-size", "16M"), {0, 1}),
            (("--object-size", "1M"), {0, 8, 9, 23}),
        ],
        ids=["default", "layering only", "large objects", "small objects"],
    )
    def test_is_the_same_and_zeros_take_no_object(
        self, disk: Path, fill: Filler, image: Images, options: tuple[str, ...], objects: set[int]
    ) -> None:
        new = image(DISK_SIZE, *options)
        fill(disk, new.spec).assert_complete(DISK_SIZE)
        assert new.sha256() == sha256(disk)
        assert new.objects() == objects

    def test_takes_no_more_space_than_with_the_rbd_command(
        self, cluster: LoopbackCluster, namespace: str, disk: Path, fill: Filler, image: Images
    ) -> None:
        new = image(DISK_SIZE)
        fill(disk, new.spec)
        cluster.rbd("import", str(disk), f"{namespace}/other")
        other = Content(cluster, f"{namespace}/other")
        assert (new.objects(), new.used()) == (other.objects(), other.used())

    @pytest.mark.parametrize("size", [1, 511, 4 * KIB + 1, OBJECT - 1, OBJECT + 777])
    def test_may_have_any_size(self, tmp_path: Path, fill: Filler, image: Images, size: int) -> None:
        path = make_raw(tmp_path / "odd", size, (0, noise(size)))
        new = image(size)
        filled = fill(path, new.spec)
        assert filled.source == {"path": str(path), "format": "raw", "virtual_size": size}
        filled.assert_complete(size)
        assert new.sha256() == sha256(path)

    def test_of_a_larger_image_is_zero_behind_the_file(
        self, either: Path, disk: Path, fill: Filler, image: Images
    ) -> None:
        new = image(DISK_SIZE + 2 * OBJECT)
        fill(either, new.spec).assert_complete(DISK_SIZE)
        os.truncate(disk, DISK_SIZE + 2 * OBJECT)
        assert new.sha256() == sha256(disk)
        assert new.objects() == DISK_OBJECTS

    def test_of_a_hole_is_nothing(self, tmp_path: Path, fill: Filler, image: Images) -> None:
        new = image(1 << 40)
        fill(make_raw(tmp_path / "hole", 1 << 40), new.spec).assert_complete(1 << 40)
        assert new.objects() == set()

    def test_goes_into_stripes_in_a_data_pool_under_an_odd_name(
        self, either: Path, disk: Path, fill: Filler, image: Images, erasure_coded_pool: str
    ) -> None:
        stripes = ("--stripe-unit", "64K", "--stripe-count", "4", "--data-pool", erasure_coded_pool)
        new = image(DISK_SIZE, *stripes, name="odd: a=b\\c")
        fill(either, new.spec).assert_complete(DISK_SIZE)
        assert new.sha256() == sha256(disk)

    def test_that_looks_like_qcow2_is_taken_as_it_is_if_declared_as_raw(
        self, disk: Path, fill: Filler, image: Images
    ) -> None:
        path = make_qcow2(disk)
        size = path.stat().st_size
        new = image(size)
        fill(path, new.spec, "raw").assert_complete(size)
        assert new.sha256() == sha256(path)


class TestBlockDevice:
    def test_is_read_like_a_file(self, either: Path, disk: Path, fill: Filler, image: Images, loop: Loop) -> None:
        new = image(DISK_SIZE)
        fill(loop(either), new.spec).assert_complete(DISK_SIZE)
        assert new.sha256() == sha256(disk)
        assert new.objects() == DISK_OBJECTS

    def test_in_use_is_refused(self, disk: Path, fill: Filler, image: Images, loop: Loop) -> None:
        device = loop(disk)
        holder = os.open(device, os.O_RDONLY | os.O_EXCL)
        try:
            filled = fill(device, image(DISK_SIZE).spec)
        finally:
            os.close(holder)
        assert filled.error.startswith(f"Cannot import {device}: it is mounted, or another device uses it.")


class TestFileThatChanges:
    def test_is_an_error_even_if_its_time_is_set_back(self, either: Path, fill: Filler, image: Images) -> None:
        path, seen = str(either), either.stat()
        change = f"with open({path!r}, 'r+b') as file: file.write(file.read(1))\n"
        change += f"os.utime({path!r}, ns=({seen.st_atime_ns}, {seen.st_mtime_ns}))"
        filled = fill(either, image(DISK_SIZE).spec, halfway=change)
        assert (either.stat().st_size, either.stat().st_mtime_ns) == (seen.st_size, seen.st_mtime_ns)
        assert filled.error == f"Cannot import {path}: it was changed meanwhile. End what writes to it, and run again."

    def test_is_not_mistaken_for_another_one_that_takes_its_name(
        self, either: Path, disk: Path, fill: Filler, image: Images
    ) -> None:
        expected, new = sha256(disk), image(DISK_SIZE)
        other = make_raw(either.with_name("other"), DISK_SIZE, (0, noise(MIB)))
        filled = fill(either, new.spec, halfway=f"os.rename({str(other)!r}, {str(either)!r})")
        assert new.sha256() == expected
        # What was read has lost its name, and so was changed.
        assert "it was changed meanwhile" in filled.error


class TestTrouble:
    def test_with_a_full_pool_is_told_in_time(
        self, cluster: LoopbackCluster, pool: str, either: Path, fill: Filler, image: Images
    ) -> None:
        # Its header is in another pool than its data.
        new = image(DISK_SIZE, "--data-pool", pool)
        cluster.rbd("create", f"{pool}/some", "--size", "4M")
        Content(cluster, f"{pool}/some").write(0, noise(16 * KIB))
        cluster.ceph("osd", "pool", "set-quota", pool, "max_bytes", "4096")
        cluster.until(lambda: "full_quota" in _flags(cluster, pool))

        began = time.monotonic()
        filled = fill(either, new.spec)
        seconds = time.monotonic() - began

        assert filled.error.startswith(f"Cannot import {either}: the pool {pool} has reached its quota.")
        assert seconds < 6 * TIMEOUT

    def test_with_the_cluster_is_told_in_time(
        self, cluster: LoopbackCluster, tmp_path: Path, fill: Filler, image: Images, either: Path
    ) -> None:
        large = make_raw(tmp_path / "large.raw", 128 * MIB, (0, noise(128 * MIB)))
        path = large if either.suffix == ".raw" else make_qcow2(large)
        new = image(128 * MIB)
        osds = [pid for pid in cluster.pids if b"ceph-osd" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        began = time.monotonic()
        try:
            filled = fill(path, new.spec, halfway=f"[os.kill(pid, 19) for pid in {osds}]")
            seconds = time.monotonic() - began
        finally:
            cluster.resume("osd")
        assert f"the cluster did not answer within {TIMEOUT} seconds" in filled.error
        assert seconds < 15 * TIMEOUT

    def test_of_the_process_leaves_nothing_but_the_image(
        self, cluster: LoopbackCluster, namespace: str, site: Site, disk: Path, fill: Filler, image: Images
    ) -> None:
        new = image(DISK_SIZE)
        argv = fill.argv(disk, new.spec, halfway="os.kill(os.getpid(), 9)")
        assert subprocess.run(argv, env=site.environment, check=False, cwd="/").returncode == -9
        assert cluster.json("rbd", "ls", namespace) == ["data"]
        assert new.sha256() != sha256(disk)


def _flags(cluster: LoopbackCluster, pool: str) -> str:
    pools = cluster.json("ceph", "osd", "dump")["pools"]
    return next(str(found["flags_names"]) for found in pools if found["pool_name"] == pool)
