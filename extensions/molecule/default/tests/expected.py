# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verifications of the main job expect, and what its runs returned."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

RBDMAP_BEFORE = (
    "# RbdDevice\t\tParameters\n#poolname/imagename\tid=client,keyring=/etc/ceph/ceph.client.keyring\n\n  # kept\n"
)
FSTAB_BEFORE = "LABEL=root\t/   ext4 defaults 0 1 # the disk\n\n# by hand, by  someone\ntmpfs /mnt\ttmpfs noauto"

MOUNTS = {
    "/srv/existing": ("rbd/existing", "ext4"),
    "/srv/fresh": ("rbd/fresh", "xfs"),
    "/srv/notes": ("data/team/notes", "ext4"),
}
UNMOUNTED = "rbd/existing@golden"
KEYRING = "/etc/ceph/ceph.client.app.keyring"


def records(playbook: str) -> list[list[dict[str, Any]]]:
    """What the tasks of each run of a playbook returned, oldest run first."""
    place = Path(os.environ["RECORD_DIRECTORY"])
    files = sorted(place.glob(f"*-{playbook}.jsonl"))
    return [[json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] for file in files]
