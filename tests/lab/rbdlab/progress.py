# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress lines with the elapsed time, and bounded waiting on conditions."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO, TypeVar

from .errors import CancelledError, LabError

T = TypeVar("T")


class Progress:
    """Where the laboratory says what it does; safe to share between threads."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._quiet = quiet
        self._start = time.monotonic()
        self._lock = threading.Lock()
        self._cancelled = threading.Event()

    def say(self, subject: str, text: str) -> None:
        """Print ``[ 12.3s] subject: text``."""
        if self._quiet:
            return
        elapsed = time.monotonic() - self._start
        with self._lock:
            print(f"[{elapsed:6.1f}s] {subject}: {text}", file=self._stream, flush=True)

    def begin(self) -> None:
        """Forget an earlier cancellation."""
        self._cancelled.clear()

    def cancel(self) -> None:
        """Make every wait that uses this object give up."""
        self._cancelled.set()

    def wait(
        self,
        probe: Callable[[], T | None],
        timeout: float,
        failure: Callable[[], LabError],
        interval: float = 0.3,
    ) -> T:
        """Call ``probe`` until it returns something else than None; raise ``failure()`` when late."""
        deadline = time.monotonic() + timeout
        while True:
            result = probe()
            if result is not None:
                return result
            if self._cancelled.wait(interval):
                raise CancelledError("Given up, because another part of the laboratory has failed.")
            if time.monotonic() >= deadline:
                raise failure()
