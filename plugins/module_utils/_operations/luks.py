# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbd_luks."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import _luks, _module, _plan
from .._crypt_device import crypt_name, crypt_path
from .._errors import Overtaken, RbdError
from .._filesystem import FilesystemRequest
from .._image_spec import ImageSpec
from .._krbd_device import KrbdDevice, mapped_as
from .._luks_hook import HOOK_MODE, hook_path
from .._mountinfo import Mount
from .._ownership import TextFile
from .._size import parse_size
from .._system import cluster
from . import _ports
from ._answer import require_answer, require_room
from ._own import of_own_cluster
from ._warnings import Warnings
from .content import ContentReader

# Of the directories on the way to a hook.
HOOK_ROOT_MODE = 0o755

# What decides about the format and nothing else; each in one word, so that none can be taken for a device or a file.
FORMAT_OPTIONS = (
    *("cipher", "hash", "iter-time", "key-size", "label", "pbkdf", "pbkdf-force-iterations", "pbkdf-memory"),
    *("pbkdf-parallel", "sector-size", "subsystem"),
)
_FORMAT_OPTION = re.compile(rf"--({'|'.join(FORMAT_OPTIONS)})=[^/]+")


class LuksOperation:
    """Keeps encrypted images open, and lets rbdmap open them at boot."""

    def __init__(
        self,
        module: AnsibleModule,
        session: cluster.ClusterSession,
        options: dict[str, Any],
        ports: _ports.Ports = _ports.HOST,
    ) -> None:
        self._module = module
        self._session = session
        self._options = options
        self._timeout = _module.connection_of(module.params).timeout
        self._kernel = ports.kernel
        self._mounts = ports.mounts
        self._files = ports.files
        self._luks = ports.luks
        self._need_bindings = ports.need_bindings
        self._requests: list[_luks.LuksRequest] = []
        self._warnings = Warnings(module.check_mode)
        self._reader = ContentReader(module, session, ports, self._warnings)

    def plan(self) -> _plan.Plan:
        """Look at each key file, hook and device, the latter only while the cluster answers."""
        self._requests = _plan.parse_items(self._module.params, "images", self._options, _parse)
        devices, table = self._kernel.devices(), self._mounts.table()

        def plan_one(index: int, request: _luks.LuksRequest) -> list[_plan.Action]:
            current = self._read(request, devices, table)
            actions = _luks.plan_luks(index, request, current, self._module.check_mode)
            if actions:
                self._try_key(request, current)
            return actions

        actions = _plan.plan_items(self._requests, plan_one)
        return _plan.Plan(tuple(actions), self._warnings.all())

    def handlers(self) -> _module.Handlers:
        """What applies each kind of action."""
        return {
            _luks.PlaceKey: self._place_key,
            _luks.SetAccess: lambda action: self._files.set_ownership(action.subject, action.ownership),
            _luks.FormatLuks: self._format,
            _luks.OpenCrypt: self._open,
            _luks.ResizeCrypt: self._resize,
            _luks.CloseCrypt: self._close,
            _luks.RemoveHook: lambda action: self._files.remove(action.subject),
            _plan.EditFile: self._write_hook,
        }

    def report(self) -> dict[str, Any]:
        """Where each image is open, and the files that belong to it; never a key."""
        return {
            "images": [
                {
                    "image": request.name,
                    "device": crypt_path(request.spec),
                    "key_file": request.key_file,
                    "hook": hook_path(request.spec),
                }
                for request in self._requests
            ]
        }

    def _read(
        self, request: _luks.LuksRequest, devices: tuple[KrbdDevice, ...], table: tuple[Mount, ...]
    ) -> _luks.LuksCurrent:
        hook = self._text_file(hook_path(request.spec))
        if request.state not in _luks.KEPT:
            own = self._opened(request, devices)
            return _luks.LuksCurrent(TextFile(), hook, devices=own, mounts=table)
        key = self._text_file(request.key_file)
        self._warnings.add(filter(None, [_luks.exposure(request, key)]))
        if key.text is None and request.key is None:
            self._warnings.excuse_missing(request.key_file)
        if request.state == "present":
            return _luks.LuksCurrent(key, hook)
        self._need_bindings()
        device = self._reader.mapping(request.spec, devices)
        if device is not None:
            require_answer(self._session, f"keep {request.name} {request.state}", request.spec)
        crypt = device.opened if device else None
        offset = self._luks.offset(crypt.name, self._timeout) if crypt else None
        return _luks.LuksCurrent(key, hook, self._reader.read(request.format, device), offset)

    def _text_file(self, path: str) -> TextFile:
        text = self._files.read(path)
        return TextFile() if text is None else TextFile(text, self._files.look(path).ownership)

    def _opened(self, request: _luks.LuksRequest, devices: tuple[KrbdDevice, ...]) -> tuple[KrbdDevice, ...]:
        """The image's mappings that are open, of its own cluster alone, which answers and takes what they write."""
        spec, what = request.spec, f"close {request.spec}"
        named = tuple(device for device in mapped_as(devices, spec) if device.opened)
        if not named:
            return ()
        self._need_bindings()
        own = of_own_cluster(named, self._session, self._warnings)
        if own:
            require_answer(self._session, what, spec)
            require_room(self._session, what, spec, own, self._warnings)
        return own

    def _try_key(self, request: _luks.LuksRequest, current: _luks.LuksCurrent) -> None:
        """Before anything is changed for an encrypted image: a key that does not open it is of no use."""
        image = current.image
        if image is None or image.device is None or image.content is None or not image.content.is_whole(_luks.LUKS):
            return
        if current.key.text is not None:
            self._luks.try_key(image.device.path, request.key_file, None)
        elif request.key is not None:
            self._luks.try_key(image.device.path, request.key_file, request.key)

    def _place_key(self, action: _luks.PlaceKey) -> None:
        def place(content: str) -> str:
            if content not in ("", action.key):
                raise Overtaken(f"place the key {action.subject}", "another run has just placed one", "Run again.")
            return action.key

        self._files.make_directory(posixpath.dirname(action.subject), _luks.KEY_ROOT_MODE)
        self._files.edit(action.subject, place, _luks.KEY_MODE)

    def _write_hook(self, action: _plan.EditFile) -> None:
        self._files.make_directory(posixpath.dirname(action.subject), HOOK_ROOT_MODE)
        self._files.edit(action.subject, action.edit, HOOK_MODE)

    def _format(self, action: _luks.FormatLuks) -> None:
        with self._reader.proven(action) as path:
            self._luks.format(path, action.key_file, action.request.mkfs_options)

    def _open(self, action: _luks.OpenCrypt) -> None:
        device = self._still(action, f"open {action.subject}")
        self._luks.open(device.path, crypt_name(action.spec), action.key_file, device.read_only)

    def _resize(self, action: _luks.ResizeCrypt) -> None:
        self._still(action, f"resize {crypt_path(action.spec)}")
        self._luks.resize(crypt_name(action.spec), action.key_file)

    def _close(self, action: _luks.CloseCrypt) -> None:
        self._still(action, f"close {action.subject}")
        self._luks.close(crypt_name(action.spec), self._timeout)

    def _still(self, action: _luks.CryptAction, what: str) -> KrbdDevice:
        """The device below, which must be the one that was planned for, in a cluster that answers.

        It may have grown since. To try keys takes seconds for each image: time enough for a cluster to fall silent.

        :param what: what shall be done, as for :class:`RbdError`.
        """
        device = action.device
        found = self._kernel.devices(action.spec)
        if device is None or device not in [replace(now, size=device.size) for now in found]:
            raise RbdError(f"use {action.subject}", "its mapping has changed in the meantime", "Run again.")
        require_answer(self._session, what, action.spec)
        return device


def _parse(item: dict[str, Any]) -> _luks.LuksRequest:
    spec = ImageSpec.parse(item["image"])
    spec.require_mappable()
    key_file = item["key_file"] or _luks.default_key_file(spec)
    if not key_file.startswith("/"):
        raise RbdError(f"use the key file {key_file}", "it is not an absolute path", "Begin it with a slash.")
    if item["key"] == "":
        raise RbdError(f"encrypt {spec}", "the key that is given is empty", "Give one that nobody can guess.")
    options = tuple(item["format_options"] or ())
    for word in options:
        if not _FORMAT_OPTION.fullmatch(word):
            raise RbdError(
                f"encrypt {spec}",
                f"{word!r} is none of the options for a format",
                f"Write each as --<name>=<value>, with one of {', '.join(sorted(FORMAT_OPTIONS))}.",
            )
    size = None if item["size"] is None else parse_size(item["size"])
    made = FilesystemRequest(spec, _luks.LUKS, options, tuple(item["overwrite"] or ()), False, size)
    return _luks.LuksRequest(spec, item["state"], key_file, made, item["key"])
