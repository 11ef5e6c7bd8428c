# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much processor time processes have used, by what the kernel shows in /proc."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat behind the name, see proc_pid_stat(5).
_STATE, _PARENT, _USER, _SYSTEM, _USER_OF_CHILDREN, _SYSTEM_OF_CHILDREN, _STARTED = 0, 1, 11, 12, 13, 14, 19


@dataclass(frozen=True)
class Process:
    """What the kernel shows of a process; ``seconds`` are its own and those of the children that it has waited for."""

    pid: int
    parent: int
    started: int
    seconds: float


def parse_stat(pid: int, text: str) -> Process:
    """Read /proc/PID/stat; the name in it may have blanks and brackets."""
    fields = text.rpartition(")")[2].split()
    used = (int(fields[n]) for n in (_USER, _SYSTEM, _USER_OF_CHILDREN, _SYSTEM_OF_CHILDREN))
    return Process(pid, int(fields[_PARENT]), int(fields[_STARTED]), sum(used) / _TICKS)


def processes() -> dict[int, Process]:
    """Return every process that there is now."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        found[int(entry.name)] = parse_stat(int(entry.name), text)
    return found


def tree(root: int, known: Mapping[int, Process]) -> list[Process]:
    """Return a process with all that descend from it; nothing if it has ended."""
    children: dict[int, list[int]] = {}
    for process in known.values():
        children.setdefault(process.parent, []).append(process.pid)
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        if pid in known:
            found.append(known[pid])
            waiting += children.get(pid, [])
    return found


class Meter:
    """Adds up what trees of processes use while they come and go; what has ended counts as it was seen last."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], float] = {}

    def look(self, root: int, known: Mapping[int, Process]) -> None:
        """Note what a tree has used by now, under the identity of its first process."""
        found = tree(root, known)
        if found:
            identity = (root, found[0].started)
            # What a child has used is its parent's once it has ended, so the sum of a tree does not fall by that.
            self._seen[identity] = max(self._seen.get(identity, 0.0), sum(process.seconds for process in found))

    @property
    def seconds(self) -> float:
        """The processor time of all of them."""
        return sum(self._seen.values())
