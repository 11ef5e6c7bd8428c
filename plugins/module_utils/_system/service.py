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
        what, advice = f"start {unit}", f"Look at: systemctl status {unit}; journalctl -b -u {unit}."
        try:
            self._run(["start", unit], what, advice, START_TIMEOUT)
        except TimedOut as error:
            cause = f"it is still at work after {START_TIMEOUT:g} seconds, and goes on by itself"
            raise RbdError(what, cause, advice) from error

    def _run(self, words: Sequence[str], what: str, advice: str, timeout: float = SYSTEMD_TIMEOUT) -> None:
        done = self._commands.run(["systemctl", *words], timeout)
        if done.rc != 0:
            raise RbdError(what, done.complaint, advice)
