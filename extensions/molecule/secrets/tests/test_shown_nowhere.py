# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No key that the scenario has used is anywhere but in its keyring: on the clients, and where Ansible ran."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "tests/canary"))
import canary  # found by the line before


@pytest.fixture(scope="module")
def told(host: Host) -> dict[str, Any]:
    """What a search of the whole client tells, and what its watcher has seen."""
    told: dict[str, Any] = json.loads(host.check_output(f"python3 {canary.HOME}/canary.py search"))
    return told


@pytest.fixture(scope="module")
def secrets(host: Host) -> list[canary.Secret]:
    """What the client was told to look for, apart from the key that is planted."""
    names = [name for name in host.file(str(canary.SECRETS)).listdir() if name != "decoy.json"]
    texts = {name: host.file(f"{canary.SECRETS}/{name}").content_string for name in names}
    return [canary.Secret(name, canary.forms(json.loads(text)["key"]), ()) for name, text in texts.items()]


def test_a_client_does_not_show_it(told: dict[str, Any]) -> None:
    assert [find for find in told["finds"] if find[0] != "decoy"] == []


def test_the_watcher_has_seen_every_program(host: Host, told: dict[str, Any]) -> None:
    if "User Mode Linux" in host.file("/proc/cpuinfo").content_string:
        pytest.skip("User-mode Linux cannot tell of what is started; scenarios on the suite's own kernel watch that")
    assert told["execs"] > 50
    assert told["lost"] == 0


def test_what_ansible_has_kept_does_not_have_it(secrets: list[canary.Secret]) -> None:
    assert secrets
    # With the record, all that molecule keeps of the run lies in one directory.
    places = [str(Path(os.environ["RECORD_DIRECTORY"]).parent), str(Path("~/.ansible/tmp").expanduser())]
    assert list(canary.in_files(places, secrets)) == []
    assert list(canary.in_processes(secrets)) == []
