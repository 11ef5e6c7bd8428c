# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real processes: bounded in time, without a shell, in the C locale."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._system.command import (
    LINES_KEPT,
    Completed,
    HostCommands,
    ProgramMissing,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence

run = HostCommands().run
follow = HostCommands().follow


def ignore(_line: str) -> None:
    """Listen to nothing."""


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


class TestFollow:
    def test_each_line_is_heard_when_it_is_printed_wherever_to(self, tmp_path: Path) -> None:
        heard: list[str] = []
        answer = tmp_path / "answer"
        os.mkfifo(answer)

        def hear(line: str) -> None:
            heard.append(line)
            if line == "one":
                answer.write_text("go on\n")

        # It goes on only once its first line was heard.
        script = f"echo one; read line < {answer}; printf '10%%\\r20%%\\r' >&2; echo; printf last; exit 3"
        assert follow(["sh", "-c", script], hear, 10) == Completed(3, "one\n10%\n20%\nlast", "")
        assert heard == ["one", "10%", "20%", "last"]

    def test_as_long_as_it_prints_it_may_go_on(self) -> None:
        script = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.2; done"
        assert follow(["sh", "-c", script], ignore, 0.8).rc == 0

    @pytest.mark.parametrize("script", ["echo one; exec sleep 60", "exec sleep 60 >&- 2>&-"])
    def test_a_program_that_falls_silent_is_stopped(self, script: str) -> None:
        start = time.monotonic()
        with pytest.raises(RbdError, match=r"printed nothing for 0\.5 seconds and was stopped") as refused:
            follow(["sh", "-c", script], ignore, 0.5)
        assert is_sentence(refused.value)
        assert time.monotonic() - start < 3

    def test_what_the_listener_raises_ends_the_program(self) -> None:
        pids: list[int] = []

        def hear(line: str) -> None:
            pids.append(int(line))
            raise ValueError(line)

        with pytest.raises(ValueError, match=r"\d+"):
            follow(["sh", "-c", "echo $$; exec sleep 60"], hear, 10)
        assert not alive(pids[0])

    def test_only_the_last_lines_are_kept(self) -> None:
        done = follow(["seq", "100000"], ignore, 10)
        assert done.stdout.split("\n") == [str(number) for number in range(100001 - LINES_KEPT, 100001)]

    def test_a_descriptor_is_inherited(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("content\n")
        with (tmp_path / "file").open() as handle:
            number = handle.fileno()
            done = follow(["cat", f"/dev/fd/{number}"], ignore, 10, [number])
            without = follow(["cat", f"/dev/fd/{number}"], ignore, 10)
        assert done == Completed(0, "content", "")
        assert without.rc != 0

    def test_it_ends_with_the_processes_of_this_session(self) -> None:
        done = follow(["sh", "-c", "ps -o sid= -p $$"], ignore, 10)
        assert int(done.stdout) == os.getsid(0)

    def test_a_missing_program_is_named(self) -> None:
        with pytest.raises(ProgramMissing, match=r"^Cannot run no-such-program: "):
            follow(["no-such-program"], ignore, 10)
