# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of a check's laboratory: they go on by themselves, so no child of the check counts them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from rbdlab.paths import Paths
from rbdlab.process import ProcessRecord


class Laboratory:
    """What a laboratory of this checkout runs, by the records that it keeps."""

    def __init__(self, checkout: Path, name: str) -> None:
        self._paths = Paths.of(checkout, os.environ, name)

    def guests(self) -> list[int]:
        """Return the first process of each guest."""
        return _alive(self._paths.state.glob("guests/*/machine.json"))

    def cluster(self) -> list[int]:
        """Return the first process of the cluster."""
        return _alive([self._paths.pod / "pod.json"])


def _alive(records: Iterable[Path]) -> list[int]:
    # It may be taken down concurrently.
    with contextlib.suppress(OSError):
        found = [ProcessRecord.load(path) for path in records]
        return [record.pid for record in found if record is not None and record.alive()]
    return []
