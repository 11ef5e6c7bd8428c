# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide "Prepare the cluster" does what it says."""

from __future__ import annotations

import re
import sys
import textwrap
from typing import Any

import yaml
from loopback.cluster import LoopbackCluster
from loopback.modules import Modules
from loopback.playbooks import Playbooks
from loopback.site import CHECKOUT

GUIDE = CHECKOUT / "docs" / "docsite" / "rst" / "guide_cluster.rst"
BLOCK = re.compile(r"\.\. code-block:: yaml\+jinja\n\n((?:    .*\n|\n)+)")
CONNECTION = {option: f"{{{{ ceph_{option} }}}}" for option in ("conf", "user", "keyring")}


def plays(number: int, **replaced: str) -> list[dict[str, Any]]:
    """The plays of one block of the guide, for this machine in place of its hosts."""
    text = textwrap.dedent(BLOCK.findall(GUIDE.read_text(encoding="utf-8"))[number])
    for old, new in replaced.items():
        text = text.replace(old, new)
    found: list[dict[str, Any]] = yaml.safe_load(text)
    for play in found:
        play.update(hosts="localhost", become=False, gather_facts=False)
        play["module_defaults"] = {"group/cephclient.rbd.rbd": CONNECTION}
    return found


def test_the_playbook_prepares_a_cluster(cluster: LoopbackCluster, playbook: Playbooks) -> None:
    prepare, place = plays(0, ceph1="localhost")
    place["tasks"][0]["cephclient.rbd.rbd_keyring"]["keyring"] = str(cluster.directory / "ceph.client.blue.keyring")
    text = yaml.safe_dump([prepare, place])

    # The modules have to go on under another Python.
    run = playbook(text, python=sys.executable)

    assert not run.failed, run.output
    assert cluster.ceph("auth", "get-key", "client.blue").strip() not in run.output
    cluster.rbd("create", "--size", "8M", "apps/blue/data", user="blue")
    assert cluster.json("rbd", "ls", "apps/blue") == ["data"]
    assert cluster.json("rbd", "ls", "templates", user="blue") == []
    again = playbook(text)
    assert [task.result.changed for task in again.tasks] == [False] * 4


def test_check_mode_foresees_the_first_play(cluster: LoopbackCluster, playbook: Playbooks) -> None:
    (prepare, _place) = plays(0, ceph1="localhost", apps="future", templates="later")

    run = playbook(yaml.safe_dump([prepare]), check=True)

    assert not run.failed, run.output
    assert [task.result.changed for task in run.tasks] == [True] * 3
    assert "future" not in cluster.json("ceph", "osd", "pool", "ls")


def test_an_image_may_lie_in_two_pools(cluster: LoopbackCluster, playbook: Playbooks) -> None:
    cluster.ceph("osd", "erasure-code-profile", "set", "archive", "k=2", "m=1", "crush-failure-domain=osd")

    run = playbook(yaml.safe_dump(plays(1)))

    assert not run.failed, run.output
    assert cluster.json("rbd", "info", "archive/photos")["data_pool"] == "archive-data"


def test_the_capabilities_that_the_guide_names_suffice_for_each_module(
    cluster: LoopbackCluster, module: Modules
) -> None:
    def as_user(name: str, mon: str, osd: str) -> dict[str, str]:
        return {"user": name, "keyring": str(cluster.user(name, mon=mon, osd=osd, mgr=""))}

    pools = as_user("keeper-of-pools", "allow rw", "profile rbd")
    namespaces = as_user("keeper-of-namespaces", "profile rbd", "profile rbd pool=kept")
    users = as_user("keeper-of-users", "allow rwx", "profile rbd")
    user = {"name": "kept", "pools": [{"pool": "kept", "namespace": "blue"}]}
    for name, options in (
        ("rbd_pool", {**pools, "pool": "kept"}),
        ("rbd_namespace", {**namespaces, "pool": "kept", "namespace": "blue"}),
        ("rbd_user", {**users, **user}),
        ("rbd_user", {**users, **user, "state": "absent"}),
        ("rbd_namespace", {**namespaces, "pool": "kept", "namespace": "blue", "state": "absent"}),
        ("rbd_pool", {**pools, "pool": "kept", "state": "absent"}),
    ):
        result = module(name)(options)
        assert not result.failed, result.msg
        assert result.changed
