# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pool or a namespace holds, and the refusal to remove one that holds something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ._errors import RbdError

# Enough to recognise what it is about; a pool may hold thousands of images.
_SHOWN = 3

# What librbd and the manager's module rbd_support keep in a pool beside the images and their groups
# (src/include/rbd_types.h, src/pybind/mgr/rbd_support).
CONTROL_OBJECTS = frozenset(
    {
        "rbd_children",
        "rbd_directory",
        "rbd_group_directory",
        "rbd_info",
        "rbd_mirror_leader",
        "rbd_mirror_snapshot_schedule",
        "rbd_mirroring",
        "rbd_namespace",
        "rbd_task",
        "rbd_trash",
        "rbd_trash_purge_schedule",
    }
)


@dataclass(frozen=True)
class Content:
    """What would be lost; names in a namespace are given as ``<namespace>/<name>``.

    :ivar images: the images.
    :ivar trash: what the images in the trash were called.
    :ivar groups: the groups of images.
    :ivar other: an object that belongs to none of these; looked for only where there are none of these.
    """

    images: tuple[str, ...] = ()
    trash: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    other: str | None = None

    def __str__(self) -> str:
        parts = [
            *_named(self.images, "image", "images"),
            *_named(self.trash, "image in the trash", "images in the trash"),
            *_named(self.groups, "group", "groups"),
            *([f"objects that are no image's, such as {self.other}"] if self.other else []),
        ]
        return " and ".join(parts) or "nothing"

    def __bool__(self) -> bool:
        return bool(self.images or self.trash or self.groups or self.other)


def require_empty(what: str, content: Content, advice: str) -> None:
    """Refuse to remove what is not empty.

    :param what: the removal, as for :class:`RbdError`.
    :raises RbdError: it holds something.
    """
    if content:
        raise RbdError(what, f"it holds {content}", advice)


def _named(names: Sequence[str], one: str, many: str) -> list[str]:
    """Count and some names, as ``5 images (a, b, c and 2 more)``; nothing for no names."""
    if not names:
        return []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{len(names)} {one if len(names) == 1 else many} ({', '.join(names[:_SHOWN])}{more})"]
