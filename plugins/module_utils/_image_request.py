# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what a user asks for an image."""

from __future__ import annotations

from typing import Any

from ._duration import parse_duration
from ._errors import RbdError
from ._features import parse_features
from ._image_spec import ImageSpec
from ._image_wish import ImageRequest, LayoutWish
from ._settings import parse_settings
from ._size import format_size, parse_size

# librbd takes orders from 12 to 25 (CreateRequest<I>::validate_order() in src/librbd/image/CreateRequest.cc).
_SMALLEST_OBJECT, _LARGEST_OBJECT = 1 << 12, 1 << 25


def parse_image(item: dict[str, Any]) -> ImageRequest:
    """One item of rbd_image's request.

    :raises RbdError: an option cannot be understood, or contradicts another one.
    """
    spec = _image(item["image"])
    _refuse_contradictions(spec, item)
    present = item["state"] == "present"
    return ImageRequest(
        spec=spec,
        state=item["state"],
        size=None if item["size"] is None else parse_size(item["size"]),
        features=None if item["features"] is None else parse_features(item["features"]),
        layout=_layout(item),
        parent=_parent(spec, item["parent"]),
        flatten=bool(item["flatten"]),
        shrink=bool(item["shrink"]),
        config=parse_settings("config", item["config"], bool(item["purge_config"])) if present else None,
        metadata=parse_settings("metadata", item["metadata"], bool(item["purge_metadata"])) if present else None,
        source=None if item["source"] is None else (item["source"], item["source_format"]),
        retention=0 if item["retention"] is None else parse_duration(item["retention"]),
        restore=item["restore"] is not False,
        renamed_from=_former(spec, item["renamed_from"]),
        purge_snapshots=bool(item["purge_snapshots"]),
    )


def _image(text: str) -> ImageSpec:
    spec = ImageSpec.parse(text)
    if spec.snap is not None:
        raise RbdError(f"manage {spec}", "it is a snapshot, not an image", "Leave out the part from the @ on.")
    return spec


def _refuse_contradictions(spec: ImageSpec, item: dict[str, Any]) -> None:
    what = f"manage {spec}"
    if item["parent"] is not None and item["source"] is not None:
        raise RbdError(what, "both parent and source say what it is made from", "Give one of them.")
    if item["source_format"] is not None and item["source"] is None:
        raise RbdError(what, "source_format is given without a source", "Give the source, too.")


def _layout(item: dict[str, Any]) -> LayoutWish:
    size = None if item["object_size"] is None else parse_size(item["object_size"])
    if size is not None and (size & (size - 1) or not _SMALLEST_OBJECT <= size <= _LARGEST_OBJECT):
        raise RbdError(
            f"use an object_size of {format_size(size)}",
            f"it is not a power of two from {format_size(_SMALLEST_OBJECT)} to {format_size(_LARGEST_OBJECT)}",
            "Leave it out for librbd's default of 4 MiB.",
        )
    count = item["stripe_count"]
    if count is not None and count < 1:
        raise RbdError(f"use a stripe_count of {count}", "it is less than 1", "Give the number of objects in a stripe.")
    unit = None if item["stripe_unit"] is None else parse_size(item["stripe_unit"])
    return LayoutWish(size, unit, count, item["data_pool"])


def _parent(spec: ImageSpec, text: str | None) -> ImageSpec | None:
    if text is None:
        return None
    parent = ImageSpec.parse(text)
    if parent.snap is None:
        raise RbdError(
            f"clone {parent} to {spec}",
            "it is an image, and a clone is made of a snapshot",
            f"Name the snapshot: {parent}@<snap>.",
        )
    if parent.head == spec:
        raise RbdError(f"clone {parent} to {spec}", "an image cannot be a clone of itself", "Use another name.")
    return parent


def _former(spec: ImageSpec, text: str | None) -> ImageSpec | None:
    if text is None:
        return None
    former = _image(text)
    if (former.pool, former.namespace) != (spec.pool, spec.namespace):
        raise RbdError(
            f"rename {former} to {spec}",
            "an image keeps its pool and namespace when it is renamed",
            "Name an image of the same pool and namespace; 'rbd migration' moves one elsewhere.",
        )
    if former == spec:
        raise RbdError(f"rename {former} to {spec}", "both names are the same", "Leave renamed_from out.")
    return former
