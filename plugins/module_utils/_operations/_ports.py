# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports through which the operations reach the host; a test passes its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

from .. import _module
from .._system import blockdev, command, files, filesystems, holders, krbd, luks, mounts, service


@dataclass(frozen=True)
class Ports:
    """The real host, unless told otherwise.

    :ivar need_bindings: makes sure of Ceph's bindings before the cluster is asked.
    """

    kernel: krbd.KernelRbd = field(default_factory=lambda: krbd.HostKrbd(command.HostCommands()))
    mounts: mounts.Mounts = field(default_factory=lambda: mounts.HostMounts(command.HostCommands()))
    files: files.Files = field(default_factory=files.HostFiles)
    devices: blockdev.BlockDevices = field(default_factory=lambda: blockdev.HostBlockDevices(command.HostCommands()))
    services: service.Services = field(default_factory=lambda: service.HostServices(command.HostCommands()))
    need_bindings: Callable[[], None] = _module.require_bindings
    filesystems: filesystems.FileSystems = field(
        default_factory=lambda: filesystems.HostFileSystems(command.HostCommands())
    )
    luks: luks.Luks = field(default_factory=lambda: luks.HostLuks(command.HostCommands()))
    holders: holders.Holders = field(default_factory=holders.HostHolders)


HOST = Ports()
