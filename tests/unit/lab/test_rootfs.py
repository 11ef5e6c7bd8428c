# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache is emptied, and nothing beside it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from rbdlab.errors import LabError
from rbdlab.progress import Progress
from rbdlab.rootfs import Cache


def test_it_is_emptied(tmp_path: Path) -> None:
    (tmp_path / "cache/built/rootfs").mkdir(parents=True)
    Cache(tmp_path / "cache", Progress()).clear()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="to mount needs root")
def test_what_is_mounted_in_it_stays(tmp_path: Path) -> None:
    """As a build that was killed could leave /dev."""
    mounted = tmp_path / "cache/building/rootfs/dev"
    mounted.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", mounted], check=True)
    try:
        (mounted / "null").touch()
        with pytest.raises(LabError):
            Cache(tmp_path / "cache", Progress()).clear()
        assert (mounted / "null").exists()
    finally:
        subprocess.run(["umount", mounted], check=True)
