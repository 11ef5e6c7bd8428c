# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbd_snapshot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import _module, _plan, _snapshot, _snapshot_actions
from .._errors import ClusterUnprepared, PlaceMissing, RbdError
from .._image_spec import ImageSpec
from .._image_use import InUse
from .._krbd_device import KrbdDevice, mappings_of
from .._snapshot_facts import SnappedImage
from .._snapshot_request import PurgeRequest, Request, parse_snapshot, relate
from .._system import snapshots
from .._system.parallel import in_parallel
from . import _ports
from ._warnings import Warnings


class SnapshotOperation:
    """Keeps snapshots, and rolls images back to them."""

    def __init__(
        self,
        module: AnsibleModule,
        store: snapshots.Snapshots,
        options: dict[str, Any],
        ports: _ports.Ports = _ports.HOST,
    ) -> None:
        self._module = module
        self._snapshots = store
        self._options = options
        self._kernel = ports.kernel
        self._devices: tuple[KrbdDevice, ...] = ()
        self._requests: list[Request] = []
        self._images: dict[ImageSpec, SnappedImage | RbdError | None] = {}

    def plan(self) -> _plan.Plan:
        """Look at every image once, several at a time over one connection."""
        self._requests = relate(_plan.parse_items(self._module.params, "images", self._options, parse_snapshot))
        self._devices = self._kernel.devices()
        warnings = Warnings(self._module.check_mode)
        heads = list(dict.fromkeys(request.spec.head for request in self._requests))
        try:
            self._images = dict(zip(heads, in_parallel(heads, self._read)))
        except ClusterUnprepared as error:
            warnings.excuse_unprepared(error)
            self._images = {head: SnappedImage(None, self._snapshots.now()) for head in heads}
        else:
            self._assume(warnings)
        # The patterns last: what the call itself takes counts among the newest, and a second run finds nothing to do.
        return _plan.Plan((*self._plan_all(patterns=False), *self._plan_all(patterns=True)), warnings.all())

    def handlers(self) -> _module.Handlers:
        """What applies each kind of action."""
        return {
            _snapshot_actions.CreateSnapshot: lambda action: self._snapshots.create(action.spec),
            _snapshot_actions.ProtectSnapshot: lambda action: self._snapshots.protect(action.spec),
            _snapshot_actions.UnprotectSnapshot: lambda action: self._snapshots.unprotect(action.spec),
            _snapshot_actions.RemoveSnapshot: lambda action: self._snapshots.remove(action.spec),
            _snapshot_actions.RollBack: lambda action: self._snapshots.roll_back(action.spec),
        }

    def report(self) -> dict[str, Any]:
        """Each snapshot as it is after the run, and of each pattern what is left."""
        return {"images": [self._result(request) for request in self._requests]}

    def _read(self, head: ImageSpec) -> SnappedImage | None:
        """Read what the plan for the items of one image depends on, and no more."""
        requests = [request for request in self._requests if request.spec.head == head]
        try:
            image = self._snapshots.look_up(head, lambda found: _snapshot.detachable(requests, found))
        except PlaceMissing:
            if self._module.check_mode:
                return None
            raise
        if image is None or image.facts is None:
            return image
        targets = [request.spec for request in requests if request.state == "rolled_back"]
        return replace(
            image,
            mapped=mappings_of(self._devices, image.facts.image_id, self._snapshots.fsid),
            differing=frozenset(
                spec.snap or "" for spec in targets if image.find(spec.snap or "") and self._snapshots.differs(spec)
            ),
        )

    def _assume(self, warnings: Warnings) -> None:
        """In check mode, take what is missing for what an earlier task would have made."""
        if not self._module.check_mode:
            return
        for request in self._requests:
            image, snap = self._images[request.spec.head], request.spec.snap
            if image is None and request.state != "absent":
                warnings.excuse_missing(request.spec.head)
            elif request.state == "rolled_back" and isinstance(image, SnappedImage) and not image.find(snap or ""):
                warnings.excuse_missing(request.spec)
        assumed = SnappedImage(None, self._snapshots.now())
        self._images = {head: assumed if image is None else image for head, image in self._images.items()}

    def _plan_all(self, patterns: bool) -> list[_plan.Action]:
        """The steps for the patterns, or for what is named. Each sees the images as the steps before it leave them."""
        return _plan.plan_items(self._requests, lambda index, request: self._plan_one(index, request, patterns))

    def _plan_one(self, index: int, request: Request, patterns: bool) -> list[_plan.Action]:
        head = request.spec.head
        image = self._images[head]
        if isinstance(image, RbdError):
            raise image
        if isinstance(request, PurgeRequest) != patterns:
            return []
        check_mode = self._module.check_mode
        try:
            actions = _snapshot.plan_snapshot(index, request, image, check_mode)
        except InUse as error:
            if not self._snapshots.await_forgotten(head, error.facts):
                raise
            image = self._used_now(head, image)
            actions = _snapshot.plan_snapshot(index, request, image, check_mode)
        self._images[head] = _snapshot.outcome(actions, image)
        return list(actions)

    def _used_now(self, head: ImageSpec, image: SnappedImage | None) -> SnappedImage | None:
        """The image as planned so far, with those who have it open now."""
        now = self._snapshots.look_up(head, lambda _found: ())
        if image is None or image.facts is None or now is None or now.facts is None:
            return now
        return replace(image, facts=replace(image.facts, watchers=now.facts.watchers))

    def _result(self, request: Request) -> dict[str, Any]:
        image = self._images[request.spec.head]
        image = image if isinstance(image, SnappedImage) else None
        result: dict[str, Any] = {"image": str(request.spec.head)}
        if isinstance(request, PurgeRequest):
            kept = _snapshot.kept(request, image, self._module.check_mode)
            stays = [{"snapshot": name, "reason": reason} for name, reason in kept]
            return {**result, "pattern": request.pattern, "kept": stays}
        snapshot = image.find(request.snap) if image else None
        return {
            **result,
            "snapshot": request.snap,
            "exists": snapshot is not None,
            "size": snapshot.size if snapshot else None,
            "protected": bool(snapshot and snapshot.protected),
        }
