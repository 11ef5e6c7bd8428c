# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several things at once, where each of them waits for the cluster most of its time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Callable, TypeVar

from .._errors import ClusterUnavailable, RbdError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# librbd gives the interpreter's lock away while it waits; more than this many wait for the interpreter instead.
WORKERS = 8


def in_parallel(items: Sequence[_Item], do: Callable[[_Item], _Result]) -> list[_Result | RbdError]:
    """Do something with every item, with at most :data:`WORKERS` of them at a time.

    The first item goes alone. It makes the connection, so that they do not wait for it one after the other where the
    cluster is away.

    :param do: may be called by several threads at once.
    :returns: for each item, in the order of the items, the result or the RbdError.
    :raises ClusterUnavailable: an item found the cluster away, so no further one is begun. Those that have begun
        are waited for, since nobody may end the connection under them.
    """
    waiting = deque(enumerate(items))
    outcomes: dict[int, _Result | RbdError] = {}
    fatal: list[Exception] = []

    def work(most: int) -> None:
        for _item in range(most):
            try:
                index, item = waiting.popleft()
            except IndexError:
                return
            try:
                outcomes[index] = do(item)
            except Exception as error:  # noqa: BLE001  # raised again by the caller's thread, or returned
                if isinstance(error, RbdError) and not isinstance(error, ClusterUnavailable):
                    outcomes[index] = error
                else:
                    fatal.append(error)
                    waiting.clear()

    work(1)
    # Daemons, so that a module that is told to end does not wait for them.
    threads = [
        threading.Thread(target=work, args=[len(items)], daemon=True) for _worker in range(min(WORKERS, len(waiting)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if fatal:
        raise fatal[0]
    return [outcomes[index] for index in range(len(items))]
