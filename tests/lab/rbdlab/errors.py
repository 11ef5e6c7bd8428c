# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of the laboratory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

TAIL_LINES = 30


class LabError(Exception):
    """A sentence for a person: the object, the cause, and what to do.

    ``evidence`` holds log or console lines which are printed below the sentence.
    """

    def __init__(self, message: str, evidence: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.evidence = tuple(evidence)


class CancelledError(LabError):
    """A wait given up because another part of the laboratory has failed."""


class EndedError(LabError):
    """The process of a guest has ended, and its kernel has not said why."""


def tail(path: Path, lines: int = TAIL_LINES, offset: int = 0) -> list[str]:
    """Return the last lines of a log from a byte offset on; none if it cannot be read."""
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]
