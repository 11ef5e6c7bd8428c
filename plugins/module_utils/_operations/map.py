# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbd_map."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import _mapping, _module, _plan
from .._errors import ClusterUnprepared, RbdError
from .._image_facts import ImageFacts
from .._image_spec import ImageSpec
from .._krbd_device import KrbdDevice, mapped_as
from .._map_options import MapOptions
from .._mountinfo import Mount
from .._rbdmap_file import RbdmapEntry
from .._system import cluster
from . import _ports
from ._warnings import Warnings

# As Debian's package installs it; it holds no secret.
RBDMAP_MODE = 0o644


class MapOperation:
    """Keeps mappings, and their lines in the rbdmap file."""

    def __init__(
        self,
        module: AnsibleModule,
        session: cluster.ClusterSession,
        options: dict[str, Any],
        ports: _ports.Ports = _ports.HOST,
    ) -> None:
        self._module = module
        self._options = options
        self._session = session
        self._connection = _module.connection_of(module.params)
        self._kernel = ports.kernel
        self._mounts = ports.mounts
        self._files = ports.files
        self._need_bindings = ports.need_bindings
        self._requests: list[_mapping.MapRequest] = []
        self._warnings = Warnings(module.check_mode)

    def plan(self) -> _plan.Plan:
        """Read the rbdmap file, the kernel and the cluster, as far as the states need them."""
        params = self._module.params
        self._requests = _plan.parse_items(params, "images", self._options, self._parse)
        path = params["rbdmap_file"]
        text = self._files.read(path)
        self._warnings.add(_mapping.rbdmap_faults(path, text, self._requests))
        live = [request for request in self._requests if request.state != "present"]
        actions: list[_plan.Action] = []
        if live:
            self._need_bindings()
            actions = self._plan_live()
        # Mapped first: a line for an image that cannot be mapped would hold up the next boot.
        actions.extend(_mapping.plan_rbdmap_file(path, text, self._requests))
        return _plan.Plan(tuple(actions), self._warnings.all())

    def handlers(self) -> _module.Handlers:
        """What applies each kind of action."""
        return {
            _mapping.MapImage: self._map,
            _mapping.UnmapImage: lambda action: self._kernel.unmap(action.device, self._connection.timeout),
            _plan.EditFile: lambda action: self._files.edit(action.subject, action.edit, RBDMAP_MODE),
        }

    def report(self) -> dict[str, Any]:
        """The mapped device of each image."""
        live = any(request.state != "present" for request in self._requests)
        devices = {device.spec: device.path for device in self._kernel.devices()} if live else {}
        return {
            "images": [
                {"image": request.name, "device": devices.get(request.spec), "link": request.spec.device}
                for request in self._requests
            ]
        }

    def _parse(self, item: dict[str, Any]) -> _mapping.MapRequest:
        spec = ImageSpec.parse(item["image"])
        if item["state"] not in _mapping.KEPT:
            # Whatever its name, what is there can be removed.
            return _mapping.MapRequest(item["state"], RbdmapEntry(spec))
        spec.require_mappable()
        entry = RbdmapEntry.of(
            spec,
            user=self._connection.user,
            keyring=self._connection.keyring_path,
            options=MapOptions.from_dict(item["options"] or {}),
            read_only=bool(item["read_only"]),
            extra=self._place_of_cluster(),
        )
        return _mapping.MapRequest(item["state"], entry)

    def _place_of_cluster(self) -> dict[str, str | int]:
        """What rbdmap must pass on, where it is not what the rbd command takes by itself."""
        usual = {"cluster": "ceph", "conf": "/etc/ceph/ceph.conf"}
        given = {"cluster": self._connection.cluster, "conf": self._connection.conf}
        return {name: value for name, value in given.items() if value != usual[name]}

    def _plan_live(self) -> list[_plan.Action]:
        devices, table = self._kernel.devices(), self._mounts.table()
        supported = self._kernel.supported_features()

        def plan_one(index: int, request: _mapping.MapRequest) -> list[_plan.Action]:
            current = self._read(request, mapped_as(devices, request.spec), table, supported)
            actions = _mapping.plan_mapping(index, request, current, self._module.check_mode)
            if request.state == "mapped":
                self._warn_of_differences(request, current)
            return actions

        return _plan.plan_items(self._requests, plan_one)

    def _read(
        self,
        request: _mapping.MapRequest,
        devices: tuple[KrbdDevice, ...],
        table: tuple[Mount, ...],
        supported: int | None,
    ) -> _mapping.MapCurrent:
        fsid, facts = None, None
        if request.state == "mapped":
            fsid, facts = self._ask(request.spec)
        elif devices and request.state in ("unmapped", "absent"):
            fsid = self._session.fsid()
        return _mapping.MapCurrent(fsid, facts, devices, table, supported)

    def _ask(self, spec: ImageSpec) -> tuple[str | None, ImageFacts | None]:
        try:
            facts = self._session.look_up(spec)
            if facts is None:
                self._warnings.excuse_missing(spec)
            return self._session.fsid(), facts
        except ClusterUnprepared as error:
            self._warnings.excuse_unprepared(error)
            return None, None

    def _warn_of_differences(self, request: _mapping.MapRequest, current: _mapping.MapCurrent) -> None:
        self._warnings.add(
            f"{request.spec} is mapped as {device.path}, but {clause}. That changes when it is mapped anew."
            for device in current.own
            for clause in _mapping.live_differences(request.entry, device)
        )

    def _map(self, action: _mapping.MapImage) -> None:
        """Map with the very words that rbdmap will use at boot, and make sure of what was mapped."""
        path = self._kernel.map(action.entry.image, action.entry.argv(), self._connection.timeout)
        found = [device for device in self._kernel.devices() if device.path == path]
        wanted = (action.fsid, action.facts.image_id if action.facts else None)
        if not found or (found[0].fsid, found[0].image_id) != wanted:
            raise RbdError(
                f"map {action.subject}",
                f"{path} is not the image that was to be mapped (another of the same name?)",
                f"Compare 'rbd info {action.subject}' with /sys/bus/rbd/devices; unmap {path} if it is not wanted.",
            )
