# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans an image: what makes it, changes it, moves it to the trash or removes it."""

from __future__ import annotations

from collections.abc import Sequence

from ._errors import RbdError
from ._image_actions import ImageAction, PurgeSnapshots, RemoveImage, TrashImage
from ._image_changes import plan_changes
from ._image_creation import plan_creation
from ._image_facts import ImageFacts
from ._image_use import require_unused
from ._image_wish import ImageCurrent, ImageRequest


def plan_image(
    index: int, request: ImageRequest, current: ImageCurrent, check_mode: bool = False
) -> Sequence[ImageAction]:
    """The steps for one image.

    :param check_mode: an image that is mapped here may be one that an earlier task of the same run
        would have unmapped.
    :raises RbdError: it cannot become what it shall be, or not while it is in use.
    """
    if request.state == "absent":
        return _plan_absent(index, request, current, check_mode)
    if request.state == "trashed":
        return _plan_trashed(index, request, current, check_mode)
    if current.facts is not None:
        _refuse_both_names(request, current)
        return plan_changes(index, request, current, current.facts, check_mode)
    made = plan_creation(index, request, current, check_mode)
    return [made, *plan_changes(index, request, current, made.facts, check_mode)]


def outcome(actions: Sequence[ImageAction], facts: ImageFacts | None) -> ImageFacts | None:
    """The image's facts once all the steps are done; None without an image."""
    for action in actions:
        facts = action.outcome(facts)
    return facts


def _refuse_both_names(request: ImageRequest, current: ImageCurrent) -> None:
    if request.renamed_from is not None and current.former is not None:
        raise RbdError(
            f"rename {request.renamed_from} to {request.spec}",
            "both names are there, as two images",
            "Find out which one is meant, and remove or rename the other, or leave renamed_from out.",
        )


def _plan_trashed(index: int, request: ImageRequest, current: ImageCurrent, check_mode: bool) -> Sequence[ImageAction]:
    if current.facts is None:
        return []
    require_unused(f"move {request.spec} to the trash", current.facts, current.mapped, check_mode)
    return [TrashImage(index, request.name, request.spec, current.facts.size, request.retention)]


def _plan_absent(index: int, request: ImageRequest, current: ImageCurrent, check_mode: bool) -> Sequence[ImageAction]:
    facts = current.facts
    if facts is None:
        return []
    what = f"remove {request.spec}"
    require_unused(what, facts, current.mapped, check_mode)
    if facts.children:
        clones = ", ".join(str(child) for child in facts.children)
        raise RbdError(
            what,
            f"its snapshots have clones: {clones}",
            "Flatten the clones (rbd_image, flatten), or remove them first.",
        )
    if facts.hidden_snapshots:
        raise RbdError(
            what,
            "it has snapshots of a group, of mirroring, or removed ones",
            f"'rbd snap ls --all {request.spec}' shows them; take it out of its group, or disable mirroring.",
        )
    remove = RemoveImage(index, request.name, request.spec, facts.size)
    if not facts.snapshots:
        return [remove]
    if not request.purge_snapshots:
        raise RbdError(
            what,
            f"it has snapshots: {', '.join(facts.snapshots)}",
            "Remove them first (rbd_snapshot), or set purge_snapshots to true if they may go with it.",
        )
    if facts.children is None:
        raise RbdError(
            what,
            "whether its snapshots have clones cannot be told, since the user may not look into every pool",
            "Run this as client.admin, or as a user with osd 'profile rbd' for each pool that holds clones.",
        )
    return [PurgeSnapshots(index, request.name, request.spec, facts.snapshots, facts.protected), remove]
