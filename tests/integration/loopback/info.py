# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rbd_info tells about an image, and data for it to tell of."""

from __future__ import annotations

from typing import Any

from .cluster import LoopbackCluster
from .content import Content
from .modules import Modules


def write(cluster: LoopbackCluster, spec: str, *offsets: int) -> None:
    """Write a byte at each offset of an image."""
    for offset in offsets:
        Content(cluster, spec).write(offset, b"x")


def info(module: Modules, spec: str, **options: Any) -> dict[str, Any]:
    """What rbd_info tells about one image; check mode tells the same."""
    result, checked = (module("rbd_info")({"image": spec, **options}, check=check) for check in (False, True))
    assert not result.failed, result.msg
    assert (result.changed, result.warnings) == (False, [])
    assert checked.raw["images"] == result.raw["images"]
    (image,) = result.raw["images"]
    return dict(image)
