# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's RBD client: what is mapped, what it supports, map and unmap."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Sequence
from typing import Protocol

from .._crypt_device import CryptDevice
from .._errors import NotBegun, Overtaken, RbdError
from .._image_spec import ImageSpec
from .._krbd_device import KrbdDevice, parse_devno
from .command import CommandRunner
from .directory_lock import locked

BUS = "/sys/bus/rbd"

# Has a directory for each image, whose lock is held while that is mapped: the kernel maps one twice, if it is asked
# twice, and only warns of it. The unit's program holds it, too (_system/boot/rbdmap_unit.py).
RUN = "/run/cephclient.rbd"

# The unit of all sizes below /sys/block, whatever a device's own sectors are.
SECTOR = 512

# How long udev may take to make the link under /dev/rbd on a busy host, in seconds.
UDEV_TIMEOUT = 30.0
UDEV_POLL = 0.1

# Exit codes of `rbd device map` and `unmap` are the kernel's errno.
_CAUSES = {
    6: "the kernel does not support a feature of the image (the kernel log names it)",
    16: "the device is busy: something on this host holds it open",
    110: "the cluster did not answer the kernel in time",
}


class KernelRbd(Protocol):
    """Maps and unmaps images."""

    def devices(self, spec: ImageSpec | None = None) -> tuple[KrbdDevice, ...]:
        """All live mappings of this host, or those of that name alone. None where the kernel module is not loaded.

        :param spec: a name, whatever the cluster; of a mapping with another one no more than that is read, which counts
            where each of many images is looked for.
        """

    def linked(self, spec: ImageSpec) -> KrbdDevice | None:
        """The mapping that the link under ``/dev/rbd`` leads to, or None.

        :raises RbdError: images of that name in several clusters are mapped, so that the link is a matter of chance.
        """

    def supported_features(self) -> int | None:
        """The features that this kernel can map, or None while its module is not loaded."""

    def map(self, spec: ImageSpec, argv: Sequence[str], timeout: float) -> str:
        """Map an image and wait for its link under ``/dev/rbd``.

        :param argv: the arguments of ``rbd device map``.
        :param timeout: seconds that the kernel may take.
        :returns: the device, for example ``/dev/rbd0``.
        :raises Overtaken: it has been mapped meanwhile.
        :raises NotBegun: another process keeps its lock, or it cannot be locked.
        :raises TimedOut: the kernel was given up; it may still map the image.
        :raises RbdError: it could not be mapped.
        """

    def unmap(self, device: KrbdDevice, timeout: float) -> None:
        """Unmap a device; never by force.

        :raises RbdError: it is in use, or the kernel refused.
        """


class HostKrbd:
    """The real kernel, read through sysfs and changed through ``rbd device``."""

    def __init__(self, commands: CommandRunner) -> None:
        self._commands = commands

    def devices(self, spec: ImageSpec | None = None) -> tuple[KrbdDevice, ...]:
        try:
            numbers = sorted(int(name) for name in os.listdir(f"{BUS}/devices"))
        except FileNotFoundError:
            return ()
        found = (_read_device(number) for number in numbers if spec is None or _may_be(number, spec))
        return tuple(device for device in found if device is not None and spec in (None, device.spec))

    def linked(self, spec: ImageSpec) -> KrbdDevice | None:
        named = self.devices(spec)
        fsids = sorted({device.fsid for device in named})
        if len(fsids) > 1:
            raise RbdError(
                f"use {spec.device}",
                f"images of that name in several clusters are mapped ({', '.join(fsids)})",
                "Unmap the one that is not meant.",
            )
        target = os.path.realpath(spec.device)
        at_link = [device for device in named if device.path == target]
        return at_link[0] if at_link else None

    def supported_features(self) -> int | None:
        try:
            return int(_attribute(f"{BUS}/supported_features"), 16)
        except FileNotFoundError:
            return None

    def map(self, spec: ImageSpec, argv: Sequence[str], timeout: float) -> str:
        place = _place_of_lock(spec)
        with locked(place, f"map {spec}"):
            if self.devices(spec):
                raise Overtaken(f"map {spec}", "another run has mapped it in this very moment", "Run again.")
            done = self._commands.run(["rbd", "device", "map", *argv], timeout)
        if done.rc != 0:
            cause = _CAUSES.get(done.rc, done.complaint)
            raise RbdError(
                f"map {spec}", cause, f"The rbd command said: {done.complaint} (exit code {done.rc}); see also dmesg."
            )
        device = done.stdout.strip()
        _await_link(spec, device)
        return device

    def unmap(self, device: KrbdDevice, timeout: float) -> None:
        # By device, never by name: a name may stand for another cluster's image.
        done = self._commands.run(["rbd", "device", "unmap", device.path], timeout)
        if done.rc != 0:
            cause = _CAUSES.get(done.rc, done.complaint)
            raise RbdError(
                f"unmap {device.spec} ({device.path})",
                cause,
                f"Stop what uses it (fuser -vm {device.path}; lsblk {device.path}), then run again.",
            )


def _place_of_lock(spec: ImageSpec) -> str:
    """The directory whose lock is held while an image is mapped."""
    place = os.path.join(RUN, str(spec))
    try:
        os.makedirs(RUN, mode=0o700, exist_ok=True)
        os.makedirs(place, exist_ok=True)
    except OSError as error:
        cause = f"the directory {place} cannot be made ({error.strerror})"
        raise NotBegun(f"map {spec}", cause, "Run as root, and see that /run has room.") from error
    return place


def _may_be(number: int, spec: ImageSpec) -> bool:
    """Whether a mapping's image has that name, in whatever pool."""
    with contextlib.suppress(OSError):
        return _attribute(f"{BUS}/devices/{number}/name") == spec.image
    # Why it cannot be read is told where all of it is.
    return True


def _read_device(number: int) -> KrbdDevice | None:
    """One mapping, or None for one that is not whole."""
    base = f"{BUS}/devices/{number}"
    try:
        snap = _attribute(f"{base}/current_snap")
        return KrbdDevice(
            number=number,
            fsid=_attribute(f"{base}/cluster_fsid"),
            spec=ImageSpec(
                pool=_attribute(f"{base}/pool"),
                namespace=_optional(f"{base}/pool_ns"),
                image=_attribute(f"{base}/name"),
                snap=None if snap == "-" else snap,
            ),
            image_id=_attribute(f"{base}/image_id"),
            size=int(_attribute(f"{base}/size")),
            read_only=_attribute(f"/sys/block/rbd{number}/ro") == "1",
            devno=parse_devno(_attribute(f"/sys/block/rbd{number}/dev")),
            config=_optional(f"{base}/config_info"),
            # The kernel writes client4123, the cluster client.4123.
            client=_attribute(f"{base}/client_id").replace("client", "client.", 1),
            features=int(_attribute(f"{base}/features"), 16),
            crypts=_read_crypts(number),
        )
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV):
            # Being mapped or unmapped at this very moment.
            return None
        raise RbdError(f"read {base}", error.strerror or str(error), "Run as root.") from error


def _read_crypts(number: int) -> tuple[CryptDevice, ...]:
    """What dm-crypt has opened on a mapping."""
    blocks = [f"/sys/block/{name}" for name in sorted(os.listdir(f"/sys/block/rbd{number}/holders"))]
    return tuple(
        CryptDevice(
            name=_attribute(f"{block}/dm/name"),
            devno=parse_devno(_attribute(f"{block}/dev")),
            size=int(_attribute(f"{block}/size")) * SECTOR,
        )
        for block in blocks
        if _optional(f"{block}/dm/uuid").startswith("CRYPT-")
    )


def _attribute(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as handle:
        return handle.read().rstrip("\n")


def _optional(path: str) -> str:
    """An attribute that older kernels lack, and that only root may read."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        return _attribute(path)
    return ""


def _await_link(spec: ImageSpec, device: str) -> None:
    """Wait until the link under ``/dev/rbd`` leads to the device: fstab and rbdmap go by the link."""
    deadline = time.monotonic() + UDEV_TIMEOUT
    while os.path.realpath(spec.device) != device:
        if time.monotonic() > deadline:
            raise RbdError(
                f"use the mapping of {spec}",
                f"{spec.device} does not lead to {device} after {UDEV_TIMEOUT:g} seconds",
                "Check that systemd-udevd runs and has ceph's rule 50-rbd.rules.",
            )
        time.sleep(UDEV_POLL)
