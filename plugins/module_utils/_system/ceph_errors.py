# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What librados and librbd meant: their errno as a cause and an advice."""

from __future__ import annotations

import errno
from typing import Any

from .._errors import ClusterSilent, Overtaken, RbdError
from .._image_spec import ImageSpec
from .bindings import rbd
from .connection import Connection


class NoImage(Overtaken):
    """There is no image of that name, or no more."""


class CommandRefused(RbdError):
    """The monitors refused a command.

    :ivar errno: the positive errno.
    :ivar said: the monitors' own words.
    """

    def __init__(self, what: str, number: int, said: str, advice: str) -> None:
        super().__init__(what, said or errno.errorcode.get(number, f"error {number}"), advice)
        self.errno = number
        self.said = said


def refused_command(what: str, number: int, said: str, to: Connection) -> RbdError:
    """Why a monitor command failed.

    :param number: the positive errno.
    :param said: the monitors' own words.
    """
    if number == errno.ETIMEDOUT:
        return ClusterSilent(
            what,
            f"the monitors did not answer within {to.timeout} seconds",
            "Check that they have a quorum: ceph -s.",
        )
    if number == errno.EACCES:
        return CommandRefused(
            what,
            number,
            f"client.{to.user} lacks the capability mon 'allow rwx'",
            "Run this as a user that has it, such as client.admin.",
        )
    return CommandRefused(what, number, " ".join(said.split()), "")


def explain(what: str, error: Any, spec: ImageSpec, to: Connection) -> RbdError:
    """What librados or librbd meant; the exceptions of both carry an errno.

    :param what: what could not be done, as for :class:`RbdError`.
    :param error: a ``rados.Error`` or ``rbd.Error``.
    """
    if isinstance(error, rbd.ImageNotFound):
        return Overtaken(what, "there is no such image any more", "Another run may have removed it; run again.")
    code = abs(getattr(error, "errno", 0) or 0)
    if code == errno.ETIMEDOUT:
        return unanswered(what, to)
    if code == errno.EEXIST:
        return Overtaken(what, "another run has created it at this very moment", "Run again.")
    cause, advice = _CAUSES.get(code, ("{error}", "Look at the cluster's health and at 'rbd info {spec}'."))
    if code in (errno.EPERM, errno.EACCES):
        cause, advice = _lacking(spec)
    words = {"error": error, "spec": spec, "head": spec.head, "pool": spec.pool, "user": f"client.{to.user}"}
    return RbdError(what, cause.format(**words), advice.format(**words))


def unanswered(what: str, to: Connection) -> ClusterSilent:
    """The cluster has said nothing for the time-out."""
    cause = f"the cluster did not answer within {to.timeout} seconds"
    return ClusterSilent(what, cause, "Check its health (ceph -s, ceph osd tree), and whether it is full (ceph df).")


_CAUSES = {
    errno.ENOENT: ("there is no pool {pool}", "Check the pool's name, or create it."),
    errno.EBUSY: ("it is in use", "Unmap or close it first ('rbd status {head}' names its watchers)."),
    errno.ENOSPC: ("the pool {pool} is full", "Free space, or raise its quota."),
    errno.EDQUOT: ("the pool {pool} has reached its quota", "Free space, or raise its quota."),
    errno.ENOTEMPTY: ("it has snapshots", "Remove them first."),
    errno.EROFS: (
        "it cannot be written: another client keeps its lock, or it is a mirror image that is not primary",
        "Close it there ('rbd lock ls {head}'); to break the lock of a dead client takes mon 'profile rbd'.",
    ),
}


def _lacking(spec: ImageSpec) -> tuple[str, str]:
    """The capability that is missing, and the command that grants it.

    ``ceph auth caps`` replaces all the capabilities of a user, so the advice warns of it.
    """
    place = f"pool={spec.pool}" + (f" namespace={spec.namespace}" if spec.namespace else "")
    return (
        f"{{user}} lacks the capability osd 'profile rbd {place}'",
        f"Grant it beside those that it has: ceph auth caps {{user}} mon 'profile rbd' osd 'profile rbd {place}'.",
    )
