# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A write reaches the disk in the order that a power failure needs, and a key is nowhere where others can read it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loopback.modules import Module
from writing import strace
from writing.files import KINDS, Place, Writer


@pytest.fixture(params=[0o000, 0o077], ids=["umask 000", "umask 077"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """What the run inherits."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("name", KINDS)
def test_content_then_name_then_directory(name: str, tmp_path: Path, module: Callable[..., Module]) -> None:
    place = Place(tmp_path / "place", KINDS[name], "existing")

    assert Writer(module, KINDS[name]).under(place, *strace.watching(place, tmp_path / "log")) == 0

    calls = strace.of_the_write(strace.calls(tmp_path / "log"), place)
    directory = calls[0].result
    temporary = next(call.result for call in calls if "O_CREAT" in call.arguments)
    changing = {"write", "fchown", "fchmod", "fsetxattr", "fremovexattr", "fsync", "renameat", "unlinkat"}
    done = [f"{call.name} {call.arguments.split(',')[0]}" for call in calls if call.name in changing]
    assert done.index(f"write {temporary}") < done.index(f"fsync {temporary}")
    # What is done to the file after it was flushed would not be on the disk when the file gets its name.
    assert done[done.index(f"fsync {temporary}") + 1 :] == [f"renameat {directory}", f"fsync {directory}"]


@pytest.mark.parametrize("situation", ["new", "existing"])
@pytest.mark.parametrize("name", KINDS)
def test_the_umask_does_not_decide_on_the_mode(
    name: str, situation: str, umask: int, tmp_path: Path, module: Callable[..., Module]
) -> None:
    place = Place(tmp_path / "place", KINDS[name], situation)

    result = Writer(module, KINDS[name]).run(place)

    assert not result.failed, (umask, result.msg)
    place.require_written(place.content())


@pytest.mark.usefixtures("umask")
def test_a_key_is_written_to_no_other_file(tmp_path: Path, module: Callable[..., Module]) -> None:
    place = Place(tmp_path / "place", KINDS["keyring"], "new")
    log = tmp_path / "log"

    assert Writer(module, place.kind).under(place, *strace.watching_what_is_opened(log)) == 0

    written = [call for call in strace.calls(log) if "O_RDONLY" not in call.arguments or call.name != "openat"]
    # Python's own compiled files are no work of the module's.
    paths = [call.arguments.split('"')[1] for call in written if "__pycache__" not in call.arguments]
    assert paths == [place.temporary.name]
    # It is private from its first instant, whatever becomes of it later.
    assert written[-1].arguments.endswith("O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0600")
