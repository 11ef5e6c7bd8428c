# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One check: its process, its log, and what each step of it has cost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from .catalogue import Check
from .laboratory import Laboratory
from .processor_time import Meter, processes
from .steps import Steps, count_of_tests, task

# How often output and processor time are read, in seconds. To read all of /proc takes some hundredths of one.
LOOK_EVERY = 3.0
# One that hangs must not keep the others from being reported. The longest silence seen on a busy machine is that of
# pylint, some six minutes.
SILENCE = 900.0
_BEGINNING = "start"
# First as Ctrl-C would, so that it can clean up; with the seconds that it has for that.
_ENDS = ((signal.SIGINT, 60.0), (signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))


@dataclass(frozen=True)
class Cost:
    """Seconds, on the clock and of processors: of what runs on the machine, of guests, and of the Ceph daemons."""

    seconds: float = 0.0
    controller: float = 0.0
    guests: float = 0.0
    cluster: float = 0.0

    def __sub__(self, other: Cost) -> Cost:
        return Cost(
            self.seconds - other.seconds,
            self.controller - other.controller,
            self.guests - other.guests,
            self.cluster - other.cluster,
        )


@dataclass(frozen=True)
class Outcome:
    """How a check has ended."""

    check: Check
    passed: bool
    cause: str
    cost: Cost
    log: Path
    steps: dict[str, Cost] = field(default_factory=dict)
    #: The tests that have passed, and those that were skipped.
    tests: tuple[int, int] = (0, 0)


class Run:
    """A check that runs; ``outcome`` is there once ``done`` is set."""

    def __init__(self, check: Check, checkout: Path, logs: Path) -> None:
        self.check = check
        self.step = _BEGINNING
        self.done = threading.Event()
        self.outcome: Outcome | None = None
        self._log = logs / f"{check.name}.log"
        self._laboratory = Laboratory(checkout, check.laboratory) if check.laboratory else None
        self._meters = {"controller": Meter(), "guests": Meter(), "cluster": Meter()}
        self._marks = [(_BEGINNING, Cost())]
        self._began = time.monotonic()
        self._cause = ""
        self._passed = self._skipped = 0
        self._heard = self._began
        self._line = self._task = ""
        self._process = self._start(checkout)
        threading.Thread(target=self._follow, daemon=True).start()

    @property
    def seconds(self) -> float:
        """For how long it has run."""
        return time.monotonic() - self._began

    def _start(self, checkout: Path) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "nox", "--session", self.check.session]
        if not self.check.laboratory:
            # A scenario is a long series of waits for a guest that needs a processor at once; the others fill the gaps.
            argv = ["nice", *argv]
        argv += ["--", *self.check.arguments] if self.check.arguments else []
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        if self.check.laboratory:
            environment |= {"RBDLAB_NAME": self.check.laboratory, "RBDLAB_ACCEL": self.check.accelerator}
        # Into a file: of a pipe we would see the end only when the last process that has it has ended. And a session of
        # its own, so that it can be ended with all that it has started.
        self._log.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            return subprocess.Popen(
                argv, cwd=checkout, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    def _follow(self) -> None:
        """Follow the output and the processor time to the end; whatever comes between, tell that."""
        try:
            code = self._followed()
            cause = self._cause or (f"exit code {code}" if code else "") or self._without_tests()
        except Exception as error:  # noqa: BLE001  # in a thread of its own, where nobody else would see it
            end([self], "")
            cause = f"it could not be followed ({error!r})"
        cost = self._cost()
        steps = self._costs_of_steps(cost)
        self.outcome = Outcome(self.check, not cause, cause, cost, self._log, steps, (self._passed, self._skipped))
        self.done.set()

    def _followed(self) -> int:
        """Follow the output and the processor time to the end, and return the exit code."""
        steps = Steps()
        with self._log.open(encoding="utf-8", errors="replace") as log:
            while (code := self._process.poll()) is None:
                self._look()
                self._read(log, steps)
                if time.monotonic() - self._heard > SILENCE and not self._cause:
                    self._note_what_it_waits_for()
                    where = f"{self.step}, {self._task}" if self._task else self.step
                    end([self], f"nothing came from it for {SILENCE:.0f} s, in: {where}")
                self.ended(LOOK_EVERY)
            self._read(log, steps)
        return code

    def _without_tests(self) -> str:
        return "no test was run, or all were skipped" if self.check.has_tests and not self._passed else ""

    def _read(self, log: TextIO, steps: Steps) -> None:
        """Note the steps that have begun, and the tests, by what was printed since it was read last."""
        for text in log:
            self._heard = time.monotonic()
            self._line += text
            if not self._line.endswith("\n"):
                continue
            line, self._line = self._line, ""
            self._task = task(line) or self._task
            passed, skipped = count_of_tests(line)
            self._passed += passed
            self._skipped += skipped
            begun = steps.begun(line)
            if begun is not None:
                self.step = begun
                self._task = ""
                self._marks.append((begun, self._cost()))

    def _note_what_it_waits_for(self) -> None:
        """Write into its log what its hosts run, for the time when they are gone."""
        if self._laboratory is not None:
            # It goes on writing to the same file, at its end as we do.
            with self._log.open("a", encoding="utf-8") as log:
                log.writelines(f"  | {line}\n" for line in self._laboratory.what_runs())

    def send(self, number: signal.Signals, cause: str) -> None:
        """Send a signal to it with all that it has started."""
        self._cause = self._cause or cause
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def ended(self, patience: float) -> bool:
        """Wait for its end; tell whether it has ended in this time."""
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _look(self) -> None:
        known = processes()
        self._meters["controller"].look(self._process.pid, known)
        if self._laboratory is not None:
            for pid in self._laboratory.guests():
                self._meters["guests"].look(pid, known)
            for pid in self._laboratory.cluster():
                self._meters["cluster"].look(pid, known)

    def _cost(self) -> Cost:
        return Cost(self.seconds, **{name: meter.seconds for name, meter in self._meters.items()})

    def _costs_of_steps(self, whole: Cost) -> dict[str, Cost]:
        """Return what each step has cost; one that a scenario has more than once is numbered."""
        ends = [cost for _name, cost in self._marks[1:]] + [whole]
        costs: dict[str, Cost] = {}
        for (name, begin), end in zip(self._marks, ends, strict=True):
            times = sum(known.partition(" #")[0] == name for known in costs)
            costs[f"{name} #{times + 1}" if times else name] = end - begin
        return costs


def end(runs: Sequence[Run], cause: str) -> None:
    """End checks with all that they have started, together: one after another would take minutes."""
    for number, patience in _ENDS:
        alive = [run for run in runs if not run.ended(0)]
        for run in alive:
            run.send(number, cause)
        deadline = time.monotonic() + patience
        for run in alive:
            run.ended(max(0.0, deadline - time.monotonic()))
