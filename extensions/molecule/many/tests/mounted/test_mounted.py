# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All the images are mounted, whatever characters the mount points have."""

from __future__ import annotations

import json

from expected import MOUNTS
from testinfra.host import Host

NUMBERS = "for link in /dev/rbd/many/*; do echo $link $(cat /sys/block/$(basename $(readlink $link))/dev); done"


def test_every_image_is_mounted_at_its_path(host: Host) -> None:
    found = json.loads(host.check_output("LC_ALL=C.UTF-8 findmnt --json --types ext4 --output TARGET,MAJ:MIN"))
    live = {row["maj:min"]: row["target"] for row in _flat(found["filesystems"])}
    numbers = dict(line.removeprefix("/dev/rbd/").split() for line in host.check_output(NUMBERS).splitlines())
    assert {image: live.get(number) for image, number in numbers.items()} == MOUNTS


def test_fstab_is_sound(host: Host) -> None:
    verified = host.run("findmnt --verify")
    assert verified.rc == 0, verified.stdout


def test_no_unit_has_failed(host: Host) -> None:
    assert host.check_output("systemctl --failed --plain --no-legend") == ""


def _flat(rows: list[dict]) -> list[dict]:
    return [inner for row in rows for inner in [row, *_flat(row.get("children", []))]]
