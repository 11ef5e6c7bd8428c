# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verifications of the twenty images share."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml

DECLARED = yaml.safe_load((Path(__file__).parents[1] / "vars" / "mounts.yml").read_text(encoding="utf-8"))
MOUNTS = {mount["image"]: mount["path"] for mount in DECLARED["many_mounts"]}


def newest_record(playbook: str) -> list[dict[str, Any]]:
    """What the tasks of a playbook's last run returned."""
    newest = sorted(Path(os.environ["RECORD_DIRECTORY"]).glob(f"*-{playbook}.jsonl"))[-1]
    return [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]
