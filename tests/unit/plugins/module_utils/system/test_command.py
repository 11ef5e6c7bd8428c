# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real processes: bounded in time, without a shell, in the C locale."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._system.command import Completed, HostCommands
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence

run = HostCommands().run


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_exit_code_and_both_outputs() -> None:
    assert run(["sh", "-c", "echo out; echo err >&2; exit 3"], 10) == Completed(3, "out\n", "err\n")


def test_arguments_reach_the_program_as_they_are() -> None:
    words = ["a b", "$HOME", "*", "'", "é", "\udcff", ""]
    assert run(["printf", "%s\n", *words], 10).stdout.split("\n")[:-1] == words


def test_messages_are_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert run(["sh", "-c", "echo $LC_ALL"], 10).stdout == "C\n"


def test_programs_of_sbin_are_found_whatever_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "/usr/sbin" in run(["sh", "-c", "echo $PATH"], 10).stdout


def test_no_program_waits_for_input() -> None:
    assert run(["cat"], 10) == Completed(0, "", "")


def test_a_missing_program_is_named() -> None:
    with pytest.raises(RbdError, match=r"^Cannot run no-such-program: .*Install its package\.") as refused:
        run(["no-such-program", "x"], 10)
    assert is_sentence(refused.value)


def test_a_program_that_does_not_end_is_stopped_in_time_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    start = time.monotonic()
    with pytest.raises(RbdError, match=r"did not end within 0\.3 seconds") as refused:
        run(["sh", "-c", f"trap '' TERM; sleep 60 & echo $! $$ > {pids}; wait"], 0.3)
    assert is_sentence(refused.value)
    assert time.monotonic() - start < 2
    deadline = time.monotonic() + 2
    while any(alive(int(pid)) for pid in pids.read_text().split()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(alive(int(pid)) for pid in pids.read_text().split())


def test_a_child_that_keeps_the_output_open_cannot_hold_us_up() -> None:
    start = time.monotonic()
    with pytest.raises(RbdError, match="did not end"):
        run(["setsid", "sh", "-c", "exec sleep 5"], 0.2)
    assert time.monotonic() - start < 4


@pytest.mark.parametrize(
    ("completed", "complaint"),
    [
        (Completed(1, "out", " two\n lines \n"), "two lines"),
        (Completed(1, "out\n", "\n"), "out"),
        (Completed(7, "", ""), "it ended with exit code 7 and said nothing"),
    ],
)
def test_the_complaint_is_one_line(completed: Completed, complaint: str) -> None:
    assert completed.complaint == complaint


def test_a_program_that_may_not_be_run_is_an_error_of_ours(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.touch(mode=0o644)
    with pytest.raises(RbdError, match=r"^Cannot run .*: Permission denied\.") as refused:
        run([str(program)], 10)
    assert is_sentence(refused.value)
