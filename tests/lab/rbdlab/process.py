# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running commands, and knowing a process again before it is signalled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import TAIL_LINES, LabError
from .privilege import as_root


def run(
    argv: Sequence[str],
    *,
    stdin: str = "",
    timeout: float = 60,
    purpose: str = "",
    log: Path | None = None,
) -> str:
    """Run a command to its end and return its standard output; LabError if it fails or hangs."""
    what = purpose or f"run {argv[0]}"
    try:
        done = subprocess.run(
            list(argv), input=stdin, capture_output=True, text=True, errors="replace",
            timeout=timeout, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise LabError(
            f"Cannot {what}: there is no command {argv[0]}. Install the packages listed in tests/lab/packages.txt."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"Cannot {what}: {argv[0]} did not end within {timeout:.0f} s. Try again.") from error
    if log is not None:
        log.write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode != 0:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-TAIL_LINES:]
        cause = f"{argv[0]} ended with exit code {done.returncode}"
        raise LabError(f"Cannot {what}: {cause}. Its last lines follow.", lines)
    return done.stdout


def run_root(argv: Sequence[str], *, stdin: str = "", timeout: float = 60, purpose: str = "") -> str:
    """Run a command as root, like ``run``."""
    return run(as_root(argv), stdin=stdin, timeout=timeout, purpose=purpose or f"run {argv[0]}")


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _start_ticks(pid: int) -> int | None:
    """Return when a living process was started (clock ticks since boot); None if dead or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


@dataclass(frozen=True)
class ProcessRecord:
    """A process on this machine that cannot be mistaken for a later one with the same number."""

    pid: int
    start_ticks: int
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> ProcessRecord | None:
        """Describe a running process; None if there is none."""
        ticks = _start_ticks(pid)
        return None if ticks is None else cls(pid, ticks, _boot_id())

    @classmethod
    def load(cls, path: Path) -> ProcessRecord | None:
        """Read a record; None where there is none."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def save(self, path: Path) -> None:
        """Write the record."""
        path.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    def alive(self) -> bool:
        """Tell whether this very process still runs."""
        return self.boot_id == _boot_id() and _start_ticks(self.pid) == self.start_ticks

    def end(self, number: signal.Signals, timeout: float = 20) -> bool:
        """Send a signal if it is still the same process; tell whether it has gone in time."""
        if self.alive():
            send(self.pid, number)
        deadline = time.monotonic() + timeout
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process of the laboratory, as root where that is needed."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError:
        subprocess.run(as_root(["kill", f"-{number.value}", str(pid)]), check=False, capture_output=True)
