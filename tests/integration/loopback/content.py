# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in an image, and which objects of its own it keeps that in."""

from __future__ import annotations

from .cluster import LoopbackCluster

_OPEN = """
spec, read_only, offset, argument = args
pool, *namespace, name = spec.split("/")
name, _at, snap = name.partition("@")
ioctx = cluster.open_ioctx(pool)
ioctx.set_namespace("".join(namespace))
image = rbd.Image(ioctx, name, snapshot=snap or None, read_only=read_only == "True")
"""
_READ = f"{_OPEN}result = image.read(int(offset), int(argument) or image.size()).hex()\nimage.close()"
_WRITE = f"{_OPEN}image.write(bytes.fromhex(argument), int(offset))\nimage.close()"


class Content:
    """An image's content, which each call reads or writes as a new client."""

    def __init__(self, cluster: LoopbackCluster, image: str) -> None:
        """Describe it.

        :param image: ``<pool>/[<namespace>/]<image>[@<snap>]``.
        """
        self._cluster = cluster
        self._image = image

    def read(self, offset: int = 0, length: int = 0, *, read_only: bool = True) -> bytes:
        """Read some bytes, or all of them.

        :param read_only: how the image is opened.
        """
        return bytes.fromhex(self._cluster.python(_READ, self._image, str(read_only), str(offset), str(length)))

    def write(self, offset: int, data: bytes) -> None:
        """Write some bytes."""
        self._cluster.python(_WRITE, self._image, "False", str(offset), data.hex())

    def objects(self) -> set[int]:
        """The numbers of the objects that are the image's own and not its parent's, as the OSDs list them."""
        pool, *namespace, _name = self._image.split("/")
        prefix = self._cluster.json("rbd", "info", self._image)["block_name_prefix"] + "."
        names = self._cluster.run("rados", "--pool", pool, "--namespace", "".join(namespace), "ls").splitlines()
        return {int(name.removeprefix(prefix), 16) for name in names if name.startswith(prefix)}

    def used(self) -> int:
        """The bytes of its own, in whole objects, as ``rbd du`` counts them."""
        (image,) = self._cluster.json("rbd", "du", self._image)["images"]
        return int(image["used_size"])
