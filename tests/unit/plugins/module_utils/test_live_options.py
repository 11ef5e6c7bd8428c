# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared map options against those in force."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._live_options import lacking_options, surplus_options
from ansible_collections.cephclient.rbd.plugins.module_utils._map_options import MapOptions
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import device


@pytest.mark.parametrize(
    ("declared", "live", "lacking", "surplus"),
    [
        ("", "", [], []),
        ("queue_depth=9,lock_on_read", "lock_on_read,queue_depth=9", [], []),
        ("queue_depth=9,lock_on_read", "", ["lock_on_read", "queue_depth=9"], []),
        ("queue_depth=9", "queue_depth=8", ["queue_depth=9"], []),
        ("", "queue_depth=8,notrim", [], ["queue_depth=8", "notrim"]),
        # What the rbd command adds for itself, keeps for itself, or spells otherwise.
        ("", "ms_mode=prefer-crc,_pool_ns=team,fsid_unknown", [], []),
        ("ip=10.0.0.9", "ip=10.0.0.9:0", [], []),
        ("noudev,rw", "", [], []),
        ("", "ro", [], []),
        ("ms_mode=secure", "ms_mode=legacy", ["ms_mode=secure"], []),
    ],
)
def test_what_lacks_and_what_is_too_much(declared: str, live: str, lacking: list[str], surplus: list[str]) -> None:
    mapping = device(options=",".join(filter(None, ["name=admin,key=client.admin", live])))
    options = MapOptions.read(declared)
    assert (lacking_options(options, mapping), surplus_options(options, mapping)) == (lacking, surplus)


def test_nothing_is_said_where_nothing_can_be_read() -> None:
    hidden = replace(device(), config="")
    assert lacking_options(MapOptions.read("queue_depth=9"), hidden) == []
    assert surplus_options(MapOptions.read("queue_depth=9"), hidden) == []
