# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long rbd_image takes to import a file, beside rbd import and qemu-img convert."""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import bench
from loopback.daemon import run

MIB = 2**20
IMAGE = f"{bench.POOL}/imported"


def make_raw(path: Path, size: int, data: int) -> None:
    """Make a file of ``size`` MiB, of which ``data`` MiB in pieces of 10 are data, half of that compressible."""
    noise = random.Random(0)
    pieces = max(1, data // 10)
    with path.open("wb") as file:
        for number in range(pieces):
            file.seek(number * (size // pieces) * MIB)
            file.write(noise.randbytes(5 * MIB) + noise.randbytes(5 * 1024) * 1024)
        file.truncate(size * MIB)


def contenders(place: bench.Bench, source: Path) -> dict[str, Callable[[], object]]:
    """The ways to import the file; each removes the image again, in the same way."""
    cluster = place.cluster
    options = f"conf={cluster.conf}:keyring={cluster.admin_keyring}"
    kind = source.suffix.removeprefix(".")

    def imported(do: Callable[[], object]) -> Callable[[], None]:
        def do_and_remove() -> None:
            do()
            cluster.rbd("rm", "--no-progress", IMAGE)

        return do_and_remove

    convert = ["qemu-img", "convert", "-f", kind, "-O", "raw", str(source), f"rbd:{IMAGE}:{options}"]
    ways: dict[str, Callable[[], object]] = {
        "qemu-img convert": imported(lambda: run(convert, timeout=600)),
        "rbd_image": imported(lambda: place.module("rbd_image", {"image": IMAGE, "source": str(source)})),
    }
    if kind == "raw":
        command = ("import", "--no-progress", str(source), IMAGE)
        return {"rbd import": imported(lambda: cluster.rbd(*command, timeout=600)), **ways}
    return ways


def main() -> None:
    """Make the files, import each in every way, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the file")
    parser.add_argument("--data", type=int, default=300, help="MiB of it that are no hole")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, bench.bench() as place:
        raw, qcow2 = Path(directory, "disk.raw"), Path(directory, "disk.qcow2")
        make_raw(raw, options.size, options.data)
        run(["qemu-img", "convert", "-c", "-O", "qcow2", str(raw), str(qcow2)], timeout=600)
        for source, kind in ((raw, "raw"), (qcow2, "compressed qcow2")):
            seconds = bench.race(contenders(place, source), options.rounds)
            bench.show(f"Import {options.size} MiB with {options.data} MiB of data, {kind}", seconds, 1)


if __name__ == "__main__":
    main()
