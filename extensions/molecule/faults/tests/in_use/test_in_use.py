# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image that one client uses is not given to another."""

from __future__ import annotations

from testinfra.host import Host


def test_the_clients_are_there(host: Host) -> None:
    assert host.file("/etc/ceph/ceph.conf").exists
