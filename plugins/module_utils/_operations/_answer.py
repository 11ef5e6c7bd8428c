# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a cluster answers, asked before the kernel is given something to do with an image of it."""

from __future__ import annotations

from .._errors import ClusterSilent, RbdError
from .._image_spec import ImageSpec
from .._system import cluster


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
            "Bring the cluster or the network back, then run again. Nothing was changed.",
        ) from error
    except RbdError:
        return
