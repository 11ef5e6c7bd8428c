# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where the laboratory becomes root.

Root is needed to build root file systems (device nodes, foreign owners), for the network namespace with
its bridge and taps, for the chroots of the cluster and of User-mode Linux, and to end and remove what was made so.
Everything else (SSH, the guests, the state files) runs as the user.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

from .errors import LabError

# What apt needs to reach the mirror must survive sudo.
KEPT_ENVIRONMENT = (
    "http_proxy,https_proxy,ftp_proxy,no_proxy,HTTP_PROXY,HTTPS_PROXY,NO_PROXY,"
    "SSL_CERT_FILE,SSL_CERT_DIR,APT_CONFIG,TMPDIR"
)

# Guests that must not run as root run as this user where the laboratory does: a number that nothing else has.
_GUEST_USER = 1_890_273_000


def is_root() -> bool:
    """Tell whether this process already has the rights that the laboratory needs."""
    return os.geteuid() == 0


def as_root(argv: Sequence[str]) -> list[str]:
    """Return the command line that runs ``argv`` as root."""
    if is_root():
        return list(argv)
    if shutil.which("sudo") is None:
        raise LabError(
            f"Cannot run {argv[0]} as root: this user is not root and there is no sudo command. "
            "Run the laboratory as root or install sudo."
        )
    return ["sudo", f"--preserve-env={KEPT_ENVIRONMENT}", "--", *argv]


def guest_user() -> tuple[int, int]:
    """Return the user and the group that guests run as which must not have root's rights."""
    return (_GUEST_USER, _GUEST_USER) if is_root() else (os.getuid(), os.getgid())


def as_user(argv: Sequence[str], device: str) -> list[str]:
    """Return the command line by which root runs ``argv`` as the user, if that one may use the device."""
    if is_root() or not os.access(device, os.R_OK | os.W_OK):
        return list(argv)
    ids = [f"--reuid={os.getuid()}", f"--regid={os.getgid()}", "--init-groups"]
    return ["setpriv", *ids, "--", *argv]


def explain() -> str | None:
    """Return the line that tells a user why a password may be asked for; None for root."""
    if is_root():
        return None
    return "sudo is used for root file systems, the network namespace and the cluster's chroot"
