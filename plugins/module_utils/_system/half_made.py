# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a creation that was cut off has left: librbd makes an image, and a clone still more so, in several steps."""

from __future__ import annotations

import contextlib
import time
from typing import Any, Callable

from .._errors import Overtaken
from .._image_spec import ImageSpec
from .bindings import rados, rbd
from .ceph_errors import NoImage
from .cluster import LibrbdSession
from .image_use import read_watchers
from .open_image import parent_of

# Seconds in which another run has made its image whole; each step is one request to an OSD. A clone gets its parent
# only once it is there (CloneRequest<I>::create_child(), attach_parent()).
MAKING = 5


def is_half_made(session: LibrbdSession, spec: ImageSpec, clone: bool) -> bool:
    """Whether there is a name without an image, or only an image that nobody can miss.

    :param clone: whether a clone is meant. Then that is an image without parent, snapshots and metadata, which nobody
        has open, and to which nothing was ever written.
    """
    try:
        with session.open(spec, f"look at {spec}") as image:
            kept = [parent_of(image), *image.list_snaps(), *image.metadata_list(), *read_watchers(image)]
        return clone and not any(kept) and session.first_written(spec) is None
    except NoImage:
        # That may also be said of an image whose parent is gone, and which has data.
        with session.pool(spec, f"look at {spec}") as ioctx:
            return not any(_exists(ioctx, header) for header in _headers(ioctx, spec.image))


def make_anew(session: LibrbdSession, spec: ImageSpec, make: Callable[[], None], clone: bool = False) -> None:
    """Make an image, also where one of that name was left half made.

    :raises Overtaken: another run has made it.
    """
    try:
        make()
    except Overtaken:
        give_up = time.monotonic() + MAKING
        while time.monotonic() < give_up:
            if not is_half_made(session, spec, clone):
                raise
            time.sleep(0.2)
        with session.pool(spec, f"remove what a creation of {spec} that was cut off has left") as ioctx:
            rbd.RBD().remove(ioctx, spec.image)
        make()


def _headers(ioctx: Any, name: str) -> list[str]:
    """The objects of which each makes an image; where they stand is in Ceph's src/include/rbd_types.h.

    The id of an image is in its own object and in the directory, behind its length in 4 bytes.
    """
    found = []
    with contextlib.suppress(rados.ObjectNotFound):
        found.append(ioctx.read(f"rbd_id.{name}"))
    with contextlib.suppress(rados.ObjectNotFound), rados.ReadOpCtx() as operation:
        values, _rc = ioctx.get_omap_vals_by_keys(operation, (f"name_{name}",))
        ioctx.operate_read_op(operation, "rbd_directory")
        found += [value for _key, value in values]
    return [f"{name}.rbd", *(f"rbd_header.{value[4:].decode()}" for value in found)]


def _exists(ioctx: Any, name: str) -> bool:
    try:
        ioctx.stat(name)
    except rados.ObjectNotFound:
        return False
    return True
