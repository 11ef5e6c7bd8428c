# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""strace: which system calls a write consists of, and interference with one of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .files import Place

_LINE = re.compile(r"^(?:\d+ +)?(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>.*)$")


@dataclass(frozen=True)
class Call:
    """A system call of a run.

    :ivar number: how many calls of that name it makes on the files of the place up to this one.
    """

    name: str
    number: int
    arguments: str
    result: str

    def __str__(self) -> str:
        return f"{self.name}({self.arguments}), call {self.number} of that name"


def watching(place: Place, log: Path) -> list[str]:
    """The command that notes the calls on the files of a place."""
    return [*_strace(place, log), "--trace=all"]


def watching_what_is_opened(log: Path) -> list[str]:
    """The command that notes every file that is opened, or made in another way."""
    return ["strace", f"--output={log}", "--trace=open,openat,creat,openat2,memfd_create,mknod,mknodat"]


def interfering(place: Place, log: Path, call: Call, what: str) -> list[str]:
    """The command that interferes with one call.

    :param what: as for ``strace --inject``, for example ``signal=KILL`` or ``error=EIO``.
    """
    return [*_strace(place, log), f"--trace={call.name}", f"--inject={call.name}:{what}:when={call.number}"]


def calls(log: Path) -> list[Call]:
    """The calls that were noted, in their order."""
    found = [match for line in log.read_text(errors="replace").splitlines() if (match := _LINE.match(line))]
    counts: Counter[str] = Counter()
    result = []
    for match in found:
        counts[match["name"]] += 1
        result.append(Call(match["name"], counts[match["name"]], match["arguments"], match["result"]))
    return result


def of_the_write(noted: Sequence[Call], place: Place) -> list[Call]:
    """From the opening of the directory, whose lock is taken, to its closing."""
    opened = next(index for index, call in enumerate(noted) if call.name == "flock") - 1
    directory = f'"{place.real.parent}", '
    assert noted[opened].name == "openat", noted[opened]
    assert directory in noted[opened].arguments
    last = max(index for index, call in enumerate(noted) if call.name == "close")
    return list(noted[opened : last + 1])


def _strace(place: Place, log: Path) -> list[str]:
    paths = (place.real.parent, place.real, place.temporary)
    return ["strace", f"--output={log}", *(f"--trace-path={path}" for path in paths)]
