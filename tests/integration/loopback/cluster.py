# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Ceph cluster of a monitor, a manager and OSDs on 127.0.0.1, in a directory of its own."""

from __future__ import annotations

import contextlib
import errno
import json
import random
import re
import shutil
import socket
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from rbdlab import cephconf
from rbdlab.errors import tail

from . import conf
from .daemon import CommandError, Daemon, output, run
from .forks import Forks

START_TIMEOUT = 60
POLL_INTERVAL = 0.05
ATTEMPTS = 5
# Below those that Linux gives to connections, of which every other process may need one at any moment.
_PORTS = range(10000, 32768)
_CEPH = "/usr/bin/ceph"
_MGR_MODULES = Path("/usr/share/ceph/mgr")
# The manager imports every module that it finds, for seconds. It gets those that are always on, and what they import.
_MODULES = re.compile(
    r"balancer|crash|devicehealth|mgr_.*|orchestrator|pg_autoscaler|progress|rbd_support|status|telemetry|volumes"
    r"|ceph_module.*|object_format.*"
)
# What stands around a script for python-rados and python-rbd.
_CONNECT = """\
import json, sys
import rados, rbd
conf, user, *args = sys.argv[1:]
cluster = rados.Rados(conffile=conf, rados_id=user)
cluster.connect()
result = None
"""
_REPORT = """
cluster.shutdown()
print(json.dumps(result))
"""


class ClusterError(Exception):
    """The cluster did not come up, or not again; the last lines of its logs are in the message."""


class _PortTakenError(ClusterError):
    """Another process took the monitor's port between its choice and its use."""


class LoopbackCluster:
    """The cluster, up inside a ``with`` block and gone behind it."""

    def __init__(
        self,
        directory: Path,
        *,
        osds: int = 1,
        python: str = "/usr/bin/python3",
        options: Mapping[str, str] | None = None,
        forks: Forks | None = None,
    ) -> None:
        """Describe it.

        :param directory: new or empty; the cluster writes here and nowhere else, and leaves it.
        :param python: the Python that has Ceph's bindings.
        :param options: options of its daemons, in place of those that suit most tests.
        :param forks: where scripts and ``ceph``, which is Python too, are run; without it each starts a Python.
        """
        self.directory = directory.resolve()
        self.conf = self.directory / "ceph.conf"
        self.admin_keyring = self.directory / "ceph.client.admin.keyring"
        self.fsid = str(uuid.uuid4())
        self._osds = osds
        self._python = python
        self._options = dict(options or {})
        self._forks = forks
        self._daemons_conf = self.directory / "daemons.conf"
        self._logs = self.directory / "log"
        self._daemons: dict[str, Daemon] = {}

    def __enter__(self) -> LoopbackCluster:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """Numbers of the daemons' processes."""
        return [daemon.pid for daemon in self._daemons.values()]

    def start(self) -> None:
        """Make an empty cluster and wait until it serves.

        :raises ClusterError: it did not come up; nothing of it is left running.
        """
        if self.directory.exists() and any(self.directory.iterdir()):
            raise ClusterError(f"Cannot start a cluster in {self.directory}: it is not empty.")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._start()
            except _PortTakenError:
                self.close()
                if attempt == ATTEMPTS:
                    raise
                shutil.rmtree(self.directory)
            except BaseException:
                self.close()
                raise
            else:
                return

    def close(self) -> None:
        """End every daemon."""
        while self._daemons:
            self._daemons.popitem()[1].kill()

    def run(
        self, program: str, *argv: str, user: str = "admin", check: bool = True, stdin: str = "", timeout: float = 60
    ) -> str:
        """Run one of Ceph's commands as a cephx user and return its standard output.

        :param check: whether a failure is an error.
        :raises CommandError: the command failed or took too long.
        """
        client = ("--conf", str(self.conf), "--name", f"client.{user}")
        command = [program, *client, *argv]
        if self._forks and program == "ceph":
            done = self._forks.run([_CEPH, *command[1:]], stdin=stdin, timeout=timeout)
            return output(command, done, check=check)
        return run(command, check=check, stdin=stdin, timeout=timeout)

    def ceph(self, *argv: str, user: str = "admin", check: bool = True, timeout: float = 60) -> str:
        """Run ``ceph``, like :meth:`run`."""
        return self.run("ceph", *argv, user=user, check=check, timeout=timeout)

    def rbd(self, *argv: str, user: str = "admin", check: bool = True, timeout: float = 60) -> str:
        """Run ``rbd``, like :meth:`run`."""
        return self.run("rbd", *argv, user=user, check=check, timeout=timeout)

    def json(self, program: str, *argv: str, user: str = "admin", timeout: float = 60) -> Any:
        """Run one of Ceph's commands with ``--format json`` and return what it says."""
        return json.loads(self.run(program, *argv, "--format", "json", user=user, timeout=timeout))

    def python(self, script: str, *args: str, user: str = "admin", timeout: float = 60) -> Any:
        """Run a script for python-rados and python-rbd, and return what it assigns to ``result``.

        It finds ``rados``, ``rbd``, the connected ``cluster`` and its own ``args``.
        """
        argv = ["-c", _CONNECT + textwrap.dedent(script) + _REPORT, str(self.conf), user, *args]
        if self._forks:
            return json.loads(output(argv, self._forks.run(argv, timeout=timeout)))
        return json.loads(run([self._python, *argv], timeout=timeout))

    def user(self, name: str, *, mon: str = "profile rbd", osd: str = "profile rbd", mgr: str = "profile rbd") -> Path:
        """Create a cephx user with these capabilities and return its keyring, which clients find by its name."""
        # Of an earlier test it could have other capabilities.
        self.ceph("auth", "rm", f"client.{name}")
        path = self.directory / f"ceph.client.{name}.keyring"
        capabilities = [word for pair in (("mon", mon), ("osd", osd), ("mgr", mgr)) if pair[1] for word in pair]
        _write_secret(path, self.ceph("auth", "get-or-create", f"client.{name}", *capabilities))
        return path

    @contextlib.contextmanager
    def paused(self, kind: str) -> Iterator[None]:
        """Let the daemons of a kind (``mon``, ``mgr``, ``osd``) answer nothing within the block, and serve after it."""
        self.pause(kind)
        try:
            yield
        finally:
            self.resume(kind)

    def pause(self, kind: str) -> None:
        """Stop the daemons of a kind where they are, with their connections open."""
        for daemon in self._of_kind(kind):
            daemon.pause()

    def resume(self, kind: str) -> None:
        """Let the daemons of a kind go on, and wait until the cluster serves again."""
        for daemon in self._of_kind(kind):
            daemon.resume()
        self._wait()

    def kill(self, kind: str) -> None:
        """End the daemons of a kind for good, with all that they keep in memory."""
        for daemon in self._of_kind(kind):
            daemon.kill()

    def until(self, condition: Callable[[], bool], timeout: float = 60) -> None:
        """Wait until a condition holds that the cluster reaches by itself, for example that a full pool says so.

        :raises ClusterError: it does not hold in time.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise self._failure(f"what a test waits for did not come about in {timeout:.0f} s")
            time.sleep(POLL_INTERVAL)

    def _of_kind(self, kind: str) -> list[Daemon]:
        return [daemon for name, daemon in self._daemons.items() if name.startswith(f"{kind}.")]

    def _start(self) -> None:
        port = _free_port()
        osds = [f"osd.{number}" for number in range(self._osds)]
        self._write_files(osds, f"[v2:{conf.ADDRESS}:{port}]")
        self._make_stores(osds, f"[v2:{conf.ADDRESS}:{port}]")
        for name in ("mon.a", *osds, "mgr.a"):
            self._daemons[name] = Daemon(name, self._daemons_conf, self._logs / f"{name}.out")
        try:
            self._wait()
        except ClusterError as error:
            # The monitor's own words may be lost: it exits without waiting for its thread that logs.
            if self._daemons["mon.a"].ended() and not _is_free(port):
                raise _PortTakenError(str(error)) from error
            raise

    def _write_files(self, osds: Sequence[str], mon: str) -> None:
        for name in ("mon.a", "mgr.a", *osds, "log", "run", "crash"):
            (self.directory / name).mkdir(parents=True, mode=0o700)
        modules = self.directory / "modules"
        modules.mkdir()
        for path in _MGR_MODULES.iterdir():
            if _MODULES.fullmatch(path.name):
                (modules / path.name).symlink_to(path)
        self.conf.write_text(conf.client_conf(self.fsid, mon, self.directory), encoding="utf-8")
        text = conf.daemons_conf(self.fsid, mon, self.directory, self._options)
        self._daemons_conf.write_text(text, encoding="utf-8")

        # Which type of key a release accepts, its own tool knows.
        entities = ("mon.", "client.admin", "mgr.a", *osds)
        keys = {entity: run(["ceph-authtool", "--gen-print-key"]).strip() for entity in entities}
        _write_secret(self.directory / "keys", cephconf.keyring(keys))
        _write_secret(self.admin_keyring, cephconf.keyring({"client.admin": keys["client.admin"]}))
        for name in ("mgr.a", *osds):
            _write_secret(self.directory / name / "keyring", cephconf.keyring({name: keys[name]}))

    def _make_stores(self, osds: Sequence[str], mon: str) -> None:
        """Make the stores. The monitor's knows all keys and OSDs at once, so that nothing has to be added later."""
        monmap, osdmap, keys = (str(self.directory / name) for name in ("monmap", "osdmap", "keys"))
        daemons = ("--conf", str(self._daemons_conf))
        run(["monmaptool", "--create", "--fsid", self.fsid, "--addv", "a", mon, monmap])
        run(["osdmaptool", *daemons, "--createsimple", str(len(osds)), osdmap])
        seed = ("--monmap", monmap, "--osdmap", osdmap, "--keyring", keys)
        run(["ceph-mon", *daemons, "--mkfs", "-i", "a", *seed])
        for number in range(len(osds)):
            identity = str(uuid.uuid4())
            run(["ceph-osd", *daemons, "--mkfs", "--no-mon-config", "-i", str(number), "--osd-uuid", identity])

    def _wait(self, timeout: float = START_TIMEOUT) -> None:
        """Wait until everything serves; a daemon that ended never will."""
        deadline = time.monotonic() + timeout
        while (problem := self._problem()) is not None:
            if time.monotonic() > deadline:
                raise self._failure(f"after {timeout:.0f} s {problem}")
            time.sleep(POLL_INTERVAL)

    def _problem(self) -> str | None:
        """Say what is wrong with the cluster in a few words; None if nothing is."""
        ended = [name for name, daemon in self._daemons.items() if daemon.ended()]
        if ended:
            raise self._failure(f"{' and '.join(ended)} ended")
        try:
            status = self.json("ceph", "--connect-timeout", "2", "status", timeout=10)
        except CommandError as error:
            return f"the monitor does not answer ({error})"
        if status["osdmap"].get("num_up_osds", 0) < self._osds:
            return "an OSD is not up"
        return None if status["mgrmap"].get("available") else "the manager is not available"

    def _failure(self, cause: str) -> ClusterError:
        lines = [f"The cluster in {self.directory} does not serve: {cause}. Its logs say:"]
        for log in sorted(self._logs.glob("*")):
            written = tail(log, 10)
            lines += [f"--- {log.name}", *written] if written else []
        return ClusterError("\n".join(lines))


def _free_port() -> int:
    """Return a port that nobody has now. Somebody may have it when it is used: then another one is tried."""
    return next(port for port in random.sample(_PORTS, len(_PORTS)) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the monitor does, so that connections of an earlier one, which only time out, count for nothing.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((conf.ADDRESS, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
