# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A write that fails is a sentence; the file is as it was, and so is the directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from loopback.modules import Module
from writing import strace
from writing.files import KINDS, Place, Writer

# Whether a call of that name changes something, and so may fail for a reason that lies in the disk.
CHANGING = ("openat", "write", "fchown", "fsetxattr", "fchmod", "fsync", "renameat")
ERRORS = {
    "EIO": "Input/output error",
    "ENOSPC": "No space left on device",
    "EDQUOT": "Disk quota exceeded",
    "EROFS": "Read-only file system",
    "EPERM": "Operation not permitted",
}


@pytest.mark.parametrize("error", ["EIO", *(pytest.param(name, marks=pytest.mark.thorough) for name in [*ERRORS][1:])])
def test_a_failure_of_each_system_call(error: str, tmp_path: Path, module: Callable[..., Module]) -> None:
    kind, log = KINDS["fstab"], tmp_path / "log"
    writer = Writer(module, kind)
    whole = Place(tmp_path / "whole", kind, "existing")
    assert writer.under(whole, *strace.watching(whole, log)) == 0
    new = whole.content()
    calls = [call for call in strace.of_the_write(strace.calls(log), whole) if call.name in CHANGING]
    assert {call.name for call in calls} == set(CHANGING)

    for number, call in enumerate(calls):
        place = Place(tmp_path / str(number), kind, "existing")
        flushing_the_directory = call is calls[-1]

        result = writer.run(place, *strace.interfering(place, log, call, f"error={error}"))

        assert result.failed, call
        assert result.msg.startswith("Cannot "), call
        assert ERRORS[error] in result.msg, call
        assert ("The file is as it was." in result.msg) != flushing_the_directory or call.name == "openat", call
        place.require_unharmed(new)
        assert place.content() == (new if flushing_the_directory else place.old), call
        assert place.listing() == place.names, call
        assert not writer.run(place).failed
        place.require_written(new)


def test_a_file_system_that_cannot_flush_directories(tmp_path: Path, module: Callable[..., Module]) -> None:
    kind, log = KINDS["fstab"], tmp_path / "log"
    writer = Writer(module, kind)
    whole = Place(tmp_path / "whole", kind, "existing")
    assert writer.under(whole, *strace.watching(whole, log)) == 0
    flush = [call for call in strace.of_the_write(strace.calls(log), whole) if call.name == "fsync"][-1]
    place = Place(tmp_path / "place", kind, "existing")

    result = writer.run(place, *strace.interfering(place, log, flush, "error=EINVAL"))

    assert not result.failed, result.msg
    place.require_written(whole.content())


def test_a_failure_to_clear_up_does_not_hide_the_cause(tmp_path: Path, module: Callable[..., Module]) -> None:
    place = Place(tmp_path / "place", KINDS["fstab"], "existing")
    writer = Writer(module, place.kind)
    broken = ["strace", f"--output={os.devnull}", "--trace=fsync,unlinkat"]

    result = writer.run(place, *broken, "--inject=fsync:error=EIO", "--inject=unlinkat:error=EROFS:when=2+")

    assert "Input/output error" in result.msg
    assert place.temporary.exists()
    assert place.content() == place.old
    assert not writer.run(place).failed
    assert place.listing() == place.names
