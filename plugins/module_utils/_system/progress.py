# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long operation is, told while it runs to whoever waits for it.

A module answers once, at its end. What it can do before is to write into the file of its own asynchronous job, which
every poll of the controller reads, and into the host's log.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import stat
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Callable, Protocol

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.parameters import remove_values

from .._plan import printable

# The least time between two percentages in the job file; no poll comes more often.
JOB_INTERVAL = 1.0

# The log is for operations that last: at most a line each ten seconds, and for one operation each ten percent.
LOG_INTERVAL = 10.0
LOG_PERCENT = 10

# The module is a child of the wrapper, or its grandchild under another Python; a `sudo` may lie between. An Ansible
# that an asynchronous job starts itself has more than that between its own modules and that job.
GENERATIONS = 3

_WRAPPER = "async_wrapper"
_JOB_NAME = re.compile(r"j\d+")

OnProgress = Callable[[int, int], int]


@dataclass(frozen=True)
class Report:
    """How far a module is.

    :ivar action: what is being done, as in the module's ``actions``.
    :ivar subject: to which image or path.
    :ivar percent: how much of that action is done, or None where nobody knows.
    :ivar step: the position of the action in the plan, from 1.
    :ivar steps: how many actions the plan has.
    """

    action: str
    subject: str
    percent: int | None
    step: int = 1
    steps: int = 1

    @property
    def text(self) -> str:
        """The report in one line, for example ``flatten rbd/app: 45 % (2 of 7)``."""
        done = "" if self.percent is None else f": {self.percent} %"
        position = f" ({self.step} of {self.steps})" if self.steps > 1 else ""
        return f"{self.action.replace('_', ' ')} {self.subject}{done}{position}"

    def result(self) -> dict[str, Any]:
        """The report as a poll returns it."""
        return {
            "action": self.action,
            "subject": self.subject,
            "percent": self.percent,
            "step": self.step,
            "steps": self.steps,
            "text": self.text,
        }

    def concerns_what(self, other: Report) -> bool:
        """Whether both are about the same action."""
        return replace(other, percent=self.percent) == self


Sink = Callable[[Report], None]


class Progress(Protocol):
    """Tells how far a module is. Never fails, and never delays what it tells of for long."""

    def step(self, action: str, subject: str, number: int, total: int) -> None:
        """An action of the plan begins.

        :param number: its position in the plan, from 1.
        :param total: how many actions the plan has.
        """

    def watch(self, action: str, subject: str) -> OnProgress:
        """A callback that takes how much is done, and of how much.

        It is fit for librbd, which calls it from threads of its own, wants an integer back, and gives the operation up
        if that is negative: it always returns 0 and never raises.
        """


class Silence:
    """Tells nobody."""

    def step(self, action: str, subject: str, number: int, total: int) -> None:
        pass

    def watch(self, action: str, subject: str) -> OnProgress:  # noqa: ARG002  # there is nobody to tell
        return _ignore


class Reporter:
    """Tells every sink. One that fails is not asked again: the operation matters more than its progress.

    :param sinks: each takes a report, and decides itself what it passes on.
    :param redact: takes out of a subject what must not be shown.
    """

    def __init__(self, sinks: Iterable[Sink], redact: Callable[[str], str] = str) -> None:
        self._sinks = list(sinks)
        self._redact = redact
        self._step, self._steps = 1, 1
        self._busy = threading.Lock()

    def step(self, action: str, subject: str, number: int, total: int) -> None:
        self._step, self._steps = number, total
        self._tell(self._report(action, subject))

    def watch(self, action: str, subject: str) -> OnProgress:
        begun = self._report(action, subject)

        def on_progress(done: int, total: int) -> int:
            self._tell(replace(begun, percent=_percent(done, total)))
            return 0

        return on_progress

    def _report(self, action: str, subject: str) -> Report:
        return Report(action, self._redact(printable(subject)), None, self._step, self._steps)

    def _tell(self, report: Report) -> None:
        # Another thread is telling what is hardly older.
        if not self._busy.acquire(blocking=False):
            return
        try:
            for sink in tuple(self._sinks):
                try:
                    sink(report)
                except Exception:  # noqa: BLE001  # whatever it is, it must not end the operation
                    self._sinks.remove(sink)
        finally:
            self._busy.release()


class JobFile:
    """The file of an asynchronous job: Ansible's wrapper makes it, each poll returns what is in it.

    The report is added under the key ``progress``. The result, which the wrapper writes at the end, replaces it.

    :param path: for example ``/root/.ansible_async/j123.456``.
    """

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._written: Report | None = None
        self._time = 0.0

    def __call__(self, report: Report) -> None:
        """Write the report: at once if an action begins, else if it is time for another percentage.

        :raises OSError: it cannot be written, or the job has been cleaned up.
        :raises ValueError: the file is not that of a running job.
        """
        now = self._clock()
        begins = report.percent is None or self._written is None
        if report == self._written or (not begins and now - self._time < JOB_INTERVAL):
            return
        self._write(report)
        self._written, self._time = report, now

    def _write(self, report: Report) -> None:
        with open(self._path, encoding="utf-8") as file:
            state = json.load(file)
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        # A result has no such keys: after a timeout the wrapper may have written one while this module still lives.
        if not state.get("started") or state.get("finished"):
            raise ValueError(f"{self._path} is not the file of a running job")
        state["progress"] = report.result()
        directory, name = os.path.split(self._path)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=directory)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(state, file)
                os.fchmod(file.fileno(), mode)
            os.rename(temporary, self._path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise


class HostLog:
    """The host's log: a few lines of what lasts long, and none of what does not.

    :param log: writes a line.
    """

    def __init__(self, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._logged: Report | None = None
        self._time = clock()

    def __call__(self, report: Report) -> None:
        now = self._clock()
        if now - self._time < LOG_INTERVAL or self._is_little_more(report):
            return
        self._log(report.text)
        self._logged, self._time = report, now

    def _is_little_more(self, report: Report) -> bool:
        if self._logged is None or not report.concerns_what(self._logged):
            return False
        return (report.percent or 0) - (self._logged.percent or 0) < LOG_PERCENT


def for_module(module: AnsibleModule) -> Progress:
    """Tell whoever waits for this module. Under ``no_log`` nobody: a poll does not know of it and shows everything."""
    if module.no_log:
        return Silence()
    sinks: list[Sink] = [HostLog(module.log)]
    job = find_job()
    if job is not None:
        sinks.append(JobFile(job))
    return Reporter(sinks, lambda text: str(remove_values(text, module.no_log_values)))


def find_job(proc: str = "/proc") -> str | None:
    """The file of the asynchronous job that this process is, or None.

    Ansible tells the module nothing of it, but the wrapper among its ancestors has the job's name as an argument.
    """
    pid = os.getppid()
    for _generation in range(GENERATIONS):
        try:
            with open(f"{proc}/{pid}/cmdline", encoding="utf-8", errors="surrogateescape") as file:
                name = _job_name(file.read().split("\0"))
            if name is not None:
                return _job_file(name)
            with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="surrogateescape") as file:
                # proc(5): the second field is in parentheses and may hold any character; the fourth is the parent.
                pid = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            # Another user's process under hidepid, or one that has just ended.
            return None
    return None


def _job_name(argv: list[str]) -> str | None:
    """What follows the wrapper's path in its command line."""
    for path, name in zip(argv, argv[1:]):
        if os.path.basename(path).startswith(_WRAPPER) and _JOB_NAME.fullmatch(name):
            return name
    return None


def _job_file(name: str) -> str | None:
    """The file whose name is the job's and the process id of the wrapper's beginning, which has ended since."""
    # As the wrapper does it.
    directory = os.path.expanduser(os.environ.get("ANSIBLE_ASYNC_DIR", "~/.ansible_async"))
    found = glob.glob(os.path.join(glob.escape(directory), f"{name}.*"))
    files = [path for path in found if path.rpartition(".")[2].isdigit()]
    return files[0] if len(files) == 1 else None


def _percent(done: int, total: int) -> int | None:
    return max(0, min(100, done * 100 // total)) if total > 0 else None


def _ignore(done: int, total: int) -> int:  # noqa: ARG001  # there is nobody to tell
    return 0
