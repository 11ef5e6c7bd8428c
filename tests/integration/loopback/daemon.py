# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes: a daemon of the cluster, and a command that ends by itself."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

#: Nothing of the caller's environment reaches a process here: CEPH_CONF and CEPH_ARGS would lead it elsewhere.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8"}


class CommandError(Exception):
    """A command failed; what it printed is in the message."""


def owned(argv: Sequence[str]) -> list[str]:
    """Return the command so that the kernel kills it when the thread that starts it ends, whatever the reason."""
    if shutil.which(argv[0], path=ENVIRONMENT["PATH"]) is None:
        advice = "Install the packages listed in tests/integration/packages.txt."
        raise CommandError(f"Cannot run {argv[0]}: there is no such command. {advice}")
    return ["setpriv", "--pdeathsig", "KILL", *argv]


def run(
    argv: Sequence[str],
    *,
    check: bool = True,
    stdin: str = "",
    timeout: float = 60,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a command to its end and return its standard output.

    :param check: whether an exit code other than 0 is an error.
    :raises CommandError: it failed, took too long, or does not exist.
    """
    try:
        done = subprocess.run(
            owned(argv), input=stdin, capture_output=True, text=True, timeout=timeout, check=False,
            env=environment or ENVIRONMENT, cwd="/",
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"Cannot run {' '.join(argv)}: it did not end within {timeout:.0f} s.") from error
    return output(argv, done, check=check)


def output(argv: Sequence[str], done: subprocess.CompletedProcess[str], *, check: bool = True) -> str:
    """Return the standard output of a command that has ended.

    :raises CommandError: it failed, and that is an error.
    """
    if check and done.returncode != 0:
        words, code = " ".join(argv), done.returncode
        raise CommandError(f"Cannot run {words}: it ended with {code}.\n{done.stdout}{done.stderr}")
    return done.stdout


class Daemon:
    """``ceph-mon``, ``ceph-mgr`` or ``ceph-osd``, named like ``osd.0``."""

    def __init__(self, name: str, conf: Path, output: Path) -> None:
        """Start it; it does not outlive its owner."""
        kind, _dot, number = name.partition(".")
        with output.open("wb") as stream:
            self._process = subprocess.Popen(
                owned([f"ceph-{kind}", "-f", "-i", number, "--conf", str(conf)]),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                # ceph-osd of some releases finds its object classes by a path relative to the root.
                cwd="/",
                env=ENVIRONMENT,
                # An interrupt at the terminal is for pytest alone, which then ends the daemons.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Number of its process."""
        return self._process.pid

    def ended(self) -> bool:
        """Tell whether it has ended."""
        return self._process.poll() is not None

    def pause(self) -> None:
        """Let it do nothing more, with all its connections open."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it, also when it is paused; what it stores is not needed again."""
        self._process.kill()
        self._process.wait()
