# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long rbd_info takes for a whole pool, beside a bare script that reads the same with python-rbd."""

from __future__ import annotations

import argparse

import bench

_MAKE = """
pool, count = args
with cluster.open_ioctx(pool) as ioctx:
    for number in range(int(count)):
        name = f"image-{number:05}"
        rbd.RBD().create(ioctx, name, 1 << 30, old_format=False)
        with rbd.Image(ioctx, name) as image:
            image.write(b"x", 0)
            if number % 3 == 0:
                image.create_snap("one")
                image.metadata_set("owner", "app")
"""

# One image after the other, with the calls that the facts of rbd_info need and nothing around them.
_READ = """
def used(image, since):
    total = 0
    def add(offset, length, exists):
        nonlocal total
        total += length if exists else 0
    image.diff_iterate(0, image.size(), since, add, include_parent=False, whole_object=True)
    return total

def read(image):
    facts = [image.stat(), image.id(), image.features(), image.flags(), image.stripe_unit(), image.stripe_count()]
    facts += [image.create_timestamp(), image.access_timestamp(), image.modify_timestamp()]
    facts += [list(image.watchers_list()), image.list_lockers(), dict(image.metadata_list())]
    facts += [image.get_snap_limit(), image.group(), image.op_features(), image.mirror_image_get_info()]
    since = None
    for snap in image.list_snaps():
        facts += [image.get_snap_timestamp(snap["id"]), image.is_protected_snap(snap["name"])]
        image.set_snap(snap["name"])
        facts.append(used(image, since))
        image.set_snap(None)
        since = snap["name"]
    return facts + [used(image, since)]

with cluster.open_ioctx(args[0]) as ioctx:
    names = rbd.RBD().list(ioctx) if args[1:] else []
    for name in names:
        with rbd.Image(ioctx, name, read_only=True) as image:
            read(image)
result = len(names)
"""


def main() -> None:
    """Make the images, let both read them, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with bench.bench() as place:
        place.cluster.python(_MAKE, bench.POOL, str(options.images), timeout=600)
        seconds = bench.race(
            {
                "bare script": lambda: place.cluster.python(_READ, bench.POOL, "read"),
                "rbd_info": lambda: place.module("rbd_info", {"pool": bench.POOL}),
                "bare script, start alone": lambda: place.cluster.python(_READ, bench.POOL),
                "rbd_info, start alone": lambda: place.module("rbd_info", {"image": f"{bench.POOL}/none"}),
            },
            options.rounds,
        )
    bench.show(f"Read {options.images} images, with start and connection", seconds, options.images)
    net = {name: seconds[name] - seconds[f"{name}, start alone"] for name in ("bare script", "rbd_info")}
    bench.show("The reading alone", net, options.images)


if __name__ == "__main__":
    main()
