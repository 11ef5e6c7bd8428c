# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the mappings of the images that are meant from those of other clusters."""

from __future__ import annotations

from .._errors import ClusterUnprepared
from .._krbd_device import KrbdDevice
from .._system import cluster
from ._warnings import Warnings


def of_own_cluster(
    named: tuple[KrbdDevice, ...], session: cluster.ClusterSession, warnings: Warnings
) -> tuple[KrbdDevice, ...]:
    """Those of some mappings that are of the session's cluster.

    In check mode, on a host that is not prepared to ask, all of them are taken for it.
    """
    try:
        fsid = session.fsid()
    except ClusterUnprepared as error:
        warnings.excuse_unprepared(error)
        return named
    return tuple(device for device in named if device.fsid == fsid)
