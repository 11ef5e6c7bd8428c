# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What disagrees about an image, its line in rbdmap and its mapping."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._crypt_device import CryptDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._drift_host import Answer, Declared, Host
from ansible_collections.cephclient.rbd.plugins.module_utils._krbd_device import KrbdDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._map_options import MapOptions
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.drift_values import (
    AT_PATH,
    RBDMAP,
    WHOLE,
    causes,
    host,
    kinds,
    rows,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    FSID,
    OTHER_FSID,
    device,
    facts,
    mount,
)

RELEASE = ("umount /srv/app", "rbd device unmap /dev/rbd0")
REMAP = (*RELEASE, "systemctl reload rbdmap")


def answering(**changed: Any) -> Host:
    return host(answers={"rbd/app": Answer(facts(**changed))})


@pytest.mark.parametrize(
    ("rbdmap", "cause", "expected", "actual"),
    [
        ("rbd/app id=app,keyring=/k\n", "has user app instead of admin", "admin", "app"),
        ("rbd/app keyring=/other\n", "has keyring /other instead of /k", "/k", "/other"),
        ("rbd/app id=admin\n", "has keyring (none) instead of /k", "/k", ""),
        ("rbd/app keyring=/k,read-only\n", "has read_only true instead of false", "false", "true"),
        ("rbd/app keyring=/k # shared\n", "has shared true instead of false", "false", "true"),
        ("rbd/app keyring=/k,client_mount_timeout=5\n", "nobody has declared", "", "client_mount_timeout"),
    ],
)
def test_the_line_is_not_as_declared(rbdmap: str, cause: str, expected: str, actual: str) -> None:
    (found,) = [row for row in rows(host(rbdmap)) if row.kind == "rbdmap_line_differs"]
    assert found.cause.startswith("line 1 of rbdmap has ")
    assert cause in found.cause
    assert (found.expected, found.actual, found.repair) == (expected, actual, "run")


@pytest.mark.parametrize(
    "rbdmap", ["rbd/app keyring=/k\n", "app\tid=admin,keyring=/k\n", "  rbd/app user=admin,keyring=/k # me\n"]
)
def test_a_line_that_means_what_is_declared_is_no_drift(rbdmap: str) -> None:
    assert kinds(host(rbdmap)) == []


def test_what_is_not_declared_is_not_compared() -> None:
    seen = host("rbd/app id=admin,keyring=/other,client_mount_timeout=5,read-only # shared\n")
    assert kinds(seen, AT_PATH) == ["mapping_read_only"]


@pytest.mark.parametrize(
    ("rbdmap", "numbers"),
    [
        (RBDMAP + "rbd/app id=admin\n", "line 2, and 3"),
        (RBDMAP + "app id=other\n# x\nrbd/log\nrbd/app\n", "line 2, and 3, 6"),
    ],
)
def test_more_than_one_line_for_an_image_is_told(rbdmap: str, numbers: str) -> None:
    assert causes(host(rbdmap)) == [f"rbdmap has more lines for it ({numbers})"]


def test_a_repeated_line_is_a_row_that_names_both_and_that_a_run_mends() -> None:
    (found,) = rows(host("rbd/app id=admin,keyring=/k\n# mine\nrbd/app id=admin,keyring=/k\n"))
    assert (found.kind, found.expected, found.actual, found.repair) == ("rbdmap_line_repeated", "1", "2", "run")
    assert found.cause == "rbdmap has more lines for it (line 1, and 3)"


@pytest.mark.parametrize("rbdmap", [RBDMAP.rstrip("\n"), "rbd/app id=admin,options='#'\n"])
def test_a_line_that_rbdmap_does_not_read_is_told(rbdmap: str) -> None:
    (found,) = [row for row in rows(host(rbdmap)) if row.kind.startswith("rbdmap")]
    assert found.kind == "rbdmap_line_ineffective"
    assert re.match(r"line [12] of rbdmap does not do what it seems to: ", found.cause)


class TestMapping:
    @pytest.mark.parametrize(
        ("mapping", "kind", "cause", "expected", "actual"),
        [
            (
                device(options="name=app,key=client.app"),
                "mapping_user",
                "/dev/rbd0 was mapped by client.app, not client.admin",
                "admin",
                "app",
            ),
            (device(read_only=True), "mapping_read_only", "/dev/rbd0 is mapped read-only", "false", "true"),
            (
                device(options="name=admin,key=client.admin,queue_depth=64"),
                "mapping_options",
                "/dev/rbd0 has the options queue_depth=64, which nobody has declared",
                "",
                "queue_depth=64",
            ),
        ],
    )
    def test_differs_from_both_line_and_declaration(
        self, mapping: KrbdDevice, kind: str, cause: str, expected: str, actual: str
    ) -> None:
        for declared in (WHOLE, AT_PATH):
            (found,) = rows(host(devices=(mapping,)), declared)
            assert (found.kind, found.cause, found.expected, found.actual) == (kind, cause, expected, actual)
            assert (found.repair, found.steps) == ("remap", REMAP)

    def test_lacks_options(self) -> None:
        declared = replace(WHOLE, options=MapOptions.from_dict({"queue_depth": 9, "lock_on_read": True}))
        seen = host(
            "rbd/app keyring=/k,options='lock_on_read,queue_depth=9'\n", devices=(device(options="name=admin"),)
        )
        assert causes(seen, declared) == ["/dev/rbd0 lacks the options lock_on_read,queue_depth=9"]

    def test_has_another_value(self) -> None:
        declared = replace(WHOLE, options=MapOptions.from_dict({"queue_depth": 9}))
        seen = host(
            "rbd/app keyring=/k,options='queue_depth=9'\n", devices=(device(options="name=admin,queue_depth=8"),)
        )
        assert causes(seen, declared) == ["/dev/rbd0 lacks the options queue_depth=9"]

    def test_the_declaration_comes_before_the_line(self) -> None:
        # As a run would write it, and the next mapping will be.
        seen = host("rbd/app id=app,keyring=/k\n")
        assert kinds(seen) == ["rbdmap_line_differs"]
        assert kinds(seen, AT_PATH) == ["mapping_user"]

    @pytest.mark.parametrize(
        "options", ["name=admin,ms_mode=prefer-crc", "name=admin,key=client.admin,ip=10.0.0.9:0", ""]
    )
    def test_what_the_rbd_command_adds_is_no_drift(self, options: str) -> None:
        assert kinds(host(devices=(device(options=options),))) == []

    def test_of_a_snapshot_is_read_only(self) -> None:
        snapshot = replace(APP, snap="one")
        seen = host("rbd/app@one id=admin\n", "", (device(snapshot, read_only=True),), ())
        assert kinds(seen, Declared(snapshot)) == []
        assert kinds(replace(seen, devices=(device(snapshot),)), Declared(snapshot)) == ["mapping_read_only"]

    def test_more_than_once(self) -> None:
        (found,) = rows(host(devices=(device(), device(number=1))))
        assert (found.kind, found.repair) == ("mapped_twice", "hand")
        assert found.cause == "it is mapped more than once: /dev/rbd0, /dev/rbd1"
        assert found.steps == ("rbd device unmap /dev/rbd1",)

    def test_of_another_clusters_image(self) -> None:
        (found,) = rows(host(devices=(device(), device(number=1, fsid=OTHER_FSID))))
        assert (found.kind, found.repair) == ("mapped_from_another_cluster", "hand")
        assert found.cause == f"/dev/rbd1 is an image of the same name in another cluster ({OTHER_FSID})"
        assert (found.expected, found.actual, found.steps) == (FSID, OTHER_FSID, ("rbd device unmap /dev/rbd1",))

    def test_is_released_from_the_top(self) -> None:
        outer, inner = mount("/srv/a b", (253, 3), 51), mount("/srv/a b/x", (253, 3), 52, 51)
        mapping = replace(device(read_only=True), crypts=(CryptDevice("rbd-rbd-app", (253, 3), 1 << 30),))
        assert rows(host(devices=(mapping,), mounts=(outer, inner)), Declared(APP))[0].steps == (
            "umount '/srv/a b/x'",
            "umount '/srv/a b'",
            "cryptsetup close rbd-rbd-app",
            "rbd device unmap /dev/rbd0",
            "systemctl reload rbdmap",
        )


class TestCluster:
    def test_another_image_has_the_name_now(self) -> None:
        (found,) = rows(answering(image_id="ffff"))
        assert (found.kind, found.expected, found.actual) == ("mapping_is_another_image", "ffff", "1a2b")
        assert found.cause.endswith("(image id 1a2b): the image of this name has ffff")
        assert (found.repair, found.steps) == ("hand", REMAP)

    def test_no_image_has_the_name_now(self) -> None:
        (found,) = rows(host(answers={"rbd/app": Answer(None)}))
        assert (found.kind, found.steps) == ("mapping_is_another_image", RELEASE)
        assert found.cause.endswith("no image has this name now")

    @pytest.mark.parametrize(("size", "repair"), [(None, "hand"), (1 << 30, "run")])
    def test_there_is_no_image(self, size: int | None, repair: str) -> None:
        found = rows(host(devices=(), answers={"rbd/app": Answer(None)}), replace(WHOLE, size=size))[0]
        assert (found.kind, found.repair) == ("image_missing", repair)

    @pytest.mark.parametrize(
        ("size", "kind", "repair"), [(2 << 30, "image_smaller", "run"), (1 << 29, "image_larger", "hand")]
    )
    def test_the_size_is_not_as_declared(self, size: int, kind: str, repair: str) -> None:
        (found,) = rows(host(), replace(WHOLE, size=size))
        assert (found.kind, found.repair, found.actual) == (kind, repair, "1 GiB")

    def test_the_kernel_has_not_learned_the_new_size(self) -> None:
        (found,) = rows(answering(size=2 << 30), replace(WHOLE, size=2 << 30))
        assert (found.kind, found.expected, found.actual) == ("mapping_size", "2 GiB", "1 GiB")
        assert found.steps == ("echo 1 > /sys/bus/rbd/devices/0/refresh",)

    def test_a_snapshot_has_the_size_that_it_had(self) -> None:
        snapshot = replace(APP, snap="one")
        answers = {str(snapshot): Answer(facts(2 << 30))}
        seen = host("rbd/app@one id=admin\n", "", (device(snapshot, read_only=True),), (), answers=answers)
        assert kinds(seen, Declared(snapshot, size=1 << 20)) == []

    def test_one_that_could_not_be_looked_at(self) -> None:
        (found,) = rows(host(answers={"rbd/app": Answer(None, "there is no pool rbd")}))
        assert (found.kind, found.cause) == ("image_unknown", "the cluster could not tell: there is no pool rbd")
