# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mount table, and systemd's view of it."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Protocol

from .._errors import RbdError
from .._mount_options import FilesystemState
from .._mountinfo import Mount, parse
from .command import CommandRunner

MOUNT_TIMEOUT = 120.0
SYSTEMD_TIMEOUT = 60.0

SYSTEM_FSTAB = "/etc/fstab"
MOUNTINFO = "/proc/self/mountinfo"
SYS_BLOCK = "/sys/dev/block"
SYS_EXT4 = "/sys/fs/ext4"
PROC_EXT4 = "/proc/fs/ext4"


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

    def inspect(self, mount: Mount) -> FilesystemState:
        """What the kernel tells of a mounted file system beside the mount table; never waits for its device."""

    def remount(self, path: str, opts: str, fstab: str) -> None:
        """Change a live mount's options to those of its line in fstab and to these.

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
        done = self._commands.run(["mount", *_from(fstab), "--target", path], MOUNT_TIMEOUT)
        if done.rc != 0:
            raise RbdError(
                f"mount {path}", done.complaint, "Check the file system's type and options; dmesg may say more."
            )

    def inspect(self, mount: Mount) -> FilesystemState:
        if mount.fstype == "ext4":
            major, minor = mount.devno
            name = os.path.basename(os.path.realpath(f"{SYS_BLOCK}/{major}:{minor}"))
            errors = _content(f"{SYS_EXT4}/{name}/errors_count").strip()
            options = _content(f"{PROC_EXT4}/{name}/options").split()
            return FilesystemState(tuple(options), int(errors) if errors.isdigit() else 0)
        return FilesystemState(shut_down=mount.fstype == "xfs" and _fails(mount.path))

    def remount(self, path: str, opts: str, fstab: str) -> None:
        argv = ["mount", *_from(fstab), "--options", f"remount,{opts}", "--target", path]
        done = self._commands.run(argv, MOUNT_TIMEOUT)
        if done.rc != 0:
            raise RbdError(
                f"remount {path} with {opts}",
                done.complaint,
                "Stop what writes to it if it shall be read-only; dmesg may say more.",
            )

    def unmount(self, path: str) -> None:
        done = self._commands.run(["umount", path], MOUNT_TIMEOUT)
        if done.rc != 0:
            raise RbdError(f"unmount {path}", done.complaint, f"Stop what uses it (fuser -vm {path}), then run again.")


def _from(fstab: str) -> list[str]:
    """What tells mount to read another file than the system's."""
    return [] if os.path.realpath(fstab) == os.path.realpath(SYSTEM_FSTAB) else ["--fstab", fstab]


def _content(path: str) -> str:
    """What the kernel says there; nothing where it has no such file."""
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8", errors="replace") as handle:
        return handle.read()
    return ""


def _fails(path: str) -> bool:
    """Whether not even the root directory can be looked at, which the kernel keeps in memory while it is mounted."""
    try:
        os.stat(path)
    except OSError as error:
        return error.errno == errno.EIO
    return False
