# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd services. None is stopped or restarted here: to stop rbdmap.service would unmap every image of the host."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from .._errors import RbdError, TimedOut
from .._service_request import ServiceState
from .command import CommandRunner

SYSTEMD_TIMEOUT = 60.0
# systemctl itself waits 180 s for systemd to read its files again, which it does to enable a unit, too.
RELOAD_TIMEOUT = 300.0
# An attempt of the drop-in has 15 minutes; the service as Ceph ships it has no limit, and may wait 300 s for an image.
START_TIMEOUT = 3600.0

_PROPERTIES = ("LoadState", "UnitFileState", "ActiveState", "NeedDaemonReload")
_RELEASE = re.compile(r"systemd ([0-9]+)\b")


class Services(Protocol):
    """Reads the state of services, enables and starts them."""

    def state(self, unit: str) -> ServiceState:
        """The unit's state."""

    def release(self) -> int:
        """The release of systemd, for example 252.

        :raises RbdError: it does not tell.
        """

    def reload(self) -> None:
        """Let systemd read its files again; what runs goes on.

        :raises RbdError: systemd refused.
        """

    def enable(self, unit: str) -> None:
        """Let a unit be started at boot.

        :raises RbdError: systemd refused.
        """

    def start(self, unit: str) -> None:
        """Start a unit and wait until it is active; one that is starting already is only waited for.

        :raises RbdError: it has failed, or is not active after an hour.
        """


class HostServices:
    """The real systemd."""

    def __init__(self, commands: CommandRunner) -> None:
        self._commands = commands

    def state(self, unit: str) -> ServiceState:
        argv = ["systemctl", "show", "--property", ",".join(_PROPERTIES), unit]
        shown = dict(
            line.split("=", 1) for line in self._commands.run(argv, SYSTEMD_TIMEOUT).stdout.splitlines() if "=" in line
        )
        loaded, enabled, active, outdated = (shown.get(name, "") for name in _PROPERTIES)
        return ServiceState(enabled, active, loaded, outdated == "yes")

    def release(self) -> int:
        done = self._commands.run(["systemctl", "--version"], SYSTEMD_TIMEOUT)
        found = _RELEASE.match(done.stdout)
        if done.rc != 0 or found is None:
            raise RbdError("learn the release of systemd", done.complaint, "Look at: systemctl --version.")
        return int(found.group(1))

    def reload(self) -> None:
        self._run(["daemon-reload"], "let systemd read its files again", "Run: systemctl daemon-reload.")

    def enable(self, unit: str) -> None:
        self._run(["enable", unit], f"enable {unit}", f"Run: systemctl enable {unit}.")

    def start(self, unit: str) -> None:
        advice = f"Look at: systemctl status {unit}; journalctl -b -u {unit}."
        self._run(["start", unit], f"start {unit}", advice, START_TIMEOUT)

    def _run(self, words: Sequence[str], what: str, advice: str, timeout: float = RELOAD_TIMEOUT) -> None:
        try:
            done = self._commands.run(["systemctl", *words], timeout)
        except TimedOut as error:
            raise RbdError(what, f"systemd is still at work after {timeout:g} seconds", advice) from error
        if done.rc != 0:
            raise RbdError(what, done.complaint, advice)
