# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that one process runs have what a process of their own would give them, and it outlives all that they do."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

FORKED = Path(__file__).parents[3] / "extensions" / "molecule" / "cases" / "forked.py"

SHARED = "import os\nIMPORTED_BY = os.getpid()\n"
MODULE = """
import json, os, subprocess, sys, time
from ansible.module_utils.basic import AnsibleModule
from fakes.shared import IMPORTED_BY

def main():
    module = AnsibleModule({"do": {"type": "str"}}, supports_check_mode=True)
    do = module.params["do"]
    if do == "hang":
        subprocess.run(["sleep", "300"])
    if do == "break":
        raise ValueError("broken")
    if do == "vanish":
        os._exit(3)
    if do == "leave":
        subprocess.Popen(["sleep", "5"])
    if do == "refuse":
        module.fail_json(msg="Cannot do it.")
    module.exit_json(by=os.getpid(), imported_by=IMPORTED_BY, check=module.check_mode, stdin=sys.stdin.read())

if __name__ == "__main__":
    main()
"""


def run(place: Path, *cases: dict[str, Any], look: str = "", limit: int = 180) -> dict[str, Any]:
    """Run the module once for each case."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, text in (("__init__", ""), ("shared", SHARED), ("module", MODULE)):
            file.writestr(f"fakes/{name}.py", text)
    told = {
        "archive": base64.b64encode(archive.getvalue()).decode(),
        "cases": [
            {
                "module_fqn": "fakes.module",
                "profile": "legacy",
                "params": json.dumps({"ANSIBLE_MODULE_ARGS": {"_ansible_remote_tmp": str(place), **case}}),
            }
            for case in cases
        ],
        "look": look,
    }
    program = FORKED.read_text(encoding="utf-8").replace("LIMIT = 180", f"LIMIT = {limit}")
    done = subprocess.run(
        [sys.executable], input=f"{program}\nmain({told!r})\n", env={"PATH": "/usr/bin:/bin", "TMPDIR": str(place)},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    assert list(place.iterdir()) == []
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_each_case_is_a_process_and_what_they_share_is_imported_once(tmp_path: Path) -> None:
    first, second = (json.loads(case["stdout"]) for case in run(tmp_path, {}, {"_ansible_check_mode": True})["cases"])
    assert first["imported_by"] == second["imported_by"]
    assert len({first["by"], second["by"], first["imported_by"]}) == 3
    assert (first["check"], second["check"]) == (False, True)
    assert first["stdin"] == ""


@pytest.mark.parametrize(("do", "said", "code"), [("refuse", "Cannot do it.", 1), ("break", "broken", 1)])
def test_a_failure_is_the_answer_and_the_next_case_runs(tmp_path: Path, do: str, said: str, code: int) -> None:
    failed, after = run(tmp_path, {"do": do}, {})["cases"]
    assert json.loads(failed["stdout"])["failed"]
    assert said in failed["stdout"]
    assert (failed["rc"], after["rc"]) == (code, 0)


def test_one_that_says_nothing_has_no_answer(tmp_path: Path) -> None:
    (vanished,) = run(tmp_path, {"do": "vanish"})["cases"]
    assert (vanished["rc"], vanished["stdout"]) == (3, "")


def test_one_that_hangs_is_killed_with_what_it_has_started(tmp_path: Path) -> None:
    hanging, after = run(tmp_path, {"do": "hang"}, {}, limit=2)["cases"]
    assert (hanging["rc"], after["rc"]) == (-9, 0)
    assert 2 <= hanging["seconds"] < 30


def test_what_one_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    (case,) = run(tmp_path, {"do": "leave"})["cases"]
    assert case["rc"] == 0
    assert case["seconds"] < 4


def test_what_must_not_change_is_looked_at_before_and_after(tmp_path: Path) -> None:
    assert run(tmp_path, {}, look="echo seen")["looks"] == ["seen\n", "seen\n"]
