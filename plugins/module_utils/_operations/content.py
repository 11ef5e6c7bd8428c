# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what is in mapped images, as the operations need it that may write to blank ones."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule

from .. import _module
from .._crypt_device import CryptDevice
from .._errors import AlreadyDone, ClusterUnprepared, RbdError
from .._features import OBJECT_MAP
from .._filesystem import Content, FilesystemCurrent, FilesystemRequest, MakeFilesystem, plan_filesystem
from .._image_facts import ImageFacts
from .._image_spec import ImageSpec
from .._krbd_device import KrbdDevice, mapped_as
from .._size import format_size
from .._system import cluster
from . import _ports
from ._warnings import Warnings


class ContentReader:
    """Finds an image's mapping, and proves what is in it."""

    def __init__(
        self, module: AnsibleModule, session: cluster.ClusterSession, ports: _ports.Ports, warnings: Warnings
    ) -> None:
        self._check_mode = module.check_mode
        self._timeout = _module.connection_of(module.params).timeout
        self._session = session
        self._kernel = ports.kernel
        self._devices = ports.devices
        self._luks = ports.luks
        self._warnings = warnings
        self._size_deadline: float | None = None

    def mapping(self, spec: ImageSpec, devices: tuple[KrbdDevice, ...]) -> KrbdDevice | None:
        """The image's one mapping, of its own cluster alone."""
        named = mapped_as(devices, spec)
        if not named:
            return None
        try:
            fsid = self._session.fsid()
        except ClusterUnprepared as error:
            self._warnings.excuse_unprepared(error)
            return named[0]
        own = [device for device in named if device.fsid == fsid]
        what = f"use {spec} as it is mapped"
        if not own:
            raise RbdError(
                what,
                f"{named[0].path} is the image of that name in another cluster ({named[0].fsid}, not {fsid})",
                "Unmap that one, or give the ceph.conf of its cluster.",
            )
        if len(own) > 1:
            paths = ", ".join(device.path for device in own)
            raise RbdError(what, f"it is mapped more than once ({paths})", "Unmap the ones that nothing uses.")
        return own[0]

    def read(self, request: FilesystemRequest, device: KrbdDevice | None) -> FilesystemCurrent:
        """What is in the image; the cluster is asked only if that is not what it shall be."""
        if device is None:
            return self._ask(request.spec, None, None)
        device = self.with_size(request, device)
        place = request.place(device)
        if place is None:
            return self._ask(request.spec, device, None)
        content = self._devices.content(place.path, request.fstype, self._timeout)
        opened = device.opened if request.encrypted else None
        if content.is_whole(request.fstype) or (content.signatures and not request.overwrite):
            return FilesystemCurrent(None, None, device, content, opened)
        return self._ask(request.spec, device, content, opened)

    def room(self, request: FilesystemRequest, device: KrbdDevice) -> int:
        """The bytes that a file system may take; in check mode as many as earlier tasks would have made of them."""
        size = max(device.size, request.size or 0)
        opened = device.opened if request.encrypted else None
        if opened is None:
            return size
        return size - self._luks.offset(opened.name, self._timeout) if self._check_mode else opened.size

    def require_room(self, what: str, spec: ImageSpec) -> None:
        """Refuse to write to a full cluster: the kernel would wait until there is room again."""
        self._session.require_room(what, spec)

    def with_size(self, request: FilesystemRequest, device: KrbdDevice) -> KrbdDevice:
        """The device, once it has learned the size that the image is declared to have.

        All images together are waited for as long as one: whatever is to tell the kernel has told it for all of them
        by then. Later ones are still looked at once.
        """
        if request.size is None or device.size >= request.size or self._check_mode:
            return device
        now = time.monotonic()
        if self._size_deadline is None:
            self._size_deadline = now + self._timeout
        size = self._devices.await_size(device.path, request.size, max(self._size_deadline - now, 0))
        if size < request.size:
            raise RbdError(
                f"use {request.spec} with {format_size(request.size)}",
                f"{device.path} has {format_size(size)}, also after {self._timeout} seconds",
                "Grow the image first (rbd_image, with the same size). If it has that size, look at the kernel log.",
            )
        return replace(device, size=size)

    @contextlib.contextmanager
    def proven(self, action: MakeFilesystem) -> Iterator[str]:
        """Look again in the instant before anything is written, at a device that cannot be unmapped from then on.

        :returns: the path to write to.
        """
        request, device = action.request, action.device
        what = f"make {request.fstype} on {request.spec}"
        place = request.place(device) if device else None
        if place is None:
            raise RbdError(what, "it is not mapped on this host", "Run again.")
        with self._devices.held(place):
            current = self.read(request, self.mapping(request.spec, self._kernel.devices(request.spec)))
            if current.device != device:
                raise RbdError(what, "its mapping has changed in the meantime", "Run again.")
            if not plan_filesystem(0, request, current, check_mode=False):
                raise AlreadyDone(what, "another run has just made it")
            if current.found != action.overwritten:
                raise RbdError(what, "what it holds has changed in the meantime", "Run again.")
            self.require_room(what, request.spec)
            if current.found:
                self._devices.erase(place.path, self._timeout)
            yield place.path

    def _ask(
        self, spec: ImageSpec, device: KrbdDevice | None, content: Content | None, opened: CryptDevice | None = None
    ) -> FilesystemCurrent:
        try:
            facts = self._look_up(spec, device)
            # A kernel that mapped the image before it had an object map does not keep that.
            map_kept = device is None or bool(device.features & OBJECT_MAP)
            # The header of an encrypted image is not part of what its file system would overwrite.
            start = self._luks.offset(opened.name, self._timeout) if opened else 0
            written = self._session.first_written(spec, map_kept, start) if facts else None
        except ClusterUnprepared as error:
            self._warnings.excuse_unprepared(error)
            facts, written = None, None
        return FilesystemCurrent(facts, written, device, content, opened)

    def _look_up(self, spec: ImageSpec, device: KrbdDevice | None) -> ImageFacts | None:
        """The image, which must be the very one that is mapped."""
        what = f"make a file system on {spec}"
        facts = self._session.look_up(spec)
        if facts is None:
            if not self._check_mode:
                raise RbdError(what, "there is no such image", "Check the name.")
            self._warnings.excuse_missing(spec)
        elif device is not None:
            mapped = (device.fsid, device.image_id, device.size)
            if mapped != (self._session.fsid(), facts.image_id, facts.size):
                raise RbdError(
                    what,
                    f"{device.path} is not that image as the cluster has it (cluster, image id or size differ)",
                    f"Compare 'rbd info {spec}' with /sys/bus/rbd/devices/{device.number}.",
                )
        return facts
