# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs at the same time, beside readers and other editors."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from loopback.modules import Module

RUNS = 20
COMMENTS = "".join(f"# line {number} of somebody else\n" for number in range(2000))


@contextlib.contextmanager
def repeated(work: Callable[[], None]) -> Iterator[None]:
    """Do something again and again within the block; what it raises is raised at the block's end."""
    over = threading.Event()
    raised: list[BaseException] = []

    def repeat() -> None:
        while not over.is_set() and not raised:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  # raised again below
                raised.append(error)
            time.sleep(0.001)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if raised:
        raise raised[0]


def options(fstab: Path, number: int) -> dict[str, str]:
    return {
        "state": "present",
        "image": f"rbd/{number}",
        "path": f"/srv/{number}",
        "fstype": "xfs",
        "fstab": str(fstab),
    }


def line(number: int) -> str:
    return f"/dev/rbd/rbd/{number}\t/srv/{number}\txfs\tnoauto,_netdev\t0\t0"


def run_all(module: Callable[..., Module], fstab: Path) -> None:
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(module("rbd_fstab").started(options(fstab, number))) for number in range(RUNS)]
        assert [run.wait(120) for run in runs] == [0] * RUNS


def test_twenty_runs_at_once_lose_nothing_and_no_reader_sees_half_a_file(
    tmp_path: Path, module: Callable[..., Module]
) -> None:
    fstab = tmp_path / "fstab"
    fstab.write_text(COMMENTS)
    known = {line(number) for number in range(RUNS)}
    seen: list[int] = []

    def read() -> None:
        text = fstab.read_text()
        assert text.startswith(COMMENTS)
        ours = text[len(COMMENTS) :]
        assert ours == "" or ours.endswith("\n")
        assert set(ours.splitlines()) <= known
        assert len(ours.splitlines()) >= max(seen, default=0)
        seen.append(len(ours.splitlines()))

    with repeated(read):
        run_all(module, fstab)

    assert sorted(fstab.read_text()[len(COMMENTS) :].splitlines()) == sorted(known)
    assert [found.name for found in tmp_path.iterdir()] == ["fstab"]
    assert len(set(seen)) > 5, "the reader saw too little of it to tell"


def test_beside_an_editor_that_takes_no_lock_no_reader_sees_half_a_file_and_a_second_run_mends_the_rest(
    tmp_path: Path, module: Callable[..., Module]
) -> None:
    fstab, copy = tmp_path / "fstab", tmp_path / "copy"
    fstab.write_text(COMMENTS)
    known = {line(number) for number in range(RUNS)}
    written: list[str] = []

    def edit() -> None:
        # As most editors do: read, write beside it, rename. What a run of ours writes in between, it overwrites.
        text = fstab.read_text()
        foreign = set(text[len(COMMENTS) :].splitlines()) - known
        assert text.startswith(COMMENTS)
        assert foreign <= set(written)
        written.append(f"# edit {len(written)}")
        copy.write_text(text + written[-1] + "\n")
        copy.rename(fstab)
        time.sleep(0.5)

    with repeated(edit):
        run_all(module, fstab)
    run_all(module, fstab)

    text = fstab.read_text()
    assert text.startswith(COMMENTS)
    assert known <= set(text.splitlines())
    assert len(written) > 2
    kept = [edit for edit in written if edit in text.splitlines()]
    print(f"{len(kept)} of {len(written)} foreign edits kept")
    assert [found.name for found in tmp_path.iterdir()] == ["fstab"]
