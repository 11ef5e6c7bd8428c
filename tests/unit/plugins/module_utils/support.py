# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that the tests of the planners share."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from hypothesis import strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import ImageFacts, Watcher
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._krbd_device import KrbdDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._mountinfo import Mount

_Answer = TypeVar("_Answer")

FSID = "11111111-2222-3333-4444-555555555555"
OTHER_FSID = "99999999-2222-3333-4444-555555555555"
APP = ImageSpec("rbd", "", "app")
KRBD_FEATURES = 0x1BF
# This host's kernel, as a client of the cluster.
KERNEL = "client.4100"
DEFAULT_FEATURES = 0x3D

# A valid cephx key that is nobody's.
CANARY = "AQBCDEFGAAAAABAAQ0FOQVJZQ0FOQVJZQ0FOQQ=="

_SENTENCE = re.compile(r"Cannot [a-z][^:]* [^ ].*: .*[^. ]\.( [A-Z].*[.?])?")


def is_sentence(error: Exception) -> bool:
    """Whether an error reads "Cannot <verb> <object>: <cause>. <advice>", on one line."""
    return _SENTENCE.fullmatch(str(error)) is not None


def outcome(plan: Callable[[], _Answer]) -> _Answer | RbdError:
    """The answer or the refusal; anything else is an error of the test's subject."""
    try:
        return plan()
    except RbdError as error:
        return error


def device(
    spec: ImageSpec = APP,
    number: int = 0,
    *,
    fsid: str = FSID,
    image_id: str = "1a2b",
    read_only: bool = False,
    options: str = "name=admin,key=client.admin",
) -> KrbdDevice:
    """A mapping as /dev/rbd<number>."""
    config = f"10.0.0.1:6789 {options} {spec.pool} {spec.image} {spec.snap or '-'}"
    return KrbdDevice(number, fsid, spec, image_id, 1 << 30, read_only, (252, 16 * number), config, KERNEL)


def facts(
    size: int = 1 << 30,
    *,
    image_id: str = "1a2b",
    features: int = DEFAULT_FEATURES,
    snapshots: tuple[str, ...] = (),
    watchers: tuple[Watcher, ...] = (),
) -> ImageFacts:
    """An image in the cluster."""
    return ImageFacts(image_id, size, features, snapshots, watchers)


def root_mount() -> Mount:
    """The mount that all the others lie on."""
    return Mount(1, 0, (8, 1), "/", "/", "rw", "ext4", "/dev/sda1", "rw")


def mount(path: str, devno: tuple[int, int] = (252, 0), number: int = 50, parent: int = 1) -> Mount:
    """A mount on top of another one: of the root mount, unless told otherwise."""
    source = f"/dev/rbd{devno[1] // 16}" if devno[0] == 252 else "/dev/sdb1"
    return Mount(number, parent, devno, "/", path, "rw,relatime", "xfs", source, "rw")


def btrfs(path: str) -> Mount:
    """A btrfs on /dev/rbd0; in the mount table it has a device number of its own."""
    return replace(mount(path, (0, 47)), fstype="btrfs", source="/dev/rbd0")


sizes = st.integers(1, 2**63 - 1)
watchers = st.builds(Watcher, st.just("10.0.0.5:0/1"), st.just("client.7"))
image_facts = st.builds(
    ImageFacts,
    image_id=st.sampled_from(["1a2b", "ffff"]),
    size=sizes,
    features=st.integers(0, 2**13 - 1),
    snapshots=st.lists(st.sampled_from(["one", "two"]), max_size=2, unique=True).map(tuple),
    watchers=st.lists(watchers, max_size=1).map(tuple),
)
devices = st.builds(
    device,
    number=st.integers(0, 3),
    fsid=st.sampled_from([FSID, OTHER_FSID]),
    image_id=st.sampled_from(["1a2b", "ffff"]),
    read_only=st.booleans(),
)
