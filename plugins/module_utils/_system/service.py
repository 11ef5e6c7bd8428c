# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd services, read only: to start or stop rbdmap.service is nobody's business but systemd's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .command import CommandRunner

SYSTEMD_TIMEOUT = 60.0


@dataclass(frozen=True)
class ServiceState:
    """A unit's state in systemd's own words.

    :ivar enabled: ``UnitFileState``, for example ``enabled``; empty for a unit that does not exist.
    :ivar active: ``ActiveState``, for example ``active``.
    """

    enabled: str
    active: str


class Services(Protocol):
    """Reads the state of services."""

    def state(self, unit: str) -> ServiceState:
        """The unit's state."""


class HostServices:
    """The real systemd."""

    def __init__(self, commands: CommandRunner) -> None:
        self._commands = commands

    def state(self, unit: str) -> ServiceState:
        argv = ["systemctl", "show", "--property", "UnitFileState,ActiveState", unit]
        shown = dict(
            line.split("=", 1) for line in self._commands.run(argv, SYSTEMD_TIMEOUT).stdout.splitlines() if "=" in line
        )
        return ServiceState(shown.get("UnitFileState", ""), shown.get("ActiveState", ""))
