# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks whose holders do not watch their images: these may be dead, or come back."""

from __future__ import annotations

import time

from .._image_spec import ImageSpec
from .._image_use import ImageUse, left_lock, require_writable
from .._krbd_device import clients_of
from .._system import cluster, krbd

# OSDs that were cut off for longer than osd_client_watch_timeout (30 s) have forgotten who watches an image. The
# watchers' kernels try to connect again at least every 30 s (CEPH_MONC_HUNT_MAX_MULT) and 15 s (MAX_DELAY_INTERVAL).
COMEBACK = 60
_POLL = 1


class LeftLocks:
    """The locks that were found left in one run."""

    def __init__(self, session: cluster.ClusterSession, kernel: krbd.KernelRbd) -> None:
        self._session = session
        self._kernel = kernel
        self._found: dict[ImageSpec, float] = {}

    def note(self, spec: ImageSpec, use: ImageUse) -> list[str]:
        """Keep in mind that the image's lock was left, if so, and return what to warn of."""
        sentence = left_lock(spec, use)
        if sentence is None:
            return []
        self._found[spec] = time.monotonic()
        return [sentence]

    def await_holder(self, spec: ImageSpec) -> None:
        """Give the holder of a lock that was found left the time to watch the image again.

        :raises RbdError: it is back, or another host uses the image.
        """
        while spec in self._found:
            use = self._session.use_of(spec)
            # What another run on this host has mapped meanwhile is no stranger's; the map itself then finds it.
            others = use.without(*clients_of(self._kernel.devices(), self._session.fsid()))
            require_writable(f"map {spec}", spec, others, shared=False)
            if left_lock(spec, use) is None or time.monotonic() >= self._found[spec] + COMEBACK:
                return
            time.sleep(_POLL)
