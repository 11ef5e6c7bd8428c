# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files as sources: looked at, read without their holes, and found out when they change meanwhile."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._image_source import SourceFile
from ansible_collections.cephclient.rbd.plugins.module_utils._system import image_source
from ansible_collections.cephclient.rbd.plugins.module_utils._system.cluster import LibrbdSession
from ansible_collections.cephclient.rbd.plugins.module_utils._system.command import CommandRunner
from ansible_collections.cephclient.rbd.plugins.module_utils._system.image_source import PIECE, HostImageSources
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeCommands
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import APP, is_sentence

BLOCK = 4096


def sources(commands: CommandRunner | None = None) -> HostImageSources:
    """The adapter, without a cluster."""
    return HostImageSources(cast(LibrbdSession, None), commands or FakeCommands())


def ignore(_done: int, _total: int) -> int:
    return 0


def refusal(act: Callable[[], Any]) -> RbdError:
    with pytest.raises(RbdError) as refused:
        act()
    assert is_sentence(refused.value)
    return refused.value


def read(path: Path) -> tuple[bytes, list[tuple[int, int]]]:
    """What the pieces of a raw file make up, and where each of them lies."""
    source = sources().inspect(str(path), "raw")
    content, places = bytearray(source.virtual_size), []
    descriptor = os.open(path, os.O_RDONLY)
    try:
        for offset, piece in image_source.pieces(descriptor, source):
            content[offset : offset + len(piece)] = piece
            places.append((offset, offset + len(piece)))
    finally:
        os.close(descriptor)
    return bytes(content), places


class TestInspect:
    @pytest.mark.parametrize("size", [1, 511, BLOCK + 1, 3 * PIECE + 777])
    def test_a_raw_file_has_its_size_to_the_byte(self, tmp_path: Path, size: int) -> None:
        path = tmp_path / "image"
        with path.open("wb") as handle:
            handle.truncate(size)
        assert sources().inspect(str(path), None) == SourceFile(str(path), "raw", size)

    def test_a_link_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "image").write_bytes(b"data")
        (tmp_path / "link").symlink_to("image")
        assert sources().inspect(str(tmp_path / "link"), None).virtual_size == 4

    def test_what_is_no_file_is_refused_without_opening_it(self, tmp_path: Path) -> None:
        # The other end is not there: who opened it to read would wait.
        os.mkfifo(tmp_path / "fifo")
        causes = {
            tmp_path: "it is a directory",
            tmp_path / "fifo": "it is neither a file nor a block device",
            Path("/dev/zero"): "it is neither a file nor a block device",
            tmp_path / "none": "there is no such file on this host",
            tmp_path / "none" / "none": "there is no such file on this host",
        }
        for path, cause in causes.items():
            error = refusal(lambda path=path: sources().inspect(str(path), "raw"))
            assert (error.what, error.cause) == (f"import {path}", cause)

    def test_an_empty_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "image").touch()
        assert refusal(lambda: sources().inspect(str(tmp_path / "image"), None)).cause == "it is empty"

    def test_a_loop_of_links_is_no_file_that_can_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "loop").symlink_to("loop")
        assert "Too many levels" in refusal(lambda: sources().inspect(str(tmp_path / "loop"), None)).cause

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_file_that_may_not_be_read_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "image"
        path.touch(mode=0o000)
        assert refusal(lambda: sources().inspect(str(path), None)).cause == "this user may not read it"


class TestPieces:
    # Each extent with how many blocks lie between it and the one before.
    @settings(max_examples=30, deadline=None)
    @given(
        st.lists(st.tuples(st.integers(0, 1500), st.integers(1, 600), st.sampled_from([b"\0", b"x"])), max_size=5),
        st.integers(0, 2 * BLOCK),
    )
    def test_are_the_content(self, extents: list[tuple[int, int, bytes]], tail: int) -> None:
        with tempfile.NamedTemporaryFile() as handle:
            for gap, blocks, byte in extents:
                handle.seek(gap * BLOCK, os.SEEK_CUR)
                handle.write(byte * blocks * BLOCK)
            handle.truncate(handle.tell() + tail + 1)
            content, places = read(Path(handle.name))
            assert content == Path(handle.name).read_bytes()
        assert all(begin // PIECE == (end - 1) // PIECE for begin, end in places)
        assert places == sorted(places)

    def test_of_a_hole_are_none(self, tmp_path: Path) -> None:
        path = tmp_path / "image"
        with path.open("wb") as handle:
            handle.truncate(1 << 40)
        source = sources().inspect(str(path), None)
        with path.open("rb") as handle:
            assert list(image_source.pieces(handle.fileno(), source)) == []

    def test_of_a_file_that_becomes_shorter_end_with_an_error(self, tmp_path: Path) -> None:
        path = tmp_path / "image"
        path.write_bytes(b"x" * 2 * PIECE)
        source = sources().inspect(str(path), None)
        with path.open("r+b") as handle:
            found = image_source.pieces(handle.fileno(), source)
            next(found)
            handle.truncate(PIECE)
            assert refusal(lambda: next(found)).cause == "it was changed meanwhile"


class TestFill:
    def test_is_refused_when_the_file_is_not_the_one_that_was_looked_at(self, tmp_path: Path) -> None:
        path = tmp_path / "image"
        path.write_bytes(b"data")
        source = sources().inspect(str(path), None)
        path.write_bytes(b"other data")
        error = refusal(lambda: sources().fill(source, APP, ignore))
        assert (error.what, error.cause) == (f"import {path}", "it was changed meanwhile")
