# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cephx users are created, corrected and removed by the real monitors, and their keys stay secret."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from loopback.cluster import LoopbackCluster
from loopback.modules import Modules, Ritual
from loopback.playbooks import Playbooks
from loopback.users import exists, held, key, kinds

pytest_plugins = ["loopback.user_fixtures"]

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/cephclient.rbd.rbd:
      conf: "{{ ceph_conf }}"
      user: "{{ ceph_user }}"
      keyring: "{{ ceph_keyring }}"
  tasks:
    - name: Shown
      cephclient.rbd.rbd_user:
        name: "{{ name }}"
        pools: [{pool: rbd}]
        keyring_file: "{{ path }}.shown"
    - name: Kept
      cephclient.rbd.rbd_user:
        name: "{{ name }}"
        pools: [{pool: rbd}]
      no_log: true
      register: kept
    - name: Placed elsewhere
      cephclient.rbd.rbd_keyring:
        user: "{{ name }}"
        keyring: "{{ path }}"
        key: "{{ kept.users[0].key }}"
"""


def test_who_may_only_read_gets_no_right_to_blocklist(cluster: LoopbackCluster, name: str, ritual: Ritual) -> None:
    ritual("rbd_user", {"name": name, "pools": [{"pool": "rbd", "profile": "rbd-read-only"}]})

    assert held(cluster, name)["mon"] == "profile simple-rados-client"


@pytest.mark.parametrize(
    "drift",
    [
        {"mon": "profile rbd", "osd": "profile rbd pool=rbd"},
        {"mon": "allow *", "mgr": "profile rbd pool=rbd", "osd": "profile rbd pool=rbd"},
        {"mon": "profile rbd", "mgr": "profile rbd pool=rbd", "osd": "profile rbd pool=rbd, allow rwx pool=other"},
        {"mon": "profile rbd", "mgr": "profile rbd pool=rbd", "osd": "profile rbd pool=rbd", "mds": "allow *"},
        {"mon": "profile rbd", "mgr": "profile rbd", "osd": "profile rbd"},
        {},
    ],
)
def test_drift_is_corrected_and_the_key_stays(
    cluster: LoopbackCluster, name: str, ritual: Ritual, drift: dict[str, str]
) -> None:
    words = [word for pair in drift.items() for word in pair]
    cluster.ceph("auth", "get-or-create", f"client.{name}", *words)
    before = key(cluster, name)

    done = ritual("rbd_user", {"name": name, "pools": [{"pool": "rbd"}]})

    assert kinds(done) == ["set_capabilities"]
    assert held(cluster, name) == {
        "mon": "profile rbd",
        "mgr": "profile rbd pool=rbd",
        "osd": "profile rbd pool=rbd",
    }
    assert key(cluster, name) == before
    shown = " ".join(f"{kind} '{drift[kind]}'" for kind in sorted(drift)) or "no capabilities"
    assert done.diff[0]["before"] == f"client.{name}: {shown}\n"


def test_capabilities_that_mean_the_same_are_left_alone(
    cluster: LoopbackCluster, name: str, pool: str, module: Modules
) -> None:
    osd = f"profile rbd-read-only  pool={pool},  profile rbd pool='rbd'"
    mgr = f'allow profile rbd pool="rbd"; profile rbd-read-only pool={pool}'
    cluster.ceph("auth", "add", f"client.{name}", "mon", "allow profile rbd", "osd", osd, "mgr", mgr)

    places = [{"pool": "rbd"}, {"pool": pool, "profile": "rbd-read-only"}]
    assert not module("rbd_user")({"name": name, "pools": places}).changed
    assert held(cluster, name)["osd"] == osd


def test_odd_names_of_pools_are_quoted_as_ceph_wants_it(
    cluster: LoopbackCluster, name: str, ritual: Ritual, module: Modules
) -> None:
    odd = "a pool: né"
    cluster.ceph("osd", "pool", "create", odd)
    cluster.rbd("pool", "init", odd)
    keyring = cluster.directory / f"ceph.client.{name}.keyring"

    ritual("rbd_user", {"name": name, "pools": [{"pool": odd}], "keyring_file": str(keyring)})

    cluster.rbd("create", "--size", "8M", f"{odd}/image", user=name)
    assert cluster.rbd("ls", odd, user=name).split() == ["image"]
    assert module("rbd_pool")({"pool": odd, "state": "absent", "delete_data": True}).changed


def test_a_key_is_returned_to_a_task_that_is_not_logged(cluster: LoopbackCluster, name: str, module: Modules) -> None:
    wish = {"name": name, "pools": [{"pool": "rbd"}]}

    assert "key" not in module("rbd_user")(wish, check=True, no_log=True).raw["users"][0]
    for _run in range(2):
        result = module("rbd_user")(wish, no_log=True)
        assert result.raw["users"][0]["key"] == key(cluster, name)
        assert key(cluster, name) not in json.dumps([result.actions, result.diff])


def test_no_playbook_shows_a_key_however_verbose(
    cluster: LoopbackCluster, name: str, playbook: Playbooks, tmp_path: Path
) -> None:
    path = tmp_path / "keyring"

    run = playbook(PLAYBOOK, {"name": name, "path": str(path)}, verbosity=4, python=sys.executable)

    assert not run.failed, run.output
    assert key(cluster, name) not in run.output
    assert key(cluster, name) in path.read_text()
    assert path.read_text() == path.with_suffix(".shown").read_text()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("admin", "the cluster itself needs this user's capabilities."),
        ("bootstrap-osd", "the cluster itself needs this user's capabilities."),
        ("client.app", "Write app."),
        ("", "a keyring cannot hold such a name."),
        ("a]b", "a keyring cannot hold such a name."),
        ("a/b", "has a slash."),
    ],
)
@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_user_that_is_not_to_be_managed_is_refused(
    cluster: LoopbackCluster, module: Modules, name: str, said: str, state: str
) -> None:
    before = cluster.ceph("auth", "ls")
    result = module("rbd_user")({"name": name, "pools": [{"pool": "rbd"}], "state": state})
    assert said in result.msg
    assert cluster.ceph("auth", "ls") == before


def test_the_user_that_the_module_connects_as_is_refused(cluster: LoopbackCluster, module: Modules) -> None:
    keyring = cluster.user("keeper", mon="allow *")
    wish = {"name": "keeper", "pools": [{"pool": "rbd"}], "user": "keeper", "keyring": str(keyring)}

    assert "it is the one that this module connects as" in module("rbd_user")(wish).msg
    assert held(cluster, "keeper")["mon"] == "allow *"


@pytest.mark.parametrize(
    ("places", "missing"),
    [
        ([{"pool": "no-such-pool"}], "pool no-such-pool"),
        ([{"pool": "rbd", "namespace": "none-such"}], "namespace rbd/none-such"),
    ],
)
def test_a_place_that_does_not_exist_is_an_error_unless_an_earlier_task_may_create_it(
    cluster: LoopbackCluster, name: str, module: Modules, places: list[dict[str, str]], missing: str
) -> None:
    result = module("rbd_user")({"name": name, "pools": places})
    assert f"there is no {missing}." in result.msg
    assert not exists(cluster, name)

    predicted = module("rbd_user")({"name": name, "pools": places}, check=True)
    assert kinds(predicted) == ["create"]
    assert predicted.warnings[0].startswith(f"{missing} does not exist; in check mode")


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ([], "no pool is given."),
        ([{"pool": "rbd"}, {"pool": "rbd", "profile": "rbd-read-only"}], "rbd is given twice."),
        ([{"pool": "rbd", "namespace": ""}], "the name is empty."),
        ([{"pool": "rbd", "namespace": "*"}], "an asterisk"),
        ([{"pool": "rbd/ns"}], "cannot hold a name with /"),
        ([{"pool": 'rbd" pool="other'}], "a quote"),
    ],
)
def test_places_that_cannot_be_understood_are_refused(
    cluster: LoopbackCluster, name: str, module: Modules, places: list[dict[str, Any]], said: str
) -> None:
    assert said in module("rbd_user")({"name": name, "pools": places}).msg
    assert not exists(cluster, name)


def test_many_users_in_one_call(cluster: LoopbackCluster, name: str, pool: str, ritual: Ritual) -> None:
    users = [{"name": f"{name}-{number}"} for number in range(3)] + [{"name": name, "pools": [{"pool": "rbd"}]}]

    done = ritual("rbd_user", {"pools": [{"pool": pool}], "users": users})

    assert kinds(done) == ["create"] * 4
    assert held(cluster, f"{name}-2")["osd"] == f"profile rbd pool={pool}"
    assert held(cluster, name)["osd"] == "profile rbd pool=rbd"
    gone = ritual("rbd_user", {"users": users[:3], "state": "absent"})
    assert kinds(gone) == ["remove"] * 3


@pytest.mark.parametrize("existing", [False, True])
def test_two_runs_at_the_same_moment_both_end_well(
    cluster: LoopbackCluster, name: str, module: Modules, existing: bool, tmp_path: Path
) -> None:
    if existing:
        cluster.ceph("auth", "get-or-create", f"client.{name}", "mon", "allow r")
    places = {"name": name, "pools": [{"pool": "rbd"}], "keyring_file": str(tmp_path / "keyring")}
    for wish in (places, {"name": name, "state": "absent"}):
        with ThreadPoolExecutor() as threads:
            results = list(threads.map(module("rbd_user"), [wish, wish]))
        assert [result.msg for result in results if result.failed] == []
        assert any(result.changed for result in results)
        assert not module("rbd_user")(wish).changed


def test_a_user_without_rights_is_told_which(cluster: LoopbackCluster, name: str, module: Modules) -> None:
    user = {"user": "powerless", "keyring": str(cluster.user("powerless"))}

    result = module("rbd_user")({"name": name, "pools": [{"pool": "rbd"}], **user})

    assert "client.powerless lacks the capability mon 'allow rwx'." in result.msg
