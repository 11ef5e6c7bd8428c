# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses an image, and whether a user may take over its lock: asked before it is mapped for writing."""

from __future__ import annotations

import contextlib
from typing import Any

from .._errors import RbdError
from .._image_facts import Watcher
from .._image_use import ImageUse
from .bindings import rados
from .open_image import lock_of, mirroring_of

# An address of the form that 'profile rbd' allows to blocklist, and that no client can have. The monitors look at the
# user's capabilities first, and then refuse the address (OSDMonitor.cc: "unable to parse address").
NOBODY = "preflight/0"
# A lock that nobody has ever taken.
_NO_LOCK = "cephclient.rbd.preflight"


def read_watchers(image: Any) -> tuple[Watcher, ...]:
    """Who has the image open for writing; one that is open read-only here is no watcher itself."""
    return tuple(Watcher(str(seen["addr"]), f"client.{seen['id']}") for seen in image.watchers_list())


def read_use(image: Any) -> ImageUse:
    """The use of an open image."""
    return ImageUse(read_watchers(image), lock_of(image), mirroring_of(image))


def try_unlock(ioctx: Any, image: str, image_id: str) -> None:
    """Unlock what is not locked: that changes nothing, but takes the right to.

    :param ioctx: of the image's pool and namespace.
    :param image_id: empty for an image of the old format.
    :raises rados.PermissionError: the user may not lock the image.
    """
    header = f"rbd_header.{image_id}" if image_id else f"{image}.rbd"
    with contextlib.suppress(rados.ObjectNotFound):
        ioctx.unlock(header, _NO_LOCK, _NO_LOCK)


def may_not_blocklist(what: str, user: str) -> RbdError:
    """Why an image with a lock may not be relied on.

    :param user: as ``client.app``.
    """
    return RbdError(
        what,
        f"{user} lacks the capability mon 'profile rbd'. It may not blocklist the dead owner of a lock, so that "
        "after a crash nobody could map the image again",
        f"Grant it beside those that it has ('ceph auth get {user}' shows them): "
        f"ceph auth caps {user} mon 'profile rbd' osd '...'. Or map the image read-only.",
    )
