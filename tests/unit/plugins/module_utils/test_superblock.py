# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sizes in superblocks, beside what the real mkfs of each file system has made."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._superblock import (
    SUPERBLOCK_BYTES,
    Geometry,
    geometry_of,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence, outcome

MIB = 1 << 20
PATH = "/usr/sbin:/sbin:/usr/bin"

# Among them sizes of which a rest stays unused: for ext4 of a last group too small, and of a page; for all of a block.
SIZES = [64 * MIB, 129 * MIB, 300 * MIB, 1023 * MIB, 1024 * MIB + MIB, 1100000512]


def make(path: Path, fstype: str, size: int, *options: str) -> Geometry:
    """A file system of that size; reads its superblock."""
    program = shutil.which(f"mkfs.{fstype}", path=PATH)
    if program is None:
        pytest.skip(f"needs mkfs.{fstype}")
    with path.open("wb") as handle:
        handle.truncate(size)
    made = subprocess.run([program, "-q", *options, str(path)], check=False, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"{fstype} of {size} bytes: {made.stderr.strip().splitlines()[-1]}")
    return read(path, fstype)


def read(path: Path, fstype: str) -> Geometry:
    with path.open("rb") as handle:
        return geometry_of(fstype, handle.read(SUPERBLOCK_BYTES), str(path))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fstype", ["ext4", "xfs", "btrfs"])
def test_what_was_just_made_is_as_large_as_it_can_be(tmp_path: Path, fstype: str, size: int) -> None:
    geometry = make(tmp_path / "device", fstype, size)
    assert geometry.size <= size < geometry.size + 4 * MIB
    assert geometry.reach(size) <= geometry.blocks
    assert geometry.reach(2 * size) > geometry.blocks


@pytest.mark.parametrize(
    "options", [("-b", "1024"), ("-b", "4096"), ("-O", "^64bit"), ("-O", "bigalloc"), ("-I", "128")]
)
@pytest.mark.parametrize("size", [65 * MIB, 65 * MIB + 3 * 1024, 129 * MIB, 130 * MIB])
def test_ext4_of_any_kind_is_as_large_as_it_can_be(tmp_path: Path, options: tuple[str, str], size: int) -> None:
    geometry = make(tmp_path / "device", "ext4", size, *options)
    assert geometry.reach(size) <= geometry.blocks


def test_the_size_of_ext4_is_what_dumpe2fs_says(tmp_path: Path) -> None:
    geometry = make(tmp_path / "device", "ext4", 300 * MIB)
    program = shutil.which("dumpe2fs", path=PATH) or "dumpe2fs"
    said = subprocess.run([program, "-h", str(tmp_path / "device")], check=True, capture_output=True, text=True).stdout
    shown = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
    assert geometry.blocks == int(shown["Block count"])
    assert geometry.block_size == int(shown["Block size"])
    assert geometry.group == int(shown["Blocks per group"])


@pytest.mark.parametrize("grown", [600 * MIB, 600 * MIB + 700 * 1024])
def test_ext4_is_grown_to_exactly_that(tmp_path: Path, grown: int) -> None:
    geometry = make(tmp_path / "device", "ext4", 300 * MIB)
    with (tmp_path / "device").open("r+b") as handle:
        handle.truncate(grown)
    blocks = geometry.reach(grown)
    program = shutil.which("resize2fs", path=PATH) or "resize2fs"
    subprocess.run([program, str(tmp_path / "device"), str(blocks)], check=True, capture_output=True)
    assert read(tmp_path / "device", "ext4").blocks == blocks


@pytest.mark.parametrize("fstype", ["ext4", "xfs", "btrfs"])
@given(st.binary(max_size=4096))
def test_no_superblock_is_an_error_in_a_sentence(fstype: str, noise: bytes) -> None:
    for begin in (noise, noise + bytes(SUPERBLOCK_BYTES - len(noise))):
        refused = outcome(lambda begin=begin: geometry_of(fstype, begin, "/dev/rbd0"))  # type: ignore[misc]  # bound now
        assert isinstance(refused, RbdError)
        assert is_sentence(refused)


@given(
    st.builds(
        Geometry,
        st.just(1),
        st.sampled_from([512, 4096, 65536]),
        st.sampled_from([0, 8192, 65536]),
        st.integers(0, 1000),
        st.integers(0, 1),
        st.sampled_from([1, 16, 64]),
    ),
    st.integers(0, 2**50),
    st.integers(0, 2**50),
)
def test_a_larger_device_never_means_a_smaller_file_system(geometry: Geometry, one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert geometry.reach(small) <= geometry.reach(large)
    assert geometry.reach(large) * geometry.block_size <= large
