# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A path's owner, group and mode, and what kind of thing it is."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Ownership:
    """Owner, group and mode of a mount point; None leaves each as it is.

    :ivar uid: numeric owner.
    :ivar gid: numeric group.
    :ivar mode: permission bits.
    """

    uid: int | None = None
    gid: int | None = None
    mode: int | None = None

    def __str__(self) -> str:
        words = []
        if self.uid is not None:
            words.append(f"owner {self.uid}")
        if self.gid is not None:
            words.append(f"group {self.gid}")
        if self.mode is not None:
            words.append(f"mode {self.mode:04o}")
        return ", ".join(words)

    def differing_from(self, actual: Ownership) -> Ownership:
        """What of this is asked for and is not so."""
        return Ownership(
            self.uid if self.uid not in (None, actual.uid) else None,
            self.gid if self.gid not in (None, actual.gid) else None,
            self.mode if self.mode not in (None, actual.mode) else None,
        )

    def restricted_to(self, other: Ownership) -> Ownership:
        """What of this the other one speaks of, too."""
        return Ownership(
            None if other.uid is None else self.uid,
            None if other.gid is None else self.gid,
            None if other.mode is None else self.mode,
        )

    def __bool__(self) -> bool:
        return any(value is not None for value in (self.uid, self.gid, self.mode))


NO_OWNERSHIP = Ownership()


@dataclass(frozen=True)
class PathFacts:
    """A mount point as it is.

    :ivar real: the path with symbolic links resolved: mountinfo knows no others.
    :ivar kind: ``absent``, ``directory``, ``other`` or, where nobody looked, ``unknown``.
    :ivar empty: whether a directory has no entries.
    """

    real: str
    kind: str
    empty: bool
    ownership: Ownership


@dataclass(frozen=True)
class TextFile:
    """A file as it is. Its repr does not show what is in it, which may be a key.

    :ivar text: None where there is no file.
    """

    text: str | None = field(default=None, repr=False)
    ownership: Ownership = NO_OWNERSHIP
