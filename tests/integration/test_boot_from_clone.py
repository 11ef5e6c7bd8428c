# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU boots a guest from a clone of a golden image over librbd, and the image is not copied for that."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from loopback.cluster import LoopbackCluster
from loopback.content import Content
from loopback.daemon import CommandError, run
from loopback.modules import Modules

MIB = 2**20
SECTOR = 512
# Of the objects of 1 MiB, the first one has the boot sector, and another one the text that the guest prints, and
# room for what it writes.
SIZE = 8 * MIB
BOOT_OBJECT, TEXT_OBJECT = 0, 3
TEXT_SECTOR = TEXT_OBJECT * MIB // SECTOR + 5
WRITTEN_SECTOR = TEXT_SECTOR + 7
TEXT = "Booted from a clone.\n"

# The BIOS loads the first sector of the disk to 0x7c00, and begins there. The program's parameters are at the offset
# 0x100 of that sector, and the text that it reads comes behind the sector.
START = """
    31 c0       xor ax, ax
    8e d8       mov ds, ax
    fc          cld
    be 00 7d    mov si, 0x7d00  ; the packet that says what to read, and to where
    b4 42       mov ah, 0x42    ; read from the disk whose number the BIOS has left in dl
    cd 13       int 0x13
"""
WRITE = """
    be 10 7d    mov si, 0x7d10  ; the packet that says what to write, and from where
    b8 00 43    mov ax, 0x4300  ; write to the same disk
    cd 13       int 0x13
"""
PRINT = """
    be 00 7e    mov si, 0x7e00  ; the text
    ac          lodsb           ; next: its next character
    84 c0       test al, al     ; the end is a zero
    74 08       jz end
    b4 01       mov ah, 1       ; send the character
    31 d2       xor dx, dx      ; by COM1
    cd 14       int 0x14
    eb f3       jmp next
    ba 04 06    mov dx, 0x604   ; end: the power management of QEMU's machine
    b8 00 20    mov ax, 0x2000  ; power off
    ef          out dx, ax
    f4          hlt
"""


def code(listing: str) -> bytes:
    """The bytes at the beginning of each line of a listing."""
    return b"".join(bytes.fromhex(line[:16]) for line in listing.splitlines())


def packet(sector: int) -> bytes:
    """What the BIOS wants to know to read or write a sector: the size of this, 1 sector, 0000:7e00, and which one."""
    return b"\x10\x00\x01\x00\x00\x7e\x00\x00" + sector.to_bytes(8, "little")


def disk(*listings: str) -> bytes:
    """A disk with a boot sector of that program, and with the text."""
    program = b"".join(code(listing) for listing in listings)
    boot = program.ljust(0x100, b"\0") + packet(TEXT_SECTOR) + packet(WRITTEN_SECTOR)
    boot = boot.ljust(SECTOR - 2, b"\0") + b"\x55\xaa"
    return (boot.ljust(TEXT_SECTOR * SECTOR, b"\0") + TEXT.encode()).ljust(SIZE, b"\0")


@dataclass(frozen=True)
class Hypervisor:
    """A host with two pools: it reads the golden images of one, and keeps the disks of its guests in the other.

    :ivar options: the modules' connection options for its cephx user.
    """

    cluster: LoopbackCluster
    user: str
    images: str
    vms: str
    options: dict[str, Any]

    def boot(self, image: str) -> str:
        """Run a guest from an image until it powers itself off, and return what came from its serial port."""
        machine = ("-accel", "tcg", "-machine", "pc", "-m", "32", "-nodefaults", "-display", "none")
        drive = f"if=virtio,format=raw,file=rbd:{image}:id={self.user}:conf={self.cluster.conf}"
        return run(["qemu-system-x86_64", *machine, "-serial", "stdio", "-drive", drive], timeout=300)


@pytest.fixture
def hypervisor(cluster: LoopbackCluster) -> Iterator[Hypervisor]:
    """One whose user may do that, and no more."""
    identity = uuid.uuid4().hex[:8]
    user, images, vms = (f"{kind}-{identity}" for kind in ("hypervisor", "images", "vms"))
    for pool in (images, vms):
        cluster.ceph("osd", "pool", "create", pool)
        cluster.rbd("pool", "init", pool)
    keyring = cluster.user(user, osd=f"profile rbd pool={vms}, profile rbd-read-only pool={images}", mgr="")
    yield Hypervisor(cluster, user, images, vms, {"user": user, "keyring": str(keyring)})
    for pool in (images, vms):
        cluster.ceph("osd", "pool", "rm", pool, pool, "--yes-i-really-really-mean-it")


@pytest.fixture
def golden(hypervisor: Hypervisor, module: Modules, tmp_path: Path) -> Callable[..., str]:
    """Make a golden image, whose guest runs the listings, and return its protected snapshot."""

    def make(*listings: str) -> str:
        image, source = f"{hypervisor.images}/golden", tmp_path / "golden.raw"
        source.write_bytes(disk(*listings))
        result = module("rbd_image")({"image": image, "source": str(source), "object_size": "1M"})
        assert not result.failed, result.msg
        hypervisor.cluster.rbd("snap", "create", f"{image}@one")
        hypervisor.cluster.rbd("snap", "protect", f"{image}@one")
        return f"{image}@one"

    return make


@pytest.fixture
def clone(hypervisor: Hypervisor, module: Modules) -> Callable[..., str]:
    """Clone a snapshot as the hypervisor, and return the clone."""

    def make(parent: str, **options: Any) -> str:
        image = f"{hypervisor.vms}/vm"
        result = module("rbd_image")({**hypervisor.options, "image": image, "parent": parent, **options})
        assert not result.failed, result.msg
        return image

    return make


def with_clone_format(cluster: LoopbackCluster, version: str, directory: Path) -> Path:
    """A ceph.conf by which clones are of that version."""
    conf = directory / "ceph.conf"
    text = cluster.conf.read_text(encoding="utf-8")
    conf.write_text(f"{text}\n[client]\nrbd_default_clone_format = {version}\n", encoding="utf-8")
    return conf


@pytest.mark.parametrize("version", ["1", "2"])
def test_guest_boots_and_nothing_is_copied(
    hypervisor: Hypervisor, golden: Callable[..., str], clone: Callable[..., str], tmp_path: Path, version: str
) -> None:
    vm = clone(golden(START, PRINT), conf=str(with_clone_format(hypervisor.cluster, version, tmp_path)))
    is_version_2 = "clone-child" in hypervisor.cluster.json("rbd", "info", vm)["op_features"]
    assert is_version_2 == (version == "2")

    assert hypervisor.boot(vm) == TEXT
    assert Content(hypervisor.cluster, vm).objects() == set()


def test_guest_that_writes_gets_its_own_copy_of_that_object(
    hypervisor: Hypervisor, golden: Callable[..., str], clone: Callable[..., str]
) -> None:
    vm = clone(golden(START, WRITE, PRINT))
    content = Content(hypervisor.cluster, vm)
    before = content.read()

    assert hypervisor.boot(vm) == TEXT
    assert content.objects() == {TEXT_OBJECT}
    start = WRITTEN_SECTOR * SECTOR
    written = TEXT.encode().ljust(SECTOR, b"\0")
    assert content.read() == before[:start] + written + before[start + SECTOR :]
    assert Content(hypervisor.cluster, f"{hypervisor.images}/golden").read() == before


def test_with_copy_on_read_what_the_guest_reads_is_copied(
    hypervisor: Hypervisor, golden: Callable[..., str], clone: Callable[..., str]
) -> None:
    vm = clone(golden(START, PRINT), config={"rbd_clone_copy_on_read": True})

    assert hypervisor.boot(vm) == TEXT
    assert Content(hypervisor.cluster, vm).objects() == {BOOT_OBJECT, TEXT_OBJECT}


def test_hypervisor_cannot_change_the_golden_image(
    hypervisor: Hypervisor, golden: Callable[..., str], clone: Callable[..., str]
) -> None:
    snapshot = golden(START, PRINT)
    image = snapshot.partition("@")[0]
    clone(snapshot)

    for command in (("resize", "--size", "16M", image), ("snap", "create", f"{image}@two"), ("rm", image)):
        with pytest.raises(CommandError, match="Operation not permitted"):
            hypervisor.cluster.rbd(*command, user=hypervisor.user)


@pytest.mark.parametrize("version", ["1", "2"])
def test_hypervisor_may_detach_and_remove_its_clone(
    hypervisor: Hypervisor,
    module: Modules,
    golden: Callable[..., str],
    clone: Callable[..., str],
    tmp_path: Path,
    version: str,
) -> None:
    snapshot = golden(START, PRINT)
    vm = clone(snapshot, conf=str(with_clone_format(hypervisor.cluster, version, tmp_path)), flatten=True)
    assert hypervisor.cluster.json("rbd", "children", snapshot) == []
    assert hypervisor.boot(vm) == TEXT

    result = module("rbd_image")({**hypervisor.options, "image": vm, "state": "absent"})

    assert not result.failed, result.msg
    assert hypervisor.cluster.json("rbd", "ls", hypervisor.vms) == []
