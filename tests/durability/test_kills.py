# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed in the middle of a write leaves the old or the new file, and the next run the new one alone."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from loopback.modules import Module
from writing import strace
from writing.files import KINDS, Kind, Place, Writer

# One of each in every run.
USUAL = {("fstab", "existing"), ("rbdmap", "symlinked"), ("keyring", "new")}
CASES = [
    pytest.param(name, situation, marks=[] if (name, situation) in USUAL else [pytest.mark.thorough])
    for name in KINDS
    for situation in ("new", "existing", "symlinked")
]

# Of a large file: it takes a while to write and to flush.
LINES = 5_000
# Between two looks at whether a run has begun to write.
LOOK = 0.0002


@pytest.mark.parametrize(("name", "situation"), CASES)
def test_killed_at_every_system_call_of_the_write(
    name: str, situation: str, tmp_path: Path, module: Callable[..., Module]
) -> None:
    kind, log = KINDS[name], tmp_path / "log"
    writer = Writer(module, kind)
    whole = Place(tmp_path / "whole", kind, situation)
    assert writer.under(whole, *strace.watching(whole, log)) == 0
    new = whole.content()
    whole.require_written(new)
    assert new != whole.old
    calls = strace.of_the_write(strace.calls(log), whole)
    outcomes, leftovers = set(), 0

    for number, call in enumerate(calls):
        place = Place(tmp_path / str(number), kind, situation)

        code = writer.under(place, *strace.interfering(place, log, call, "signal=KILL"))

        assert code == -signal.SIGKILL, f"not killed at {call}"
        place.require_unharmed(new)
        outcomes.add(place.content())
        leftovers += place.temporary.exists()
        # Where all is as it was, the next run is like the first.
        if place.temporary.exists() or place.content() != place.old:
            _require_next_run(writer, place, new)

    # The kills were early and late ones, and some of them left something to be cleared up.
    assert outcomes == {whole.old, new}
    assert leftovers > 5
    print(f"{name} {situation}: killed at {len(calls)} system calls, {leftovers} left a temporary file")


@pytest.mark.parametrize("name", KINDS)
def test_killed_at_random_instants(name: str, kills: int, tmp_path: Path, module: Callable[..., Module]) -> None:
    chance = random.Random(kills)
    kind = _large(KINDS[name])
    writer = Writer(module, kind)
    whole = Place(tmp_path / "whole", kind, "existing")
    window = _time_of_writing(writer, whole)
    new = whole.content()
    whole.require_written(new)
    tries, hits, old = 0, 0, 0

    while hits < kills:
        place = Place(tmp_path / str(tries), kind, "existing")
        tries += 1
        assert tries < 10 * kills, f"of {tries} kills only {hits} were in the middle of a write"

        hit = _kill_while_writing(writer, place, chance.uniform(0, window))

        place.require_unharmed(new)
        hits += hit
        old += place.content() == place.old
        # How long a write takes depends on what else the machine does.
        window *= 1.1 if hit else 0.8
        _require_next_run(writer, place, new)

    print(f"{name}: {hits} runs killed in the middle of a write, of {tries}; {old} left the old file")


def _require_next_run(writer: Writer, place: Place, new: bytes | None) -> None:
    """It succeeds. What a killed run had already renamed is flushed at the latest by the journal, and needs no run."""
    due = place.content() != new
    result = writer.run(place)
    assert not result.failed, result.msg
    assert result.changed == due
    place.require_written(new)


def _large(kind: Kind) -> Kind:
    comments = b"".join(b"# line %d of somebody else\n" % number for number in range(LINES))
    return Kind(kind.module, kind.option, kind.options, kind.name, comments + kind.content, kind.mode)


def _time_of_writing(writer: Writer, place: Place) -> float:
    """How long a run has its temporary file."""
    with writer.started(place) as running:
        _await_write(running, place)
        begin = time.monotonic()
        while place.temporary.exists():
            time.sleep(LOOK)
        end = time.monotonic()
        assert running.wait(60) == 0
    return end - begin


def _kill_while_writing(writer: Writer, place: Place, delay: float) -> bool:
    """Kill a run a little later than it begins to write, and tell whether it was still writing."""
    with writer.started(place) as process:
        _await_write(process, place)
        time.sleep(delay)
        writing = place.temporary.exists()
        process.kill()
        process.wait(60)
    return writing or place.temporary.exists()


def _await_write(process: subprocess.Popen[str], place: Place) -> None:
    while not place.temporary.exists() and process.poll() is None:
        time.sleep(LOOK)
