# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``rbdmap.service`` is to be on a host, and what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ._ownership import TextFile

SERVICE = "rbdmap.service"

PROGRAM_ROOT = "/usr/local/lib/cephclient.rbd/"
# In the order in which they are placed: each needs those before it.
PROGRAM = (f"{PROGRAM_ROOT}rbdmap_clusters.py", f"{PROGRAM_ROOT}rbdmap_unit.py")
DROP_IN = f"/etc/systemd/system/{SERVICE}.d/cephclient-rbd.conf"
DROP_IN_TEXT = f"""\
# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Placed by Ansible (cephclient.rbd.rbdmap_service, self_heal). An attempt takes 15 seconds while the cluster is away,
# and up to 30 more where it is in doubt who uses an image. The boot waits for the first one only.
[Unit]
StartLimitIntervalSec=0

[Service]
Restart=on-failure
RestartSec=5
TimeoutStartSec=15min
ExecStart=
ExecStart=/usr/bin/python3 {PROGRAM[-1]}
ExecReload=
ExecReload=/usr/bin/python3 {PROGRAM[-1]}
"""

# Before systemd 244 a service of type oneshot cannot be started again by itself: the unit would be refused.
OLDEST_THAT_HEALS = 244


@dataclass(frozen=True)
class ServiceRequest:
    """What the service is to be.

    :ivar state: ``present`` or ``absent``.
    :ivar self_heal: whether the drop-in and its program are to be there; without effect in the state ``absent``.
    :ivar assume_installed: whether a unit that does not exist is taken for one that will have been installed.
    """

    state: str
    self_heal: bool
    assume_installed: bool

    @property
    def runs(self) -> bool:
        """Whether the service is to be enabled and started."""
        return self.state == "present"

    @property
    def heals(self) -> bool:
        """Whether the drop-in is to be there."""
        return self.runs and self.self_heal


@dataclass(frozen=True)
class ServiceState:
    """A unit's state in systemd's own words.

    :ivar enabled: ``UnitFileState``, for example ``enabled``; empty for a unit that does not exist.
    :ivar active: ``ActiveState``, for example ``active``.
    :ivar loaded: ``LoadState``, for example ``loaded`` or ``not-found``; empty where systemd does not answer.
    :ivar outdated: whether systemd has not read the unit's files since they changed (``NeedDaemonReload``).
    """

    enabled: str
    active: str
    loaded: str = "loaded"
    outdated: bool = False


@dataclass(frozen=True)
class ServiceCurrent:
    """The service as it is.

    :ivar files: the drop-in and the program's files, by their paths.
    :ivar release: of systemd; read only where the drop-in is to be there.
    """

    service: ServiceState
    files: Mapping[str, TextFile]
    release: int | None = None
