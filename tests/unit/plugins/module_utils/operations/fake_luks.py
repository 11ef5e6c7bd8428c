# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encrypted devices as small things in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.cephclient.rbd.plugins.module_utils._crypt_device import CryptDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._filesystem import Content
from ansible_collections.cephclient.rbd.plugins.module_utils._krbd_device import KrbdDevice
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fake_devices import FakeDevices
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeFiles, FakeKernel

OFFSET = 16 << 20


@dataclass
class FakeLuks:
    """What opens each device, and what is opened.

    :ivar keys: the key of each encrypted device.
    :ivar looked: the seconds that each look at an opened device was given.
    :ivar silence: the answer to such a look.
    """

    kernel: FakeKernel
    devices: FakeDevices
    files: FakeFiles
    keys: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    looked: list[float] = field(default_factory=list)
    silence: RbdError | None = None

    def format(self, device: str, key_file: str, options: Sequence[str]) -> None:
        assert self.devices.open == [device], "it must be held while it is written to"
        self.log.append(" ".join(["format", device, *options]))
        self.keys[device] = self.files.texts[key_file]
        self.devices.contents[device] = Content(fstype="crypto_LUKS")

    def try_key(self, device: str, key_file: str, key: str | None) -> None:
        self.log.append(f"try {device}")
        if self.keys[device] != (self.files.texts[key_file] if key is None else key):
            raise RbdError(f"open {device}", "the key opens none of its key slots", "Give another one.")

    def open(self, device: str, name: str, key_file: str, read_only: bool) -> None:
        self.log.append(f"open {device} {name}" + (" read-only" if read_only else ""))
        self.try_key(device, key_file, None)
        below = self._below(device)
        crypt = CryptDevice(name, (253, below.number), below.size - OFFSET)
        self._put(below, (*below.crypts, crypt))

    def resize(self, name: str, key_file: str) -> None:
        self.log.append(f"resize {name}")
        below = self._under(name)
        self.try_key(below.path, key_file, None)
        self._put(below, tuple(replace(crypt, size=below.size - OFFSET) for crypt in below.crypts))

    def close(self, name: str, timeout: float) -> None:
        assert timeout > 0
        self.log.append(f"close {name}")
        self._put(self._under(name), ())

    def offset(self, name: str, timeout: float) -> int:
        assert timeout > 0
        assert self._under(name)
        self.looked.append(timeout)
        if self.silence is not None:
            raise self.silence
        return OFFSET

    def _below(self, path: str) -> KrbdDevice:
        return next(device for device in self.kernel.mapped if device.path == path)

    def _under(self, name: str) -> KrbdDevice:
        return next(device for device in self.kernel.mapped if name in [crypt.name for crypt in device.crypts])

    def _put(self, below: KrbdDevice, crypts: tuple[CryptDevice, ...]) -> None:
        self.kernel.mapped[self.kernel.mapped.index(below)] = replace(below, crypts=crypts)
