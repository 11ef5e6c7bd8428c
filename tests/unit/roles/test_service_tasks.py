# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode makes of the service on a host that may lack its unit, with a systemctl that only pretends.

The module is sent as to any host, so this also shows that the program's files come with it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._service_request import DROP_IN_TEXT
from ansible_collections.cephclient.rbd.plugins.module_utils._system.boot_program import program_texts

ROOT = Path(__file__).resolve().parents[3]

SERVICE_TASKS = {"name": "cephclient.rbd.rbdmap", "tasks_from": "service.yml"}
SYSTEMCTL = """#!/bin/sh
case $1 in
    show) printf 'LoadState=%s\\nUnitFileState=disabled\\nActiveState=inactive\\nNeedDaemonReload=no\\n' "$LOADED" ;;
    --version) echo 'systemd 252 (252.39-1~deb12u1)' ;;
    *) echo "$*" >> "$CALLS" ;;
esac
"""
# The module looks for programs where the system has them.
SITE = """
import os, subprocess

class Popen(subprocess.Popen):
    def __init__(self, argv, *rest, **how):
        own = isinstance(argv, list) and argv[0] == "systemctl"
        super().__init__([os.environ["SYSTEMCTL"], *argv[1:]] if own else argv, *rest, **how)

subprocess.Popen = Popen
"""


class Host:
    """This machine, with a systemctl and a Python that knows it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.put("systemctl", SYSTEMCTL).chmod(0o755)
        self.put("site/sitecustomize.py", SITE)
        link = place / "collections/ansible_collections/cephclient/rbd"
        link.parent.mkdir(parents=True)
        link.symlink_to(ROOT)

    def put(self, name: str, text: str) -> Path:
        path = self.place / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def check(self, loaded: str, *runs: dict[str, Any], **variables: Any) -> str:
        """What a play in check mode prints, in which the tasks run once with each of the variables."""
        given = {"ansible_python_interpreter": sys.executable, "rbdmap_mounts": [{"image": "rbd/a"}], **variables}
        tasks = [{"ansible.builtin.include_role": SERVICE_TASKS, "vars": run} for run in runs or [{}]]
        play = [{"hosts": "localhost", "gather_facts": False, "vars": given, "tasks": tasks}]
        self.put("play.yml", json.dumps(play))
        program = Path(sys.executable).with_name("ansible-playbook")
        done = subprocess.run(
            [program, "--check", "--diff", "-i", "localhost,", "-c", "local", "play.yml"],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
                "ANSIBLE_NOCOLOR": "true",
                "ANSIBLE_COLLECTIONS_PATH": str(self.place / "collections"),
                "PYTHONPATH": str(self.place / "site"),
                "SYSTEMCTL": str(self.place / "systemctl"),
                "LOADED": loaded,
                "CALLS": str(self.place / "calls"),
            },
            cwd=self.place, capture_output=True, text=True, check=False,
        )  # fmt: skip
        # Nothing but questions.
        assert not (self.place / "calls").exists()
        return done.stdout + done.stderr


def recap(output: str) -> list[str]:
    return re.findall(r"(?:changed|failed|skipped)=\d+", output)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize(
    ("loaded", "installed", "expected"),
    [
        # Not by the run.
        ("not-found", {"changed": False, "skipped": True}, "changed=0 failed=1"),
        # Other packages would have been installed.
        ("loaded", {"changed": True}, "changed=1 failed=0"),
    ],
)
def test_check_mode_predicts_the_service(host: Host, loaded: str, installed: dict[str, bool], expected: str) -> None:
    output = host.check(loaded, rbdmap__installed=installed, rbdmap_self_heal=False)
    assert recap(output) == [*expected.split(), "skipped=0"], output


def test_it_shows_the_files_that_would_be_placed_once_the_package_is_installed(host: Host) -> None:
    output = host.check("not-found", {}, {"rbdmap_self_heal": False}, rbdmap__installed={"changed": True})
    assert recap(output) == ["changed=1", "failed=0", "skipped=0"], output
    added = "".join(f"{line[1:]}\n" for line in output.splitlines() if line.startswith("+") and line[:3] != "+++")
    assert added.startswith("".join([*program_texts().values(), DROP_IN_TEXT]))


def test_where_it_is_not_to_run_it_is_neither_started_nor_asked_for(host: Host) -> None:
    elsewhere: list[dict[str, Any]] = [{"rbdmap_service_enabled": False}, {"rbdmap_state": "absent"}]
    # To be as Ceph ships it, it has to be neither.
    shipped = [{**given, "rbdmap_self_heal": False} for given in elsewhere]
    output = host.check("not-found", *elsewhere, *shipped, rbdmap__installed={"changed": False})
    assert recap(output) == ["changed=0", "failed=0", "skipped=2"], output
