# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plugin of pytest: a test module that names it in ``pytest_plugins`` can fill images from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .cluster import LoopbackCluster
from .filling import DISK_SIZE, KIB, MIB, Filler, Images, make_raw, noise
from .forks import Forks
from .site import Site


@pytest.fixture
def fill(site: Site, system_python: str, forks: Forks, connection: dict[str, Any]) -> Filler:
    """Fill images."""
    return Filler(site, system_python, forks, connection)


@pytest.fixture
def image(cluster: LoopbackCluster, namespace: str, tmp_path: Path) -> Images:
    """Make new images to be filled."""
    return Images(cluster, namespace, tmp_path)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A raw file of :data:`DISK_SIZE`, with data in some objects, written zeros in others, and holes."""
    data = [(64 * KIB, noise(200 * KIB)), (8 * MIB, noise(2 * MIB)), (DISK_SIZE - 1, b"x")]
    zeros = [(5 * MIB, bytes(MIB)), (16 * MIB, bytes(4 * MIB))]
    return make_raw(tmp_path / "disk.raw", DISK_SIZE, *data, *zeros)
