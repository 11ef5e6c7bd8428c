# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user asks for snapshots: one by its name, or the removal of many by a pattern."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Union

from ._duration import parse_duration
from ._errors import ItemErrors, ItemFailure, RbdError
from ._image_spec import ImageSpec


@dataclass(frozen=True)
class SnapshotRequest:
    """What one snapshot shall be.

    :ivar spec: the snapshot.
    :ivar state: ``present``, ``absent`` or ``rolled_back``.
    :ivar protected: whether it shall be protected; None leaves that alone.
    """

    spec: ImageSpec
    state: str = "present"
    protected: bool | None = None

    @property
    def name(self) -> str:
        return str(self.spec)

    @property
    def snap(self) -> str:
        """The name of the snapshot."""
        return self.spec.snap or ""


@dataclass(frozen=True)
class PurgeRequest:
    """Which of an image's snapshots shall be removed.

    :ivar spec: the image.
    :ivar pattern: shell-style, for the names of the snapshots.
    :ivar keep: how many of those matching stay in any case: the newest.
    :ivar older_than: seconds; younger ones stay. None for no such condition.
    :ivar unprotect: whether protected ones go, too.
    :ivar declared: the names that other items of the same call decide on.
    """

    spec: ImageSpec
    pattern: str
    keep: int = 0
    older_than: int | None = None
    unprotect: bool = False
    declared: frozenset[str] = frozenset()

    state: ClassVar[str] = "absent"

    @property
    def name(self) -> str:
        return f"{self.spec}@{self.pattern}"

    def matches(self, name: str) -> bool:
        """Whether the name of a snapshot fits the pattern."""
        return fnmatchcase(name, self.pattern)


Request = Union[SnapshotRequest, PurgeRequest]


def parse_snapshot(item: dict[str, Any]) -> Request:
    """One item of the request.

    :raises RbdError: an option cannot be understood, or contradicts another one.
    """
    spec = ImageSpec.parse(item["image"])
    if item["pattern"] is not None:
        return _parse_purge(spec, item)
    if item["keep"] is not None or item["older_than"] is not None:
        raise RbdError(
            f"manage {spec}",
            "keep and older_than choose among the snapshots of a pattern, and there is none",
            "Give a pattern ('*' is every snapshot), or leave them out.",
        )
    return SnapshotRequest(_named(spec, item["snapshot"]), item["state"], item["protected"])


def relate(requests: Sequence[Request]) -> list[Request]:
    """Tell each pattern which names the other items decide on.

    :raises ItemErrors: an image is rolled back to two snapshots.
    """
    declared: dict[ImageSpec, dict[str, int]] = {}
    targets: dict[ImageSpec, int] = {}
    for index, request in enumerate(requests):
        if isinstance(request, SnapshotRequest):
            declared.setdefault(request.spec.head, {})[request.snap] = index
        if request.state == "rolled_back" and targets.setdefault(request.spec.head, index) != index:
            raise _two_targets(index, requests, targets[request.spec.head])
    return [
        replace(request, declared=frozenset(declared.get(request.spec, ())))
        if isinstance(request, PurgeRequest)
        else request
        for request in requests
    ]


def _named(spec: ImageSpec, snapshot: str | None) -> ImageSpec:
    if snapshot is None and spec.snap is None:
        raise RbdError(
            f"manage the snapshots of {spec}",
            "no snapshot is named",
            "Give snapshot, or with state absent a pattern ('*' is every snapshot).",
        )
    if snapshot is None or snapshot == spec.snap:
        return spec
    if spec.snap is not None:
        raise RbdError(f"manage {spec}", f"snapshot says {snapshot!r}", "Name the snapshot once.")
    return ImageSpec.parse(f"{spec}@{snapshot}")


def _parse_purge(spec: ImageSpec, item: dict[str, Any]) -> PurgeRequest:
    pattern, keep = item["pattern"], item["keep"] or 0
    what = f"use the pattern {pattern!r} for {spec}"
    if item["snapshot"] is not None or spec.snap is not None:
        named = item["snapshot"] or spec.snap
        raise RbdError(what, f"the snapshot {named} is named as well", "Give one of the two.")
    if item["state"] != "absent":
        raise RbdError(
            what,
            f"the state is {item['state']}, and a pattern only chooses what is removed",
            "Set the state to absent, or name a snapshot.",
        )
    if not pattern:
        raise RbdError(what, "it is empty", "Write '*' for every snapshot.")
    if keep < 0:
        raise RbdError(what, f"keep is {keep}", "Give the number of snapshots that stay, 0 or more.")
    older_than = None if item["older_than"] is None else parse_duration(item["older_than"])
    return PurgeRequest(spec, pattern, keep, older_than, item["protected"] is False)


def _two_targets(index: int, requests: Sequence[Request], first: int) -> ItemErrors:
    request = requests[index]
    error = RbdError(
        f"roll {request.spec.head} back to {request.spec.snap}",
        f"item {first} of the same list rolls it back to {requests[first].spec.snap}",
        "Name one of them.",
    )
    return ItemErrors([ItemFailure(index, request.name, error)], len(requests))
