# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the cluster still answers, asked beside the work."""

from __future__ import annotations

import threading
from typing import Callable

# Seconds between an answer and the next question: a run that is shorter asks none.
INTERVAL = 1.0

# Seconds for the work itself to notice, which then has more to say.
GRACE = 2.0


class Heartbeat:
    """Asks the cluster again and again, and tells of its silence.

    The time-out of librados is one for each of its operations. A call into librbd makes many, repeats some of them
    for ever where the cluster has fallen silent, and cannot be interrupted from Python.

    :ivar on_silence: is called, by a thread of its own, where the cluster has been silent for the time-out and the
        work still waits for it; with what cannot be done, as for :class:`RbdError`.
    """

    def __init__(self, answers: Callable[[], bool], waiting: Callable[[], str | None]) -> None:
        """Describe it.

        :param answers: asks the cluster, and tells whether it answered within the time-out.
        :param waiting: tells what the work waits for the cluster to do, or None.
        """
        self.on_silence: Callable[[str], None] | None = None
        self._answers = answers
        self._waiting = waiting
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to ask, unless that has begun."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._beat, daemon=True)
            self._thread.start()

    def stop(self) -> bool:
        """Ask no more.

        :returns: whether no question is left that the cluster has not answered. The connection may not be ended
            while there is one.
        """
        self._over.set()
        if self._thread is not None:
            self._thread.join(INTERVAL)
            return not self._thread.is_alive()
        return True

    def _beat(self) -> None:
        while not self._over.wait(INTERVAL):
            if self._answers() or self._over.wait(GRACE):
                continue
            what = self._waiting()
            if what is not None and self.on_silence is not None:
                self.on_silence(what)
