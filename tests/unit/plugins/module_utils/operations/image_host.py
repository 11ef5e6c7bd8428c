# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose cluster keeps images, and rbd_image on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import ImageFacts
from ansible_collections.cephclient.rbd.plugins.module_utils._operations._ports import Ports
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.image import ImageOperation, Stores
from ansible_collections.cephclient.rbd.plugins.module_utils._system.progress import Silence
from ansible_collections.cephclient.rbd.plugins.modules.rbd_image import _ITEM
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.image_values import SOURCE
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fake_images import (
    FakeImages,
    FakeSources,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import Run, ritual, run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import facts


class ImageHost(FakeHost):
    """A host whose cluster has some images in the pool ``rbd``, and which has a file to import."""

    def __init__(self, **images: ImageFacts) -> None:
        super().__init__()
        self.cluster.images.update({f"rbd/{name}": image for name, image in images.items()})
        self.images = FakeImages(self.cluster)
        self.sources = FakeSources({SOURCE.path: SOURCE})

    def once(self, wish: dict[str, Any], *, check: bool = False) -> Run:
        return run(self.operation, self, wish, check)

    def ritual(self, wish: dict[str, Any]) -> Run:
        return ritual(self.operation, self, wish)

    def operation(self, module: AnsibleModule, _session: object, options: Any, ports: Ports) -> ImageOperation:
        return ImageOperation(module, Stores(self.images, self.images, self.sources, Silence()), options, ports)


def options(*items: dict[str, Any], **top: Any) -> dict[str, Any]:
    """The parameters of rbd_image as AnsibleModule fills them up."""
    given: list[dict[str, Any]] = [{**dict.fromkeys(_ITEM), **item} for item in items]
    return {**{name: spec.get("default") for name, spec in _ITEM.items()}, **top, "images": given or None}


def golden(**changes: Any) -> ImageFacts:
    """An image with a protected snapshot ``one``."""
    return replace(facts(image_id="golden", snapshots=("one",)), **{"protected": ("one",), **changes})
