# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares declared map options with those in force, as the kernel shows them in ``config_info``."""

from __future__ import annotations

from ._krbd_device import KrbdDevice
from ._map_options import KNOWN, MapOptions

# The rbd command adds a port to ip=, and from Ceph 20 on an ms_mode of its own where none is given.
_RESPELLED = "ip="
_ADDED = {"ms_mode", "ip"}


def lacking_options(options: MapOptions, device: KrbdDevice) -> list[str]:
    """The declared options that are not in force; none where only root may read which are."""
    wanted = [word for word in str(options.for_kernel()).split(",") if word and not word.startswith(_RESPELLED)]
    return [word for word in wanted if word not in device.options] if device.config else []


def surplus_options(options: MapOptions, device: KrbdDevice) -> list[str]:
    """The options in force that nobody has declared, other than those that are lacking with another value.

    They are those of an earlier declaration, or of ``rbd_default_map_options`` in ceph.conf.
    """
    named = {word.partition("=")[0] for word in str(options.for_kernel()).split(",")}
    foreign = KNOWN - named - _ADDED - {"ro", "rw"}
    return [word for word in device.options if word.partition("=")[0] in foreign]
