# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbd_map_info."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import _drift, _module, _mount, _plan
from .._fstab_file import FstabFile
from .._image_spec import ImageSpec
from .._rbdmap_file import RbdmapFile
from .._system import cluster
from . import _ports

SERVICE = "rbdmap.service"


class MapInfoOperation:
    """Tells what a host says about its images in each of the four places. Changes nothing."""

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
        self._mounts = ports.mounts
        self._files = ports.files
        self._services = ports.services
        self._declared: list[_drift.Declared] | None = None

    def plan(self) -> _plan.Plan:
        """Nothing: this operation only reads."""
        if self._module.params["images"] is not None:
            self._declared = _plan.parse_items(self._module.params, "images", self._options, _parse)
        return _plan.Plan()

    def handlers(self) -> _module.Handlers:
        """None."""
        return {}

    def report(self) -> dict[str, Any]:
        """The images, their disagreements, and the state of the service."""
        host = self._host()
        declared = _drift.all_declared(self._declared, host)
        found = [_drift.find(host, item.spec) for item in declared]
        service = self._services.state(SERVICE)
        rows = [row for item, image in zip(declared, found) for row in _drift.drift(host, item, image)]
        return {
            "images": [image.result() for image in found],
            "drift": rows,
            "service": {"name": SERVICE, "enabled": service.enabled, "active": service.active},
        }

    def _host(self) -> _drift.Host:
        params = self._module.params
        devices = self._kernel.devices()
        return _drift.Host(
            rbdmap=RbdmapFile.decode(self._files.read(params["rbdmap_file"]) or ""),
            fstab=FstabFile.decode(self._files.read(params["fstab"]) or ""),
            devices=devices,
            mounts=self._mounts.table(),
            fsid=self._fsid([device.fsid for device in devices]),
        )

    def _fsid(self, live: list[str]) -> str | None:
        """The cluster is asked for its identity only if images are declared and something is mapped."""
        if self._declared is None or not live:
            return None
        return self._session.fsid()


def _parse(item: dict[str, Any]) -> _drift.Declared:
    path = None if item["path"] is None else _mount.tidy_path(item["path"])
    return _drift.Declared(ImageSpec.parse(item["image"]), path, item["state"] == "absent")
