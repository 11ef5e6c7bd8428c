# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's key is nowhere but in its keyring, and a key that was planted is found in every place."""

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
def told(record: Path) -> dict[str, dict[str, Any]]:
    """What the search of each client has told."""
    newest = sorted(record.glob("*-secrets.jsonl"))[-1]
    rows = map(json.loads, newest.read_text(encoding="utf-8").splitlines())
    return {row["host"]: json.loads(row["result"]["msg"]) for row in rows if row["task"] == "Show what was found"}


@pytest.fixture(scope="module")
def key() -> list[canary.Secret]:
    (ceph,) = testinfra.get_hosts(["ansible://ceph"], ansible_inventory=str(ROOT / "extensions/molecule/inventory"))
    return [canary.Secret("canary", canary.forms(ceph.check_output("ceph auth get-key client.faults")), ())]


@pytest.mark.parametrize("client", ["client1", "client2"])
def test_the_key_was_shown_nowhere(told: dict[str, dict[str, Any]], client: str) -> None:
    assert [place for name, place in told[client]["finds"] if name == "canary"] == []


@pytest.mark.parametrize("client", ["client1", "client2"])
def test_the_watcher_has_seen_every_program(told: dict[str, dict[str, Any]], client: str) -> None:
    assert told[client]["execs"] > 50
    assert told[client]["lost"] == 0


@pytest.mark.parametrize("place", PLANTED)
def test_a_key_that_was_planted_is_found(told: dict[str, dict[str, Any]], place: str) -> None:
    places = [found for name, found in told["client1"]["finds"] if name == "decoy"]
    assert any(re.fullmatch(place, found) for found in places), places


def test_what_ansible_printed_and_kept_does_not_have_it(record: Path, key: list[canary.Secret]) -> None:
    assert list(canary.in_files([str(record), str(Path("~/.ansible/tmp").expanduser())], key)) == []
    assert [found for found in canary.in_processes(key) if found[0] == "canary"] == []


def test_ansible_did_print_all_that_it_can(record: Path) -> None:
    log = (record / "verbose.log").read_text(encoding="utf-8")
    assert "ESTABLISH SSH CONNECTION" in log
    assert '"key": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"' in log
    assert "faults/secrets: mapped" in log
    assert log.count("Cannot ") >= 2


def test_the_search_of_what_ansible_printed_can_fail(tmp_path: Path, key: list[canary.Secret]) -> None:
    (tmp_path / "log").write_bytes(b"key: " + key[0].forms[0])
    assert list(canary.in_files([str(tmp_path)], key)) == [("canary", str(tmp_path / "log"))]
