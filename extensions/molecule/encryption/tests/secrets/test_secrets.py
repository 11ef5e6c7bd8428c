# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A key that was planted is found in every place, so that a search that finds none means something."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import testinfra

ROOT = Path(__file__).resolve().parents[5]
sys.path.insert(0, str(ROOT / "tests/canary"))
import canary  # noqa: E402  # found by the line before

PLANTED = (
    *(r"/tmp/planted", r"/var/tmp/planted", r"/root/\.ansible/tmp/planted", r"/var/log/planted", r"/run/planted"),
    *(
        r"/etc/fstab~",
        r"/etc/ceph/\.rbdmap\.planted",
        r"/etc/ceph/rbdmap\.bak",
        r"/etc/ceph/ceph\.client\.faults\.keyring~",
    ),
    *(r"journal", r"kernel log", r"/sys/devices/rbd/\d+/name", r"/sys/devices/rbd/\d+/config_info"),
    *(r"cmdline of process \d+ \(python3\)", r"environ of process \d+ \(python3\)"),
    *(r"started program: .*: execve_argv_0", r"started program: .*: execve_envp_\d+"),
)


@pytest.fixture(scope="module")
def record() -> Path:
    return Path(os.environ["RECORD_DIRECTORY"])


@pytest.fixture(scope="module")
def told(record: Path) -> dict[str, Any]:
    """What the search has told while the key was there."""
    newest = sorted(record.glob("*-secrets.jsonl"))[-1]
    rows = map(json.loads, newest.read_text(encoding="utf-8").splitlines())
    (told,) = (json.loads(row["result"]["msg"]) for row in rows if row["task"] == "Show what was found")
    found: dict[str, Any] = told
    return found


@pytest.fixture(scope="module")
def key() -> list[canary.Secret]:
    (ceph,) = testinfra.get_hosts(["ansible://ceph"], ansible_inventory=str(ROOT / "extensions/molecule/inventory"))
    return [canary.Secret("faults", canary.forms(ceph.check_output("ceph auth get-key client.faults")), ())]


@pytest.mark.parametrize("place", PLANTED)
def test_a_key_that_was_planted_is_found(told: dict[str, Any], place: str) -> None:
    places = [found for name, found in told["finds"] if name == "decoy"]
    assert any(re.fullmatch(place, found) for found in places), places


def test_ansible_did_print_all_that_it_can(record: Path) -> None:
    log = (record / "verbose.log").read_text(encoding="utf-8")
    assert "ESTABLISH SSH CONNECTION" in log
    assert '"key": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"' in log
    assert "faults/secrets: mapped" in log
    assert log.count("Cannot ") >= 2


def test_the_search_of_what_ansible_printed_can_fail(tmp_path: Path, key: list[canary.Secret]) -> None:
    (tmp_path / "log").write_bytes(b"key: " + key[0].forms[0])
    assert list(canary.in_files([str(tmp_path)], key)) == [("faults", str(tmp_path / "log"))]
