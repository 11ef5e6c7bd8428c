# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way of a percentage: from the callback that librbd would call, over the job's file, to the terminal.

The module waits until the test has seen its percentage on the output of ansible-playbook, and ends then. So a run
that ends shows that it was seen while the module was at work.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]

# Two hosts, so that both ways of waiting go on at the same time.
PLAYBOOK = """
- hosts: all
  gather_facts: false
  strategy: free
  tasks:
    - name: Work
      pretend: {image: "rbd/{{ inventory_hostname }}", seen: "{{ directory }}/{{ inventory_hostname }}"}
      async: 60
      poll: "{{ 1 if inventory_hostname == 'polled' else 0 }}"
      register: work
    - name: Wait
      ansible.builtin.async_status: {jid: "{{ work.ansible_job_id }}"}
      register: waited
      until: waited is finished
      retries: 600
      delay: 0
      when: inventory_hostname == 'left'
    - name: The module saw that it was seen, and nothing is left over in its result
      ansible.builtin.assert:
        that: [result.seen, result.progress is undefined]
      vars:
        result: "{{ work if waited is skipped else waited }}"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """This checkout as an installed collection, and the job files where nobody else looks."""
    link = tmp_path / "collections" / "ansible_collections" / "cephclient" / "rbd"
    link.parent.mkdir(parents=True)
    link.symlink_to(ROOT)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections"),
        "ANSIBLE_LIBRARY": str(HERE / "library"),
        "ANSIBLE_CALLBACKS_ENABLED": "cephclient.rbd.progress",
        "ANSIBLE_ASYNC_DIR": str(tmp_path / "jobs"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
    }


def test_whoever_runs_the_play_sees_how_far_it_is(tmp_path: Path, environment: dict[str, str]) -> None:
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAYBOOK, encoding="utf-8")
    program = Path(sys.executable).with_name("ansible-playbook")
    variables = ["-e", f"directory={tmp_path}", "-e", f"ansible_python_interpreter={sys.executable}"]
    command = [str(program), "-i", "polled,left", "-c", "local", *variables, str(playbook)]
    seen = []
    with subprocess.Popen(
        command, env=environment, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as run:
        assert run.stdout
        for line in run.stdout:
            seen.append(line)
            for name in ("polled", "left"):
                if line == f"PROGRESS [{name}] flatten rbd/{name}: 44 % (2 of 3)\n":
                    (tmp_path / name).touch()
    output = "".join(seen)
    assert run.returncode == 0, output
    assert (tmp_path / "polled").exists(), output
    assert (tmp_path / "left").exists(), output
