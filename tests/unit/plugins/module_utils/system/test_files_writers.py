# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real files against other writers and against death at any moment."""

from __future__ import annotations

import os
import random
import signal
import time
from functools import partial
from pathlib import Path
from typing import Callable

from ansible_collections.cephclient.rbd.plugins.module_utils._system.files import HostFiles

WRITERS = 20
KILLS = 50
BLOCK = 256 * 1024


def child(work: Callable[[], None]) -> int:
    """Fork, so that a writer costs no interpreter."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001  # nothing may get back into the runner's copy
            os._exit(1)
    return pid


def append(line: str, text: str) -> str:
    return text + line


def test_twenty_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "x")

    def write(number: int) -> None:
        for turn in range(5):
            HostFiles().edit(path, partial(append, f"{number} {turn}\n"), 0o644)

    writers = [child(partial(write, number)) for number in range(WRITERS)]
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in writers] == [0] * WRITERS
    lines = Path(path).read_text().splitlines()
    assert sorted(lines) == sorted(f"{number} {turn}" for number in range(WRITERS) for turn in range(5))
    assert [found.name for found in tmp_path.iterdir()] == ["x"]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("a" * BLOCK)

    def write() -> None:
        for _turn in range(15):
            HostFiles().edit(str(path), lambda _text: "b" * BLOCK, 0o644)
            HostFiles().edit(str(path), lambda _text: "a" * BLOCK, 0o644)

    writer = child(write)
    while os.waitpid(writer, os.WNOHANG) == (0, 0):
        assert path.read_text() in ("a" * BLOCK, "b" * BLOCK)


def test_a_writer_killed_at_any_moment_leaves_the_old_or_the_new_content(tmp_path: Path) -> None:
    path = tmp_path / "x"
    moments = random.Random(1)

    def write() -> None:
        HostFiles().edit(str(path), lambda _text: "b" * BLOCK, 0o644)

    start = time.monotonic()
    os.waitpid(child(write), 0)
    usual = time.monotonic() - start
    for _kill in range(KILLS):
        path.write_text("a" * BLOCK)
        path.chmod(0o640)
        writer = child(write)
        time.sleep(moments.random() * usual * 1.5)
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        content = path.read_text()
        assert content in ("a" * BLOCK, "b" * BLOCK)
        assert path.stat().st_mode & 0o777 == 0o640
        HostFiles().edit(str(path), lambda text: text + "c", 0o644)  # no lock outlives its holder
