# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of a check's laboratory: they go on by themselves, so no child of the check counts them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from rbdlab.paths import Paths
from rbdlab.process import ProcessRecord
from rbdlab.subnet import CEPH_HOST

# Processes by age, without those of the kernel; where those that cannot be ended are in it; its last messages.
_LOOK = """
ps -e -o pid,stat,etimes,wchan:24,args --sort=start_time --width 160 | awk '$5 !~ /^\\[/'
for pid in $(ps -e -o pid=,stat= | awk '$2 ~ /^D/ { print $1 }'); do
    echo "$pid: $(cat /proc/$pid/comm)"; cat /proc/$pid/stack
done
dmesg | tail -n 15
"""
# Seconds for a host to answer.
_PATIENCE = 60.0


class Laboratory:
    """What a laboratory of this checkout runs, by the records that it keeps."""

    def __init__(self, checkout: Path, name: str) -> None:
        self._paths = Paths.of(checkout, os.environ, name)
        self._checkout, self._name = checkout, name

    def guests(self) -> list[int]:
        """Return the first process of each guest."""
        return _alive(self._paths.state.glob("guests/*/machine.json"))

    def cluster(self) -> list[int]:
        """Return the first process of the cluster."""
        return _alive([self._paths.pod / "pod.json"])

    def what_runs(self) -> list[str]:
        """Return what its hosts run now, and what holds it up, as lines to read."""
        lines = []
        for host in (CEPH_HOST, *sorted(path.parent.name for path in self._paths.state.glob("guests/*/machine.json"))):
            lines += [f"{host} runs:", *self._asked(host).splitlines()]
        return lines

    def _asked(self, host: str) -> str:
        argv = [str(self._checkout / "tests/lab/lab"), "ssh", host, _LOOK]
        environment = {**os.environ, "RBDLAB_NAME": self._name}
        try:
            return subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_PATIENCE,
                env=environment, encoding="utf-8", errors="replace", check=False,
            ).stdout  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"(it does not answer: {error})"


def _alive(records: Iterable[Path]) -> list[int]:
    # It may be taken down concurrently.
    with contextlib.suppress(OSError):
        found = [ProcessRecord.load(path) for path in records]
        return [record.pid for record in found if record is not None and record.alive()]
    return []
