# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that cross the collection: each a sentence a user can act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class RbdError(Exception):
    """A refusal or a failure, told as "Cannot <verb> <object>: <cause>. <what to do>".

    :param what: what could not be done and to which object, e.g. ``map rbd/app``.
    :param cause: why, in one clause without a full stop at its end.
    :param advice: what the reader can do about it: one or more whole sentences.
    """

    def __init__(self, what: str, cause: str, advice: str = "") -> None:
        self.what = what
        self.cause = cause.strip().rstrip(".")
        self.advice = advice.strip()
        super().__init__(what, cause, advice)

    def __str__(self) -> str:
        sentence = f"Cannot {self.what}: {self.cause}."
        return f"{sentence} {self.advice}" if self.advice else sentence


class TimedOut(RbdError):
    """A program of the host did not end in time, or was silent for too long, and was stopped."""


class ClusterUnavailable(RbdError):
    """The cluster could not be asked: no bindings, no configuration, no key, or no answer."""


class ClusterSilent(ClusterUnavailable):
    """The cluster did not answer in the time that it had."""


class ClusterUnprepared(ClusterUnavailable):
    """The host lacks what is needed to ask: the bindings, ceph.conf or the keyring.

    In check mode an earlier task of the same run may be what would have placed them.
    """


class PlaceMissing(RbdError):
    """There is no such pool, or it has no such namespace.

    In check mode an earlier task of the same run may be what would have made it.
    """


class NotBegun(RbdError):
    """What was to be done was not begun, so that nothing of it has to be undone."""


class NoRoom(RbdError):
    """The pools of an image take no data: one of them is full."""


class Overtaken(RbdError):
    """Another run has done it, or undone what it needs, since the current state was read: look again."""


class AlreadyDone(Overtaken):
    """Another run has just done the very same, so that nothing is left to do of the action."""


@dataclass(frozen=True)
class ItemFailure:
    """Why one item of a request fails.

    :ivar index: its position in the request.
    :ivar item: what identifies it to the user, for example its image-spec.
    """

    index: int
    item: str
    error: RbdError

    def result(self) -> dict[str, Any]:
        """The failure as the module returns it."""
        return {"index": self.index, "item": self.item, "msg": str(self.error)}


class ItemErrors(RbdError):
    """One or more items of a request cannot be planned."""

    def __init__(self, failures: Sequence[ItemFailure], total: int) -> None:
        self.failures = tuple(failures)
        self.total = total
        first = failures[0].error
        super().__init__(first.what, first.cause, first.advice)

    def __str__(self) -> str:
        first = self.failures[0]
        if self.total == 1:
            return str(first.error)
        more = f" So do {len(self.failures) - 1} more of {self.total} items." if len(self.failures) > 1 else ""
        return f"Item {first.index} ({first.item}) fails: {first.error}{more}"
