# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbd_map_info."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import _drift, _drift_host, _module, _mount, _plan
from .._crypt_device import crypt_path
from .._drift_row import Row, row
from .._errors import ClusterUnavailable, RbdError
from .._fstab_file import FstabFile
from .._image_spec import ImageSpec
from .._krbd_device import KrbdDevice, mapped_as, mounts_of
from .._map_options import MapOptions
from .._mount_options import FilesystemState
from .._mountinfo import Mount
from .._rbdmap_file import RbdmapEntry, RbdmapFile
from .._size import parse_size
from .._system import cluster
from . import _ports

SERVICE = "rbdmap.service"

# What is compared as it is given.
_AS_GIVEN = ("user", "keyring", "shared", "encrypted", "fstype", "opts", "dump", "passno")


class MapInfoOperation:
    """Tells what a host says about its images in each of the four places. Changes nothing."""

    def __init__(
        self,
        module: AnsibleModule,
        session: cluster.ClusterSession,
        _options: dict[str, Any],
        ports: _ports.Ports = _ports.HOST,
    ) -> None:
        self._module = module
        self._session = session
        self._kernel = ports.kernel
        self._mounts = ports.mounts
        self._files = ports.files
        self._services = ports.services
        self._declared: list[_drift_host.Declared] | None = None
        self._away: RbdError | None = None

    def plan(self) -> _plan.Plan:
        """Nothing: this operation only reads."""
        given = self._module.params["images"]
        if given is not None:
            self._declared = _plan.each_item(given, lambda item: str(item["image"]), lambda _index, item: _parse(item))
            _plan.refuse_repeats(self._declared)
        return _plan.Plan()

    def handlers(self) -> _module.Handlers:
        """None."""
        return {}

    def report(self) -> dict[str, Any]:
        """The images, their disagreements, and the state of the service."""
        host = self._host()
        declared = _drift_host.all_declared(self._declared, host)
        found = [_drift_host.find(host, item.spec) for item in declared]
        service = self._services.state(SERVICE)
        rows = [each for item, image in zip(declared, found) for each in _drift.drift(host, item, image)]
        if self._module.params["service"] and not all(item.absent for item in declared):
            rows += _drift.service_rows(SERVICE, service.enabled, service.active)
        return {
            "images": [image.result() for image in found],
            "drift": [each.result() for each in [*self._away_rows(), *rows]],
            "service": {"name": SERVICE, "enabled": service.enabled, "active": service.active},
        }

    def _host(self) -> _drift_host.Host:
        params = self._module.params
        devices, table = self._kernel.devices(), self._mounts.table()
        return _drift_host.Host(
            rbdmap=RbdmapFile.decode(self._files.read(params["rbdmap_file"]) or ""),
            fstab=FstabFile.decode(self._files.read(params["fstab"]) or ""),
            devices=devices,
            mounts=table,
            fsid=self._fsid(devices),
            answers=self._answers(devices),
            states=self._states(devices, table),
        )

    def _fsid(self, devices: tuple[KrbdDevice, ...]) -> str | None:
        """The cluster is asked for its identity only if images are declared and something is mapped."""
        if self._declared is None or not devices:
            return None
        try:
            return self._session.fsid()
        except ClusterUnavailable as error:
            self._away = error
            return None

    def _answers(self, devices: tuple[KrbdDevice, ...]) -> Mapping[str, _drift_host.Answer]:
        """What the cluster says of the images that shall be here; once it does not answer, it is not asked again."""
        answers: dict[str, _drift_host.Answer] = {}
        for item in self._declared or ():
            asked = not item.absent and (item.size is not None or mapped_as(devices, item.spec))
            if not asked or self._away is not None:
                continue
            try:
                answers[item.name] = _drift_host.Answer(self._session.look_up(item.spec))
            except ClusterUnavailable as error:
                self._away = error
            except RbdError as error:
                answers[item.name] = _drift_host.Answer(None, error.cause)
        return answers

    def _states(self, devices: tuple[KrbdDevice, ...], table: tuple[Mount, ...]) -> Mapping[int, FilesystemState]:
        own = {mount.mount_id: mount for device in devices for mount in mounts_of(device, table)}
        return {number: self._mounts.inspect(mount) for number, mount in own.items()}

    def _away_rows(self) -> list[Row]:
        if self._away is None:
            return []
        cause = f"the cluster could not be asked about the images: {self._away.cause}"
        return [row(None, "cluster_unknown", cause, "an answer", "none")]


def _parse(item: dict[str, Any]) -> _drift_host.Declared:
    spec = ImageSpec.parse(item["image"])
    if item["encrypted"]:
        # Refuses a name that no encrypted image may have.
        crypt_path(spec)
    options = MapOptions.from_dict(item["options"] or {})
    line = RbdmapEntry.of(spec, options=options, read_only=bool(item["read_only"]))
    return _drift_host.Declared(
        spec=spec,
        path=None if item["path"] is None else _mount.tidy_path(item["path"]),
        absent=item["state"] == "absent",
        size=None if item["size"] is None else parse_size(item["size"]),
        options=None if item["options"] is None else line.options,
        read_only=None if item["read_only"] is None and not line.read_only else line.read_only,
        **{name: item[name] for name in _AS_GIVEN},
    )
