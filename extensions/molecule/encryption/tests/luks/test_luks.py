# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An encrypted image after it has grown and its host has been rebooted, and what was refused before."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from testinfra.host import Host

Rows = list[dict[str, Any]]

VARIABLES = yaml.safe_load((Path(__file__).parents[2] / "vars" / "luks.yml").read_text(encoding="utf-8"))
CASES = {case["name"]: case for case in VARIABLES["luks_cases"]}
OPENED = "/dev/mapper/rbd-faults-luks--app"
MIB = 1 << 20
HEADER = 16 * MIB

REFUSED = {
    "faults/luks-ext4": r"Cannot make crypto_LUKS on faults/luks-ext4: it holds ext4 [0-9a-f-]{36}\. ",
    "faults/luks-detached": r"it holds data [0-9a-f]+ \(without a signature that blkid knows",
    "faults/luks-app": r"Cannot open /dev/rbd\d+: the key that is given opens none of its key slots",
}


@pytest.fixture(autouse=True)
def _on_client1(host: Host) -> None:
    if host.backend.get_hostname() != "client1":
        pytest.skip("the other client has nothing encrypted")


@pytest.fixture(scope="module")
def rows() -> Rows:
    newest = sorted(Path(os.environ["RECORD_DIRECTORY"]).glob("*-luks.jsonl"))[-1]
    return [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]


def results(rows: Rows, task: str) -> Rows:
    return [row["result"] for row in rows if row["task"].endswith(task)]


class TestRefusals:
    def test_each_is_told_and_nothing_is_changed(self, rows: Rows) -> None:
        (result,) = results(rows, "Ask for what must be refused")
        said = {failure["item"]: failure["msg"] for failure in result["failures"]}
        assert list(said) == list(REFUSED)
        for item, pattern in REFUSED.items():
            assert re.search(pattern, said[item]), said[item]
        assert not result["changed"]

    @pytest.mark.parametrize("name", CASES)
    def test_what_is_asked_without_a_key(self, rows: Rows, name: str) -> None:
        (result,) = (row["result"] for row in rows if row["item"] == name)
        assert CASES[name]["says"] in result["msg"]
        assert not result["changed"]


def of_the_image(rows: Rows) -> list[list[dict[str, Any]]]:
    """The actions of each task that has done something with the image, but for what was done with the service."""
    done = [row["result"]["actions"] for row in rows if row["module"] != "cephclient.rbd.rbdmap_service"]
    return [actions for actions in done if actions]


def test_it_is_encrypted_opened_formatted_and_mounted_in_this_order(rows: Rows) -> None:
    kinds = [[action["action"] for action in actions] for actions in of_the_image(rows)[:5]]
    assert kinds == [
        ["create"],
        ["map", "edit_file"],
        ["place_key", "luks_format", "open", "edit_file"],
        ["mkfs"],
        ["edit_file", "make_directory", "mount"],
    ]


def test_image_opened_device_and_file_system_grow(rows: Rows) -> None:
    grown = of_the_image(rows)[5:]
    assert [[action["action"] for action in actions] for actions in grown] == [
        ["grow"],
        ["resize"],
        ["grow_filesystem"],
    ]
    assert grown[2][0]["size"] == 256 * MIB - HEADER


class TestAfterTheReboot:
    def test_it_is_open_and_mounted_with_its_data(self, host: Host) -> None:
        mount = host.mount_point("/srv/luks-app")
        assert (mount.exists, mount.device, mount.filesystem) == (True, OPENED, "ext4")
        assert host.file("/srv/luks-app/data").content_string == "written before the reboot\n"

    def test_it_has_all_the_room(self, host: Host) -> None:
        assert int(host.check_output(f"blockdev --getsize64 {OPENED}")) == 256 * MIB - HEADER

    def test_what_the_cluster_has_is_encrypted(self, host: Host) -> None:
        assert host.check_output("blkid --probe -o value -s TYPE /dev/rbd/faults/luks-app") == "crypto_LUKS"

    def test_the_key_is_roots_alone(self, host: Host) -> None:
        key = host.file(VARIABLES["luks_key_file"])
        assert (key.user, key.mode, key.content_string) == ("root", 0o600, VARIABLES["luks_key"])
        assert host.file("/etc/ceph/luks").mode == 0o700
        assert sorted(host.file("/etc/ceph/luks").listdir()) == ["rbd-faults-luks--app.key"]

    def test_the_shutdown_was_in_order(self, host: Host) -> None:
        journal = host.check_output("journalctl --boot -1 --no-pager --output cat")
        device = next(line for line in journal.splitlines() if "pre-unmap hook" in line and "luks-app" in line)
        number = re.search(r"'/dev/rbd(\d+)'", device)
        assert number is not None
        order = [
            r"Unmounted srv-luks\x2dapp.mount",
            "Stopping rbdmap.service",
            "Closed 'faults/luks-app'",
            f"Unmapped '/dev/rbd{number.group(1)}'",
            "Stopped rbdmap.service",
        ]
        places = [journal.rindex(words) for words in order]
        assert places == sorted(places), journal
