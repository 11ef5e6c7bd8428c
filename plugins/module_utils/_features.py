# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The features of an image by name, and which of them keep a kernel from mapping it."""

from __future__ import annotations

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


def feature_names(mask: int) -> tuple[str, ...]:
    """The names of the features in a mask; a bit without a name is shown as its number."""
    known = [name for name, bit in FEATURES.items() if mask & bit]
    rest = mask & ~sum(FEATURES.values())
    unknown = [f"bit {number}" for number in range(rest.bit_length()) if rest & (1 << number)]
    return tuple(known + unknown)


def unmappable(features: int, supported: int, read_only: bool) -> tuple[str, ...]:
    """The image's features that a kernel lacks and needs.

    :param features: the image's features.
    :param supported: what the kernel can map: ``/sys/bus/rbd/supported_features``.
    :param read_only: whether the mapping is to be read-only.
    """
    lacking = features & ~supported
    return feature_names(lacking & _NEEDED_TO_READ if read_only else lacking)
