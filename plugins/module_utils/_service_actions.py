# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps for ``rbdmap.service``. None stops or restarts it: that would unmap every image of the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ._ownership import Ownership
from ._plan import Action

FILE_MODE = 0o644
DIRECTORY_MODE = 0o755
# root runs what these files say, so nobody else may write to them.
OWNED = Ownership(0, 0, FILE_MODE)


@dataclass(frozen=True)
class OwnFile(Action):
    """Owner root, group root, mode 0644."""

    kind: ClassVar[str] = "set_ownership"

    actual: Ownership

    def before(self) -> str:
        return str(self.actual)

    def after(self) -> str:
        return str(OWNED)


@dataclass(frozen=True)
class ReloadSystemd(Action):
    """Let systemd read the unit's files again."""

    kind: ClassVar[str] = "daemon_reload"

    def before(self) -> str:
        return "loaded without the latest change of its files"

    def after(self) -> str:
        return "loaded as its files are"


@dataclass(frozen=True)
class EnableService(Action):
    """Let it run at boot.

    :ivar enabled: ``UnitFileState`` as it is.
    """

    kind: ClassVar[str] = "enable"

    enabled: str

    def before(self) -> str:
        return self.enabled

    def after(self) -> str:
        return "enabled"


@dataclass(frozen=True)
class StartService(Action):
    """Start it, or wait for an attempt that is under way or comes by itself.

    :ivar active: ``ActiveState`` as it is.
    """

    kind: ClassVar[str] = "start"

    active: str

    def before(self) -> str:
        return self.active

    def after(self) -> str:
        return "active"
