# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of this host that have died with an image open, and that the cluster still takes for users of it."""

from __future__ import annotations

import contextlib
import re
import time

from .._image_facts import ImageFacts
from .._image_spec import ImageSpec
from .bindings import rados
from .cluster import LibrbdSession

# Seconds in which the OSDs forget a client that they do not hear of; osd_client_watch_timeout is 30 by default.
FORGETTING = 35

# An entity_addr_t, such as 192.0.2.1:0/4123 or v2:[2001:db8::1]:0/4123.
_ADDRESS = re.compile(r"(?:v[12]:)?(.*):\d+/\d+")


class DeadClients:
    """Waits for the dead clients of one run's images, for all of them together: most have died at the same moment."""

    def __init__(self, session: LibrbdSession) -> None:
        self._session = session
        self._give_up: float | None = None

    def await_forgotten(self, spec: ImageSpec, facts: ImageFacts) -> bool:
        """Wait until all who have an image open have answered or are forgotten, or the time is over.

        Clients of another host are not waited for: one that does not answer may be cut off, and come back.

        :param spec: of the image, or of one beside it in the same pool and namespace.
        :returns: whether somebody may have been forgotten meanwhile, so that it is worth looking again.
        :raises RbdError: the cluster could not be asked.
        """
        with self._session.pool(spec, f"ask who uses {spec}") as ioctx:
            here = _host(self._session.connected().get_addrs())
            if any(_host(watcher.address) != here for watcher in facts.watchers):
                return False
            if self._give_up is None:
                self._give_up = time.monotonic() + FORGETTING
            left = self._give_up - time.monotonic()
            if left < 1:
                return False
            with contextlib.suppress(rados.TimedOut, rados.ObjectNotFound):
                # An empty notification has librbd and the kernel look at the image anew, and then answer
                # (ImageWatcher<I>::handle_notify() of src/librbd/ImageWatcher.cc, rbd_watch_cb() of the kernel).
                ioctx.notify(f"rbd_header.{facts.image_id}", "", int(left * 1000))
            return True


def _host(address: str) -> str:
    found = _ADDRESS.fullmatch(address)
    return found.group(1) if found else address
