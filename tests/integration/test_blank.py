# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written in an image is seen, whatever its object map says: only a blank image would get a file system."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from loopback.cluster import LoopbackCluster
from loopback.content import Content
from loopback.modules import Modules
from loopback.site import COLLECTION, Site

MIB = 1 << 20
SECTOR = bytes(511) + b"\1"

# As rbd_filesystem asks about an image that is mapped: by its object map only if the kernel keeps that.
_FIRST_WRITTEN = f"""
import sys
place, conf, keyring, spec, kept = args
sys.path.insert(0, place)
from {COLLECTION}.plugins.module_utils._image_spec import ImageSpec
from {COLLECTION}.plugins.module_utils._system.cluster import LibrbdSession
from {COLLECTION}.plugins.module_utils._system.connection import Connection
session = LibrbdSession(Connection(conf, "ceph", "admin", keyring, 30))
found = session.first_written(ImageSpec.parse(spec), kept == "True")
session.close()
result = found.offset if found else None
"""

# Keeps an object's content in its own attribute, and puts it back.
_KEEP = """
pool, namespace, name = args
ioctx = cluster.open_ioctx(pool)
ioctx.set_namespace(namespace)
ioctx.set_xattr(name, "kept", ioctx.read(name, 1 << 20))
"""
_PUT_BACK = """
pool, namespace, name = args
ioctx = cluster.open_ioctx(pool)
ioctx.set_namespace(namespace)
ioctx.write_full(name, ioctx.get_xattr(name, "kept"))
"""


@pytest.fixture
def image(cluster: LoopbackCluster, namespace: str) -> Content:
    """A new image of 64 MiB."""
    cluster.rbd("create", "--size", "64M", f"{namespace}/data")
    return Content(cluster, f"{namespace}/data")


@pytest.fixture
def is_blank(module: Modules, namespace: str) -> Callable[..., bool]:
    """Whether the module would make a file system on an image; without a kernel it can only predict."""

    def ask(name: str = "data") -> bool:
        result = module("rbd_filesystem")({"image": f"{namespace}/{name}", "fstype": "ext4"}, check=True)
        assert not result.failed, result.msg
        return [action["action"] for action in result.actions] == ["mkfs"]

    return ask


@pytest.mark.usefixtures("image")
def test_a_new_image_is_blank(is_blank: Callable[..., bool]) -> None:
    assert is_blank()


@pytest.mark.parametrize("offset", [0, 33 * MIB, 64 * MIB - 512])
def test_an_image_with_one_sector_written_is_not(image: Content, is_blank: Callable[..., bool], offset: int) -> None:
    image.write(offset, SECTOR)
    assert not is_blank()


def test_one_whose_snapshot_alone_holds_data_is(
    cluster: LoopbackCluster, image: Content, is_blank: Callable[..., bool], namespace: str
) -> None:
    cluster.rbd("snap", "create", f"{namespace}/data@blank")
    image.write(0, SECTOR)
    cluster.rbd("snap", "create", f"{namespace}/data@written")
    cluster.rbd("snap", "rollback", "--no-progress", f"{namespace}/data@blank")
    assert is_blank()


@pytest.mark.parametrize("written", [True, False])
def test_a_clone_holds_what_its_parent_holds(
    cluster: LoopbackCluster, image: Content, is_blank: Callable[..., bool], namespace: str, written: bool
) -> None:
    if written:
        image.write(33 * MIB, SECTOR)
    cluster.rbd("snap", "create", f"{namespace}/data@base")
    cluster.rbd("snap", "protect", f"{namespace}/data@base")
    cluster.rbd("clone", f"{namespace}/data@base", f"{namespace}/clone")
    assert is_blank("clone") == (not written)


def test_an_object_map_that_is_marked_as_invalid_is_not_believed(
    cluster: LoopbackCluster, image: Content, is_blank: Callable[..., bool], namespace: str
) -> None:
    cluster.rbd("feature", "disable", f"{namespace}/data", "fast-diff", "object-map")
    image.write(33 * MIB, SECTOR)
    cluster.rbd("feature", "enable", f"{namespace}/data", "object-map", "fast-diff")
    assert "object map invalid" in cluster.json("rbd", "info", f"{namespace}/data")["flags"]
    assert not is_blank()


@pytest.mark.parametrize("kept", [True, False])
def test_one_that_the_kernel_does_not_keep_is_not_believed(
    cluster: LoopbackCluster, image: Content, site: Site, namespace: str, kept: bool
) -> None:
    """Nothing marks such a map, and librbd believes it; so it must not be asked."""
    pool, name = namespace.split("/")
    object_map = f"rbd_object_map.{cluster.json('rbd', 'info', f'{namespace}/data')['id']}"
    cluster.python(_KEEP, pool, name, object_map)
    image.write(33 * MIB, SECTOR)
    cluster.python(_PUT_BACK, pool, name, object_map)
    assert cluster.json("rbd", "info", f"{namespace}/data")["flags"] == []
    place = (str(site.place), str(cluster.conf), str(cluster.admin_keyring))
    found = cluster.python(_FIRST_WRITTEN, *place, f"{namespace}/data", str(kept))
    assert (found is None) == kept
