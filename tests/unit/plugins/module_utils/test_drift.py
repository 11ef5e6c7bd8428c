# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every disagreement among the four places is told, and no agreement is."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._drift import Declared, Host, all_declared, drift, find
from ansible_collections.cephclient.rbd.plugins.module_utils._fstab_file import FstabFile
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._krbd_device import KrbdDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._mountinfo import Mount
from ansible_collections.cephclient.rbd.plugins.module_utils._rbdmap_file import RbdmapFile
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    CANARY,
    FSID,
    OTHER_FSID,
    btrfs,
    device,
    mount,
    root_mount,
)

RBDMAP = "# mine\nrbd/app id=admin,keyring=/k\n"
FSTAB = "# mine\n/dev/rbd/rbd/app /srv/app xfs noauto,_netdev 0 0\n"
DECLARED = Declared(APP, "/srv/app")
GONE = Declared(APP, absent=True)
LOG = ImageSpec("rbd", "", "log")


def host(
    rbdmap: str = RBDMAP,
    fstab: str = FSTAB,
    devices: tuple[KrbdDevice, ...] = (device(),),
    mounts: tuple[Mount, ...] = (mount("/srv/app"),),
    fsid: str | None = FSID,
) -> Host:
    return Host(RbdmapFile.decode(rbdmap), FstabFile.decode(fstab), devices, (root_mount(), *mounts), fsid)


EMPTY = host("", "", (), ())


def causes(seen: Host, declared: Declared = DECLARED) -> list[str]:
    rows = drift(seen, declared, find(seen, declared.spec))
    assert all(row["image"] == str(declared.spec) for row in rows)
    return [row["cause"] for row in rows]


@pytest.mark.parametrize(
    ("seen", "declared"),
    [
        (host(), DECLARED),
        (host(), Declared(APP)),
        (host(fsid=None), DECLARED),
        (host(fstab="", mounts=()), Declared(APP)),
        (host(mounts=(btrfs("/srv/app"),)), DECLARED),
        (EMPTY, GONE),
        (host("rbd/other id=x\n", "/dev/rbd/rbd/other /o xfs\n", (device(LOG),), (mount("/o"),)), GONE),
    ],
)
def test_agreement_is_no_drift(seen: Host, declared: Declared) -> None:
    assert causes(seen, declared) == []


NOT_LINED = "/dev/rbd0 is mapped, but rbdmap has no line for it: it will not be mapped at boot"
NOT_MAPPED = "rbdmap has a line for it (line 2), but it is not mapped"
NOT_MOUNTED = "fstab mounts it at /srv/app, but it is not mounted there"
NO_FSTAB = "it is mounted at /srv/app, but fstab has no such line: it will not be mounted there at boot"
NOWHERE = "it is declared at /srv/app, but neither in fstab nor mounted there"
UNKNOWN = "it is neither in rbdmap nor mapped"


@pytest.mark.parametrize(("lined", "mapped", "in_fstab", "mounted"), list(itertools.product([True, False], repeat=4)))
def test_each_place_against_each(lined: bool, mapped: bool, in_fstab: bool, mounted: bool) -> None:
    seen = host(
        RBDMAP if lined else "",
        FSTAB if in_fstab else "",
        (device(),) if mapped else (),
        (mount("/srv/app"),) if mounted else (),
    )
    live = mounted and mapped  # a mount cannot be told to be the image's without its mapping
    expected = [
        *([NOT_LINED] if mapped and not lined else []),
        *([NOT_MAPPED] if lined and not mapped else []),
        *([NOT_MOUNTED] if in_fstab and not live else []),
        *([NO_FSTAB] if live and not in_fstab else []),
        *([UNKNOWN] if not lined and not mapped else []),
        *([NOWHERE] if not in_fstab and not live else []),
    ]
    assert sorted(causes(seen)) == sorted(expected)


def test_mapped_more_than_once() -> None:
    assert causes(host(devices=(device(), device(number=1)))) == ["it is mapped more than once: /dev/rbd0, /dev/rbd1"]


@pytest.mark.parametrize(
    ("rbdmap", "mapping", "clause"),
    [
        ("rbd/app id=app\n", device(), "it was mapped by client.admin, not client.app"),
        ("rbd/app id=admin,read-only\n", device(), "it is not read-only"),
        ("rbd/app id=admin\n", device(read_only=True), "it is read-only"),
        ("rbd/app id=admin,options='queue_depth=9'\n", device(), "it lacks the options queue_depth=9"),
    ],
)
def test_the_mapping_differs_from_its_line(rbdmap: str, mapping: KrbdDevice, clause: str) -> None:
    assert causes(host(rbdmap, devices=(mapping,))) == [f"the mapping /dev/rbd0 differs from its rbdmap line: {clause}"]


def test_another_clusters_image_of_the_name() -> None:
    seen = host(devices=(device(), device(number=1, fsid=OTHER_FSID)))
    assert causes(seen) == [f"/dev/rbd1 is an image of the same name in another cluster ({OTHER_FSID})"]


def test_another_clusters_mount_is_not_the_images() -> None:
    seen = host(devices=(device(fsid=OTHER_FSID),))
    assert NOT_MOUNTED in causes(seen)
    assert NOT_MAPPED in causes(seen)


def test_declared_elsewhere() -> None:
    assert causes(host(), Declared(APP, "/data")) == ["it is declared at /data, but neither in fstab nor mounted there"]


@pytest.mark.parametrize(
    ("seen", "cause"),
    [
        (host("", "", (device(),), ()), "it is declared absent, but mapped as /dev/rbd0"),
        (host(RBDMAP, "", (), ()), "it is declared absent, but rbdmap has a line for it (line 2)"),
        (host("", FSTAB, (), ()), "it is declared absent, but fstab mounts it at /srv/app"),
    ],
)
def test_what_is_left_of_an_image_that_shall_be_gone(seen: Host, cause: str) -> None:
    assert causes(seen, GONE) == [cause]


def test_all_that_can_be_left() -> None:
    assert [
        cause.split(" at ")[0].split(" (")[0].removeprefix("it is declared absent, but ")
        for cause in causes(host(), GONE)
    ] == [
        "mounted",
        "fstab mounts it",
        "mapped as /dev/rbd0",
        "rbdmap has a line for it",
    ]


def test_a_slash_at_the_end_of_a_mount_point_means_nothing() -> None:
    assert causes(host(fstab=FSTAB.replace("/srv/app ", "/srv//app/ "))) == []
    assert causes(host(mounts=()), GONE)[0] == "it is declared absent, but fstab mounts it at /srv/app"


@pytest.mark.parametrize(
    ("rbdmap", "numbers"),
    [
        (RBDMAP + "rbd/app id=admin\n", "line 2, and 3"),
        (RBDMAP + "app id=other\n# x\nrbd/log\nrbd/app\n", "line 2, and 3, 6"),
    ],
)
def test_more_than_one_line_for_an_image_is_told(rbdmap: str, numbers: str) -> None:
    assert causes(host(rbdmap)) == [f"rbdmap has more lines for it ({numbers})"]


def test_bind_mounts_beside_its_own_mount_are_no_drift() -> None:
    binds = (mount("/var/lib/pod/a", number=51), mount("/var/lib/pod/b", number=52))
    assert causes(host(mounts=(mount("/srv/app"), *binds))) == []


def test_another_mount_instead_of_its_own_is_drift() -> None:
    bind = mount("/var/lib/pod", number=51)
    assert causes(host(mounts=(bind,))) == [NOT_MOUNTED, NO_FSTAB.replace("/srv/app", "/var/lib/pod")]


@pytest.mark.parametrize("rbdmap", [RBDMAP.rstrip("\n"), "rbd/app id=admin,options='#'\n"])
def test_a_line_that_rbdmap_does_not_read_is_told(rbdmap: str) -> None:
    (cause,) = causes(host(rbdmap))
    assert re.match(r"line [12] of rbdmap does not do what it seems to: ", cause)


def test_a_line_that_mount_does_not_read_is_told() -> None:
    (cause,) = causes(host(fstab="# mine\n/dev/rbd/rbd/app /srv/app xfs noauto # why\n"))
    assert cause.startswith("line 2 of fstab does not do what it seems to: libmount reads no comment")


def test_without_a_declaration_every_image_that_a_place_names() -> None:
    seen = host(
        "rbd/one id=x\n", "/dev/rbd/rbd/two@s /t xfs\nUUID=1 / ext4\n", (device(ImageSpec("rbd", "ns", "three")),), ()
    )
    assert [str(item.spec) for item in all_declared(None, seen)] == ["rbd/ns/three", "rbd/one", "rbd/two@s"]


def test_a_declaration_is_all_there_is_to_look_at() -> None:
    assert all_declared([], host()) == ()
    assert all_declared([DECLARED], host()) == (DECLARED,)


def test_the_result_tells_each_place() -> None:
    result = find(host(), APP).result()
    assert result["rbdmap"] == {"line": 2, "user": "admin", "keyring": "/k", "options": "", "read_only": False}
    assert result["fstab"] == [{"line": 2, "path": "/srv/app", "fstype": "xfs", "opts": "noauto,_netdev"}]
    assert result["mappings"][0]["device"] == result["mounts"][0]["source"] == "/dev/rbd0"
    assert find(EMPTY, APP).result() == {"image": "rbd/app", "rbdmap": None, "mappings": [], "fstab": [], "mounts": []}


def test_the_result_shows_no_key() -> None:
    seen = host(f"rbd/app id=admin,key={CANARY},options='secret={CANARY}'\n")
    assert CANARY not in str(find(seen, APP).result())
    assert CANARY not in str(causes(seen))


def test_a_password_in_fstab_is_not_shown() -> None:
    seen = host(fstab=FSTAB.replace("_netdev", "_netdev,password=hunter2"))
    assert "hunter2" not in str(find(seen, APP).result())
    assert find(seen, APP).result()["fstab"] == [
        {"line": 2, "path": "/srv/app", "fstype": "xfs", "opts": "noauto,_netdev,password=********"}
    ]


def test_snapshots_are_images_of_their_own() -> None:
    snapshot = replace(APP, snap="one")
    assert find(host(), snapshot).result()["mappings"] == []
