# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long operation is can be read while it runs, from the polls of its asynchronous task."""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path

from loopback.cluster import LoopbackCluster
from loopback.playbooks import Playbooks

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
        state: "{{ state }}"
        flatten: true
      async: 240
      poll: 1
"""


def percentages(output: str, action: str, image: str) -> list[int]:
    """What the callback said of an action, in order."""
    return [int(found) for found in re.findall(rf"PROGRESS \[localhost\] {action} {re.escape(image)}: (\d+) %", output)]


def test_flatten_and_remove_tell_percentages(
    cluster: LoopbackCluster, namespace: str, playbook: Playbooks, tmp_path: Path
) -> None:
    golden, clone = f"{namespace}/golden", f"{namespace}/clone"
    # Many objects, one after the other, so that each operation lasts longer than some polls.
    conf = tmp_path / "ceph.conf"
    slowly = "\n[client]\nrbd_concurrent_management_ops = 1\n"
    conf.write_text(cluster.conf.read_text(encoding="utf-8") + slowly, encoding="utf-8")
    cluster.rbd("create", golden, "--size", "768M", "--object-size", "64K", "--image-feature", "layering")
    cluster.rbd("snap", "create", f"{golden}@one")
    cluster.rbd("snap", "protect", f"{golden}@one")
    cluster.rbd("clone", f"{golden}@one", clone)

    # Under a Python without Ceph's bindings the job is found behind the one that the module goes on under.
    run_with = functools.partial(playbook, PLAYBOOK, python=sys.executable)
    flattened = run_with({"image": clone, "state": "present", "ceph_conf": str(conf)})
    removed = run_with({"image": clone, "state": "absent", "ceph_conf": str(conf)})

    for run, action in ((flattened, "flatten"), (removed, "remove")):
        assert not run.failed, run.output
        told = percentages(run.output, action, clone)
        assert told, run.output
        assert told == sorted(told), run.output
        assert all(0 <= percent <= 100 for percent in told)
        assert run.results("rbd_image")[-1].changed
    assert cluster.json("rbd", "ls", namespace) == ["golden"]
