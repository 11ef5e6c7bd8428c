# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Ceph cluster of one monitor, one manager and one OSD, without a guest."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import cephconf
from .errors import LabError, tail
from .pod import Pod
from .progress import Progress
from .ssh import Ssh, answers
from .state import State
from .subnet import CEPH_HOST

READY_TIMEOUT = 90
_ADMIN_KEYRING = "/etc/ceph/ceph.client.admin.keyring"
_SSHD_CONFIG = """\
HostKey /etc/ssh/ssh_host_ed25519_key
UseDNS no
UsePAM no
PrintMotd no
PasswordAuthentication no
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
PidFile /run/sshd.pid
"""


@dataclass(frozen=True)
class Daemon:
    """A process of the cluster that goes to the background by itself."""

    name: str
    argv: tuple[str, ...]


_SSHD = Daemon("SSH server", ("/usr/sbin/sshd",))
_MONITOR = Daemon("monitor", ("ceph-mon", "-i", "a"))
_OSD = Daemon("OSD", ("ceph-osd", "-i", "0"))
_MANAGER = Daemon("manager", ("ceph-mgr", "-i", "a"))


class Cluster:
    """The cluster in its pod."""

    def __init__(self, pod: Pod, state: State, ssh: Ssh, progress: Progress) -> None:
        self.pod = pod
        self._state = state
        self._ssh = ssh
        self._progress = progress

    def say(self, text: str) -> None:
        """Report progress."""
        self._progress.say(CEPH_HOST, text)

    def up(self, rootfs: Callable[[], Path]) -> None:
        """Start what is missing and wait until the cluster serves."""
        made = self.pod.directory / "made"  # an interrupted start leaves half a cluster without it
        if self.pod.process() is None or not made.exists():
            built = rootfs()
            self.pod.stop()
            made.unlink(missing_ok=True)
            self.say("starting an empty cluster (monitor, manager, OSD in memory)")
            self.pod.start(built, self._progress)
            self._configure()
            self._make_stores()
            made.touch()
        for daemon in (_SSHD, _MONITOR, _OSD, _MANAGER):
            self._start(daemon)
        self.wait()

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> str:
        """Run a command on the cluster's host, where ceph and rbd work as client.admin."""
        return self.pod.run(argv, stdin=stdin, timeout=timeout)

    def _configure(self) -> None:
        state, keys = self._state, self._state.keys
        self.pod.write("/etc/ceph/ceph.conf", cephconf.cluster_conf(state.fsid, state.ceph_address))
        self.pod.write(_ADMIN_KEYRING, cephconf.keyring({"client.admin": keys["client.admin"]}), 0o600)
        for entity, directory in (("mgr.a", "mgr/ceph-a"), ("osd.0", "osd/ceph-0")):
            text = cephconf.keyring({entity: keys[entity]})
            self.pod.write(f"/var/lib/ceph/{directory}/keyring", text, 0o600)
        self.pod.write("/run/mon.keyring", cephconf.keyring(keys), 0o600)
        hosts = "".join(f"{address} {name}\n" for name, address in state.hosts().items())
        self.pod.write("/etc/hosts", "127.0.0.1 localhost\n" + hosts)

        self.pod.write("/etc/ssh/sshd_config", _SSHD_CONFIG)
        host_key = self._ssh.host_key(CEPH_HOST)
        self.pod.write("/etc/ssh/ssh_host_ed25519_key", host_key.read_text(encoding="utf-8"), 0o600)
        self.pod.write("/root/.ssh/authorized_keys", self._ssh.public(self._ssh.key), 0o600)

    def _make_stores(self) -> None:
        """Make the stores of the monitor and the OSD; the monitor's knows every key from the beginning."""
        address, fsid = self._state.ceph_address, self._state.fsid
        addresses = f"[v2:{address}:3300,v1:{address}:6789]"
        mkfs = ["--mkfs", "-i", "a", "--monmap", "/run/monmap", "--keyring", "/run/mon.keyring"]
        self._step(["monmaptool", "--create", "--fsid", fsid, "--addv", "a", addresses, "/run/monmap"])
        self._step(["ceph-mon", *mkfs])
        self._start(_MONITOR)
        self._step(["ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", fsid])
        self._step(["ceph", "--connect-timeout", "60", "osd", "new", fsid, "0"])

    def _start(self, daemon: Daemon) -> None:
        """Start a daemon unless it runs. It must not keep our pipes: it would die of them later."""
        name = daemon.argv[0].rpartition("/")[2]
        script = 'pgrep -x "$0" > /dev/null || exec "$@" >> "/var/log/ceph/ceph-start-$0.log" 2>&1 < /dev/null'
        self._step(["sh", "-c", script, name, *daemon.argv], f"start the {daemon.name}")

    def _step(self, argv: Sequence[str], purpose: str = "") -> None:
        try:
            self.pod.run(argv, timeout=READY_TIMEOUT, purpose=purpose or f"set up the cluster with {argv[0]}")
        except LabError as error:
            raise self._failure(str(error), error.evidence) from error

    def wait(self, timeout: float = READY_TIMEOUT) -> None:
        """Wait until the OSD is up, the manager is available and SSH answers."""
        self._progress.wait(self._ready, timeout, lambda: self._failure(
            f"Cannot bring up the cluster: after {timeout:.0f} s {self.problem()}. "
            "Run 'lab down', then 'lab up'; the logs below are in " + str(self.pod.logs) + "."
        ))  # fmt: skip
        self.say(f"up at {self._state.ceph_address}")

    def _ready(self) -> bool | None:
        return None if self.problem() else True

    def problem(self) -> str | None:
        """Say what is wrong with the cluster in a few words; None if nothing is."""
        if self.pod.process() is None:
            return "its processes have ended"
        try:
            text = self.run(["ceph", "--connect-timeout", "5", "status", "--format", "json"], timeout=30)
        except LabError:
            return "the monitor does not answer"
        status = json.loads(text)
        if status["osdmap"].get("num_up_osds", 0) < 1:
            return "the OSD is not up"
        if not status["mgrmap"].get("available"):
            return "the manager is not available"
        return None if answers(self._state.ceph_address) else "SSH does not answer"

    def _failure(self, message: str, evidence: Sequence[str] = ()) -> LabError:
        lines = list(evidence)
        for log in sorted(self.pod.logs.glob("ceph-*.log")):
            written = tail(log, 10)
            lines += [f"--- {log.name}", *written] if written else []
        return LabError(message, lines)
