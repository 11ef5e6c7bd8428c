# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python programs run in forks of one process that has already imported what they import.

Starting Python and importing Ansible and Ceph's bindings costs more than most of what the tests run. A fork runs the
same program with the same arguments, environment, input and output, as a process of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from .daemon import ENVIRONMENT, CommandError, owned
from .site import CHECKOUT, COLLECTION, Site

_PROGRAM = Path(__file__).with_name("fork_server.py")
#: The names of the collection's modules.
MODULES = sorted(path.stem for path in (CHECKOUT / "plugins" / "modules").glob("[!_]*.py"))
#: What scripts and the command ``ceph`` import.
BINDINGS = ("rados", "rbd", "ceph_argparse", "ceph_daemon")


class Forks:
    """The process that forks, within a ``with`` block."""

    def __init__(self, site: Site, python: str, imports: Sequence[str] = BINDINGS) -> None:
        """Start it.

        :param imports: what it imports beside the collection's modules.
        """
        modules = [f"{COLLECTION}.plugins.modules.{name}" for name in MODULES]
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                owned([python, str(_PROGRAM), str(theirs.fileno()), *imports, *modules]),
                stdin=subprocess.DEVNULL, env=site.environment, cwd="/", pass_fds=[theirs.fileno()],
            )  # fmt: skip

    def __enter__(self) -> Forks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()
        self._process.wait()

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str = "",
        timeout: float = 60,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end.

        :param argv: the arguments that Python would have: ``-m`` and a module, ``-c`` and code, or a path, and more.
        :raises CommandError: it took too long.
        """
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _file in range(3)]
            files[0].write(stdin)
            files[0].seek(0)
            reader = stack.enter_context(self._start(argv, files, environment or ENVIRONMENT))
            pid = int(_line(reader, 60))
            try:
                code = int(_line(reader, timeout))
            except TimeoutError as error:
                os.kill(pid, signal.SIGKILL)
                _line(reader, 60)
                raise CommandError(f"Cannot run {' '.join(argv)}: it did not end within {timeout:.0f} s.") from error
            for file in files[1:]:
                file.seek(0)
            return subprocess.CompletedProcess(argv, code, files[1].read(), files[2].read())

    @contextlib.contextmanager
    def _start(
        self, argv: Sequence[str], files: Sequence[IO[str]], environment: Mapping[str, str]
    ) -> Iterator[IO[bytes]]:
        """Have a program started, and give what says its number and, later, its exit code."""
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb", buffering=0) as reader:
            try:
                message = json.dumps([list(argv), dict(environment)]).encode()
                socket.send_fds(self._channel, [message], [*(file.fileno() for file in files), writing])
            finally:
                os.close(writing)
            yield reader


def _line(reader: IO[bytes], timeout: float) -> bytes:
    """The next line, which comes in time or raises TimeoutError."""
    deadline, line = time.monotonic() + timeout, b""
    while not line.endswith(b"\n"):
        ready, _writable, _failed = select.select([reader], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        byte = reader.read(1)
        if not byte:
            raise CommandError("The process that forks has ended.")
        line += byte
    return line
