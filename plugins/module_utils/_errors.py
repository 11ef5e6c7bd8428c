# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that cross the collection: each a sentence a user can act on."""

from __future__ import annotations

from collections.abc import Sequence
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
        super().__init__(str(self))

    def __str__(self) -> str:
        sentence = f"Cannot {self.what}: {self.cause}."
        return f"{sentence} {self.advice}" if self.advice else sentence


class ClusterUnavailable(RbdError):
    """The cluster could not be asked: no bindings, no configuration, no key, or no answer."""


class ClusterUnprepared(ClusterUnavailable):
    """The host lacks what is needed to ask: the bindings, ceph.conf or the keyring.

    In check mode an earlier task of the same run may be what would have placed them.
    """


class ItemErrors(RbdError):
    """One or more items of a request cannot be planned; nothing has been done.

    :ivar failures: an entry for each failing item: ``index``, ``item`` and ``msg``.
    """

    def __init__(self, failures: Sequence[dict[str, Any]], total: int) -> None:
        self.failures = list(failures)
        self.total = total
        Exception.__init__(self, str(self))

    def __str__(self) -> str:
        first = self.failures[0]
        if self.total == 1:
            return str(first["msg"])
        more = f" So do {len(self.failures) - 1} more of {self.total} items." if len(self.failures) > 1 else ""
        return f"Item {first['index']} ({first['item']}) fails: {first['msg']}{more} Nothing was changed."
