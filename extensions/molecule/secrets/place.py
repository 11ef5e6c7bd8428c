# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places the canary with what it is to look for, and starts it, now and at every boot.

Takes JSON: ``files``, a text for each path, and ``keys``, what ``ceph auth get-key`` printed for each user.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SECRETS = Path("/var/lib/canary/secrets")

told = json.load(sys.stdin)
SECRETS.mkdir(mode=0o700, parents=True, exist_ok=True)
for path, text in told["files"].items():
    Path(path).write_text(text, encoding="utf-8")
os.umask(0o077)
for key in told["keys"]:
    secret = {"key": key["stdout"], "allowed": key["item"]["allowed"]}
    (SECRETS / f"{key['item']['user']}.json").write_text(json.dumps(secret), encoding="utf-8")

subprocess.run(["systemctl", "enable", "canary.service"], check=True)
# Also where it runs, since it looks for what it was told when it began.
subprocess.run(["systemctl", "restart", "canary.service"], check=True)
