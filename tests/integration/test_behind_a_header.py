# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written behind the header of an encrypted image is told from the header, however the image is cut up."""

from __future__ import annotations

import pytest
from loopback.cluster import LoopbackCluster
from loopback.content import Content
from loopback.site import COLLECTION, Site

MIB = 1 << 20
# cryptsetup begins with the data of a LUKS2 device there.
HEADER = 16 * MIB
SECTOR = bytes(511) + b"\1"

_FIRST_WRITTEN = f"""
import sys
place, conf, keyring, spec, start = args
sys.path.insert(0, place)
from {COLLECTION}.plugins.module_utils._image_spec import ImageSpec
from {COLLECTION}.plugins.module_utils._system.cluster import LibrbdSession
from {COLLECTION}.plugins.module_utils._system.connection import Connection
session = LibrbdSession(Connection(conf, "ceph", "admin", keyring, 30))
found = session.first_written(ImageSpec.parse(spec), True, int(start))
session.close()
result = found.offset if found else None
"""

LAYOUTS = {
    "objects that end with the header": ["--object-size", "4M"],
    "an object on both sides": ["--object-size", "32M"],
    "stripes": ["--object-size", "4M", "--stripe-unit", "1M", "--stripe-count", "4"],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_what_lies_behind_it_counts(cluster: LoopbackCluster, namespace: str, site: Site, layout: str) -> None:
    name = f"{namespace}/data"
    cluster.rbd("create", "--size", "96M", *LAYOUTS[layout], name)
    image = Content(cluster, name)

    def first(start: int) -> int | None:
        place = (str(site.place), str(cluster.conf), str(cluster.admin_keyring))
        found: int | None = cluster.python(_FIRST_WRITTEN, *place, name, str(start))
        return found

    image.write(0, SECTOR)
    image.write(HEADER - 512, SECTOR)
    assert first(0) == 0
    assert first(HEADER) is None
    image.write(77 * MIB, SECTOR)
    behind = first(HEADER)
    assert behind is not None
    assert HEADER <= behind <= 77 * MIB
