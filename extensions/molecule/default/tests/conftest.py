# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host that the verifications ask beside the client."""

from __future__ import annotations

import pytest
import testinfra
from testinfra.host import Host


@pytest.fixture
def ceph(request: pytest.FixtureRequest) -> Host:
    """The host on which ceph and rbd work as admin."""
    inventory = request.config.getoption("--ansible-inventory")
    return testinfra.get_hosts(["ansible://ceph"], ansible_inventory=inventory)[0]
