# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses what, as a test says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.cephclient.rbd.plugins.module_utils._holders import Handle, Handles, Surroundings
from ansible_collections.cephclient.rbd.plugins.module_utils._mountinfo import Mount


@dataclass
class FakeHolders:
    """The mount table of the fake host, and what a test adds.

    :ivar looks: how often the processes were looked at.
    """

    table: Callable[[], tuple[Mount, ...]]
    around: Surroundings = field(default_factory=lambda: Surroundings(()))
    handles_held: list[Handle] = field(default_factory=list)
    unseen: int = 0
    looks: int = 0

    def surroundings(self) -> Surroundings:
        return replace(self.around, own=self.table())

    def handles(self, mounts: Sequence[Mount], devices: Collection[tuple[int, int]]) -> Handles:
        self.looks += 1
        ids = {mount.mount_id for mount in mounts}
        found = (held for held in self.handles_held if held.mount_id in ids or held.devno in devices)
        return Handles(tuple(found), self.unseen)
