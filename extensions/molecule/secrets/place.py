# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places what a scenario needs on a client, and the canary with what it is to look for.

The canary is started now and at every boot. Takes JSON: ``script``, which runs first; ``files``, a list of path, text
and mode; ``keys``, what ``ceph auth get-key`` printed for each user; and ``keyrings``, a list of path, user, and of
whose key is in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SECRETS = Path("/var/lib/canary/secrets")


def place(path: str, text: str, mode: int) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)


told = json.load(sys.stdin)
subprocess.run(["sh", "-eu", "-c", told["script"]], check=True)
os.umask(0o022)
for file in told["files"]:
    place(file["path"], file["text"], int(file.get("mode", "0644"), 8))
keys = {key["item"]["user"]: key["stdout"] for key in told["keys"]}
for keyring in told["keyrings"]:
    text = f"[client.{keyring['user']}]\n\tkey = {keys[keyring.get('of', keyring['user'])]}\n"
    place(keyring["path"], text, 0o600)

os.umask(0o077)
SECRETS.mkdir(parents=True, exist_ok=True)
for key in told["keys"]:
    user = key["item"]
    if "allowed" in user:
        secret = {"key": key["stdout"], "allowed": user["allowed"]}
        (SECRETS / f"{user['user']}.json").write_text(json.dumps(secret), encoding="utf-8")

subprocess.run(["systemctl", "enable", "canary.service"], check=True)
# Also where it runs, since it looks for what it was told when it began.
subprocess.run(["systemctl", "restart", "canary.service"], check=True)
# A scenario may cut the power, and a busy guest may not have written any of it by then.
os.sync()
