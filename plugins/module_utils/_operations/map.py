# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbd_map."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import _mapping, _module, _plan
from .._errors import AlreadyDone, ClusterSilent, ClusterUnprepared, NotBegun, Overtaken, RbdError, TimedOut
from .._features import FEATURES
from .._image_facts import ImageFacts
from .._image_spec import ImageSpec
from .._image_use import require_unused, require_writable
from .._krbd_device import KrbdDevice, clients_of, mapped_as, mapped_under_other_names
from .._map_options import MapOptions
from .._mountinfo import Mount
from .._rbdmap_file import RbdmapEntry
from .._system import cluster
from . import _ports
from ._answer import require_answer, require_room
from ._busy import Busy
from ._left_locks import LeftLocks
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
        self._busy = Busy(ports.holders, self._warnings, module.check_mode)
        self._left_locks = LeftLocks(session, ports.kernel)

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
            _mapping.DisableFeatures: self._disable_features,
            _mapping.MapImage: self._map,
            _mapping.UnmapImage: self._unmap,
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
        disable = sum(FEATURES[name] for name in set(item["disable_features"] or ()))
        return _mapping.MapRequest(item["state"], replace(entry, shared=bool(item["shared"])), disable)

    def _place_of_cluster(self) -> dict[str, str | int]:
        """What rbdmap must pass on, where it is not what the rbd command takes by itself."""
        usual = {"cluster": "ceph", "conf": "/etc/ceph/ceph.conf"}
        given = {"cluster": self._connection.cluster, "conf": self._connection.conf}
        return {name: value for name, value in given.items() if value != usual[name]}

    def _plan_live(self) -> list[_plan.Action]:
        devices, table = self._kernel.devices(), self._mounts.table()
        supported = self._kernel.supported_features()

        def plan_one(index: int, request: _mapping.MapRequest) -> list[_plan.Action]:
            current = self._read(request, devices, table, supported)
            actions = _mapping.plan_mapping(index, request, current, self._module.check_mode)
            if request.state == "mapped":
                self._warn_of_differences(request, current)
                self._warn_of_second_writers(request, current)
            return actions

        actions = _plan.plan_items(self._requests, plan_one)
        unmaps = [action for action in actions if isinstance(action, _mapping.UnmapImage)]
        self._busy.refuse_unmaps(unmaps, self._requests)
        return actions

    def _read(
        self,
        request: _mapping.MapRequest,
        devices: tuple[KrbdDevice, ...],
        table: tuple[Mount, ...],
        supported: int | None,
    ) -> _mapping.MapCurrent:
        named = mapped_as(devices, request.spec)
        if request.state != "mapped":
            fsid = self._session.fsid() if named and request.state in ("unmapped", "absent") else None
            current = _mapping.MapCurrent(fsid, None, named, table, supported)
            if current.own:
                require_answer(self._session, f"unmap {request.spec}", request.spec)
                require_room(self._session, f"unmap {request.spec}", request.spec, current.own, self._warnings)
            return current
        fsid, facts = self._ask(request.spec)
        current = _mapping.MapCurrent(fsid, facts, named, table, supported)
        if fsid is None or facts is None or named or not request.writes:
            return current
        self._session.require_room(f"map {request.spec}", request.spec)
        use = self._session.use_of(request.spec)
        self._warnings.add(self._left_locks.note(request.spec, use))
        self._session.require_takeover(request.spec, facts)
        renamed = mapped_under_other_names(devices, request.spec, fsid, facts.image_id)
        # What another run on this host maps meanwhile is no stranger's; the map itself then finds it.
        if use.watchers:
            use = use.without(*clients_of(self._kernel.devices(), fsid))
        return replace(current, use=use, renamed=tuple(renamed))

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

    def _warn_of_second_writers(self, request: _mapping.MapRequest, current: _mapping.MapCurrent) -> None:
        others = ", ".join(map(str, _mapping.second_writers(request, current)))
        if others:
            sentence = (
                f"{request.spec} is in use on this host, and {others} has it open for writing as well. Unless its "
                "file system is made for several hosts, unmount it on one of them at once."
            )
            self._warnings.add([sentence])

    def _disable_features(self, action: _mapping.DisableFeatures) -> None:
        facts = self._session.look_up(action.spec)
        if facts is not None:
            require_unused(f"disable features of {action.spec}", facts, ())
        self._session.disable_features(action.spec, action.mask)

    def _unmap(self, action: _mapping.UnmapImage) -> None:
        self._busy.unmap(action, lambda: self._unmap_that(action.device))

    def _unmap_that(self, device: KrbdDevice) -> None:
        """Unmap a device, if it is what was looked at: the kernel gives the number of an unmapped one to the next."""
        same = (other for other in self._kernel.devices(device.spec) if other.number == device.number)
        now = next(same, None)
        if now is None or (now.fsid, now.image_id) != (device.fsid, device.image_id):
            raise AlreadyDone(f"unmap {device.spec}", f"it is not mapped as {device.path} any more", "Run again.")
        self._kernel.unmap(device, self._connection.timeout)

    def _map(self, action: _mapping.MapImage) -> None:
        """Map with the very words that rbdmap will use at boot, and make sure of what was mapped.

        What is not what was meant, or is there in spite of an error, is unmapped again.
        """
        if action.alone:
            self._left_locks.await_holder(action.entry.image)
        try:
            path = self._kernel.map(action.entry.image, action.entry.argv(), self._connection.timeout)
            self._require_meant(action, path)
        except (Overtaken, NotBegun):
            raise
        except (TimedOut, ClusterSilent) as error:
            raise self._given_up(action) from error
        except RbdError as error:
            raise self._undone(error, self._mapped_in_spite(action)) from error

    def _mapped_in_spite(self, action: _mapping.MapImage) -> tuple[KrbdDevice, ...]:
        """The mappings of the image; there was none when it was to be mapped."""
        return self._kernel.devices(action.entry.image)

    def _given_up(self, action: _mapping.MapImage) -> RbdError:
        """What to say where the cluster fell silent. A mapping is not undone: the kernel would wait for the cluster."""
        found = [device.path for device in self._mapped_in_spite(action)]
        state = f"It is mapped as {found[0]} all the same" if found else "It is not mapped"
        if found and action.alone:
            state += f", and was not looked at again: see that 'rbd status {action.subject}' shows no other watcher"
        return ClusterSilent(
            f"map {action.subject}",
            f"the cluster has given no answer for {self._connection.timeout} seconds",
            f"{state}. Check the cluster's health and the kernel log, then run again.",
        )

    def _require_meant(self, action: _mapping.MapImage, path: str) -> None:
        found = [device for device in self._kernel.devices(action.entry.image) if device.path == path]
        wanted = (action.fsid, action.facts.image_id if action.facts else None)
        if not found or (found[0].fsid, found[0].image_id) != wanted:
            raise RbdError(
                f"map {action.subject}",
                f"{path} is not the image that was to be mapped (another of the same name?)",
                f"Compare 'rbd info {action.subject}' with /sys/bus/rbd/devices.",
            )
        if action.alone:
            # Two hosts that looked at the same moment saw nobody, but now each sees the other.
            use = self._session.use_of(action.entry.image).without(found[0].client)
            require_writable(f"map {action.subject}", action.entry.image, use, shared=False)

    def _undone(self, error: RbdError, devices: tuple[KrbdDevice, ...]) -> RbdError:
        """The error, with what became of the mappings that were made in spite of it."""
        for device in devices:
            try:
                self._kernel.unmap(device, self._connection.timeout)
            except RbdError as kept:
                return RbdError(error.what, error.cause, f"{error.advice} It is still mapped as {device.path}: {kept}")
        undone = " It was unmapped again." if devices else ""
        return RbdError(error.what, error.cause, error.advice + undone)
