# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode makes of the service on a host that may lack its unit, with a systemctl that only pretends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROLE = Path(__file__).resolve().parents[3] / "roles/rbdmap"

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: "{{ role }}", tasks_from: service.yml}
"""
SYSTEMCTL = """#!/bin/sh
case $1 in
    show) printf 'LoadState=%s\\nActiveState=inactive\\n' "$LOADED" ;;
    is-enabled) echo disabled; exit 1 ;;
    *) echo "$*" >> "$CALLS" ;;
esac
"""


@pytest.mark.parametrize(
    ("loaded", "installed", "recap"),
    [
        # Its package would have been installed.
        ("not-found", {"changed": True}, "changed=0 failed=0"),
        # Nor by the run.
        ("not-found", {"changed": False, "skipped": True}, "changed=0 failed=1"),
        # Other packages would have been installed.
        ("loaded", {"changed": True}, "changed=1 failed=0"),
    ],
)
def test_check_mode_predicts_the_service(tmp_path: Path, loaded: str, installed: dict[str, bool], recap: str) -> None:
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(SYSTEMCTL, encoding="utf-8")
    systemctl.chmod(0o755)
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAYBOOK, encoding="utf-8")
    variables = {
        "role": str(ROLE),
        "rbdmap_mounts": [{"image": "rbd/a"}],
        "rbdmap__installed": installed,
        "ansible_python_interpreter": sys.executable,
    }
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [program, "--check", "-i", "localhost,", "-c", "local", "-e", json.dumps(variables), playbook],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_NOCOLOR": "true",
            "PATH": f"{systemctl.parent}:{os.environ['PATH']}",
            "LOADED": loaded,
            "CALLS": str(tmp_path / "calls"),
        },
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert re.findall(r"(?:changed|failed)=\d+", done.stdout) == recap.split(), done.stdout + done.stderr
    assert not (tmp_path / "calls").exists()
