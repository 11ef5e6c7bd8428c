# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the host, run in bounded time."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Callable, Protocol

from .._errors import RbdError, TimedOut

# Where the programs live that a task's PATH may lack: mount and mkfs are in sbin on many systems.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# After a time-out the program is killed; a process inside the kernel may not be able to end.
KILL_GRACE = 2.0

# How many of its last lines are kept of a program that is listened to.
LINES_KEPT = 20

_CHUNK = 1 << 16

# A line that shows a progress is written over by the next one.
_LINE_END = re.compile(rb"[\r\n]+")


class ProgramMissing(RbdError):
    """The program is not on this host."""


@dataclass(frozen=True)
class Completed:
    """What a program left behind."""

    rc: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """The program's own words, on one line: for an error's cause."""
        words = " ".join((self.stderr.strip() or self.stdout.strip()).split())
        return words or f"it ended with exit code {self.rc} and said nothing"


class CommandRunner(Protocol):
    """Runs programs."""

    def run(self, argv: Sequence[str], timeout: float) -> Completed:
        """Run a program and wait for its end.

        :param argv: program and arguments; never a secret, since argv is readable by everybody.
        :param timeout: seconds.
        :raises ProgramMissing: there is no such program.
        :raises TimedOut: it did not end in time.
        :raises RbdError: it cannot be run.
        """

    def follow(
        self, argv: Sequence[str], hear: Callable[[str], None], silence: float, descriptors: Sequence[int] = ()
    ) -> Completed:
        """Run a program and listen to what it prints, on its standard output or error, until its end.

        It may take as long as it needs, but not be silent for long.

        :param argv: as for :meth:`run`.
        :param hear: is told each line; what it raises ends the program.
        :param silence: seconds for which the program may print nothing.
        :param descriptors: open files that it inherits, as ``/dev/fd/<number>``.
        :returns: its exit code and, as if they were its standard output, its last lines.
        :raises ProgramMissing: there is no such program.
        :raises TimedOut: it was silent for too long.
        :raises RbdError: it cannot be run.
        """


class HostCommands:
    """The real runner: no shell, the C locale, output as text."""

    def run(self, argv: Sequence[str], timeout: float) -> Completed:
        process = _start(argv, stderr=subprocess.PIPE, start_new_session=True)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            raise _stopped(argv, f"it did not end within {timeout:g} seconds") from None
        return Completed(process.returncode, _text(stdout), _text(stderr))

    def follow(
        self, argv: Sequence[str], hear: Callable[[str], None], silence: float, descriptors: Sequence[int] = ()
    ) -> Completed:
        # In the session of this process: whoever kills all of that, as Ansible does when the time of an
        # asynchronous task is over, ends the program, too.
        process = _start(argv, stderr=subprocess.STDOUT, pass_fds=descriptors)
        last: deque[str] = deque(maxlen=LINES_KEPT)
        try:
            for line in _lines(process, silence):
                last.append(line)
                hear(line)
            return Completed(process.wait(silence), "\n".join(last), "")
        except subprocess.TimeoutExpired:
            raise _stopped(argv, f"it printed nothing for {silence:g} seconds") from None
        finally:
            if process.poll() is None:
                process.kill()
            _let_go(process)


def _start(argv: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "LC_ALL": "C", "PATH": SYSTEM_PATH}
    try:
        return subprocess.Popen(list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, **how)
    except FileNotFoundError:
        raise ProgramMissing(
            f"run {argv[0]}", f"the program is not on this host (looked in {SYSTEM_PATH})", "Install its package."
        ) from None
    except OSError as error:
        raise RbdError(
            f"run {argv[0]}", error.strerror or str(error), "Check the program and its permissions."
        ) from error


def _stopped(argv: Sequence[str], cause: str) -> TimedOut:
    return TimedOut(
        f"run {' '.join(argv)}",
        f"{cause} and was stopped",
        "Look at the cluster's health and at the kernel log, then run again.",
    )


def _lines(process: subprocess.Popen[bytes], silence: float) -> Iterator[str]:
    """What a program prints, until it closes its output.

    :raises subprocess.TimeoutExpired: it was silent for too long.
    """
    stdout = process.stdout
    if stdout is None:
        return
    poll = select.poll()
    poll.register(stdout)
    rest = b""
    while True:
        if not poll.poll(silence * 1000):
            raise subprocess.TimeoutExpired(process.args, silence)
        chunk = os.read(stdout.fileno(), _CHUNK)
        *complete, rest = _LINE_END.split(rest + chunk) if chunk else (rest, b"")
        yield from filter(None, map(_text, complete))
        if not chunk:
            return


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program with its children."""
    os.killpg(process.pid, signal.SIGKILL)
    _let_go(process)


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """Take leave of a program that has ended, or was killed, without waiting for ever for one stuck in the kernel."""
    try:
        process.communicate(timeout=KILL_GRACE)
    except subprocess.TimeoutExpired:
        # In uninterruptible sleep: it ends when the kernel's own time-out does.
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
