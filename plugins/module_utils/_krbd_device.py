# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A live mapping, as the kernel shows it under ``/sys/bus/rbd/devices``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Callable

from ._crypt_device import CryptDevice, from_crypt_path
from ._image_spec import ImageSpec
from ._mountinfo import Mount


@dataclass(frozen=True)
class KrbdDevice:
    """One live mapping.

    :ivar number: N in ``/dev/rbdN``.
    :ivar fsid: the cluster that the image lives in.
    :ivar image_id: the image's id; it survives a rename, unlike the name.
    :ivar devno: major and minor number of the block device.
    :ivar client: the kernel's client in the cluster, as ``client.4123``; it is what watches the image.
    :ivar features: mask of those that the image had when it was mapped, which the kernel keeps to.
    :ivar config: the options in force as the kernel got them (``config_info``), key material left out
        by the kernel itself.
    :ivar crypts: what dm-crypt has opened on it; for an encrypted image that holds the file system.
    """

    number: int
    fsid: str
    spec: ImageSpec
    image_id: str
    size: int
    read_only: bool
    devno: tuple[int, int]
    config: str
    client: str = ""
    features: int = 0
    crypts: tuple[CryptDevice, ...] = ()

    @property
    def path(self) -> str:
        return f"/dev/rbd{self.number}"

    @property
    def opened(self) -> CryptDevice | None:
        """What an encrypted image is opened as, under the name that it has on every host."""
        return next((crypt for crypt in self.crypts if from_crypt_path(crypt.path) == self.spec), None)

    @property
    def options(self) -> tuple[str, ...]:
        """The words of the options part of ``config_info``: ``<mons> <options> <pool> <image> <snap>``."""
        parts = self.config.split(" ")
        return tuple(parts[1].split(",")) if len(parts) > 1 else ()

    @property
    def user(self) -> str | None:
        """The cephx user that mapped it, without ``client.``."""
        for word in self.options:
            if word.startswith("name="):
                return word[len("name=") :]
        return None


def mapped_as(devices: Iterable[KrbdDevice], spec: ImageSpec) -> tuple[KrbdDevice, ...]:
    """The mappings of that name, whatever their cluster."""
    return tuple(device for device in devices if device.spec == spec)


def mappings_of(devices: Iterable[KrbdDevice], image_id: str, fsid: Callable[[], str]) -> tuple[KrbdDevice, ...]:
    """The mappings of an image, under whatever name, and of its own cluster alone.

    :param fsid: gives the cluster's identity; asked only if there may be such mappings.
    """
    same_id = [device for device in devices if device.image_id == image_id]
    return tuple(device for device in same_id if device.fsid == fsid())


def mapped_under_other_names(
    devices: Iterable[KrbdDevice], spec: ImageSpec, fsid: str, image_id: str
) -> list[KrbdDevice]:
    """The mappings for writing of an image that had another name when it was mapped."""
    return [
        device
        for device in devices
        if (device.fsid, device.image_id) == (fsid, image_id) and device.spec.head != spec.head and not device.read_only
    ]


def clients_of(devices: Iterable[KrbdDevice], fsid: str | None) -> set[str]:
    """What this host's kernel is to one cluster, in which alone the number of a client is its own."""
    return {device.client for device in devices if device.fsid == fsid}


def mounts_of(device: KrbdDevice, mounts: Iterable[Mount]) -> tuple[Mount, ...]:
    """The mounts of a mapping, or of what is opened on it, in the table's order.

    btrfs shows an anonymous device number in mountinfo, so there the source tells.
    """
    names = {device.path, device.spec.device, *(crypt.path for crypt in device.crypts)}
    numbers = {device.devno, *(crypt.devno for crypt in device.crypts)}
    return tuple(
        mount for mount in mounts if mount.devno in numbers or (mount.fstype == "btrfs" and mount.source in names)
    )


def parse_devno(text: str) -> tuple[int, int]:
    """``major:minor`` as sysfs and mountinfo write it."""
    found = re.fullmatch(r"(\d+):(\d+)", text.strip())
    if found is None:
        raise ValueError(f"not a device number: {text!r}")
    return int(found.group(1)), int(found.group(2))
