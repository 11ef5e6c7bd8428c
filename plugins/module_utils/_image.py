# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans an image: create, grow, remove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ._errors import RbdError
from ._image_facts import ImageFacts
from ._image_spec import ImageSpec
from ._krbd_device import KrbdDevice
from ._plan import Action
from ._size import format_size


@dataclass(frozen=True)
class ImageRequest:
    """What an image shall be.

    :ivar state: ``present`` or ``absent``.
    :ivar size: bytes, or None: the image must exist, whatever its size.
    """

    spec: ImageSpec
    state: str
    size: int | None

    @property
    def name(self) -> str:
        return str(self.spec)


@dataclass(frozen=True)
class CreateImage(Action):
    kind: ClassVar[str] = "create"

    spec: ImageSpec
    size: int

    def before(self) -> str:
        return "absent"

    def after(self) -> str:
        return f"image of {format_size(self.size)}"

    def result(self) -> dict[str, Any]:
        return {**super().result(), "size": self.size}


@dataclass(frozen=True)
class GrowImage(Action):
    kind: ClassVar[str] = "grow"

    spec: ImageSpec
    old: int
    size: int

    def before(self) -> str:
        return f"image of {format_size(self.old)}"

    def after(self) -> str:
        return f"image of {format_size(self.size)}"

    def result(self) -> dict[str, Any]:
        return {**super().result(), "size": self.size}


@dataclass(frozen=True)
class RemoveImage(Action):
    kind: ClassVar[str] = "remove"

    spec: ImageSpec
    size: int

    def before(self) -> str:
        return f"image of {format_size(self.size)}"

    def after(self) -> str:
        return "absent"


def plan_image(
    index: int,
    request: ImageRequest,
    facts: ImageFacts | None,
    mapped: Sequence[KrbdDevice] = (),
    check_mode: bool = False,
) -> list[Action]:
    """The steps for one image.

    :param facts: the image as it is, or None without such an image.
    :param mapped: the image's mappings on this host.
    :param check_mode: an image that is mapped here may be one that an earlier task of the same run
        would have unmapped.
    :raises RbdError: it would shrink, it lacks a size, or it is in use.
    """
    if request.state == "absent":
        return _plan_absent(index, request, facts, () if check_mode else mapped, bool(mapped) and check_mode)
    if facts is None:
        return [_create(index, request)]
    if request.size is None or request.size == facts.size:
        return []
    if request.size < facts.size:
        raise RbdError(
            f"resize {request.spec}",
            f"it has {format_size(facts.size)}, more than the {format_size(request.size)} asked for, "
            "and to shrink an image destroys data",
            f"Ask for {format_size(facts.size)} or more.",
        )
    return [GrowImage(index, request.name, request.spec, facts.size, request.size)]


def _create(index: int, request: ImageRequest) -> Action:
    if request.size is None:
        raise RbdError(
            f"find the image {request.spec}",
            f"pool {request.spec.pool_path} has no such image, and no size is given to create it with",
            "Check the name, or give a size, for example 20G.",
        )
    return CreateImage(index, request.name, request.spec, request.size)


def _plan_absent(
    index: int, request: ImageRequest, facts: ImageFacts | None, mapped: Sequence[KrbdDevice], own_watch: bool
) -> list[Action]:
    if facts is None:
        return []
    what = f"remove {request.spec}"
    if mapped:
        raise RbdError(
            what, f"it is mapped on this host as {mapped[0].path}", "Unmap it first (rbd_map, state absent)."
        )
    if facts.watchers and not own_watch:
        raise RbdError(
            what,
            f"it is in use by {', '.join(str(watcher) for watcher in facts.watchers)}",
            "Unmap or close it there first.",
        )
    if facts.snapshots:
        raise RbdError(what, f"it has snapshots: {', '.join(facts.snapshots)}", "Remove them first.")
    return [RemoveImage(index, request.name, request.spec, facts.size)]
