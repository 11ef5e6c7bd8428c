# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans what has to change about an image that is there."""

from __future__ import annotations

from collections.abc import Mapping

from ._errors import RbdError
from ._features import OBJECT_MAP, change_features
from ._image_actions import (
    ChangeFeatures,
    ChangeSettings,
    FlattenImage,
    GrowImage,
    ImageAction,
    RebuildObjectMap,
    ShrinkImage,
)
from ._image_facts import ImageFacts
from ._image_use import require_unused
from ._image_wish import ImageCurrent, ImageRequest
from ._settings import SettingsWish
from ._size import format_size


def plan_changes(
    index: int, request: ImageRequest, current: ImageCurrent, facts: ImageFacts, check_mode: bool
) -> list[ImageAction]:
    """The steps from the image as it is, or as it has just been made, to the image as it shall be.

    :raises RbdError: something cannot be changed, or not while the image is in use.
    """
    _require_layout(request, facts)
    _require_parent(request, facts)
    change = _Change(index, request, current, check_mode)
    actions: list[ImageAction] = []
    for step in (change.flatten, change.resize, change.features, change.object_map, change.config, change.metadata):
        action = step(facts)
        if action is not None:
            actions.append(action)
            facts = action.outcome(facts) or facts
    return actions


def _require_layout(request: ImageRequest, facts: ImageFacts) -> None:
    """What is fixed when an image is created cannot be wished otherwise."""
    wish, layout = request.layout, facts.layout
    pool = layout.data_pool or request.spec.pool
    fixed = (
        ("object_size", wish.object_size, layout.object_size, format_size(layout.object_size)),
        ("stripe_unit", wish.stripe_unit, layout.stripe_unit, format_size(layout.stripe_unit)),
        ("stripe_count", wish.stripe_count, layout.stripe_count, str(layout.stripe_count)),
        ("data_pool", wish.data_pool, pool, pool),
    )
    for name, wanted, actual, shown in fixed:
        if wanted is not None and wanted != actual:
            raise RbdError(
                f"change {name} of {request.spec}",
                f"it was created with {shown}, and that cannot be changed afterwards",
                f"Declare it as it is, leave {name} out, or copy the data into a new image.",
            )


def _require_parent(request: ImageRequest, facts: ImageFacts) -> None:
    """An image that is there cannot be made a clone of something else; flattened, it is nobody's clone."""
    wanted = request.parent
    if wanted is None or facts.parent == wanted or (facts.parent is None and request.flatten):
        return
    what = f"make {request.spec} a clone of {wanted}"
    if facts.parent is None:
        raise RbdError(
            what,
            "it is there already, and shares nothing with a parent: it was flattened, or never was a clone",
            "Set flatten to true if that is as it shall be; otherwise use another name, or leave parent out.",
        )
    raise RbdError(what, f"it is a clone of {facts.parent}", "Declare that parent, or use another name.")


class _Change:
    """The steps for one image; each takes the image as the steps before it leave it."""

    def __init__(self, index: int, request: ImageRequest, current: ImageCurrent, check_mode: bool) -> None:
        self._request = request
        self._current = current
        self._check_mode = check_mode
        self._named = (index, request.name, request.spec)

    def flatten(self, facts: ImageFacts) -> ImageAction | None:
        if not self._request.flatten or facts.parent is None:
            return None
        return FlattenImage(*self._named, facts.parent)

    def resize(self, facts: ImageFacts) -> ImageAction | None:
        spec, size = self._request.spec, self._request.size
        if size is None or size == facts.size:
            return None
        if size > facts.size:
            return GrowImage(*self._named, facts.size, size)
        if not self._request.shrink:
            raise RbdError(
                f"resize {spec}",
                f"it has {format_size(facts.size)}, more than the {format_size(size)} asked for, "
                "and to shrink an image destroys data",
                f"Ask for {format_size(facts.size)} or more; if the data beyond {format_size(size)} may go, "
                "set shrink to true.",
            )
        self._require_unused(f"shrink {spec}", facts)
        return ShrinkImage(*self._named, facts.size, size)

    def features(self, facts: ImageFacts) -> ImageAction | None:
        if self._request.features is None:
            return None
        what = f"change the features of {self._request.spec}"
        enable, disable = change_features(what, self._request.features, facts.features)
        if not enable and not disable:
            return None
        # A kernel learns an image's features when it maps it. It would not keep an object map that is
        # enabled now, and whoever trusts that map would miss what the kernel writes
        # (rbd_dev_v2_header_onetime() in drivers/block/rbd.c).
        self._require_unused(what, facts)
        return ChangeFeatures(*self._named, facts.features, enable, disable)

    def object_map(self, facts: ImageFacts) -> ImageAction | None:
        """An object map that is wished shall also be valid."""
        wished = self._request.features is not None and self._request.features & OBJECT_MAP
        return RebuildObjectMap(*self._named) if wished and facts.flags else None

    def config(self, facts: ImageFacts) -> ImageAction | None:
        action = self._settings("config", self._request.config, facts.config)
        for name, reason in (self._current.config_faults or {}).items():
            if action is not None and action.changes.get(name, (None, None))[1] is not None:
                raise RbdError(
                    f"set the config {name} of {self._request.spec}",
                    reason,
                    f"'rbd config image ls {self._request.spec}' lists names and values.",
                )
        return action

    def metadata(self, facts: ImageFacts) -> ImageAction | None:
        return self._settings("metadata", self._request.metadata, facts.metadata)

    def _settings(
        self, what: str, wish: SettingsWish | None, actual: Mapping[str, str] | None
    ) -> ChangeSettings | None:
        changes = wish.changes(actual or {}) if wish is not None else {}
        return ChangeSettings(*self._named, what, changes) if changes else None

    def _require_unused(self, what: str, facts: ImageFacts) -> None:
        require_unused(what, facts, self._current.mapped, self._check_mode)
