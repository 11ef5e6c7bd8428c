# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plugin of pytest: a test module that names it in ``pytest_plugins`` can create users."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from .cluster import LoopbackCluster


@pytest.fixture
def name(cluster: LoopbackCluster) -> Iterator[str]:
    """A name for a new user, which is removed after the test."""
    name = f"user-{uuid.uuid4().hex[:8]}"
    yield name
    cluster.ceph("auth", "rm", f"client.{name}")
