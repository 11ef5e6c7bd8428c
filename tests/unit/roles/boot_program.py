# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rbdmap.service runs, with clusters and commands that only pretend."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

from ansible_collections.cephclient.rbd.plugins.module_utils._system.boot_program import program_texts

CLUSTER = "00000000-0000-4000-8000-000000000001"

# In place of the commands; the devices are plain files.
RBD = """#!/bin/sh
echo "$*" >> "$PLACE/calls"
flock --nonblock "$PLACE/run/$3" true && echo "unlocked $3" >> "$PLACE/calls"
case $3 in
    *hangs) sleep 60 ;;
    *broken) echo "rbd: sysfs write failed" >&2; exit 6 ;;
esac
case $2:$3 in
    unmap:*kept) exit 16 ;;
    unmap:*) exec rm "$3" ;;
esac
mkdir -p "$PLACE/devices/$(dirname "$3")"
: > "$PLACE/devices/$3"
echo /dev/rbd7
"""
MOUNT = """#!/bin/sh
[ "$1" = --fake ] && exit 1
echo "mount $*" >> "$PLACE/calls"
case $1 in
    *sick*) echo "mount: wrong fs type." >&2; exit 32 ;;
    *hangs*) sleep 60 ;;
esac
"""


def place_program(directory: Path) -> Path:
    """The program's files side by side, as on a host."""
    directory.mkdir()
    for path, text in program_texts().items():
        (directory / Path(path).name).write_text(text, encoding="utf-8")
    return directory


def used(watchers: Sequence[object] = (), owners: Sequence[object] = (), *, locking: bool = True) -> SimpleNamespace:
    """Who uses an image, as rbdmap_clusters.Use."""
    return SimpleNamespace(cluster=CLUSTER, watchers=watchers, owners=owners, locking=locking)


class FakeClusters:
    """Who uses each image, or only watches it, look for look; the last look counts for all further ones."""

    def __init__(self, looks: dict[str, list[object]]) -> None:
        self.looks = looks
        self.asked: list[tuple[str, ...]] = []

    def use(self, spec: str, words: Sequence[str]) -> SimpleNamespace:
        self.asked.append((spec, *words))
        looks = self.looks.get(spec, [[]])
        look = looks.pop(0) if len(looks) > 1 else looks[0]
        if isinstance(look, Exception):
            raise look
        return look if isinstance(look, SimpleNamespace) else used(look)


class Unit:
    """The program, with files and commands of its own."""

    def __init__(self, module: ModuleType, place: Path) -> None:
        self.module = module
        self.place = place
        self.clusters = FakeClusters({})

    def run(self, lines: str, looks: dict[str, list[object]] | None = None) -> int:
        self.module.FILE.write_text(lines, encoding="utf-8")
        self.clusters = FakeClusters(looks or {})
        code: int = self.module.Attempt(self.module.read_lines(), self.clusters).run()
        return code

    def declare(self, paths: dict[str, str]) -> None:
        """Have a line in fstab for each image, with its mount point."""
        lines = [f"{self.place}/devices/{spec} {path} ext4 noauto,_netdev 0 0\n" for spec, path in paths.items()]
        (self.place / "fstab").write_text("".join(lines), encoding="utf-8")

    def map_by_hand(self, spec: str) -> None:
        device = self.place / "devices" / spec
        device.parent.mkdir(parents=True, exist_ok=True)
        device.touch()

    @property
    def calls(self) -> list[str]:
        return (self.place / "calls").read_text(encoding="utf-8").splitlines()

    @property
    def mapped(self) -> list[str]:
        return [call.split()[2] for call in self.calls if call.startswith("device map ")]
