# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a cluster answers and takes data, asked before the kernel is given something to do with an image of it."""

from __future__ import annotations

from collections.abc import Iterable

from .._errors import ClusterSilent, NoRoom, RbdError
from .._image_spec import ImageSpec
from .._krbd_device import KrbdDevice
from .._system import cluster
from ._warnings import Warnings


def require_answer(session: cluster.ClusterSession, what: str, spec: ImageSpec) -> None:
    """Refuse what the kernel would wait for as long as the cluster is away.

    The kernel has no time-out of its own: with the OSDs stopped an unmap was in uninterruptible sleep until they
    answered (Linux 6.1), and so is an umount, or a look at a directory of the file system.

    :param what: what shall be done, as for :class:`RbdError`.
    :raises ClusterSilent: the cluster does not answer. That it refuses is an answer.
    """
    try:
        session.look_up(spec)
    except ClusterSilent as error:
        raise ClusterSilent(
            what,
            f"{error.cause}, and the kernel would wait for it without end",
            "Bring the cluster or the network back, then run again.",
        ) from error
    except RbdError:
        return


def require_room(
    session: cluster.ClusterSession, what: str, spec: ImageSpec, devices: Iterable[KrbdDevice], warnings: Warnings
) -> None:
    """Refuse what would write to a full cluster: the kernel keeps it back until there is room again.

    As in target_should_be_paused() of net/ceph/osd_client.c. The kernel has a session of its own: what is mapped is
    mounted, unmounted and unmapped also where this user has no key, or may not look.

    :param what: what shall be done, as for :class:`RbdError`.
    :param devices: what it would write to; nothing, if all of them are read-only.
    :raises NoRoom: there is no room.
    :raises ClusterSilent: the cluster does not answer.
    """
    if all(device.read_only for device in devices):
        return
    try:
        session.require_room(what, spec)
    except (NoRoom, ClusterSilent):
        raise
    except RbdError as error:
        asked = RbdError(f"ask whether {spec} has room, without which the kernel waits", error.cause, error.advice)
        warnings.add([str(asked)])
