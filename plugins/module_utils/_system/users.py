# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cephx users: what rbd_user reads and changes, through the monitors. No key is ever an argument."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any, Protocol

from .._errors import Overtaken
from .._user import UserFacts
from .ceph_errors import CommandRefused
from .cluster import LibrbdSession


class Users(Protocol):
    """Reads and changes cephx users, by their id without ``client.``. All methods raise RbdError."""

    def look_up(self, user: str) -> UserFacts | None:
        """The user, or None."""

    def create(self, user: str, capabilities: Mapping[str, str]) -> UserFacts:
        """Create a user with a new key.

        :raises Overtaken: another run has just created it, with other capabilities.
        """

    def set_capabilities(self, user: str, capabilities: Mapping[str, str]) -> None:
        """Replace all the capabilities of a user.

        :raises Overtaken: another run has just removed it.
        """

    def remove(self, user: str) -> None:
        """Remove a user."""


class MonitorUsers:
    """The real users."""

    def __init__(self, session: LibrbdSession) -> None:
        self._session = session

    def look_up(self, user: str) -> UserFacts | None:
        try:
            return _facts(self._session.command(f"look at client.{user}", "auth get", entity=f"client.{user}"))
        except CommandRefused as refusal:
            if refusal.errno == errno.ENOENT:
                return None
            raise

    def create(self, user: str, capabilities: Mapping[str, str]) -> UserFacts:
        what = f"create client.{user}"
        try:
            answer = self._session.command(
                what, "auth get-or-create", entity=f"client.{user}", caps=_words(capabilities)
            )
        except CommandRefused as refusal:
            if refusal.errno == errno.EINVAL and "does not match" in refusal.said:
                raise Overtaken(what, "another run has just created it", "Run again.") from None
            raise
        return _facts(answer)

    def set_capabilities(self, user: str, capabilities: Mapping[str, str]) -> None:
        what = f"set the capabilities of client.{user}"
        try:
            self._session.command(what, "auth caps", entity=f"client.{user}", caps=_words(capabilities))
        except CommandRefused as refusal:
            if refusal.errno == errno.ENOENT:
                raise Overtaken(what, "there is no such user any more", "Run again.") from None
            raise

    def remove(self, user: str) -> None:
        self._session.command(f"remove client.{user}", "auth rm", entity=f"client.{user}")


def _words(capabilities: Mapping[str, str]) -> list[str]:
    """As the monitors take them: kind and text in turn."""
    return [word for pair in capabilities.items() for word in pair]


def _facts(answer: Any) -> UserFacts:
    (user,) = answer
    return UserFacts({str(kind): str(text) for kind, text in user["caps"].items()}, str(user["key"]))
