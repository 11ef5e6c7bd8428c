# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The place where the Ceph daemons run: a chroot in namespaces of its own, ended as a whole."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .errors import LabError, tail
from .network import Network
from .privilege import as_root
from .process import ProcessRecord, run
from .progress import Progress
from .recipe import packaged_path
from .subnet import CEPH_HOST

_ENVIRONMENT = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8")


class Pod:
    """Processes in their own mount, PID, UTS and IPC namespaces within the laboratory's network."""

    def __init__(self, directory: Path, network: Network, hostname: str = CEPH_HOST) -> None:
        self.directory = directory
        self._network = network
        self._hostname = hostname

    @property
    def logs(self) -> Path:
        """The daemons' logs, readable from the machine."""
        return self.directory / "logs"

    @property
    def _record(self) -> Path:
        return self.directory / "pod.json"

    def process(self) -> ProcessRecord | None:
        """Return the first process of the pod, if it runs."""
        record = ProcessRecord.load(self._record)
        return record if record is not None and record.alive() else None

    def start(self, rootfs: Path, progress: Progress, timeout: float = 60) -> None:
        """Make the namespaces and mounts, and wait until they are ready."""
        for path in (self.logs, self.directory / "mnt"):
            path.mkdir(parents=True, exist_ok=True)
        pid_file = self.directory / "pid"
        pid_file.unlink(missing_ok=True)
        log = self.directory / "pod.log"
        argv = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
        argv += ["sh", str(packaged_path("pod.sh")), str(rootfs), str(self.directory), self._hostname]
        with log.open("wb") as output:
            subprocess.run(
                as_root(["setsid", "--fork", *self._network.inside(argv)]),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", check=False,
            )  # fmt: skip

        def ready() -> ProcessRecord | None:
            text = pid_file.read_text(encoding="ascii").strip() if pid_file.exists() else ""
            if text == "failed":
                raise failure("a command in it failed")
            return ProcessRecord.of(int(text)) if text else None

        def failure(cause: str) -> LabError:
            remedy = "Run 'lab down', then 'lab up'."
            return LabError(f"Cannot start the cluster's chroot: {cause}. {remedy}", tail(log))

        def late() -> LabError:
            return failure(f"it was not ready after {timeout:.0f} s")

        progress.wait(ready, timeout, late, interval=0.05).save(self._record)

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60, purpose: str = "") -> str:
        """Run a command in the pod, as root, and return its output."""
        process = self.process()
        if process is None:
            raise LabError("Cannot run a command on the cluster's host: it is not up. Run 'lab up'.")
        enter = ["nsenter", f"--target={process.pid}", "--mount", "--uts", "--ipc", "--net", "--pid"]
        purpose = purpose or f"run {argv[0]} on the cluster's host"
        return run(as_root([*enter, *_ENVIRONMENT, *argv]), stdin=stdin, timeout=timeout, purpose=purpose)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file in the pod."""
        script = f'mkdir -p "$(dirname "$1")" && umask 077 && cat > "$1" && chmod {mode:o} "$1"'
        self.run(["sh", "-c", script, "sh", path], stdin=text, purpose=f"write {path} on the cluster's host")

    def stop(self) -> bool:
        """End every process of the pod; tell whether they have gone."""
        process = self.process()
        return process is None or process.end(signal.SIGKILL)
