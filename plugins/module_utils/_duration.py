# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spans of time, as people write them."""

from __future__ import annotations

import re

from ._errors import RbdError

_SECONDS = {"w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}

_DURATION = re.compile(rf"([0-9]{{1,10}}) ?([{''.join(_SECONDS)}])")

# Ceph's clock (utime_t) counts seconds in 32 bits and ends in 2106. What is added to it must not get there.
_LIMIT = 50 * 365 * 86400

_FORMS = "Write a whole number with its unit (w, d, h, m or s for weeks, days, hours, minutes or seconds), such as 7d."


def parse_duration(text: str | int) -> int:
    """Read a span of time with its unit.

    A bare number is refused: some tools take it as seconds, others as days.

    :param text: for example ``2w``, ``7d``, ``12h``, ``90m`` or ``0s``.
    :returns: seconds, from 0 to 50 years of 365 days.
    :raises RbdError: the text is not such a span.
    """
    shown = str(text).strip()
    what = f"read the duration {shown!r}"
    if re.fullmatch(r"[0-9]+", shown):
        raise RbdError(what, "it has no unit, and could be meant in seconds as well as in days", _FORMS)
    found = _DURATION.fullmatch(shown)
    if found is None:
        raise RbdError(what, "it is not a whole number with a unit", _FORMS)
    seconds = int(found.group(1)) * _SECONDS[found.group(2)]
    if seconds > _LIMIT:
        raise RbdError(what, "it is longer than 50 years, and Ceph's clock ends in 2106", "Give a shorter one.")
    return seconds
