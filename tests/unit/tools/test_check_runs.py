# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks are run, ended and reported, here with sessions that only print, wait or fail."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checks import __main__ as command, catalogue, report
from checks.catalogue import TEST, Check
from checks.laboratory import Laboratory
from checks.run import Outcome, Run, end

ROOT = Path(__file__).resolve().parents[3]
NOXFILE = """
import nox
nox.options.default_venv_backend = "none"

@nox.session
def good(session):
    print("INFO     here > discovery: scenario test matrix: create, verify tests/a, verify tests/b", flush=True)
    for action in ("create", "verify", "verify"):
        print(f"INFO     here > {action}: Executing", flush=True)
        sum(range(9_000_000))
        __import__("time").sleep(2)

@nox.session
def bad(session):
    print("what is looked for\\nE   the cause of it")
    session.error("it has failed")

@nox.session
def endless(session):
    session.run("sh", "-c", "echo $$ > child; sleep 600", external=True)

@nox.session
def silent(session):
    print("INFO     here > create: Executing\\nTASK [Wait for it] ****", flush=True)
    session.run("sleep", "600", external=True)

@nox.session
def unit(session):
    print("==== 3 skipped in 0.10s ====")
"""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


class TestRun:
    @pytest.fixture(autouse=True)
    def interruptible(self) -> Iterator[None]:
        """As the command does it: what a shell starts in the background inherits that SIGINT is ignored."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)

    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        (tmp_path / "noxfile.py").write_text(NOXFILE, encoding="utf-8")
        return tmp_path

    def finished(self, checkout: Path, session: str) -> Outcome:
        run = Run(Check(session, TEST, session), checkout, checkout)
        assert run.done.wait(60)
        assert run.outcome is not None
        return run.outcome

    def test_each_step_has_its_times(self, checkout: Path) -> None:
        outcome = self.finished(checkout, "good")
        assert outcome.passed
        assert list(outcome.steps) == ["start", "create", "verify tests/a", "verify tests/b"]
        assert sum(cost.seconds for cost in outcome.steps.values()) == pytest.approx(outcome.cost.seconds)
        assert outcome.cost.controller > 0.2

    def test_what_failed_is_shown_and_where_the_rest_is(self, checkout: Path) -> None:
        outcome = self.finished(checkout, "bad")
        lines = report.details(outcome, outcome.log.read_text(encoding="utf-8").splitlines())
        assert not outcome.passed
        assert lines[0] == f"--- bad: exit code 1. All of its output is in {checkout}/bad.log."
        assert "    E   the cause of it" in lines
        assert report.line(outcome).startswith("bad                FAILED ")

    def test_one_that_is_ended_takes_its_children_along(self, checkout: Path) -> None:
        runs = []
        for name in ("one", "two"):
            (checkout / name).mkdir()
            (checkout / name / "noxfile.py").write_text(NOXFILE, encoding="utf-8")
            runs.append(Run(Check(name, TEST, "endless"), checkout / name, checkout / name))
        children = [checkout / name / "child" for name in ("one", "two")]
        wait_until(lambda: all(path.is_file() and path.read_text(encoding="ascii") for path in children))
        end(runs, "it was interrupted")
        for run, child in zip(runs, children, strict=True):
            assert run.done.wait(60)
            assert run.outcome is not None
            assert (run.outcome.passed, run.outcome.cause) == (False, "it was interrupted")
            assert not Path("/proc", child.read_text(encoding="ascii").strip()).exists()

    def test_one_that_hangs_is_ended_and_says_where_and_what_its_hosts_run(
        self, checkout: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("checks.run.LOOK_EVERY", 0.2)
        monkeypatch.setattr(Laboratory, "what_runs", lambda _self: ["client1 runs:", "  1 Ss /sbin/init"])
        run = Run(Check("silent", TEST, "silent", laboratory="nothing"), checkout, checkout)
        wait_until(lambda: run.step == "create")
        monkeypatch.setattr("checks.run.SILENCE", 2.0)
        assert run.done.wait(60)
        assert run.outcome is not None
        lines = report.details(run.outcome, run.outcome.log.read_text(encoding="utf-8").splitlines())
        assert run.outcome.cause == "nothing came from it for 2 s, in: create, Wait for it"
        noted = lines.index("      | client1 runs:")
        assert lines[noted + 1] == "      |   1 Ss /sbin/init"
        # What it still says stands behind that, not in its place.
        assert any("Session silent" in line for line in lines[noted + 2 :])

    def test_one_in_which_no_test_was_run_has_failed(self, checkout: Path) -> None:
        outcome = self.finished(checkout, "unit")
        assert (outcome.passed, outcome.cause) == (False, "no test was run, or all were skipped")
        assert outcome.tests == (0, 3)

    def test_one_that_cannot_be_followed_has_failed(self, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("checks.run.processes", lambda: {}[1])
        outcome = self.finished(checkout, "endless")
        assert not outcome.passed
        assert outcome.cause.startswith("it could not be followed (KeyError")


class TestCommand:
    SCRIPT = """
import signal, sys
from pathlib import Path
from checks import __main__ as command
from checks.catalogue import TEST, Check

signal.signal(signal.SIGINT, signal.default_int_handler)
place = Path(sys.argv[1])
command.CHECKOUT, command.WORK, command.TIMES = place, place / "work", place / "work/times.json"
command.WORK.mkdir()
sys.exit(command._run([Check(name, TEST, name) for name in sys.argv[2:]], 1, TEST, new=True))
"""

    def test_an_interrupt_tells_what_it_has_ended_and_what_had_failed_by_then(self, tmp_path: Path) -> None:
        (tmp_path / "noxfile.py").write_text(NOXFILE, encoding="utf-8")
        argv = [sys.executable, "-c", self.SCRIPT, str(tmp_path), "bad", "endless", "good"]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}/tests/tools:{ROOT}/tests/lab"}
        with subprocess.Popen(argv, stdout=subprocess.PIPE, encoding="utf-8", env=environment) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline().startswith("3 checks, up to 1 at a time, from bad to good; ")
                assert process.stdout.readline().startswith("bad ")
                wait_until((tmp_path / "child").exists)
            finally:
                process.send_signal(signal.SIGINT)
            lines = [line.strip() for line in process.stdout.readlines()]
        assert process.returncode == 130
        assert lines[0] == "Interrupted: endless. Ending what they have started."
        assert "E   the cause of it" in lines
        assert any(
            re.match(r"interrupted: endless, good; failed: bad \(exit code 1\), in 0 min", line) for line in lines
        )
        assert lines[-1] == "Those of make test that have not passed: make test FROM=failed"

    def test_figures_of_what_has_not_passed_stay(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        times, figures = tmp_path / "times.json", tmp_path / "figures.json"
        monkeypatch.setattr(command, "TIMES", times)
        monkeypatch.setattr(command, "FIGURES", figures)
        report.save(figures, {"boot": 9, "boot: gone": 8, "unit": 7, "many": 6, "no check any more": 5})
        with pytest.raises(catalogue.RefusedError, match=r"Cannot take figures: no check has passed"):
            command._take_figures()
        step = {"seconds": 2.2}
        report.save(times, {
            "unit": {"passed": False, "seconds": 1, "steps": {}},
            "boot": {"passed": True, "seconds": 3.3, "steps": {"create": step}},
        })  # fmt: skip
        command._take_figures()
        assert report.load(figures) == {"unit": 7, "boot": 3, "boot: create": 2, "many": 6}
