# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of images, in bytes, as people write them and as they are shown."""

from __future__ import annotations

import re

from ._errors import RbdError

_PREFIXES = "KMGTPE"

# The spellings of strict_iec_cast() in ceph's src/common/strtol.cc: K, Ki, KB and KiB are all 1024.
# The blank is ours, so that what format_size() and `rbd info` print can be read back.
_SIZE = re.compile(rf"([0-9]{{1,20}}) ?(?:B|([{_PREFIXES}])i?B?)")

# A block device ends at a signed 64-bit offset (loff_t).
_LIMIT = 2**63

_FORMS = "Write a whole number with its unit (B, or K, M, G, T, P, E for powers of 1024), for example 20G or 1048576B."


def parse_size(text: str | int) -> int:
    """Read a size with its unit.

    A bare number is refused: the rbd command takes it as MiB (ImageSize in
    src/tools/rbd/ArgumentTypes.cc), librbd as bytes, and neither is what every reader expects.

    :param text: for example ``20G``, ``512MiB`` or ``1048576B``.
    :returns: the size in bytes, from 1 to 2**63 - 1.
    :raises RbdError: the text is not such a size.
    """
    shown = str(text).strip()
    what = f"read the size {shown!r}"
    if re.fullmatch(r"[0-9]+", shown):
        raise RbdError(what, "it has no unit, and the rbd command would take the bare number as MiB", _FORMS)
    found = _SIZE.fullmatch(shown)
    if found is None:
        raise RbdError(what, "it is not a whole number with a unit", _FORMS)
    number, prefix = found.groups()
    size = int(number) << (10 * (_PREFIXES.index(prefix) + 1) if prefix else 0)
    if size == 0:
        raise RbdError(what, "an image of no bytes cannot be used", _FORMS)
    if size >= _LIMIT:
        raise RbdError(what, "a block device must be smaller than 8E", _FORMS)
    return size


def format_size(size: int) -> str:
    """Show a size exactly, in the largest unit that divides it: ``20 GiB``, ``1536 MiB``, ``1000 B``.

    :param size: bytes; a difference may be negative.
    """
    power = 0
    while size and size % 1024 == 0 and power < len(_PREFIXES):
        size //= 1024
        power += 1
    return f"{size} {_PREFIXES[power - 1]}iB" if power else f"{size} B"
