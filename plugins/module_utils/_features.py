# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The features of an image by name: which a user may declare, how they depend on each other, which a kernel lacks."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ._errors import RbdError

# src/include/rbd/features.h
FEATURES = {
    "layering": 1 << 0,
    "striping": 1 << 1,
    "exclusive-lock": 1 << 2,
    "object-map": 1 << 3,
    "fast-diff": 1 << 4,
    "deep-flatten": 1 << 5,
    "journaling": 1 << 6,
    "data-pool": 1 << 7,
    "operations": 1 << 8,
    "migrating": 1 << 9,
    "non-primary": 1 << 10,
    "dirty-cache": 1 << 11,
}

# RBD_FEATURES_INCOMPATIBLE of the same file: without them a client can neither read nor write the
# image. All the others only keep it from writing, so a read-only mapping may lack them.
_NEEDED_TO_READ = FEATURES["layering"] | FEATURES["striping"] | FEATURES["data-pool"] | FEATURES["dirty-cache"]

# What librbd sets by itself, and where it comes from.
_IMPLIED = {
    "striping": "stripe_unit and stripe_count",
    "data-pool": "data_pool",
    "operations": "what librbd does with the image",
    "migrating": "'rbd migration'",
    "non-primary": "'rbd mirror'",
    "dirty-cache": "a persistent write-back cache",
}
# librbd enables and disables object-map and fast-diff together, whichever is named (Operations<I>::update_features()
# in src/librbd/Operations.cc and create() in src/librbd/internal.cc).
_NEEDS = {
    "object-map": ("exclusive-lock", "fast-diff"),
    "fast-diff": ("object-map",),
    "journaling": ("exclusive-lock",),
}

DECLARABLE = tuple(name for name in FEATURES if name not in _IMPLIED)
DECLARABLE_MASK = sum(FEATURES[name] for name in DECLARABLE)

OBJECT_MAP = FEATURES["object-map"]

# RBD_OPERATION_FEATURE_CLONE_CHILD of the same file: a clone of version 2.
CLONE_CHILD = 1 << 1

# RBD_FLAG_OBJECT_MAP_INVALID and RBD_FLAG_FAST_DIFF_INVALID of src/include/rbd/librbd.h
FLAGS = {"object-map-invalid": 1 << 0, "fast-diff-invalid": 1 << 1}


def feature_names(mask: int) -> tuple[str, ...]:
    """The names of the features in a mask; a bit without a name is shown as its number."""
    known = [name for name, bit in FEATURES.items() if mask & bit]
    rest = mask & ~sum(FEATURES.values())
    unknown = [f"bit {number}" for number in range(rest.bit_length()) if rest & (1 << number)]
    return tuple(known + unknown)


def parse_features(names: Iterable[str]) -> int:
    """The mask of the features that a user declares.

    :raises RbdError: a name is unknown, is nothing to declare, or lacks the feature that it needs.
    """
    wanted = tuple(names)
    for name in wanted:
        if name not in FEATURES:
            close = difflib.get_close_matches(name, DECLARABLE, n=1)
            meant = f"Did you mean {close[0]}? " if close else ""
            raise RbdError(
                f"use the feature {name!r}",
                "librbd has no feature of that name",
                f"{meant}The names are {', '.join(DECLARABLE)}.",
            )
        if name in _IMPLIED:
            raise RbdError(
                f"use the feature {name!r}", f"librbd sets it by itself, from {_IMPLIED[name]}", "Leave it out."
            )
    for name in wanted:
        lacking = [needed for needed in _NEEDS.get(name, ()) if needed not in wanted]
        if lacking:
            raise RbdError(f"use the feature {name}", f"it needs {lacking[0]}", f"Add {' and '.join(lacking)}.")
    return sum(FEATURES[name] for name in set(wanted))


def with_operations(features: int, op_features: int) -> int:
    """The features of an image, of which ``operations`` is on exactly if there are any."""
    operations = FEATURES["operations"]
    return features | operations if op_features else features & ~operations


def change_features(what: str, wanted: int, actual: int) -> tuple[int, int]:
    """What has to be enabled and what disabled, so that of the declarable features exactly those wanted are on.

    librbd takes each of the two masks in one call, and sees to the order within it.

    :param what: the change, as for :class:`RbdError`.
    :returns: the mask to enable, the mask to disable.
    :raises RbdError: layering or deep-flatten would have to change in a way that librbd does not know.
    """
    have = actual & DECLARABLE_MASK
    enable, disable = wanted & ~have, have & ~wanted
    if (enable | disable) & FEATURES["layering"]:
        verb = "enabled" if enable & FEATURES["layering"] else "disabled"
        raise RbdError(
            what,
            f"layering cannot be {verb} once an image exists",
            "Declare the feature as the image has it, or copy the data into a new image.",
        )
    if enable & FEATURES["deep-flatten"]:
        raise RbdError(
            what,
            "deep-flatten can only be given to a new image, and later only be taken away",
            "Leave it out, or copy the data into a new image.",
        )
    return enable, disable


def unmappable(features: int, supported: int, read_only: bool) -> int:
    """The mask of the image's features that a kernel lacks and needs.

    :param features: the image's features.
    :param supported: what the kernel can map: ``/sys/bus/rbd/supported_features``.
    :param read_only: whether the mapping is to be read-only.
    """
    lacking = features & ~supported
    return lacking & _NEEDED_TO_READ if read_only else lacking


# What an image can do no more once it is without the feature; what is not here cannot be disabled.
LOSSES = {
    "exclusive-lock": "nothing keeps two clients from writing at the same time",
    "object-map": "diffs, exports, flattening and removal look at every object",
    "fast-diff": "diffs and usage look at every object",
    "deep-flatten": "flattening a clone leaves its snapshots with the parent, and it cannot be enabled again",
    "journaling": "mirroring by journal ends",
}


def losses(mask: int) -> list[tuple[str, str]]:
    """What is lost by disabling features: the name of each, and a clause."""
    return [(name, LOSSES[name]) for name in feature_names(mask) if name in LOSSES]
