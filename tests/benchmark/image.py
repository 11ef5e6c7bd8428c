# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long rbd_image takes to find that many images are as declared, beside a bare script that opens and reads them."""

from __future__ import annotations

import argparse

import bench

SIZE = "1G"

_MAKE = """
pool, count = args
with cluster.open_ioctx(pool) as ioctx:
    for number in range(int(count)):
        rbd.RBD().create(ioctx, f"image-{number:05}", 1 << 30, old_format=False)
"""

# One image after the other, with what rbd_image has to know of each, and nothing around it.
_READ = """
with cluster.open_ioctx(args[0]) as ioctx:
    for number in range(int(args[1])):
        with rbd.Image(ioctx, f"image-{number:05}", read_only=True) as image:
            image.id(), image.stat(), image.features(), image.flags(), image.stripe_unit(), image.stripe_count()
            list(image.list_snaps()), list(image.watchers_list())
"""


def main() -> None:
    """Make the images, let both look at them, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    count = parser.parse_args().images
    rounds = parser.parse_args().rounds
    with bench.bench() as place:
        place.cluster.python(_MAKE, bench.POOL, str(count), timeout=600)
        images = [{"image": f"{bench.POOL}/image-{number:05}"} for number in range(count)]
        seconds = bench.race(
            {
                "bare script": lambda: place.cluster.python(_READ, bench.POOL, str(count)),
                "rbd_image": lambda: place.module("rbd_image", {"images": images, "size": SIZE}),
                "bare script, start alone": lambda: place.cluster.python(_READ, bench.POOL, "0"),
                "rbd_image, start alone": lambda: place.module("rbd_image", {"images": [], "size": SIZE}),
            },
            rounds,
        )
    bench.show(f"Find {count} images as declared, with start and connection", seconds, count)
    net = {name: seconds[name] - seconds[f"{name}, start alone"] for name in ("bare script", "rbd_image")}
    bench.show("Opening and reading alone (of rbd_image with the connection)", net, count)


if __name__ == "__main__":
    main()
