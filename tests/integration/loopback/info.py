# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rbd_info tells about an image, and data for it to tell of."""

from __future__ import annotations

from typing import Any

from .cluster import LoopbackCluster
from .modules import Modules

# Writes a byte at each offset.
_WRITE = """
pool, namespace, name, *offsets = args
with cluster.open_ioctx(pool) as ioctx:
    ioctx.set_namespace(namespace)
    with rbd.Image(ioctx, name) as image:
        for offset in offsets:
            image.write(b"x", int(offset))
"""


def write(cluster: LoopbackCluster, spec: str, *offsets: int) -> None:
    """Write a byte at each offset of an image."""
    pool, *namespace, name = spec.split("/")
    cluster.python(_WRITE, pool, "".join(namespace), name, *map(str, offsets))


def info(module: Modules, spec: str, **options: Any) -> dict[str, Any]:
    """What rbd_info tells about one image; check mode tells the same."""
    result, checked = (module("rbd_info")({"image": spec, **options}, check=check) for check in (False, True))
    assert not result.failed, result.msg
    assert (result.changed, result.warnings) == (False, [])
    assert checked.raw["images"] == result.raw["images"]
    (image,) = result.raw["images"]
    return dict(image)
