# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbd_filesystem."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import _filesystem, _filesystem_growth, _module, _plan
from .._errors import AlreadyDone, RbdError
from .._image_spec import ImageSpec
from .._krbd_device import KrbdDevice, mounts_of
from .._mountinfo import Mount
from .._size import parse_size
from .._system import cluster
from . import _ports
from ._warnings import Warnings
from .content import ContentReader


class FilesystemOperation:
    """Keeps file systems on mapped images, as large as these."""

    def __init__(
        self,
        module: AnsibleModule,
        session: cluster.ClusterSession,
        options: dict[str, Any],
        ports: _ports.Ports = _ports.HOST,
    ) -> None:
        self._module = module
        self._options = options
        self._timeout = _module.connection_of(module.params).timeout
        self._kernel = ports.kernel
        self._mounts = ports.mounts
        self._devices = ports.devices
        self._filesystems = ports.filesystems
        self._requests: list[_filesystem.FilesystemRequest] = []
        self._waiting: set[int] = set()
        self._warnings = Warnings(module.check_mode)
        self._reader = ContentReader(module, session, ports, self._warnings)

    def plan(self) -> _plan.Plan:
        """Look at each device; ask the cluster only about the ones that have not got their file system."""
        self._requests = _plan.parse_items(self._module.params, "images", self._options, _parse)
        self._waiting = set()
        devices, table = self._kernel.devices(), self._mounts.table()

        def plan_one(index: int, request: _filesystem.FilesystemRequest) -> list[_plan.Action]:
            current = self._reader.read(request, self._reader.mapping(request.spec, devices))
            actions = _filesystem.plan_filesystem(index, request, current, self._module.check_mode)
            if actions or current.device is None or current.content is None:
                return actions
            return self._plan_growth(index, request, current.device, table)

        actions = _plan.plan_items(self._requests, plan_one)
        return _plan.Plan(tuple(actions), self._warnings.all())

    def handlers(self) -> _module.Handlers:
        """What applies each kind of action."""
        return {_filesystem.MakeFilesystem: self._make, _filesystem_growth.GrowFilesystem: self._grow}

    def report(self) -> dict[str, Any]:
        """The file system of each image."""
        return {
            "images": [
                {"image": request.name, "fstype": request.fstype, "grows_when_mounted": index in self._waiting}
                for index, request in enumerate(self._requests)
            ]
        }

    def _plan_growth(
        self, index: int, request: _filesystem.FilesystemRequest, device: KrbdDevice, table: tuple[Mount, ...]
    ) -> list[_plan.Action]:
        current = self._measure(request, device, table)
        waits = _filesystem_growth.growth_waits(request, current)
        if waits is not None and (current.mounts or self._module.check_mode):
            self._warnings.add([waits])
        if waits is not None and not current.mounts:
            self._waiting.add(index)
        return _filesystem_growth.plan_growth(index, request, current)

    def _measure(
        self, request: _filesystem.FilesystemRequest, device: KrbdDevice, table: tuple[Mount, ...]
    ) -> _filesystem_growth.GrowthCurrent:
        place = request.place(device) or device
        geometry = self._filesystems.geometry(place.path, request.fstype, self._timeout)
        current = _filesystem_growth.GrowthCurrent(
            device,
            geometry,
            self._reader.room(request, device),
            mounts_of(device, table),
            _filesystem_growth.seen_mounts(device, table),
        )
        if not current.room or not current.seen:
            return current
        path = current.seen[0].path
        said = self._filesystems.mounted_geometry(geometry, request.fstype, path, self._timeout)
        return replace(current, geometry=said)

    def _make(self, action: _filesystem.MakeFilesystem) -> None:
        request = action.request
        with self._reader.proven(action) as path:
            blank = not action.overwritten
            self._devices.mkfs(path, request.fstype, request.mkfs_options, blank)

    def _grow(self, action: _filesystem_growth.GrowFilesystem) -> None:
        """Look again in the instant before: that device must have that mount, and that mount the file system."""
        request, device = action.request, action.device
        what = f"grow the {request.fstype} of {request.spec}"
        mapping = self._reader.mapping(request.spec, self._kernel.devices(request.spec))
        if mapping is None or self._reader.with_size(request, mapping) != device:
            raise RbdError(what, "its mapping has changed in the meantime", "Run again.")
        current = self._measure(request, device, self._mounts.table())
        if current.place is None or current.place.path != action.path:
            raise RbdError(what, "its mount has changed in the meantime", "Run again.")
        if not current.room:
            raise AlreadyDone(what, "another run has just grown it")
        self._reader.require_room(what, request.spec)
        place = request.place(device) or device
        self._filesystems.grow(current.geometry, request.fstype, place.path, action.path, action.blocks)


def _parse(item: dict[str, Any]) -> _filesystem.FilesystemRequest:
    spec = ImageSpec.parse(item["image"])
    if spec.snap is not None:
        raise RbdError(f"make a file system on {spec}", "it is a snapshot, and read-only", "Name the image itself.")
    if item["fstype"] is None:
        raise RbdError(f"make a file system on {spec}", "no fstype is given", "Give one, for example xfs.")
    options = tuple(item["mkfs_options"] or ())
    for word in options:
        if "/" in word:
            raise RbdError(
                f"make a file system on {spec}",
                f"the mkfs option {word!r} could name another device",
                "Leave it out.",
            )
    size = None if item["size"] is None else parse_size(item["size"])
    grow = size is not None if item["grow"] is None else item["grow"]
    overwrite = tuple(item["overwrite"] or ())
    return _filesystem.FilesystemRequest(spec, item["fstype"], options, overwrite, grow, size, bool(item["encrypted"]))
