# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every disagreement among the places is told, and no agreement is."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._drift import service_rows
from ansible_collections.cephclient.rbd.plugins.module_utils._drift_host import Declared, Host, all_declared, find
from ansible_collections.cephclient.rbd.plugins.module_utils._fstab_file import FstabFile
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._map_options import MapOptions
from ansible_collections.cephclient.rbd.plugins.module_utils._mapping import MapRequest, plan_rbdmap_file
from ansible_collections.cephclient.rbd.plugins.module_utils._mount import MountRequest, plan_fstab_file
from ansible_collections.cephclient.rbd.plugins.module_utils._plan import Action, EditFile
from ansible_collections.cephclient.rbd.plugins.module_utils._rbdmap_file import RbdmapEntry, RbdmapFile
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.drift_values import (
    AT_PATH,
    EMPTY,
    FSTAB,
    GONE,
    RBDMAP,
    WHOLE,
    causes,
    host,
    kinds,
    rows,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    CANARY,
    OTHER_FSID,
    btrfs,
    device,
    mount,
)

LOG = ImageSpec("rbd", "", "log")
FOUND = Declared(APP, known=False)


@pytest.mark.parametrize(
    ("seen", "declared"),
    [
        (host(), WHOLE),
        (host(), AT_PATH),
        (host(), Declared(APP)),
        (host(), FOUND),
        (host(fsid=None), AT_PATH),
        (host(answers={}), WHOLE),
        (host(fstab="", mounts=()), Declared(APP)),
        (host(fstab=FSTAB.replace("xfs", "btrfs"), mounts=(btrfs("/srv/app"),)), AT_PATH),
        (EMPTY, GONE),
        (host("rbd/other id=x\n", "/dev/rbd/rbd/other /o xfs\n", (device(LOG),), (mount("/o"),)), GONE),
    ],
)
def test_agreement_is_no_drift(seen: Host, declared: Declared) -> None:
    assert kinds(seen, declared) == []


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
        *([] if lined else ["not_in_rbdmap"]),
        *([] if mapped else ["not_mapped"]),
        *([] if in_fstab else ["not_in_fstab"]),
        *([] if live else ["not_mounted"]),
    ]
    assert kinds(seen) == expected
    assert all(row.repair == "run" for row in rows(seen))
    assert all(row.repair == "hand" for row in rows(seen, FOUND))


def test_each_row_says_what_it_is_about() -> None:
    assert causes(host("", "")) == [
        "/dev/rbd0 is mapped, but rbdmap has no line for it: it will not be mapped at boot",
        "it is mounted at /srv/app, but fstab has no such line: it will not be mounted there at boot",
    ]
    assert causes(host(devices=(), mounts=())) == [
        "rbdmap has a line for it (line 2), but it is not mapped",
        "fstab mounts it at /srv/app, but it is not mounted there",
    ]
    assert causes(EMPTY) == [
        "rbdmap has no line for it",
        "it is not mapped",
        "it is declared at /srv/app, but fstab has no such line: it will not be mounted there at boot",
        "it is declared at /srv/app, but it is not mounted there",
    ]


@pytest.mark.parametrize(
    ("seen", "cause"),
    [
        (host("", "", (device(),), ()), "it is declared absent, but mapped as /dev/rbd0"),
        (host(RBDMAP, "", (), ()), "it is declared absent, but rbdmap has a line for it (line 2)"),
        (host("", FSTAB, (), ()), "it is declared absent, but fstab mounts it at /srv/app"),
        (
            host("", "/dev/mapper/rbd-rbd-app /srv/app ext4\n", (), ()),
            "it is declared absent, but fstab mounts it at /srv/app",
        ),
    ],
)
def test_what_is_left_of_an_image_that_shall_be_gone(seen: Host, cause: str) -> None:
    assert causes(seen, GONE) == [cause]


def test_all_that_can_be_left() -> None:
    assert kinds(host(), GONE) == ["left_mounted", "left_in_fstab", "left_mapped", "left_in_rbdmap"]


def test_a_slash_at_the_end_of_a_mount_point_means_nothing() -> None:
    assert kinds(host(fstab=FSTAB.replace("/srv/app ", "/srv//app/ "))) == []
    assert causes(host(mounts=()), GONE)[0] == "it is declared absent, but fstab mounts it at /srv/app"


def test_without_a_declaration_every_image_that_a_place_names() -> None:
    seen = host(
        "rbd/one id=x\n",
        "/dev/rbd/rbd/two@s /t xfs\n/dev/mapper/rbd-rbd-four /f xfs\nUUID=1 / ext4\n",
        (device(ImageSpec("rbd", "ns", "three")),),
        (),
    )
    assert [str(item.spec) for item in all_declared(None, seen)] == ["rbd/four", "rbd/ns/three", "rbd/one", "rbd/two@s"]
    assert not any(item.known for item in all_declared(None, seen))


def test_a_declaration_is_all_there_is_to_look_at() -> None:
    assert all_declared([], host()) == ()
    assert all_declared([AT_PATH], host()) == (AT_PATH,)


def test_the_result_tells_each_place() -> None:
    result = find(host(), APP).result()
    assert result["rbdmap"] == {
        "line": 2,
        "user": "admin",
        "keyring": "/k",
        "options": "",
        "read_only": False,
        "shared": False,
    }
    assert result["fstab"] == [{"line": 2, "path": "/srv/app", "fstype": "xfs", "opts": "noauto,_netdev"}]
    assert result["mappings"][0]["device"] == result["mounts"][0]["source"] == "/dev/rbd0"
    assert result["mappings"][0]["options"] == ["name=admin", "key=client.admin"]
    assert find(EMPTY, APP).result() == {"image": "rbd/app", "rbdmap": None, "mappings": [], "fstab": [], "mounts": []}


def test_neither_result_nor_rows_show_a_key() -> None:
    seen = host(f"rbd/app id=admin,key={CANARY},options='secret={CANARY}'\n")
    assert CANARY not in str(find(seen, APP).result())
    assert rows(seen)
    assert CANARY not in str(rows(seen))


def test_a_password_in_fstab_is_not_shown() -> None:
    seen = host(fstab=FSTAB.replace("_netdev", "_netdev,password=hunter2"))
    assert kinds(seen) == ["fstab_line_differs"]
    assert "hunter2" not in str(rows(seen)) + str(find(seen, APP).result())
    assert find(seen, APP).result()["fstab"] == [
        {"line": 2, "path": "/srv/app", "fstype": "xfs", "opts": "noauto,_netdev,password=********"}
    ]


def test_snapshots_are_images_of_their_own() -> None:
    snapshot = replace(APP, snap="one")
    assert find(host(), snapshot).result()["mappings"] == []


@pytest.mark.parametrize(
    ("enabled", "active", "expected"),
    [
        ("enabled", "active", []),
        ("disabled", "active", ["service_disabled"]),
        ("enabled-runtime", "active", ["service_disabled"]),
        ("", "", ["service_disabled", "service_inactive"]),
        ("enabled", "failed", ["service_inactive"]),
        ("enabled", "activating", ["service_retrying"]),
        ("masked", "inactive", ["service_disabled", "service_inactive"]),
    ],
)
def test_the_service(enabled: str, active: str, expected: list[str]) -> None:
    found = service_rows("rbdmap.service", enabled, active)
    assert [row.kind for row in found] == expected
    assert all(row.image is None and re.match(r"rbdmap\.service is ", row.cause) for row in found)


# A declaration as the role has it, and a host with whatever there was before.
declarations = st.builds(
    Declared,
    st.just(APP),
    st.sampled_from(["/srv/app", "/data"]),
    user=st.sampled_from(["admin", "app"]),
    keyring=st.sampled_from(["/k", "/etc/ceph/ceph.client.app.keyring"]),
    options=st.sampled_from([{}, {"queue_depth": 64}, {"lock_on_read": True, "ms_mode": "secure"}]).map(
        MapOptions.from_dict
    ),
    read_only=st.booleans(),
    shared=st.booleans(),
    encrypted=st.just(False),
    fstype=st.sampled_from(["xfs", "auto"]),
    opts=st.sampled_from(["noauto,_netdev", "noauto,_netdev,noatime,nosuid,x-a=b"]),
    dump=st.just(0),
    passno=st.integers(0, 1),
)
before = st.sampled_from(
    ["", RBDMAP, "rbd/app\n", "rbd/app id=x,read-only\nrbd/app id=y", "rbd/app options='#' # shared\nrbd/log\n"]
)
fstab_before = st.sampled_from(["", "/dev/rbd/rbd/app {path} ext4 defaults # mine\n", "UUID=1 / ext4\n# x\n"])


def edited(text: str, actions: list[Action]) -> str:
    for action in actions:
        assert isinstance(action, EditFile)
        text = action.edit(text)
    return text


@given(declarations, before, fstab_before)
def test_what_the_planners_have_written_is_no_drift(declared: Declared, rbdmap: str, fstab: str) -> None:
    options = declared.options or MapOptions()
    read_only = bool(declared.read_only)
    entry = RbdmapEntry.of(APP, user=declared.user, keyring=declared.keyring, options=options, read_only=read_only)
    mapping = MapRequest("mapped", replace(entry, shared=bool(declared.shared)))
    request = MountRequest(
        APP, "mounted", declared.path, declared.fstype or "", declared.opts or "", 0, declared.passno or 0
    )
    fstab = fstab.format(path=declared.path)
    words = [f"name={declared.user}", "key=x", *(word for word in str(options).split(",") if word)]
    live = device(read_only=read_only, options=",".join(words))
    flags = "rw,nosuid,noatime" if "noatime" in (declared.opts or "") else "rw,relatime"
    shown = replace(mount(declared.path or ""), opts=f"ro,{flags[3:]}" if read_only else flags)
    seen = host(
        edited(rbdmap, plan_rbdmap_file("/etc/ceph/rbdmap", rbdmap, [mapping])),
        edited(fstab, plan_fstab_file("/etc/fstab", fstab, [request])),
        (live,),
        (shown,),
    )
    assert rows(seen, declared) == []


@given(declarations, before, fstab_before)
def test_what_the_planners_would_write_is_drift(declared: Declared, rbdmap: str, fstab: str) -> None:
    entry = RbdmapEntry.of(
        APP,
        user=declared.user,
        keyring=declared.keyring,
        options=declared.options or MapOptions(),
        read_only=bool(declared.read_only),
    )
    entry = replace(entry, shared=bool(declared.shared))
    request = MountRequest(
        APP, "mounted", declared.path, declared.fstype or "", declared.opts or "", 0, declared.passno or 0
    )
    fstab = fstab.format(path=declared.path)
    found = kinds(host(rbdmap, fstab), declared)
    changes_rbdmap = RbdmapFile.decode(rbdmap).set(entry).encode() != rbdmap
    changes_fstab = FstabFile.decode(fstab).set(request.entry()).encode() != fstab
    assert any(kind.startswith("rbdmap_line") or kind == "not_in_rbdmap" for kind in found) == changes_rbdmap
    assert any(kind.startswith("fstab_line") or kind == "not_in_fstab" for kind in found) == changes_fstab


def test_an_image_of_another_cluster_is_not_the_image() -> None:
    seen = host(devices=(device(fsid=OTHER_FSID),))
    assert kinds(seen) == ["not_mapped", "mapped_from_another_cluster", "not_mounted"]
