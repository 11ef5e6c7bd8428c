# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verifications of the main job expect, and what its runs returned."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

# What prepare.yml has kept of the files.
RBDMAP_BEFORE = "/root/rbdmap.before"
FSTAB_BEFORE = "/root/fstab.before"

MOUNTS = {
    "/srv/existing": ("molecule/existing", "ext4"),
    "/srv/fresh": ("molecule/fresh", "xfs"),
    "/srv/notes": ("molecule-data/team/notes", "ext4"),
}
UNMOUNTED = "molecule/existing@golden"
KEYRING = "/etc/ceph/ceph.client.app.keyring"


def records(playbook: str) -> list[list[dict[str, Any]]]:
    """What the tasks of each run of a playbook returned, oldest run first."""
    place = Path(os.environ["RECORD_DIRECTORY"])
    files = sorted(place.glob(f"*-{playbook}.jsonl"))
    return [[json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] for file in files]
