# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image is created, grown and removed by the real librbd in a real cluster."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from loopback.bounds import Bound
from loopback.cluster import LoopbackCluster
from loopback.modules import Modules, Ritual
from loopback.playbooks import Playbooks

MIB = 2**20
CONNECT_TIMEOUT = 2
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/cephclient.rbd.rbd:
      conf: "{{ ceph_conf }}"
      user: "{{ ceph_user }}"
      keyring: "{{ ceph_keyring }}"
  tasks:
    - name: Image
      cephclient.rbd.rbd_image:
        image: "{{ image }}"
        size: 8M
"""


def test_create_grow_and_remove(cluster: LoopbackCluster, namespace: str, ritual: Ritual) -> None:
    image = f"{namespace}/data"

    done = ritual("rbd_image", {"image": image, "size": "8M"})
    assert [action["action"] for action in done.actions] == ["create"]
    assert cluster.json("rbd", "info", image)["size"] == 8 * MIB

    done = ritual("rbd_image", {"image": image, "size": "12M"})
    assert [action["action"] for action in done.actions] == ["grow"]
    assert cluster.json("rbd", "info", image)["size"] == 12 * MIB

    done = ritual("rbd_image", {"image": image, "state": "absent"})
    assert [action["action"] for action in done.actions] == ["remove"]
    assert cluster.json("rbd", "ls", namespace) == []


def test_check_mode_creates_nothing(cluster: LoopbackCluster, namespace: str, module: Modules) -> None:
    predicted = module("rbd_image")({"image": f"{namespace}/data", "size": "8M"}, check=True)

    assert predicted.changed
    assert cluster.json("rbd", "ls", namespace) == []


def test_module_goes_on_under_the_python_that_has_the_bindings(
    cluster: LoopbackCluster, namespace: str, playbook: Playbooks
) -> None:
    lacking = subprocess.run([sys.executable, "-c", "import rbd"], check=False, capture_output=True)
    assert lacking.returncode != 0, "this environment has the bindings, so nothing is proven here"

    run = playbook(PLAYBOOK, {"image": f"{namespace}/data"}, python=sys.executable)

    assert not run.failed, run.output
    assert run.results("rbd_image")[0].changed
    assert cluster.json("rbd", "info", f"{namespace}/data")["size"] == 8 * MIB


@pytest.mark.parametrize("kind", ["mon", "osd"])
def test_cluster_that_does_not_answer_is_an_error_in_bounded_time(
    cluster: LoopbackCluster, namespace: str, module: Modules, kind: str
) -> None:
    options = {"image": f"{namespace}/data", "size": "8M", "connect_timeout": CONNECT_TIMEOUT}
    bound = Bound(CONNECT_TIMEOUT, lambda: module("rbd_image")(options, check=True))

    with cluster.paused(kind):
        began = time.monotonic()
        result = module("rbd_image")(options)
        seconds = time.monotonic() - began

    assert result.failed
    assert f"{CONNECT_TIMEOUT} seconds" in result.msg
    assert seconds >= CONNECT_TIMEOUT
    bound.check(seconds)
