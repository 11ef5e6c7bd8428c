# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that read a device of the cluster: each a process of its own, and silence is told as the cluster's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from .._errors import ClusterSilent, RbdError, TimedOut
from .command import CommandRunner, Completed

ADVICE = "Look at the kernel log (dmesg), and at the cluster's health (ceph -s)."


@contextlib.contextmanager
def in_time(what: str, program: str, timeout: float) -> Iterator[None]:
    """Tell a time-out as the cluster's silence, so that no further image is waited for.

    :param what: what shall be done, as for :class:`RbdError`.
    :param timeout: seconds that the program has.
    :raises ClusterSilent: it did not end in time.
    """
    try:
        yield
    except TimedOut as error:
        cause = f"{program} had no answer within {timeout:g} seconds"
        raise ClusterSilent(what, cause, f"{ADVICE} Then run again.") from error


def ask(
    commands: CommandRunner,
    what: str,
    argv: Sequence[str],
    timeout: float,
    ends: tuple[int, ...] = (0,),
    advice: str = ADVICE,
) -> Completed:
    """Run a program on a device: not this very process, since the kernel waits for a cluster as long as it takes.

    :param what: what shall be done, as for :class:`RbdError`.
    :param timeout: seconds that it may take.
    :param ends: exit codes that are an answer.
    :param advice: what to do about any other exit code.
    :raises ClusterSilent: it did not end in time.
    :raises RbdError: it failed.
    """
    with in_time(what, argv[0], timeout):
        done = commands.run(argv, timeout)
    if done.rc not in ends:
        raise RbdError(what, done.complaint, advice)
    return done
