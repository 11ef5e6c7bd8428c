# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbd_image."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import _image, _module, _plan
from .._errors import ClusterUnprepared, RbdError
from .._image_facts import ImageFacts
from .._image_spec import ImageSpec
from .._krbd_device import KrbdDevice
from .._size import parse_size
from .._system import images
from . import _ports
from ._warnings import Warnings


class ImageOperation:
    """Keeps images."""

    def __init__(
        self,
        module: AnsibleModule,
        store: images.Images,
        options: dict[str, Any],
        ports: _ports.Ports = _ports.HOST,
    ) -> None:
        self._module = module
        self._images = store
        self._options = options
        self._kernel = ports.kernel
        self._requests: list[_image.ImageRequest] = []
        self._facts: dict[ImageSpec, ImageFacts | None] = {}
        self._actions: list[_plan.Action] = []
        self._mapped: tuple[KrbdDevice, ...] | None = None

    def plan(self) -> _plan.Plan:
        """Look every image up, over one connection."""
        self._requests = _plan.parse_items(self._module.params, "images", self._options, _parse)
        warnings = Warnings(self._module.check_mode)
        try:
            self._actions = _plan.plan_items(self._requests, self._plan_one)
        except ClusterUnprepared as error:
            warnings.excuse_unprepared(error)
            self._actions = _plan.plan_items(self._requests, _predict_one)
        return _plan.Plan(tuple(self._actions), warnings.all())

    def handlers(self) -> _module.Handlers:
        """What applies each kind of action."""
        return {
            _image.CreateImage: lambda action: self._images.create(action.spec, action.size),
            _image.GrowImage: lambda action: self._images.grow(action.spec, action.size),
            _image.RemoveImage: lambda action: self._images.remove(action.spec),
        }

    def report(self) -> dict[str, Any]:
        """The size of each image."""
        sizes = {spec: facts.size if facts else None for spec, facts in self._facts.items()}
        for action in self._actions:
            if isinstance(action, (_image.CreateImage, _image.GrowImage)):
                sizes[action.spec] = action.size
            elif isinstance(action, _image.RemoveImage):
                sizes[action.spec] = None
        specs = [request.spec for request in self._requests]
        return {
            "images": [
                {"image": str(spec), "exists": sizes.get(spec) is not None, "size": sizes.get(spec)} for spec in specs
            ]
        }

    def _plan_one(self, index: int, request: _image.ImageRequest) -> list[_plan.Action]:
        facts = self._images.look_up(request.spec)
        self._facts[request.spec] = facts
        image_id = facts.image_id if facts else None
        same_id = [device for device in self._devices() if device.image_id == image_id]
        mapped = [device for device in same_id if device.fsid == self._images.fsid()]
        return _image.plan_image(index, request, facts, mapped, self._module.check_mode)

    def _devices(self) -> tuple[KrbdDevice, ...]:
        """The host's mappings, read once."""
        if self._mapped is None:
            self._mapped = self._kernel.devices()
        return self._mapped


def _parse(item: dict[str, Any]) -> _image.ImageRequest:
    spec = ImageSpec.parse(item["image"])
    if spec.snap is not None:
        raise RbdError(f"manage {spec}", "it is a snapshot, not an image", "Leave out the part from the @ on.")
    return _image.ImageRequest(spec, item["state"], None if item["size"] is None else parse_size(item["size"]))


def _predict_one(index: int, request: _image.ImageRequest) -> list[_plan.Action]:
    """Without the cluster: an image with a size is taken to be new, one without a size to exist."""
    if request.state == "absent" or request.size is None:
        return []
    return _image.plan_image(index, request, None)
