# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices and the file systems on them as small things in memory."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._filesystem import Content
from ansible_collections.cephclient.rbd.plugins.module_utils._krbd_device import KrbdDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._superblock import Geometry

BLANK = Content(ends_zero=True)


@dataclass
class FakeDevices:
    """What is on each device.

    :ivar sizes: of devices that have grown since they were mapped, once they were waited for.
    :ivar patience: whether a wait takes all the time that it is given.
    :ivar waits: the seconds that each wait for a size was given.
    :ivar open: the devices that are held open.
    """

    contents: dict[str, Content] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    patience: bool = False
    waits: list[float] = field(default_factory=list)
    made: list[tuple[str, ...]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    refusal: RbdError | None = None

    def content(self, device: str, fstype: str, timeout: float) -> Content:
        assert timeout > 0
        self.log.append(f"content {device} {fstype}")
        if self.refusal is not None:
            raise self.refusal
        return self.contents.get(device, BLANK)

    @contextlib.contextmanager
    def held(self, device: KrbdDevice) -> Iterator[None]:
        self.open.append(device.path)
        yield
        self.open.remove(device.path)

    def await_size(self, device: str, size: int, timeout: float) -> int:
        assert timeout >= 0
        self.log.append(f"await_size {device} {size}")
        self.waits.append(timeout)
        if self.patience:
            time.sleep(timeout)
        return self.sizes.get(device, 0)

    def erase(self, device: str, timeout: float) -> None:
        assert timeout > 0
        assert self.open == [device]
        self.log.append(f"erase {device}")
        self.contents[device] = replace(self.contents[device], fstype=None, signatures=(), unfinished=False)

    def mkfs(self, device: str, fstype: str, options: Sequence[str], blank: bool) -> None:
        assert self.open == [device]
        before = self.contents.get(device, BLANK)
        assert not before.signatures, "mkfs would ask before it overwrites"
        # What was never written to an encrypted device reads as noise.
        assert blank == before.ends_zero or device.startswith("/dev/mapper/")
        self.made.append((device, fstype, *options))
        self.contents[device] = Content(fstype)


@dataclass
class FakeFileSystems:
    """The file systems on the devices; where nothing is said, one as large as its device of 1 GiB.

    :ivar live: blocks by path, where the kernel knows more than the superblock on the device.
    """

    geometries: dict[str, Geometry] = field(default_factory=dict)
    live: dict[str, int] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def geometry(self, device: str, fstype: str, timeout: float) -> Geometry:
        assert timeout > 0
        self.log.append(f"geometry {device} {fstype}")
        return self.geometries.get(device, Geometry(1 << 18, 1 << 12))

    def mounted_geometry(self, geometry: Geometry, fstype: str, path: str, timeout: float) -> Geometry:
        assert timeout > 0
        self.log.append(f"mounted_geometry {path} {fstype}")
        return replace(geometry, blocks=self.live.get(path, geometry.blocks))

    def grow(self, geometry: Geometry, fstype: str, device: str, path: str, blocks: int) -> None:
        assert blocks > geometry.blocks, "nothing is ever shrunk"
        self.log.append(f"grow {fstype} {device} {path} {blocks}")
        self.live[path] = blocks
