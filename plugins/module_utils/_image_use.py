# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses what may not be done to an image that somebody uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ._errors import RbdError
from ._image_facts import ImageFacts, Watcher
from ._image_report import Lock, Mirroring
from ._image_spec import ImageSpec
from ._krbd_device import KrbdDevice

# The OSDs forget a client that they do not hear of after osd_client_watch_timeout, 30 seconds by default.
_IF_DEAD = "if that client is dead, the cluster forgets it within 30 seconds"


class InUse(RbdError):
    """Clients have the image open, or have died a moment ago with it open.

    :param facts: of the image.
    """

    def __init__(self, what: str, cause: str, advice: str, facts: ImageFacts) -> None:
        self.facts = facts
        super().__init__(what, cause, advice)


@dataclass(frozen=True)
class ImageUse:
    """Who uses an image, as its cluster knows.

    :ivar watchers: clients that have it open for writing; one that has just died is among them for a while.
    :ivar lock: what they hold, or what a dead one has left.
    :ivar mirroring: None for an image that is not mirrored.
    """

    watchers: tuple[Watcher, ...] = ()
    lock: Lock | None = None
    mirroring: Mirroring | None = None

    def without(self, *clients: str) -> ImageUse:
        """The use by all the others.

        :param clients: each as ``client.4123``.
        """
        return replace(self, watchers=tuple(watcher for watcher in self.watchers if watcher.client not in clients))


def require_unused(what: str, facts: ImageFacts, mapped: Sequence[KrbdDevice], check_mode: bool = False) -> None:
    """Refuse if the image is mapped on this host or open anywhere.

    :param what: what shall be done, as for :class:`RbdError`.
    :param check_mode: an image that is mapped here may be one that an earlier task of the same run
        would have unmapped.
    :raises InUse: it is open elsewhere; the clients are named.
    :raises RbdError: it is mapped.
    """
    if mapped and check_mode:
        return
    if mapped:
        raise RbdError(
            what, f"it is mapped on this host as {mapped[0].path}", "Unmap it first (rbd_map, state absent)."
        )
    if facts.watchers:
        users = _names(facts.watchers)
        advice = f"Unmap or close it there first; {_IF_DEAD}, so run again then."
        raise InUse(what, f"it is in use by {users}", advice, facts)


def require_writable(what: str, spec: ImageSpec, use: ImageUse, shared: bool) -> None:
    """Refuse to write to an image that another client writes to, or that is written by mirroring.

    :param what: what shall be done, as for :class:`RbdError`.
    :param use: the use by others than this host's kernel.
    :param shared: whether its file system is made for several writers.
    :raises RbdError: it is in use, locked by hand, or not primary.
    """
    if use.mirroring is not None and not use.mirroring.primary:
        raise RbdError(
            what,
            "it is the copy of a mirrored image (not primary), which only mirroring may write to",
            f"Promote it (rbd mirror image promote {spec.head}) if the other cluster is gone, or map it read-only.",
        )
    if use.watchers and not shared:
        raise RbdError(
            what,
            f"it is in use by {_names(use.watchers)}{_holding(use)}",
            f"Unmap or close it there first; {_IF_DEAD}, so run again then. "
            "Set shared: true only for a file system that several hosts may write to at once, or map it read-only.",
        )
    if use.lock is not None and not use.lock.automatic and (use.lock.exclusive or not shared):
        client, cookie, address = use.lock.holders[0]
        there = "has it open" if any(watcher.client == client for watcher in use.watchers) else "is not there any more"
        raise RbdError(
            what,
            f"{client} at {address} has locked it by hand (lock id {cookie!r}), and {there}",
            f"If that lock is of no use any more, remove it: rbd lock rm {spec.head} '{cookie}' {client}.",
        )


def left_lock(spec: ImageSpec, use: ImageUse) -> str | None:
    """A sentence on the lock that a dead client has left: its owner has not closed the image, but does not watch it."""
    if use.lock is None or not use.lock.automatic or use.watchers:
        return None
    client, _cookie, address = use.lock.holders[0]
    return (
        f"{spec} was left locked by {client} at {address}, which is not there any more. The kernel takes the lock over "
        "and blocklists that client; what it had not written yet is lost."
    )


def _names(watchers: Sequence[Watcher]) -> str:
    return ", ".join(str(watcher) for watcher in watchers)


def _holding(use: ImageUse) -> str:
    owners = {client for client, _cookie, _address in use.lock.holders} if use.lock else set()
    return ", which holds its lock" if any(watcher.client in owners for watcher in use.watchers) else ""
