# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the reboot it is rbdmap.service that has mounted the images, and before it they went before the network did."""

from __future__ import annotations

import json

import pytest
from expected import MOUNTS
from testinfra.host import Host


def _journal(host: Host, arguments: str) -> list[tuple[int, str]]:
    """Time (microseconds since that boot) and message of the journal's entries."""
    lines = host.check_output(f"journalctl --no-pager --output json {arguments}").splitlines()
    entries = [json.loads(line) for line in lines]
    return [(int(entry["__MONOTONIC_TIMESTAMP"]), str(entry.get("MESSAGE"))) for entry in entries]


def _first(entries: list[tuple[int, str]], beginning: str) -> int:
    times = [time for time, message in entries if message.startswith(beginning)]
    assert times, f"no message of the journal begins with {beginning!r}"
    return times[0]


@pytest.mark.parametrize("path", MOUNTS)
def test_what_was_written_before_the_reboot_is_there(host: Host, path: str) -> None:
    assert host.file(f"{path}/reboot.txt").content_string == "written before the reboot"


@pytest.mark.parametrize("path", MOUNTS)
def test_rbdmap_has_mounted_the_image(host: Host, path: str) -> None:
    messages = [message for _time, message in _journal(host, "--boot --identifier rbdmap")]
    assert any(message.startswith("Mounted ") and f"mounted on {path}." in message for message in messages)


def test_the_service_has_mapped_before_remote_file_systems_were_wanted(host: Host) -> None:
    entries = _journal(host, "--boot _PID=1")
    assert _first(entries, "Finished rbdmap.service") < _first(entries, "Reached target remote-fs-pre.target")


@pytest.mark.parametrize("path", MOUNTS)
def test_at_shutdown_the_image_was_unmounted_before_the_network_went(host: Host, path: str) -> None:
    entries = _journal(host, "--boot=-1 _PID=1")
    unit = host.check_output("systemd-escape --path --suffix=mount %s", path)
    assert (
        _first(entries, f"Unmounted {unit}")
        < _first(entries, "Stopped rbdmap.service")
        < _first(entries, "Stopped target network-online.target")
    )


def test_at_shutdown_nothing_failed_to_unmount(host: Host) -> None:
    messages = [message for _time, message in _journal(host, "--boot=-1")]
    assert not [message for message in messages if "Failed to unm" in message or "Failed unmounting" in message]
