# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbd_keyring."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import _keyring, _module, _plan
from .._keyring_file import KeyringFile
from .._ownership import Ownership
from .._system import files
from . import _ports


class KeyringOperation:
    """Keeps a cephx user's key on a client host."""

    def __init__(self, module: AnsibleModule, ports: _ports.Ports = _ports.HOST) -> None:
        params = module.params
        self._user: str = params["user"]
        self._key: str | None = params["key"]
        self._content: str | None = params["content"]
        self._path = _module.connection_of(params).keyring_path
        self._files = ports.files

    def plan(self) -> _plan.Plan:
        """Read the keyring."""
        _keyring.require_user(self._user)
        key = self._key if self._content is None else _keyring.key_from(self._content, self._user)
        request = _keyring.KeyringRequest(self._path, self._user, key)
        path = self._files.look(self._path)
        actions = _keyring.plan_keyring(request, self._files.read(self._path), path)
        exposed = None if request.key is not None else _keyring.exposure(request, path)
        return _plan.Plan(tuple(actions), (exposed,) if exposed else ())

    def handlers(self) -> _module.Handlers:
        """What applies each kind of action."""
        return keyring_handlers(self._files)

    def report(self) -> dict[str, Any]:
        """Where the keyring is; never the key."""
        return {"path": self._path}


def keyring_handlers(place: files.Files) -> _module.Handlers:
    """What applies the steps for a keyring."""
    return {
        _keyring.MakePrivate: lambda action: place.set_ownership(
            action.subject, Ownership(0, 0, _keyring.PRIVATE_MODE)
        ),
        _keyring.SetKey: lambda action: set_key(place, action.subject, action.user, action.key),
    }


def set_key(place: files.Files, path: str, user: str, key: str) -> None:
    """Put a user's key into a keyring; a keyring that is made for it is private."""
    place.edit(path, lambda text: KeyringFile.decode(text).set(user, key).encode(), _keyring.PRIVATE_MODE)
