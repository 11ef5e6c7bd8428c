# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a session believes the cluster's map."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._system import cluster
from ansible_collections.cephclient.rbd.plugins.module_utils._system.connection import Connection

ROOMY = {"flags": "sortbitwise", "pools": [{"pool_name": "rbd", "flags_names": "hashpspool"}]}
FULL = {"flags": "sortbitwise", "pools": [{"pool_name": "rbd", "flags_names": "hashpspool,full"}]}


def test_a_pool_that_becomes_full_in_the_middle_of_a_run_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    maps, ticks = [ROOMY, FULL], [0.0]
    session = cluster.LibrbdSession(Connection("/etc/ceph/ceph.conf", "ceph", "admin", None, 30))

    def command(*_words: Any) -> dict[str, Any]:
        return maps.pop(0)

    monkeypatch.setattr(session, "command", command)
    monkeypatch.setattr(cluster.time, "monotonic", lambda: ticks[-1])
    assert session.obstacle(["rbd"]) is None
    # For each image of a plan, it is not asked for anew.
    assert session.obstacle(["rbd"]) is None
    ticks.append(2.0)
    assert session.obstacle(["rbd"]) == ("the pool rbd is full", "Add storage, or remove data: ceph df, ceph osd df.")
