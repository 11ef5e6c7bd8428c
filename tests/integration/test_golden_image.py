# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook golden_image imports a file once, and keeps clones of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from loopback.cluster import LoopbackCluster
from loopback.content import Content
from loopback.playbooks import PlaybookRun, Playbooks
from loopback.site import CHECKOUT

PLAYBOOK = CHECKOUT / "playbooks" / "golden_image.yml"
MIB = 2**20
IMAGE, SNAPSHOT, CLONES = "Keep the golden image", "Keep its protected snapshot", "Keep the clones"
TWO_HOSTS = f"""
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.add_host:
        name: another
        ansible_connection: local
- import_playbook: {PLAYBOOK}
"""


class Golden:
    """The playbook, with a golden image of its own."""

    def __init__(self, playbook: Playbooks, place: str, source: Path) -> None:
        self.image = f"{place}/debian.1"
        self.source = source
        self._playbook = playbook
        self._place = place

    def vm(self, name: str) -> str:
        """The image-spec of a clone."""
        return f"{self._place}/{name}"

    def __call__(
        self,
        playbook: str | Path = PLAYBOOK,
        *,
        check: bool = False,
        python: str | None = None,
        **variables: Any,
    ) -> PlaybookRun:
        """Run it.

        :param python: as of :class:`Playbooks`.
        :param variables: without the prefix. By default the tasks are not asynchronous, which takes less time.
        """
        connection = {name: f"{{{{ ceph_{name} }}}}" for name in ("conf", "user", "keyring")}
        given = {**connection, "image": self.image, "source": str(self.source), "timeout": 0, **variables}
        extra = {f"golden_image_{name}": value for name, value in given.items() if value is not None}
        return self._playbook(playbook, {**extra, "ansible_become": False}, check=check, python=python)


@pytest.fixture
def golden(playbook: Playbooks, namespace: str, tmp_path: Path) -> Golden:
    source = tmp_path / "debian.raw"
    source.write_bytes(os.urandom(4 * MIB))
    return Golden(playbook, namespace, source)


def changed(run: PlaybookRun) -> list[str]:
    """The tasks that changed something, or in check mode would change it."""
    assert not run.failed, run.output
    return [task.name for task in run.tasks if task.result.changed]


def test_check_and_run(cluster: LoopbackCluster, namespace: str, golden: Golden) -> None:
    clones = [golden.vm("web1"), {"image": golden.vm("db1"), "size": "8M", "metadata": {"owner": "db team"}}]

    predicted = changed(golden(clones=clones, check=True))
    assert predicted == [IMAGE, "Predict its protected snapshot", "Predict the clones"]
    assert cluster.json("rbd", "ls", namespace) == []

    assert changed(golden(clones=clones)) == [IMAGE, SNAPSHOT, CLONES]
    snapshots = cluster.json("rbd", "snap", "ls", golden.image)
    assert [(snapshot["name"], snapshot["protected"]) for snapshot in snapshots] == [("golden", "true")]
    children = cluster.json("rbd", "children", f"{golden.image}@golden")
    assert sorted(child["image"] for child in children) == ["db1", "web1"]
    data = golden.source.read_bytes()
    assert Content(cluster, golden.vm("web1")).read() == data
    assert Content(cluster, golden.vm("db1")).read() == data + bytes(4 * MIB)
    assert [Content(cluster, golden.vm(name)).objects() for name in ("web1", "db1")] == [set(), set()]
    assert cluster.json("rbd", "image-meta", "ls", golden.vm("db1")) == {"owner": "db team"}


def test_second_run_changes_nothing_and_needs_the_file_no_more(cluster: LoopbackCluster, golden: Golden) -> None:
    clones = "{{ query('ansible.builtin.sequence', 'count=3 format=" + golden.vm("web%d") + "') }}"
    assert changed(golden(clones=clones)) == [IMAGE, SNAPSHOT, CLONES]
    assert len(cluster.json("rbd", "children", f"{golden.image}@golden")) == 3

    golden.source.unlink()
    assert changed(golden(clones=clones)) == []


def test_what_may_take_long_is_asynchronous(cluster: LoopbackCluster, golden: Golden) -> None:
    # The job that Ansible watches goes on under another Python.
    run = golden(clones=[golden.vm("web1")], flatten=True, timeout=600, poll=1, python=sys.executable)

    assert changed(run) == [IMAGE, SNAPSHOT, CLONES]
    assert run.output.count("ASYNC OK on localhost") == 2
    assert "parent" not in cluster.json("rbd", "info", golden.vm("web1"))
    assert Content(cluster, golden.vm("web1")).read() == golden.source.read_bytes()
    # With flatten a clone that has no parent is as it shall be.
    assert changed(golden(clones=[golden.vm("web1")], flatten=True)) == []


def test_copy_on_read_is_for_all_clones_but_those_that_say_otherwise(cluster: LoopbackCluster, golden: Golden) -> None:
    other = {"image": golden.vm("db1"), "config": {"rbd_clone_copy_on_read": False, "rbd_cache": True}}

    golden(clones=[golden.vm("web1"), other], copy_on_read=True)

    settings = [cluster.json("rbd", "image-meta", "ls", golden.vm(name)) for name in ("web1", "db1")]
    assert settings == [
        {"conf_rbd_clone_copy_on_read": "true"},
        {"conf_rbd_clone_copy_on_read": "false", "conf_rbd_cache": "true"},
    ]
    assert changed(golden(clones=[golden.vm("web1"), other], copy_on_read=True, check=True)) == []


def test_cephx_user_needs_no_more_than_the_place_of_the_images(
    cluster: LoopbackCluster, namespace: str, golden: Golden
) -> None:
    pool, _slash, name = namespace.partition("/")
    user = f"operator-{name}"
    keyring = cluster.user(user, osd=f"profile rbd pool={pool} namespace={name}", mgr="")

    run = golden(clones=[golden.vm("web1")], flatten=True, user=user, keyring=str(keyring))

    assert changed(run) == [IMAGE, SNAPSHOT, CLONES]
    assert Content(cluster, golden.vm("web1")).read() == golden.source.read_bytes()


def test_check_mode_of_an_image_that_lacks_its_snapshot(cluster: LoopbackCluster, golden: Golden) -> None:
    cluster.rbd("import", str(golden.source), golden.image)

    run = golden(clones=[golden.vm("web1")], snapshot="one", check=True)

    assert changed(run) == [SNAPSHOT, "Predict the clones"]
    assert f"{golden.image}@one would be cloned" in run.output
    assert changed(golden(clones=[golden.vm("web1")], snapshot="one")) == [SNAPSHOT, CLONES]


def test_new_version_is_a_new_name_and_old_clones_stay(cluster: LoopbackCluster, golden: Golden) -> None:
    old = golden.source.read_bytes()
    cluster.rbd("import", str(golden.source), golden.image)
    cluster.rbd("snap", "create", f"{golden.image}@golden")
    cluster.rbd("snap", "protect", f"{golden.image}@golden")
    cluster.rbd("clone", f"{golden.image}@golden", golden.vm("web1"))
    golden.source.write_bytes(os.urandom(4 * MIB))
    golden.image = golden.vm("debian.2")

    assert changed(golden(clones=[golden.vm("web2")])) == [IMAGE, SNAPSHOT, CLONES]
    assert Content(cluster, golden.vm("web1")).read() == old
    assert Content(cluster, golden.vm("web2")).read() == golden.source.read_bytes()

    run = golden(clones=[golden.vm("web1")])
    assert run.failed
    assert f"it is a clone of {golden.vm('debian.1')}@golden" in run.results("rbd_image")[-1].msg


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"source": None}, "missing required arguments: golden_image_source"),
        ({"source_format": "vmdk"}, "value of golden_image_source_format must be one of: raw, qcow2, got: vmdk"),
        ({"flatten": "maybe"}, "unable to convert to bool"),
        ({"clones": ["web1", 2]}, "golden_image_clones has an item that is neither a name nor a dictionary."),
        ({"hosts": "all"}, "2 hosts would do the same at once. Name one of them as golden_image_hosts."),
    ],
    ids=str,
)
def test_wrong_variables_are_refused_before_anything_is_done(
    cluster: LoopbackCluster, namespace: str, golden: Golden, variables: dict[str, Any], sentence: str
) -> None:
    run = golden(TWO_HOSTS, **variables)

    assert run.failed
    assert sentence in " ".join(task.result.msg for task in run.tasks if task.status == "failed")
    assert cluster.json("rbd", "ls", namespace) == []
