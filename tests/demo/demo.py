# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job, shown in the laboratory: two images are mounted, the client reboots, and they are back.

Run it by ``make demo``. The laboratory stays up afterwards, to look around in.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LAB = HERE.parent / "lab" / "lab"
CLIENT = "client1"
GIB = 1 << 30
MIB = 1 << 20

COLUMNS = ("image", "device", "mount point", "size", "file system", "rbdmap.service")


class DemoError(Exception):
    """What went wrong, as a sentence."""


def main() -> int:
    """Run the demonstration; the exit code tells whether all of it was as it should be."""
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="cephclient-rbd-demo-") as place:
            Demo(Path(place), started).run()
    except DemoError as error:
        print(f"\nThe demonstration failed after {time.monotonic() - started:.0f} s. {error}", file=sys.stderr)
        return 1
    print(f"\nAll of it took {time.monotonic() - started:.0f} s.\n{_farewell()}")
    return 0


class Demo:
    """One run: ``place`` takes the inventory and what the module tells."""

    def __init__(self, place: Path, started: float) -> None:
        self._place = place
        self._inventory = place / "inventory.yml"
        self._started = started

    def run(self) -> None:
        """All the steps, in order."""
        self._say("bring up a Ceph cluster and a client")
        _run([LAB, "up"])
        self._inventory.write_text(_output([LAB, "inventory"]), encoding="utf-8")

        self._say("on the cluster: a pool, a user, and an image that has a file system with data in it")
        self._play(str(HERE / "prepare.yml"))

        self._say("on the client: mount it, and another image made from a size")
        self._play("cephclient.rbd.mount", "--diff", "--extra-vars", f"@{HERE / 'mounts.yml'}")
        self._play(str(HERE / "write.yml"))
        before = self._show()

        self._say("reboot the client")
        _run([LAB, "reboot", CLIENT])
        after = self._show()

        self._say("compare the data")
        _require(before[1] == after[1], f"The data differs: {before[1]} before the reboot, {after[1]} after it.")
        _require(len(after[0]) == 2, "Not both images are mounted after the reboot.")
        print(f"\nBoth images are mounted, and their {len(after[1])} files are what was written.")

    def _say(self, text: str) -> None:
        print(f"\n=== [{time.monotonic() - self._started:4.0f} s] {text}", flush=True)

    def _play(self, *arguments: str) -> None:
        _run(["ansible-playbook", "--inventory", self._inventory, *arguments])

    def _show(self) -> tuple[list[Sequence[str]], list[str]]:
        """Print the table, and give its rows and the check sums of all files on the images."""
        told = self._place / "told"
        module = ("--module-name", "cephclient.rbd.rbd_map_info", "--args", "user=demo")
        _output(["ansible", CLIENT, "--inventory", self._inventory, "--tree", told, *module])
        rows = list(_rows(json.loads((told / CLIENT).read_text(encoding="utf-8"))))
        print(f"\n{_table([COLUMNS, *rows])}", flush=True)
        paths = " ".join(row[2] for row in rows)
        sums = _output([LAB, "ssh", CLIENT, f"find {paths} -type f | sort | xargs sha256sum"]).splitlines()
        return rows, sums


def _rows(told: dict[str, Any]) -> Iterable[Sequence[str]]:
    """What rbd_map_info tells, as rows of the table."""
    service = f"{told['service']['enabled']}, {told['service']['active']}"
    _require(not told["drift"], f"The host disagrees with itself: {told['drift']}")
    for image in told["images"]:
        for mapping in image["mappings"]:
            for mount in image["mounts"]:
                size = _size(mapping["size"])
                yield (image["image"], mapping["device"], mount["path"], size, mount["fstype"], service)


def _size(size: int) -> str:
    return f"{size // GIB} GiB" if size % GIB == 0 else f"{size // MIB} MiB"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([lines[0], rule, *lines[1:]])


def _farewell() -> str:
    lab = LAB.relative_to(HERE.parents[1])
    return f"""
Look around:
  {lab} ssh {CLIENT}         log in to the client: findmnt, rbd device list, cat /etc/ceph/rbdmap /etc/fstab
  {lab} ssh ceph1           log in to the cluster: ceph -s, rbd ls
  {lab} reboot {CLIENT}      do it again
  {lab} down                end it; nothing is left but a cache of root file systems"""


def _run(argv: Sequence[str | Path]) -> None:
    _require(subprocess.run(argv, check=False).returncode == 0, f"'{_words(argv)}' failed; see above.")


def _output(argv: Sequence[str | Path]) -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    _require(done.returncode == 0, f"'{_words(argv)}' failed: {done.stdout}{done.stderr}")
    return done.stdout


def _words(argv: Sequence[str | Path]) -> str:
    return " ".join(str(word) for word in argv)


def _require(so: bool, otherwise: str) -> None:
    if not so:
        raise DemoError(otherwise)


if __name__ == "__main__":
    sys.exit(main())
