# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the host, run in bounded time."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .._errors import RbdError

# Where the programs live that a task's PATH may lack: mount and mkfs are in sbin on many systems.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# After a time-out the program is killed; a process inside the kernel may not be able to end.
KILL_GRACE = 2.0


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
        :raises RbdError: the program is missing, or did not end in time.
        """


class HostCommands:
    """The real runner: no shell, the C locale, output as text."""

    def run(self, argv: Sequence[str], timeout: float) -> Completed:
        environment = {**os.environ, "LC_ALL": "C", "PATH": SYSTEM_PATH}
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise RbdError(
                f"run {argv[0]}", f"the program is not on this host (looked in {SYSTEM_PATH})", "Install its package."
            ) from None
        except OSError as error:
            raise RbdError(
                f"run {argv[0]}", error.strerror or str(error), "Check the program and its permissions."
            ) from error
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            raise RbdError(
                f"run {' '.join(argv)}",
                f"it did not end within {timeout:g} seconds and was stopped",
                "Look at the cluster's health and at the kernel log, then run again.",
            ) from None
        return Completed(process.returncode, _text(stdout), _text(stderr))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program with its children, without waiting for ever on one that is stuck in the kernel."""
    os.killpg(process.pid, signal.SIGKILL)
    try:
        process.communicate(timeout=KILL_GRACE)
    except subprocess.TimeoutExpired:
        # In uninterruptible sleep: it ends when the kernel's own time-out does.
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
