# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounds of time that are promised, on a machine that others use as well."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

#: Seconds after its time-out within which a run has ended that waits for a silent cluster. So it is promised.
PROMISED = 5
#: How many runs that wait for nobody the machine may add to that.
SHARES = 4


class Bound:
    """A time-out, the 5 s that are promised beyond it, and what this machine needs in addition.

    On a machine whose processors others use as well, the threads of a run and its end take several times as long, and
    the run ends later than promised with nothing wrong. A fixed number of seconds for that would be too few for some
    machine, and so many for the others that a run which waits twice would pass. So the machine itself is measured: by a
    run that does about the same and waits for nobody, immediately before the run that has the bound. The load may have
    come since, so a run that was late has it measured once more, and the slower of the two counts.
    """

    def __init__(self, timeout: float, alike: Callable[[], object]) -> None:
        """Measure the machine before the run that has the bound.

        :param timeout: seconds for which that run may wait.
        :param alike: a run that waits for nobody: of the same module, started in the same way, with a cluster that
            answers, or refused for its options.
        """
        self._timeout = timeout
        self._alike = alike
        self._share = _seconds_of(alike)

    def check(self, took: float, below: float = math.inf) -> None:
        """Fail if the run took longer than it may. The cluster must answer again where ``alike`` needs it.

        :param below: seconds that mean a fault, however slow the machine is.
        """
        if took >= self._allowed(below):
            self._share = max(self._share, _seconds_of(self._alike))
        allowed = self._allowed(below)
        machine = f"a run that waits for nobody takes {self._share:.1f} s on this machine"
        assert took < allowed, f"it took {took:.1f} s, of {allowed:.1f} s that it may ({machine})"

    def _allowed(self, below: float) -> float:
        return min(self._timeout + PROMISED + SHARES * self._share, below)


def _seconds_of(alike: Callable[[], object]) -> float:
    began = time.monotonic()
    alike()
    return time.monotonic() - began
