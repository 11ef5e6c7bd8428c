# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbd_fstab."""

from __future__ import annotations

import grp
import pwd
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import _module, _mount, _plan, _remount
from .._errors import RbdError
from .._fstab_file import FstabFile
from .._image_spec import ImageSpec
from .._krbd_device import KrbdDevice
from .._mountinfo import Mount, at
from .._ownership import Ownership
from .._system import cluster
from . import _ports
from ._answer import require_answer, require_room
from ._busy import Busy
from ._own import of_own_cluster
from ._warnings import Warnings

FSTAB_MODE = 0o644
_NUMBER = re.compile(r"[0-9]+")
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
        self._warnings = Warnings(module.check_mode)
        self._busy = Busy(ports.holders, self._warnings, module.check_mode)
        self._stale = True

    def plan(self) -> _plan.Plan:
        """Read fstab, the mount table and the mount points."""
        self._requests = _plan.parse_items(self._module.params, "mounts", self._options, _parse)
        _mount.refuse_conflicts(self._requests)
        text = self._files.read(self._fstab)
        fstab = FstabFile.decode(text or "")
        table = self._mounts.table()
        check_mode = self._module.check_mode

        def plan_one(index: int, request: _mount.MountRequest) -> list[_plan.Action]:
            current = self._read(request, table, fstab)
            unmounts = _mount.plan_unmount(index, request, current)
            mounts = _mount.plan_mount(index, request, current, check_mode)
            if unmounts or any(isinstance(action, _mount.MountImage) for action in mounts):
                what = f"keep {request.name} {request.state}"
                require_room(self._session, what, request.spec, current.devices, self._warnings)
            # A remount first, since the ownership cannot be set while the file system is read-only.
            return [*unmounts, *self._plan_remount(index, request, current), *mounts]

        live = _plan.plan_items(self._requests, plan_one)
        unmounts = _mount.unmounts_first(live)
        self._busy.refuse_unmounts(unmounts, self._requests)
        edit = _mount.plan_fstab_file(self._fstab, text, self._requests)
        actions = (*unmounts, *edit, *_mount.mounts_last(live))
        self._warnings.add(_mount.fstab_faults(self._fstab, text, self._requests))
        return _plan.Plan(actions, self._warnings.all())

    def handlers(self) -> _module.Handlers:
        """What applies each kind of action."""
        return {
            _plan.EditFile: self._edit,
            _mount.MakeMountPoint: lambda action: self._files.make_directory(action.subject, MOUNT_POINT_MODE),
            _mount.MountImage: self._mount,
            _remount.Remount: self._remount,
            _mount.SetOwnership: lambda action: self._files.set_ownership(action.subject, action.ownership),
            _mount.Unmount: lambda action: self._busy.unmount(action, lambda: self._mounts.unmount(action.subject)),
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
            return _mount.MountCurrent(fstab)
        devices = self._own_devices(request.spec)
        if devices:
            require_answer(self._session, f"keep {request.name} {request.state}", request.spec)
        if request.state == "mounted" and request.path:
            linked = self._linked(request.spec, devices)
            return _mount.MountCurrent(fstab, table, devices, linked, self._files.look(request.path))
        path = self._files.resolve(request.path) if request.path else None
        return _mount.MountCurrent(fstab, table, devices, path=path)

    def _plan_remount(
        self, index: int, request: _mount.MountRequest, current: _mount.MountCurrent
    ) -> list[_plan.Action]:
        found = _remount.seen(request, current)
        if found is None:
            return []
        live = _remount.Live(*found, self._mounts.inspect(found[0]), current.mounts)
        self._warnings.add(_remount.remount_warnings(request, live))
        return _remount.plan_remount(index, request, live)

    def _own_devices(self, spec: ImageSpec) -> tuple[KrbdDevice, ...]:
        """The image's mappings, of its own cluster alone."""
        named = self._kernel.devices(spec)
        if not named:
            return ()
        self._need_bindings()
        return of_own_cluster(named, self._session, self._warnings)

    def _linked(self, spec: ImageSpec, own: tuple[KrbdDevice, ...]) -> KrbdDevice | None:
        """The mapping that the link leads to, since fstab and mount go by that."""
        device = self._kernel.linked(spec)
        if device is not None and device not in own:
            raise RbdError(
                f"use {spec.device}",
                f"it leads to {device.path}, an image of the same name in another cluster ({device.fsid})",
                "Unmap that one first.",
            )
        return device

    def _edit(self, action: _plan.EditFile) -> None:
        self._files.edit(action.subject, action.edit, FSTAB_MODE)
        try:
            self._reload()
        except RbdError as error:
            advice = f"{error.advice} {action.subject} has its new lines already: run systemctl daemon-reload."
            raise RbdError(error.what, error.cause, advice) from error

    def _mount(self, action: _mount.MountImage) -> None:
        # systemd orders a mount against the network only if it knew its line before the mount was made.
        if self._stale:
            self._reload()
        # Once more, since a mount made before it may have brought a directory with content to that path.
        what = f"mount {action.spec} at {action.subject}"
        _mount.refuse_mount_point(what, action.subject, self._files.look(action.subject))
        self._mounts.mount(action.subject, self._fstab)
        if action.ownership:
            self._files.set_ownership(action.subject, action.ownership)

    def _remount(self, action: _remount.Remount) -> None:
        """Remount, and look again: the kernel may pass over what a file system cannot change."""
        self._mounts.remount(action.subject, action.opts, self._fstab)
        mount = at(self._mounts.table(), action.subject)
        if mount is None:
            raise RbdError(f"remount {action.subject}", "it was unmounted meanwhile", "Run again.")
        _remount.require_taken(action, mount, self._mounts.inspect(mount))

    def _reload(self) -> None:
        self._mounts.reload(self._fstab)
        self._stale = False


def _parse(item: dict[str, Any]) -> _mount.MountRequest:
    spec = ImageSpec.parse(item["image"])
    if item["state"] in _mount.KEPT:
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
        encrypted=bool(item["encrypted"]),
    )
    if request.state in _mount.KEPT:
        # Refuses, before anything is done, what fstab cannot say.
        FstabFile.decode("").set(request.entry())
    return request


def _uid(owner: str | None) -> int | None:
    if owner is None or _NUMBER.fullmatch(owner):
        return None if owner is None else int(owner)
    try:
        return pwd.getpwnam(owner).pw_uid
    except KeyError:
        raise RbdError(f"use the owner {owner}", "this host has no such user", "Create it first.") from None


def _gid(group: str | None) -> int | None:
    if group is None or _NUMBER.fullmatch(group):
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
