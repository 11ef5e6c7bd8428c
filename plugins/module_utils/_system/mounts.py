# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mount table, and systemd's view of it."""

from __future__ import annotations

import os
from typing import Protocol

from .._errors import RbdError
from .._mountinfo import Mount, parse
from .command import CommandRunner

MOUNT_TIMEOUT = 120.0
SYSTEMD_TIMEOUT = 60.0

SYSTEM_FSTAB = "/etc/fstab"
MOUNTINFO = "/proc/self/mountinfo"


class Mounts(Protocol):
    """Reads and changes what is mounted."""

    def table(self) -> tuple[Mount, ...]:
        """All mounts of this host, oldest first."""

    def reload(self, fstab: str) -> None:
        """Let systemd read fstab anew; nothing to do for a file that it does not read."""

    def mount(self, path: str, fstab: str) -> None:
        """Mount what the line in fstab says.

        :raises RbdError: mount refused.
        """

    def unmount(self, path: str) -> None:
        """Unmount; neither lazily nor by force.

        :raises RbdError: it is in use, or umount refused.
        """


class HostMounts:
    """The real mount table."""

    def __init__(self, commands: CommandRunner) -> None:
        self._commands = commands

    def table(self) -> tuple[Mount, ...]:
        try:
            with open(MOUNTINFO, encoding="utf-8", errors="surrogateescape") as handle:
                return parse(handle.read())
        except OSError as error:
            raise RbdError(f"read {MOUNTINFO}", error.strerror or str(error), "Mount /proc.") from error

    def reload(self, fstab: str) -> None:
        # sd_booted(3): the directory exists exactly where systemd is the init system.
        if os.path.realpath(fstab) != os.path.realpath(SYSTEM_FSTAB) or not os.path.isdir("/run/systemd/system"):
            return
        done = self._commands.run(["systemctl", "daemon-reload"], SYSTEMD_TIMEOUT)
        if done.rc != 0:
            raise RbdError("let systemd read fstab", done.complaint, "Run: systemctl daemon-reload.")

    def mount(self, path: str, fstab: str) -> None:
        argv = ["mount", "--fstab", fstab, "--target", path]
        if os.path.realpath(fstab) == os.path.realpath(SYSTEM_FSTAB):
            argv = ["mount", "--target", path]
        done = self._commands.run(argv, MOUNT_TIMEOUT)
        if done.rc != 0:
            raise RbdError(
                f"mount {path}", done.complaint, "Check the file system's type and options; dmesg may say more."
            )

    def unmount(self, path: str) -> None:
        done = self._commands.run(["umount", path], MOUNT_TIMEOUT)
        if done.rc != 0:
            raise RbdError(f"unmount {path}", done.complaint, f"Stop what uses it (fuser -vm {path}), then run again.")
