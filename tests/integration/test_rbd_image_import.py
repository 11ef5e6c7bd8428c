# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new image gets the content of a file, and is under its name only with all of it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from loopback.cluster import LoopbackCluster
from loopback.content import Content
from loopback.modules import Modules, Ritual

MIB = 2**20
SEEN_TIMEOUT = 60


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A raw image of 24 MiB: data at both ends, a hole and written zeros between them."""
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        file.write(os.urandom(MIB))
        file.write(bytes(4 * MIB))
        file.seek(23 * MIB)
        file.write(os.urandom(MIB))
    return path


def content(cluster: LoopbackCluster, image: str, place: Path) -> str:
    """The checksum of what is in an image, as the rbd command reads it."""
    cluster.rbd("export", image, str(place))
    found = checksum(place)
    place.unlink()
    return found


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_content_holes_and_result(
    cluster: LoopbackCluster, namespace: str, ritual: Ritual, raw: Path, tmp_path: Path, kind: str
) -> None:
    image, source = f"{namespace}/disk", raw
    if kind == "qcow2":
        source = tmp_path / "disk.qcow2"
        subprocess.run(["qemu-img", "convert", "-c", "-O", "qcow2", raw, source], check=True)

    done = ritual("rbd_image", {"image": image, "source": str(source), "metadata": {"from": source.name}})

    assert [action["action"] for action in done.actions] == ["import", "set_metadata"]
    assert (done.actions[0]["source_format"], done.actions[0]["size"]) == (kind, 24 * MIB)
    assert f"content of {source}" in done.diff[0]["after"]
    assert cluster.json("rbd", "info", image)["size"] == 24 * MIB
    assert content(cluster, image, tmp_path / "out") == checksum(raw)
    assert Content(cluster, image).objects() == {0, 5}


def test_image_may_be_larger_but_not_smaller(
    cluster: LoopbackCluster, namespace: str, module: Modules, ritual: Ritual, raw: Path
) -> None:
    wish = {"image": f"{namespace}/disk", "source": str(raw)}
    refused = module("rbd_image")({**wish, "size": "8M"})
    assert "it holds 24 MiB, more than the size of 8 MiB that is given" in refused.msg

    ritual("rbd_image", {**wish, "size": "32M", "features": ["layering"], "object_size": "1M"})
    info = cluster.json("rbd", "info", f"{namespace}/disk")
    assert (info["size"], info["features"], info["object_size"]) == (32 * MIB, ["layering"], MIB)


def test_existing_image_is_not_touched(
    cluster: LoopbackCluster, namespace: str, module: Modules, raw: Path, tmp_path: Path
) -> None:
    image = f"{namespace}/disk"
    cluster.rbd("create", image, "--size", "24M")
    before = content(cluster, image, tmp_path / "out")

    result = module("rbd_image")({"image": image, "source": str(raw)})

    assert (result.failed, result.changed) == (False, False)
    assert content(cluster, image, tmp_path / "out") == before


def test_several_imports_at_once_make_one_image(
    cluster: LoopbackCluster, namespace: str, raw: Path, module: Modules, tmp_path: Path
) -> None:
    wish = {"image": f"{namespace}/disk", "source": str(raw)}
    with ThreadPoolExecutor(3) as threads:
        results = list(threads.map(lambda _run: module("rbd_image")(wish), range(3)))

    assert [result.msg for result in results if result.failed] == []
    assert sum(result.changed for result in results) == 1
    assert cluster.json("rbd", "ls", namespace) == ["disk"]
    assert content(cluster, wish["image"], tmp_path / "out") == checksum(raw)


def test_import_that_was_killed_is_not_taken_for_the_image(
    cluster: LoopbackCluster, namespace: str, module: Modules, raw: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.raw"
    with large.open("wb") as file:
        for _megabyte in range(192):
            file.write(os.urandom(MIB))
    wish = {"image": f"{namespace}/disk", "source": str(large)}

    with module("rbd_image").started(wish) as process:
        deadline = time.monotonic() + SEEN_TIMEOUT
        while not (left := cluster.json("rbd", "ls", namespace)):
            assert process.poll() is None, "the import ended before it was seen"
            assert time.monotonic() < deadline, "the import does not begin"
        process.kill()

    assert left[0].startswith("disk.unfinished-")
    assert cluster.json("rbd", "ls", namespace) == left

    result = module("rbd_image")({**wish, "source": str(raw)})

    assert result.changed
    # The killed client's watch lasts for some seconds, for which it passes as an import at work.
    assert set(cluster.json("rbd", "ls", namespace)) == {"disk", *left}
    assert content(cluster, wish["image"], tmp_path / "out") == checksum(raw)


def test_what_an_earlier_import_left_is_named(
    cluster: LoopbackCluster, namespace: str, module: Modules, raw: Path
) -> None:
    cluster.rbd("create", f"{namespace}/disk.unfinished-0a1b2c3d", "--size", "24M")
    wish = {"image": f"{namespace}/disk", "source": str(raw)}
    for check in (True, False):
        result = module("rbd_image")(wish, check=check)
        assert f"rbd remove {namespace}/disk.unfinished-0a1b2c3d" in " ".join(result.warnings)
    assert module("rbd_image")(wish).warnings == []
