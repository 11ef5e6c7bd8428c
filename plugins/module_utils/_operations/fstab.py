# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbd_fstab."""

from __future__ import annotations

import grp
import pwd
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import _module, _mount, _plan
from .._errors import RbdError
from .._fstab_file import FstabFile
from .._image_spec import ImageSpec
from .._krbd_device import KrbdDevice
from .._mountinfo import Mount
from .._ownership import Ownership
from .._system import cluster
from . import _ports

FSTAB_MODE = 0o644
# Of a mount point that has to be made; the mounted file system's root has an ownership of its own.
MOUNT_POINT_MODE = 0o755


class FstabOperation:
    """Keeps mounts, and their lines in fstab."""

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
        self._fstab = module.params["fstab"]
        self._kernel = ports.kernel
        self._mounts = ports.mounts
        self._files = ports.files
        self._need_bindings = ports.need_bindings
        self._requests: list[_mount.MountRequest] = []
        self._stale = True

    def plan(self) -> _plan.Plan:
        """Read fstab, the mount table and the mount points."""
        self._requests = _plan.parse_items(self._module.params, "mounts", self._options, _parse)
        _mount.refuse_conflicts(self._requests)
        text = self._files.read(self._fstab)
        fstab = FstabFile.decode(text or "")
        table = self._mounts.table()
        check_mode = self._module.check_mode
        currents = [self._read(request, table, fstab) for request in self._requests]
        before = _plan.plan_items(
            self._requests, lambda index, request: _mount.plan_unmount(index, request, currents[index])
        )
        after = _plan.plan_items(
            self._requests, lambda index, request: _mount.plan_mount(index, request, currents[index], check_mode)
        )
        edit = _mount.plan_fstab_file(self._fstab, text, self._requests)
        return _plan.Plan((*before, *edit, *after), tuple(_mount.fstab_faults(self._fstab, text)))

    def handlers(self) -> _module.Handlers:
        """What applies each kind of action."""
        return {
            _plan.EditFile: self._edit,
            _mount.MakeMountPoint: lambda action: self._files.make_directory(action.subject, MOUNT_POINT_MODE),
            _mount.MountImage: self._mount,
            _mount.SetOwnership: lambda action: self._files.set_ownership(action.subject, action.ownership),
            _mount.Unmount: lambda action: self._mounts.unmount(action.subject),
        }

    def report(self) -> dict[str, Any]:
        """Image, path and state of each mount."""
        return {
            "mounts": [
                {"image": str(request.spec), "path": request.path, "state": request.state} for request in self._requests
            ]
        }

    def _read(self, request: _mount.MountRequest, table: tuple[Mount, ...], fstab: FstabFile) -> _mount.MountCurrent:
        if request.state == "present":
            return _mount.MountCurrent(None, (), None, fstab)
        path = self._files.look(request.path) if request.path else None
        return _mount.MountCurrent(self._device(request.spec), table, path, fstab)

    def _device(self, spec: ImageSpec) -> KrbdDevice | None:
        """The image's mapping: by its link, since fstab and mount go by that, and of the right cluster."""
        device = self._kernel.linked(spec)
        if device is None:
            return None
        self._need_bindings()
        if device.fsid != self._session.fsid():
            raise RbdError(
                f"use {spec.device}",
                f"it leads to {device.path}, an image of the same name in another cluster ({device.fsid})",
                "Unmap that one first.",
            )
        return device

    def _edit(self, action: _plan.EditFile) -> None:
        self._files.edit(action.subject, action.edit, FSTAB_MODE)
        self._reload()

    def _mount(self, action: _mount.MountImage) -> None:
        # systemd orders a mount against the network only if it knew its line before the mount was made.
        if self._stale:
            self._reload()
        self._mounts.mount(action.subject, self._fstab)
        if action.ownership:
            self._files.set_ownership(action.subject, action.ownership)

    def _reload(self) -> None:
        self._mounts.reload(self._fstab)
        self._stale = False


def _parse(item: dict[str, Any]) -> _mount.MountRequest:
    spec = ImageSpec.parse(item["image"])
    spec.require_mappable()
    if item["path"] is None and item["state"] in _mount.KEPT:
        raise RbdError(f"mount {spec}", "no path is given", "Give the mount point as path.")
    ownership = Ownership(_uid(item["owner"]), _gid(item["group"]), _mode(item["mode"]))
    request = _mount.MountRequest(
        spec=spec,
        state=item["state"],
        path=None if item["path"] is None else _mount.tidy_path(item["path"]),
        fstype=item["fstype"],
        opts=item["opts"],
        dump=item["dump"],
        passno=item["passno"],
        ownership=ownership,
    )
    if request.state in _mount.KEPT:
        # Refuses, before anything is done, what fstab cannot say.
        FstabFile.decode("").set(request.entry())
    return request


def _uid(owner: str | None) -> int | None:
    if owner is None or owner.isdigit():
        return None if owner is None else int(owner)
    try:
        return pwd.getpwnam(owner).pw_uid
    except KeyError:
        raise RbdError(f"use the owner {owner}", "this host has no such user", "Create it first.") from None


def _gid(group: str | None) -> int | None:
    if group is None or group.isdigit():
        return None if group is None else int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise RbdError(f"use the group {group}", "this host has no such group", "Create it first.") from None


def _mode(mode: Any) -> int | None:
    """Permission bits from octal digits. A bare number is refused: YAML may have read it as decimal or octal."""
    if mode is None:
        return None
    if not isinstance(mode, str) or not re.fullmatch(r"[0-7]{3,4}", mode):
        raise RbdError(f"use the mode {mode!r}", "it is not a string of octal digits", "Write it in quotes: '0750'.")
    return int(mode, 8)
