# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The capabilities of a cephx user of RBD: what they are for a set of places, and whether two texts mean the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

READ_WRITE = "rbd"
READ_ONLY = "rbd-read-only"

# A user who writes has to blocklist the dead owner of an image's lock, which 'profile rbd' allows.
_MON_WRITER = "profile rbd"
# 'profile rbd-read-only' allows it, too (Ceph 16), so that who may only read could lock out any client. This one
# allows no more than a client needs to connect and to find its objects.
_MON_READER = "profile simple-rados-client"

# src/osd/OSDCap.cc and src/mgr/MgrCap.cc: what needs no quotes.
_UNQUOTED = re.compile(r"[A-Za-z0-9_.-]+")
# A quoted word, a word, or what separates two grants.
_TOKEN = re.compile(r"""("[^"]*"|'[^']*'|[^\s=,;"']+|[,;])""")
_SEPARATORS = (",", ";")


@dataclass(frozen=True)
class Access:
    """One place that a user may use.

    :ivar pool: name of the pool.
    :ivar namespace: name of one namespace; None for the whole pool with all of its namespaces.
    :ivar profile: ``rbd`` or ``rbd-read-only``.
    """

    pool: str
    namespace: str | None = None
    profile: str = READ_WRITE

    @property
    def name(self) -> str:
        """The place, as ``<pool>`` or ``<pool>/<namespace>``."""
        return self.pool if self.namespace is None else f"{self.pool}/{self.namespace}"

    def grant(self) -> str:
        """The place as the OSDs and the managers take it."""
        namespace = [] if self.namespace is None else [f"namespace={_quote(self.namespace)}"]
        return " ".join([f"profile {self.profile}", f"pool={_quote(self.pool)}", *namespace])


def capabilities(accesses: Sequence[Access]) -> dict[str, str]:
    """What a user needs for these places and no others, by kind of daemon."""
    writes = any(access.profile == READ_WRITE for access in accesses)
    grants = ", ".join(access.grant() for access in accesses)
    return {"mon": _MON_WRITER if writes else _MON_READER, "mgr": grants, "osd": grants}


def same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two sets of capabilities mean the same: spacing, quotes and order do not matter."""
    return {kind: _grants(text) for kind, text in one.items()} == {kind: _grants(text) for kind, text in other.items()}


def show(held: Mapping[str, str]) -> str:
    """Capabilities as ``ceph auth caps`` takes them; they are no secret."""
    return " ".join(f"{kind} '{held[kind]}'" for kind in sorted(held)) or "no capabilities"


def _grants(text: str) -> frozenset[tuple[str, ...]]:
    """Each grant as its words: ``allow profile``, ``profile``, ``pool=a`` and ``pool a`` are the same to Ceph."""
    grants: list[list[str]] = [[]]
    for token in _TOKEN.findall(text):
        if token in _SEPARATORS:
            grants.append([])
        else:
            grants[-1].append(token.strip("\"'"))
    return frozenset(_without_allow(grant) for grant in grants if grant)


def _without_allow(grant: Iterable[str]) -> tuple[str, ...]:
    words = tuple(grant)
    return words[1:] if words[:2] == ("allow", "profile") else words


def _quote(name: str) -> str:
    return name if _UNQUOTED.fullmatch(name) else f'"{name}"'
