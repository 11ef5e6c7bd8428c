# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's RBD client, read from trees as sysfs has them, each seen as the root directory of a process."""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Callable, TypeVar

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._crypt_device import CryptDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._errors import NotBegun, RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._krbd_device import KrbdDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._system import krbd
from ansible_collections.cephclient.rbd.plugins.module_utils._system.command import Completed
from ansible_collections.cephclient.rbd.plugins.module_utils._system.krbd import HostKrbd
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeCommands
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    FSID,
    OTHER_FSID,
    device,
    is_sentence,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")
T = TypeVar("T")


def seen_in(root: Path, ask: Callable[[HostKrbd], T], commands: FakeCommands | None = None) -> T:
    """What the adapter answers in a process whose root directory is the given one."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.chroot(root)
        try:
            answer: object = ask(HostKrbd(commands or FakeCommands()))
        except Exception as error:  # noqa: BLE001  # it is raised again by the parent
            answer = (type(error).__name__, str(error))
        os.write(writer, pickle.dumps(answer))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pickle.loads(pipe.read())
    os.waitpid(pid, 0)
    return answer  # type: ignore[return-value]  # pickled by the child


def put(root: Path, found: KrbdDevice, **attributes: str) -> None:
    """Write what the kernel shows of a mapping."""
    base = root / "sys/bus/rbd/devices" / str(found.number)
    block = root / "sys/block" / f"rbd{found.number}"
    base.mkdir(parents=True)
    block.mkdir(parents=True)
    shown = {
        "cluster_fsid": found.fsid,
        "pool": found.spec.pool,
        "pool_ns": found.spec.namespace,
        "name": found.spec.image,
        "current_snap": found.spec.snap or "-",
        "image_id": found.image_id,
        "size": str(found.size),
        "config_info": found.config,
        "client_id": found.client.replace(".", ""),
        "features": f"{found.features:#018x}",
        **attributes,
    }
    for name, text in shown.items():
        (base / name).write_text(f"{text}\n")
    (block / "ro").write_text(f"{int(found.read_only)}\n")
    (block / "dev").write_text("{}:{}\n".format(*found.devno))
    (block / "holders").mkdir()
    for crypt in found.crypts:
        hold(root, found, crypt, "CRYPT-LUKS2-0123456789abcdef-opened")


def hold(root: Path, below: KrbdDevice, holder: CryptDevice, uuid: str) -> None:
    """Write what the kernel shows of a device of device-mapper on a mapping."""
    block = root / "sys/block" / f"dm-{holder.devno[1]}"
    (block / "dm").mkdir(parents=True)
    (block / "dm/name").write_text(f"{holder.name}\n")
    (block / "dm/uuid").write_text(f"{uuid}\n")
    (block / "dev").write_text("{}:{}\n".format(*holder.devno))
    (block / "size").write_text(f"{holder.size // 512}\n")
    (root / "sys/block" / f"rbd{below.number}/holders" / block.name).symlink_to(block)


def link(root: Path, spec: ImageSpec, number: int) -> None:
    path = root / spec.device.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    (root / f"dev/rbd{number}").touch()
    path.symlink_to(f"/dev/rbd{number}")


def devices_of_a_user(krbd: HostKrbd) -> tuple[KrbdDevice, ...]:
    os.setuid(65534)
    return krbd.devices()


class TestDevices:
    def test_without_the_kernel_module_there_are_none(self, tmp_path: Path) -> None:
        assert seen_in(tmp_path, HostKrbd.devices) == ()
        assert seen_in(tmp_path, HostKrbd.supported_features) is None

    def test_every_attribute(self, tmp_path: Path) -> None:
        mappings = [
            device(number=2),
            device(ImageSpec("data", "team", "log", "yesterday"), 10, fsid=OTHER_FSID, read_only=True),
        ]
        for mapping in mappings:
            put(tmp_path, mapping)
        assert seen_in(tmp_path, HostKrbd.devices) == tuple(mappings)

    @pytest.mark.parametrize("spec", [APP, ImageSpec("data", "team", "log", "yesterday"), ImageSpec("rbd", "", "none")])
    def test_of_one_name_alone(self, tmp_path: Path, spec: ImageSpec) -> None:
        log = ImageSpec("data", "team", "log", "yesterday")
        others = [replace(log, pool="rbd"), replace(log, namespace=""), replace(log, snap=None)]
        specs = [APP, log, *others, replace(APP, pool="data"), APP, log]
        mappings = [device(each, number, fsid=(FSID, OTHER_FSID)[number % 2]) for number, each in enumerate(specs)]
        for mapping in mappings:
            put(tmp_path, mapping)
        wanted = tuple(mapping for mapping in mappings if mapping.spec == spec)
        assert seen_in(tmp_path, lambda krbd: krbd.devices(spec)) == wanted

    def test_of_a_mapping_with_another_name_nothing_else_is_read(self, tmp_path: Path) -> None:
        put(tmp_path, device())
        put(tmp_path, device(replace(APP, image="other"), 1))
        unreadable = tmp_path / "sys/bus/rbd/devices/1/pool"
        unreadable.unlink()
        unreadable.mkdir()
        assert seen_in(tmp_path, lambda krbd: krbd.devices(APP)) == (device(),)
        assert seen_in(tmp_path, HostKrbd.devices)[0] == "RbdError"

    def test_what_is_opened_on_it(self, tmp_path: Path) -> None:
        crypts = (CryptDevice("rbd-rbd-app", (253, 0), 1 << 20), CryptDevice("other", (253, 2), 1 << 21))
        mapping = replace(device(), crypts=crypts)
        put(tmp_path, mapping)
        hold(tmp_path, mapping, CryptDevice("vg-lv", (253, 1), 1 << 20), "LVM-0123")
        (tmp_path / "sys/block/rbd0/holders/md0").symlink_to("/sys/block/md0")
        assert seen_in(tmp_path, HostKrbd.devices) == (mapping,)

    def test_older_kernels_know_no_namespaces(self, tmp_path: Path) -> None:
        put(tmp_path, device())
        (tmp_path / "sys/bus/rbd/devices/0/pool_ns").unlink()
        (tmp_path / "sys/bus/rbd/devices/0/config_info").unlink()
        (found,) = seen_in(tmp_path, HostKrbd.devices)
        assert (found.spec, found.config, found.user) == (APP, "", None)

    def test_a_mapping_that_is_being_made_or_taken_away_is_no_mapping_yet(self, tmp_path: Path) -> None:
        put(tmp_path, device())
        for name in ("ro", "dev"):
            (tmp_path / "sys/block/rbd0" / name).unlink()
        assert seen_in(tmp_path, HostKrbd.devices) == ()

    def test_options_that_only_root_may_read_are_left_out(self, tmp_path: Path) -> None:
        put(tmp_path, device())
        tmp_path.chmod(0o755)
        (tmp_path / "sys/bus/rbd/devices/0/config_info").chmod(0o400)
        (found,) = seen_in(tmp_path, devices_of_a_user)
        assert (found.spec, found.config) == (APP, "")

    def test_an_attribute_that_cannot_be_read_is_an_error_of_ours(self, tmp_path: Path) -> None:
        put(tmp_path, device())
        tmp_path.chmod(0o755)
        (tmp_path / "sys/bus/rbd/devices/0/pool").chmod(0o400)
        kind, message = seen_in(tmp_path, devices_of_a_user)  # type: ignore[misc]  # an error, told
        assert (kind, message) == (
            "RbdError",
            "Cannot read /sys/bus/rbd/devices/0: Permission denied. Run as root.",
        )

    def test_supported_features(self, tmp_path: Path) -> None:
        put(tmp_path, device())
        (tmp_path / "sys/bus/rbd/supported_features").write_text("0x1bf\n")
        assert seen_in(tmp_path, HostKrbd.supported_features) == 0x1BF


class TestLinked:
    def test_the_mapping_that_the_link_leads_to(self, tmp_path: Path) -> None:
        put(tmp_path, device())
        put(tmp_path, device(number=1))
        link(tmp_path, APP, 1)
        assert seen_in(tmp_path, lambda krbd: krbd.linked(APP)) == device(number=1)

    def test_another_images_device_is_not_taken_for_it(self, tmp_path: Path) -> None:
        put(tmp_path, device(ImageSpec("rbd", "", "log")))
        link(tmp_path, APP, 0)
        assert seen_in(tmp_path, lambda krbd: krbd.linked(APP)) is None

    def test_one_name_in_two_clusters_is_a_matter_of_chance(self, tmp_path: Path) -> None:
        put(tmp_path, device())
        put(tmp_path, device(number=1, fsid=OTHER_FSID))
        link(tmp_path, APP, 1)
        kind, message = seen_in(tmp_path, lambda krbd: krbd.linked(APP))  # type: ignore[misc]  # an error, told
        assert kind == "RbdError"
        assert FSID in message
        assert OTHER_FSID in message


class TestMap:
    def test_is_asked_of_the_rbd_command_and_waits_for_the_link(self, tmp_path: Path) -> None:
        link(tmp_path, APP, 0)
        commands = FakeCommands(Completed(0, "/dev/rbd0\n", ""))
        argv = ["rbd/app", "--id", "admin"]
        assert seen_in(tmp_path, lambda krbd: (krbd.map(APP, argv, 30), commands.ran), commands) == (
            "/dev/rbd0",
            [("rbd", "device", "map", "rbd/app", "--id", "admin")],
        )

    @pytest.mark.parametrize(
        ("rc", "cause"),
        [(6, "does not support a feature"), (110, "did not answer the kernel in time"), (5, "rbd: sorry")],
    )
    def test_a_refusal_is_explained(self, rc: int, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(krbd, "RUN", str(tmp_path / "run"))
        kernel = HostKrbd(FakeCommands(Completed(rc, "", "rbd: sorry\n")))
        with pytest.raises(RbdError, match=f"^Cannot map rbd/app: .*{cause}.*exit code {rc}") as refused:
            kernel.map(APP, ["rbd/app"], 30)
        assert is_sentence(refused.value)

    def test_what_another_run_has_mapped_meanwhile_is_not_mapped_twice(self, tmp_path: Path) -> None:
        put(tmp_path, device())
        kind, message = seen_in(tmp_path, lambda krbd: krbd.map(APP, ["rbd/app"], 30))  # type: ignore[misc]  # an error
        assert (kind, message.partition(". ")[0]) == (
            "Overtaken",
            "Cannot map rbd/app: another run has mapped it in this very moment",
        )

    def test_holds_the_lock_of_this_image_and_of_no_other(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def is_locked(spec: str) -> bool:
            place = tmp_path / "run" / spec
            place.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(place, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(descriptor)
            return False

        class Looking(FakeCommands):
            def run(self, argv: Sequence[str], timeout: float) -> Completed:
                locked.update({spec: is_locked(spec) for spec in ("rbd/app", "rbd/other")})
                return super().run(argv, timeout)

        locked: dict[str, bool] = {}
        monkeypatch.setattr(krbd, "RUN", str(tmp_path / "run"))
        with pytest.raises(RbdError):
            HostKrbd(Looking(Completed(5, "", "rbd: sorry"))).map(APP, ["rbd/app"], 30)
        assert locked == {"rbd/app": True, "rbd/other": False}
        assert not is_locked("rbd/app")

    def test_where_nothing_can_be_locked_nothing_is_begun(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "run").touch()
        monkeypatch.setattr(krbd, "RUN", str(tmp_path / "run"))
        commands = FakeCommands()
        with pytest.raises(NotBegun, match=r"Cannot map rbd/app: the directory .*/run/rbd/app cannot be made"):
            HostKrbd(commands).map(APP, ["rbd/app"], 30)
        assert commands.ran == []


class TestUnmap:
    def test_goes_by_the_device_and_never_by_force(self) -> None:
        commands = FakeCommands(Completed(0, "", ""))
        HostKrbd(commands).unmap(device(number=3), 30)
        assert commands.ran == [("rbd", "device", "unmap", "/dev/rbd3")]

    def test_a_busy_device_is_named(self) -> None:
        krbd = HostKrbd(FakeCommands(Completed(16, "", "rbd: busy")))
        with pytest.raises(RbdError, match=r"^Cannot unmap rbd/app \(/dev/rbd3\): the device is busy") as refused:
            krbd.unmap(device(number=3), 30)
        assert is_sentence(refused.value)
