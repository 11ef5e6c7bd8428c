# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Cephx user is created by the real monitors, gets its keyring, and is removed."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from loopback.cluster import LoopbackCluster
from loopback.modules import Modules, Ritual
from loopback.users import exists, held, key, kinds

pytest_plugins = ["loopback.user_fixtures"]


def test_a_user_gets_exactly_the_capabilities_for_its_places(
    cluster: LoopbackCluster, name: str, namespace: str, pool: str, ritual: Ritual
) -> None:
    places = [
        {"pool": "rbd", "namespace": namespace.partition("/")[2]},
        {"pool": pool, "profile": "rbd-read-only"},
    ]

    done = ritual("rbd_user", {"name": name, "pools": places})

    grants = f"profile rbd pool=rbd namespace={places[0]['namespace']}, profile rbd-read-only pool={pool}"
    expected = {"mon": "profile rbd", "mgr": grants, "osd": grants}
    assert held(cluster, name) == expected
    assert done.raw["users"] == [{"name": name, "exists": True, "capabilities": expected}]
    assert done.diff == [
        {
            "before": f"client.{name}: absent\n",
            "after": f"client.{name}: mgr '{grants}' mon 'profile rbd' osd '{grants}'\n",
        }
    ]


def test_the_key_goes_to_a_private_keyring_and_nowhere_else(
    cluster: LoopbackCluster, name: str, ritual: Ritual, module: Modules, tmp_path: Path
) -> None:
    path = tmp_path / "keyring"
    options = {"name": name, "pools": [{"pool": "rbd"}], "keyring_file": str(path)}

    done = ritual("rbd_user", options)

    assert kinds(done) == ["create", "set_key"]
    secret = key(cluster, name)
    assert path.read_text() == f"[client.{name}]\n\tkey = {secret}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secret not in json.dumps(done.raw)

    path.write_text("[client.other]\n\tkey = theirs\n")
    path.chmod(0o644)
    done = ritual("rbd_user", options)
    assert kinds(done) == (["make_private", "set_key"] if os.geteuid() == 0 else ["set_key"])
    assert path.read_text() == f"[client.other]\n\tkey = theirs\n[client.{name}]\n\tkey = {secret}\n"
    assert secret not in json.dumps(done.raw)
    assert "key" not in module("rbd_user")(options).raw["users"][0]


def test_a_user_is_removed_and_its_keyring_left(
    cluster: LoopbackCluster, name: str, ritual: Ritual, module: Modules, tmp_path: Path
) -> None:
    options = {"name": name, "pools": [{"pool": "rbd"}], "keyring_file": str(tmp_path / "keyring")}
    module("rbd_user")(options)
    before = (tmp_path / "keyring").read_text()

    assert kinds(ritual("rbd_user", {**options, "state": "absent"})) == ["remove"]

    assert not exists(cluster, name)
    assert (tmp_path / "keyring").read_text() == before
