# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbd_filesystem."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import _filesystem, _module, _plan
from .._errors import ClusterUnprepared, RbdError
from .._image_facts import ImageFacts
from .._image_spec import ImageSpec
from .._krbd_device import KrbdDevice
from .._system import cluster
from . import _ports
from ._warnings import Warnings


class FilesystemOperation:
    """Keeps file systems on mapped images."""

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
        self._kernel = ports.kernel
        self._devices = ports.devices
        self._requests: list[_filesystem.FilesystemRequest] = []
        self._warnings = Warnings(module.check_mode)

    def plan(self) -> _plan.Plan:
        """Look at each device; ask the cluster only about the ones in which blkid finds nothing."""
        self._requests = _plan.parse_items(self._module.params, "images", self._options, _parse)

        def plan_one(index: int, request: _filesystem.FilesystemRequest) -> list[_plan.Action]:
            return _filesystem.plan_filesystem(index, request, self._read(request.spec), self._module.check_mode)

        actions = _plan.plan_items(self._requests, plan_one)
        return _plan.Plan(tuple(actions), self._warnings.all())

    def handlers(self) -> _module.Handlers:
        """What applies each kind of action."""
        return {_filesystem.MakeFilesystem: self._make}

    def report(self) -> dict[str, Any]:
        """The file system of each image."""
        return {"images": [{"image": request.name, "fstype": request.fstype} for request in self._requests]}

    def _read(self, spec: ImageSpec) -> _filesystem.FilesystemCurrent:
        device = self._kernel.linked(spec)
        content = self._devices.content(device.path) if device else None
        if content is not None and (content.signature is not None or content.ambivalent):
            return _filesystem.FilesystemCurrent(None, None, device, content)
        try:
            return self._ask(spec, device, content)
        except ClusterUnprepared as error:
            self._warnings.excuse_unprepared(error)
            return _filesystem.FilesystemCurrent(None, None, device, content)

    def _ask(
        self, spec: ImageSpec, device: KrbdDevice | None, content: _filesystem.Content | None
    ) -> _filesystem.FilesystemCurrent:
        facts = self._session.look_up(spec)
        if facts is None:
            if not self._module.check_mode:
                raise RbdError(f"make a file system on {spec}", "there is no such image", "Check the name.")
            self._warnings.excuse_missing(spec)
            return _filesystem.FilesystemCurrent(None, None, device, content)
        if device is not None:
            self._require_same(spec, device, facts)
        return _filesystem.FilesystemCurrent(facts, self._session.first_written(spec), device, content)

    def _require_same(self, spec: ImageSpec, device: KrbdDevice, facts: ImageFacts) -> None:
        """The device must be the very image that the cluster was asked about."""
        mapped = (device.fsid, device.image_id, device.size)
        if mapped != (self._session.fsid(), facts.image_id, facts.size):
            raise RbdError(
                f"make a file system on {spec}",
                f"{device.path} is not that image as the cluster has it (cluster, image id or size differ)",
                f"Compare 'rbd info {spec}' with /sys/bus/rbd/devices/{device.number}.",
            )

    def _make(self, action: _filesystem.MakeFilesystem) -> None:
        """Look again in the instant before anything is written: the device, and that it is blank still."""
        request = _filesystem.FilesystemRequest(action.spec, action.fstype, action.mkfs_options)
        current = self._read(action.spec)
        if current.device is None or current.device != action.device:
            raise RbdError(
                f"make {action.fstype} on {action.spec}", "its mapping has changed in the meantime", "Run again."
            )
        if _filesystem.plan_filesystem(0, request, current, check_mode=False):
            self._devices.mkfs(current.device.path, action.fstype, action.mkfs_options)


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
    return _filesystem.FilesystemRequest(spec, item["fstype"], options)
