# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans a keyring on a client host: the user's key in it, and nobody else able to read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ._errors import RbdError
from ._keyring_file import KeyringFile, require_key
from ._ownership import Ownership, PathFacts
from ._plan import Action

PRIVATE_MODE = 0o600


@dataclass(frozen=True)
class KeyringRequest:
    """What a keyring shall hold.

    :ivar key: the cephx key, or None: the keyring must hold one already.
    """

    path: str
    user: str
    key: str | None

    def __repr__(self) -> str:
        # The generated one would show the key in a traceback.
        return f"KeyringRequest(path={self.path!r}, user={self.user!r})"


@dataclass(frozen=True)
class PlaceKey(Action):
    """Place a user's key.

    :ivar replaces: whether the keyring has another one for that user.
    """

    kind: ClassVar[str] = "set_key"

    user: str
    replaces: bool

    def before(self) -> str:
        return f"another key for client.{self.user}" if self.replaces else f"no key for client.{self.user}"


@dataclass(frozen=True, repr=False)
class SetKey(PlaceKey):
    """Place the key; neither the action nor its diff shows it."""

    key: str

    def after(self) -> str:
        return f"the key given for client.{self.user}"


@dataclass(frozen=True)
class SetNewKey(PlaceKey):
    """Place the key of a user who has none yet; the plan cannot hold it."""

    def after(self) -> str:
        return f"the new key of client.{self.user}"


@dataclass(frozen=True)
class MakePrivate(Action):
    """Owner root, group root, mode 0600."""

    kind: ClassVar[str] = "make_private"

    actual: Ownership

    def before(self) -> str:
        return str(self.actual)

    def after(self) -> str:
        return str(Ownership(0, 0, PRIVATE_MODE))


def require_user(user: str) -> None:
    """Refuse a user whose name would not stay within its section's header.

    :raises RbdError: the name has a bracket, white space or a control character.
    """
    if not user or any(char in "[]" or char.isspace() or not char.isprintable() for char in user):
        raise RbdError(
            f"use the cephx user {user!r}", "a keyring cannot hold such a name", "Give the name without 'client.'."
        )


def key_from(content: str, user: str) -> str:
    """The user's key out of a keyring's text, as ``ceph auth get`` prints it.

    :raises RbdError: the text has no section for that user.
    """
    keyring = KeyringFile.decode(content)
    key = keyring.key(user)
    if key is None:
        users = ", ".join(keyring.users()) or "none"
        raise RbdError(
            f"use the keyring given for client.{user}",
            f"it has no key for that user (users in it: {users})",
            f"Give what 'ceph auth get client.{user}' prints.",
        )
    return key


def plan_keyring(request: KeyringRequest, text: str | None, path: PathFacts) -> list[Action]:
    """The steps for one keyring.

    A keyring that is only required to be there is left alone; the module warns of one that others can read.

    :param text: the file's content, or None where there is no file.
    :raises RbdError: no key is given, and the keyring does not hold one.
    """
    held = KeyringFile.decode(text or "").key(request.user)
    if request.key is None:
        _require_held(request, text, held)
        return []
    key = require_key(request.key, request.user)
    actions = _make_private(request, text, path)
    if held != key:
        actions.append(SetKey(None, request.path, request.user, held is not None, key))
    return actions


def plan_new_key(request: KeyringRequest, text: str | None, path: PathFacts) -> list[Action]:
    """The steps for one keyring whose user is created by the same plan.

    :param request: its key is None.
    :param text: the file's content, or None where there is no file.
    """
    held = KeyringFile.decode(text or "").key(request.user)
    new_key = SetNewKey(None, request.path, request.user, held is not None)
    return [*_make_private(request, text, path), new_key]


def _make_private(request: KeyringRequest, text: str | None, path: PathFacts) -> list[Action]:
    """Comes first, so that the key never enters a file that others can read."""
    if text is None or path.ownership == Ownership(0, 0, PRIVATE_MODE):
        return []
    return [MakePrivate(None, request.path, path.ownership)]


def _require_held(request: KeyringRequest, text: str | None, held: str | None) -> None:
    what = f"use the keyring {request.path}"
    advice = f"Give the key of client.{request.user}, or place its keyring there."
    if text is None:
        raise RbdError(what, "there is no such file, and no key is given", advice)
    if held is None:
        raise RbdError(what, f"it has no key for client.{request.user}, and none is given", advice)


def exposure(request: KeyringRequest, path: PathFacts) -> str | None:
    """A warning for a keyring that others can read, or None."""
    mode = path.ownership.mode
    if mode is None or not mode & 0o077:
        return None
    return (
        f"{request.path} has mode {mode:04o}: users other than its owner can use the key. "
        f"Run: chmod 0600 {request.path}."
    )
