# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses what may not be done to an image that somebody uses."""

from __future__ import annotations

from collections.abc import Sequence

from ._errors import RbdError
from ._image_facts import ImageFacts
from ._krbd_device import KrbdDevice


def require_unused(what: str, facts: ImageFacts, mapped: Sequence[KrbdDevice], check_mode: bool = False) -> None:
    """Refuse if the image is mapped on this host or open anywhere.

    :param what: what shall be done, as for :class:`RbdError`.
    :param check_mode: an image that is mapped here may be one that an earlier task of the same run
        would have unmapped.
    :raises RbdError: it is in use; the users are named.
    """
    if mapped and check_mode:
        return
    if mapped:
        raise RbdError(
            what, f"it is mapped on this host as {mapped[0].path}", "Unmap it first (rbd_map, state absent)."
        )
    if facts.watchers:
        users = ", ".join(str(watcher) for watcher in facts.watchers)
        raise RbdError(what, f"it is in use by {users}", "Unmap or close it there first.")
