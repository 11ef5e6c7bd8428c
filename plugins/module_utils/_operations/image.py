# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbd_image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import _image, _image_actions, _module, _plan
from .._errors import ClusterUnprepared, PlaceMissing, RbdError
from .._features import feature_names
from .._image_facts import ImageFacts
from .._image_request import parse_image
from .._image_spec import ImageSpec
from .._image_use import InUse
from .._image_wish import ImageCurrent, ImageRequest
from .._krbd_device import KrbdDevice, mappings_of
from .._system import image_changes, image_source, images, progress
from .._system.parallel import in_parallel
from . import _ports
from ._warnings import Warnings


@dataclass(frozen=True)
class Stores:
    """The ports to the images.

    :ivar progress: is told how far long changes are.
    """

    images: images.Images
    changes: image_changes.ImageChanges
    sources: image_source.ImageSources
    progress: progress.Progress


class ImageOperation:
    """Keeps images."""

    def __init__(
        self, module: AnsibleModule, stores: Stores, options: dict[str, Any], ports: _ports.Ports = _ports.HOST
    ) -> None:
        self._module = module
        self._images = stores.images
        self._changes = stores.changes
        self._sources = stores.sources
        self._progress = stores.progress
        self._options = options
        self._kernel = ports.kernel
        self._devices: tuple[KrbdDevice, ...] = ()
        self._requests: list[ImageRequest] = []
        self._outcomes: dict[str, ImageFacts | None] = {}

    def plan(self) -> _plan.Plan:
        """Look every image up, several at a time over one connection."""
        self._requests = _plan.parse_items(self._module.params, "images", self._options, parse_image)
        self._devices = self._kernel.devices()
        self._outcomes = {}
        warnings = Warnings(self._module.check_mode)
        try:
            found = in_parallel(self._requests, lambda request: self._read_or_assume(request, warnings))
            actions = _plan.plan_items(self._requests, lambda index, request: self._plan_one(index, request, found))
        except ClusterUnprepared as error:
            warnings.excuse_unprepared(error)
            actions = _plan.plan_items(self._requests, self._predict_one)
        warnings.add(self._leftovers(actions))
        return _plan.Plan(tuple(actions), warnings.all())

    def handlers(self) -> _module.Handlers:
        """What applies each kind of action."""
        changes = self._changes
        return {
            _image_actions.CreateImage: lambda action: changes.create(action.spec, action.facts),
            _image_actions.ImportImage: self._import,
            _image_actions.CloneImage: lambda action: changes.clone(action.spec, action.facts),
            _image_actions.RestoreImage: lambda action: changes.restore(action.spec, action.facts.image_id),
            _image_actions.RenameImage: lambda action: changes.rename(action.old, action.spec),
            _image_actions.GrowImage: lambda action: changes.resize(action.spec, action.size, shrink=False),
            _image_actions.ShrinkImage: lambda action: changes.resize(action.spec, action.size, shrink=True),
            _image_actions.ChangeFeatures: lambda action: changes.change_features(
                action.spec, action.enable, action.disable
            ),
            _image_actions.RebuildObjectMap: lambda action: changes.rebuild_object_map(action.spec),
            _image_actions.FlattenImage: lambda action: changes.flatten(action.spec, self._watch(action)),
            _image_actions.ChangeSettings: self._set,
            _image_actions.PurgeSnapshots: lambda action: changes.purge_snapshots(
                action.spec, action.snapshots, action.protected
            ),
            _image_actions.RemoveImage: lambda action: changes.remove(action.spec, self._watch(action)),
            _image_actions.TrashImage: lambda action: changes.trash(action.spec, action.retention),
        }

    def report(self) -> dict[str, Any]:
        """Each image as it is after the run."""
        return {"images": [_result(request, self._outcomes.get(request.name)) for request in self._requests]}

    def _read_or_assume(self, request: ImageRequest, warnings: Warnings) -> ImageCurrent:
        """Read it; in check mode its pool or namespace may be one that an earlier task would have made."""
        try:
            return self._read(request)
        except PlaceMissing:
            if not self._module.check_mode:
                raise
        warnings.excuse_missing(f"{'namespace' if request.spec.namespace else 'pool'} {request.spec.pool_path}")
        return ImageCurrent(
            parent=self._images.parent(request.parent) if request.parent else None,
            source=self._sources.inspect(*request.source) if request.source else None,
        )

    def _read(self, request: ImageRequest) -> ImageCurrent:
        """Read what the plan for that image depends on, and no more."""
        settings = request.config is not None or request.metadata is not None
        cloned = request.parent is not None and not request.flatten
        facts = self._images.read(request.spec, request.state == "absent", settings, cloned)
        if request.state != "present":
            return ImageCurrent(facts, self._mappings(facts))
        former = self._images.read(request.renamed_from, settings=settings) if request.renamed_from else None
        trashed = self._images.trashed(request.spec) if facts is None and request.restore else ()
        there = facts or former or (trashed[0].facts if trashed else None)
        if there is None:
            return self._read_for_creation(request)
        return ImageCurrent(
            facts, self._mappings(there), trashed, former, config_faults=self._config_faults(request, there)
        )

    def _read_for_creation(self, request: ImageRequest) -> ImageCurrent:
        defaults = self._images.defaults(request.spec)
        data_pool = request.layout.data_pool or defaults.layout.data_pool
        return ImageCurrent(
            defaults=defaults,
            obstacle=self._images.obstacle([request.spec.pool, *([data_pool] if data_pool else [])]),
            parent=self._images.parent(request.parent) if request.parent else None,
            source=self._sources.inspect(*request.source) if request.source else None,
            config_faults=self._config_faults(request, None),
        )

    def _config_faults(self, request: ImageRequest, facts: ImageFacts | None) -> dict[str, str]:
        """Librbd's word on overrides, where there is one to be changed."""
        changes = request.config.changes((facts.config if facts else None) or {}) if request.config else {}
        wanted = {name: new for name, (_old, new) in changes.items() if new is not None}
        return self._images.config_faults(request.spec, wanted) if wanted else {}

    def _mappings(self, facts: ImageFacts | None) -> tuple[KrbdDevice, ...]:
        """The image's mappings on this host."""
        return mappings_of(self._devices, facts.image_id, self._images.fsid) if facts is not None else ()

    def _plan_one(self, index: int, request: ImageRequest, found: list[ImageCurrent | RbdError]) -> list[_plan.Action]:
        current = found[index]
        if isinstance(current, RbdError):
            raise current
        check_mode = self._module.check_mode
        try:
            actions = _image.plan_image(index, request, current, check_mode)
        except InUse as error:
            if not self._images.await_forgotten(request.spec, error.facts):
                raise
            current = self._read(request)
            actions = _image.plan_image(index, request, current, check_mode)
        return self._noted(request, current, actions)

    def _predict_one(self, index: int, request: ImageRequest) -> list[_plan.Action]:
        """Without the cluster: an image with a size is taken to be new, any other one to exist as declared."""
        if request.state != "present" or request.size is None or request.parent or request.source:
            return []
        return self._noted(request, ImageCurrent(), _image.plan_image(index, request, ImageCurrent()))

    def _noted(
        self, request: ImageRequest, current: ImageCurrent, actions: Sequence[_image_actions.ImageAction]
    ) -> list[_plan.Action]:
        """The actions, once it is noted for the report what the image will be."""
        self._outcomes[request.name] = _image.outcome(actions, current.facts)
        return list(actions)

    def _leftovers(self, actions: list[_plan.Action]) -> list[str]:
        """What an earlier import that was killed has left behind."""
        imports = [action for action in actions if isinstance(action, _image_actions.ImportImage)]
        return [
            f"An import of {action.spec} that did not end has left {action.spec.pool_path}/{name}. "
            f"If no import is at work, remove it: rbd remove {action.spec.pool_path}/{name}."
            for action in imports
            for name in self._unfinished(action.spec)
        ]

    def _unfinished(self, spec: ImageSpec) -> tuple[str, ...]:
        try:
            return self._images.unfinished(spec, image_changes.unfinished_prefix(spec))
        except PlaceMissing:
            return ()

    def _watch(self, action: _plan.Action) -> progress.OnProgress:
        return self._progress.watch(action.kind, action.subject)

    def _import(self, action: _image_actions.ImportImage) -> None:
        self._changes.create_filled(
            action.spec, action.facts, lambda spec: self._sources.fill(action.source, spec, self._watch(action))
        )

    def _set(self, action: _image_actions.ChangeSettings) -> None:
        values = {name: new for name, (_old, new) in action.changes.items()}
        change = self._changes.set_config if action.what == "config" else self._changes.set_metadata
        change(action.spec, values)


def _result(request: ImageRequest, facts: ImageFacts | None) -> dict[str, Any]:
    if facts is None:
        return {"image": request.name, "exists": False, "size": None, "features": [], "parent": None}
    return {
        "image": request.name,
        "exists": True,
        "size": facts.size,
        "features": list(feature_names(facts.features)),
        "parent": str(facts.parent) if facts.parent else None,
    }
