# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of :mod:`loopback.forks`, run by the Python whose programs it runs: import once, then fork for each.

Its arguments are the number of a socket and the modules to import. A message on the socket is a program as JSON, with
four descriptors: standard input, output and error of the program, and one for its process number and exit status.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import types
from pathlib import Path
from typing import Any, NamedTuple

MAX_MESSAGE = 1 << 17
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Program(NamedTuple):
    """What to run: arguments as Python itself takes them (``-m``, ``-c`` or a path), and its environment."""

    argv: list[str]
    environment: dict[str, str]


class Server:
    """Forks a process for each program and says how it ended."""

    def __init__(self, channel: socket.socket) -> None:
        """Serve the messages of a socket."""
        self._channel = channel
        self._watched: dict[int, int] = {}
        self._compiled: dict[str, types.CodeType] = {}
        self._server = os.getpid()

    def serve(self) -> Program | None:
        """Return a program in each process that is to run one, and None in the server itself at the end."""
        ended, wakeup = socket.socketpair()
        wakeup.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_given: None)
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            selector.register(ended, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _events in selector.select()]
                if ended in ready:
                    ended.recv(4096)
                    self._report()
                if self._channel in ready:
                    message, descriptors, _flags, _address = socket.recv_fds(self._channel, MAX_MESSAGE, 4)
                    if not message:
                        return None
                    program = self._start(Program(*json.loads(message)), descriptors)
                    if program:
                        for end in (ended, wakeup, self._channel):
                            end.close()
                        return program

    def code(self, path: str) -> types.CodeType:
        """The program in a file, which is compiled once."""
        if path not in self._compiled:
            self._compiled[path] = compile(Path(path).read_bytes(), path, "exec")
        return self._compiled[path]

    def _start(self, program: Program, descriptors: list[int]) -> Program | None:
        *standard, status = descriptors
        if not program.argv[0].startswith("-"):
            self.code(program.argv[0])
        pid = os.fork()
        if pid:
            for descriptor in standard:
                os.close(descriptor)
            self._watched[pid] = status
            _say(status, pid)
            return None
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._server:
            os._exit(1)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, descriptor in enumerate(standard):
            os.dup2(descriptor, number)
        for descriptor in [*descriptors, *self._watched.values()]:
            os.close(descriptor)
        return program

    def _report(self) -> None:
        """Say how those ended that have ended."""
        for pid in list(self._watched):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                descriptor = self._watched.pop(pid)
                _say(descriptor, os.waitstatus_to_exitcode(status))
                os.close(descriptor)


def _say(descriptor: int, number: int) -> None:
    # Who wanted to know may have given up.
    with contextlib.suppress(BrokenPipeError):
        os.write(descriptor, b"%d\n" % number)


def main(server: Server) -> None:
    """Serve; in a process that is to run a program, run it as Python itself would."""
    program = server.serve()
    if program is None:
        return
    os.environ.clear()
    os.environ.update(program.environment)
    kind, *rest = program.argv
    if kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        return
    own: Any = types.ModuleType("__main__")
    sys.modules["__main__"] = own
    sys.argv = [kind, *(rest[1:] if kind == "-c" else rest)]
    if kind == "-c":
        code = compile(rest[0], "<string>", "exec")
    else:
        own.__file__ = kind
        code = server.code(kind)
    exec(code, own.__dict__)


if __name__ == "__main__":
    # Programs find nothing of the tests beside them.
    del sys.path[0]
    for name in sys.argv[2:]:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    main(Server(socket.socket(fileno=int(sys.argv[1]))))
