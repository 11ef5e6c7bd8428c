# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that are filled from files, by the adapter that rbd_image uses, in a process of its own."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cluster import LoopbackCluster
from .content import Content
from .daemon import output, run
from .forks import Forks
from .site import COLLECTION, Site

KIB, MIB = 2**10, 2**20
DISK_SIZE = 24 * MIB
#: Where the disk has data, in objects of 4 MiB.
DISK_OBJECTS = {0, 2, 5}

# Seconds that the cluster has to answer.
TIMEOUT = 2

_FILL = f"""\
import json, os, sys
from {COLLECTION}.plugins.module_utils._errors import RbdError
from {COLLECTION}.plugins.module_utils._image_spec import ImageSpec
from {COLLECTION}.plugins.module_utils._system import cluster, command, connection, image_source
connect, path, declared, spec, *halfway = json.loads(sys.argv[1])
session = cluster.LibrbdSession(connection.Connection(**connect))
sources = image_source.HostImageSources(session, command.HostCommands())
source, told, error = None, [], None
def on_progress(done, total):
    told.append((done, total))
    if halfway and done * 2 >= total:
        exec(halfway.pop())
    return 0
try:
    source = sources.inspect(path, declared)
    if spec:
        sources.fill(source, ImageSpec.parse(spec), on_progress)
except RbdError as refused:
    error = str(refused)
session.close()
print(json.dumps({{"source": source and vars(source), "told": told, "error": error or ""}}))
"""


@dataclass(frozen=True)
class Filled:
    """What became of it.

    :ivar source: what the file was found to be, or None.
    :ivar told: the progress, each time as bytes done and bytes in all.
    :ivar error: the refusal, or an empty text.
    """

    source: Mapping[str, Any] | None
    told: list[list[int]]
    error: str

    def assert_complete(self, size: int) -> None:
        """It succeeded, and its progress never went back and ended at the end."""
        assert self.error == ""
        done = [progress[0] for progress in self.told]
        assert done == sorted(done)
        assert {progress[1] for progress in self.told} == {size}
        assert done[-1] == size


@dataclass(frozen=True)
class Filler:
    """Fills images.

    :ivar connection: the modules' connection options.
    """

    site: Site
    python: str
    forks: Forks
    connection: Mapping[str, Any]

    def __call__(self, path: Path, *args: Any, **options: Any) -> Filled:
        """Fill an image; a refusal is a result, too. The arguments are those of :meth:`argv`."""
        argv = self.argv(path, *args, **options)[1:]
        done = self.forks.run(argv, environment=self.site.environment)
        return Filled(**json.loads(output(argv, done)))

    def argv(self, path: Path, spec: str = "", declared: str | None = None, halfway: str = "") -> list[str]:
        """The command line of the process.

        :param spec: the image; without one the file is only looked at.
        :param declared: the file's format.
        :param halfway: Python that is run when half of the content is written.
        """
        connection = {**self.connection, "cluster": "ceph", "timeout": TIMEOUT}
        return [self.python, "-c", _FILL, json.dumps([connection, str(path), declared, spec, halfway])]


class Images:
    """New images in a namespace."""

    def __init__(self, cluster: LoopbackCluster, namespace: str, place: Path) -> None:
        """Describe them.

        :param place: a directory to write to.
        """
        self._cluster = cluster
        self._namespace = namespace
        self._place = place

    def __call__(self, size: int, *options: str, name: str = "data") -> Image:
        """Make one of so many bytes.

        :param options: those of ``rbd create``.
        """
        spec = f"{self._namespace}/{name}"
        self._cluster.rbd("create", spec, "--size", f"{size}B", *options)
        return Image(self._cluster, spec, self._place / "exported")


class Image(Content):
    """A new image.

    :ivar spec: its image-spec.
    """

    def __init__(self, cluster: LoopbackCluster, spec: str, exported: Path) -> None:
        super().__init__(cluster, spec)
        self.spec = spec
        self._exported = exported

    def sha256(self) -> str:
        """The checksum of all of its content, as the rbd command reads it."""
        self._exported.unlink(missing_ok=True)
        self._cluster.rbd("export", "--no-progress", self.spec, str(self._exported))
        return sha256(self._exported)


def make_raw(path: Path, size: int, *extents: tuple[int, bytes]) -> Path:
    """Make a file of holes, but for some extents."""
    with path.open("wb") as file:
        for offset, data in extents:
            file.seek(offset)
            file.write(data)
        file.truncate(size)
    return path


def make_qcow2(raw: Path, *options: str) -> Path:
    """Make a qcow2 file of a raw one, with options of ``qemu-img convert``."""
    path = raw.with_suffix(".qcow2")
    qemu_img("convert", "-O", "qcow2", *options, raw, path)
    return path


def noise(size: int) -> bytes:
    """Data without zeros in a row, and without repetition; always the same for a size."""
    return random.Random(size).randbytes(size)


def qemu_img(*argv: str | Path) -> None:
    """Run ``qemu-img``."""
    run(["qemu-img", *map(str, argv)])


def sha256(path: Path) -> str:
    """The checksum of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
