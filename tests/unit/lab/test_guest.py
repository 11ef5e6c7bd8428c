# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's seed, its command line, and what its console says."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from rbdlab import qemu, seed

IDENTITY = seed.Identity(
    name="client1",
    machine_id="0" * 32,
    subnet=IPv4Network("198.18.5.0/24"),
    address=IPv4Address("198.18.5.11"),
    hosts={"ceph1": IPv4Address("198.18.5.2"), "client1": IPv4Address("198.18.5.11")},
    authorized_key="ssh-ed25519 AAAA lab\n",
    host_key="private\n",
    host_key_public="public\n",
)


def test_the_seed_holds_name_address_and_keys() -> None:
    files = seed.files(IDENTITY)
    assert files["etc/hostname"] == (0o644, "client1\n")
    assert "Address=198.18.5.11/24\n" in files["etc/systemd/network/10-lab.network"][1]
    assert files["etc/hosts"][1].splitlines() == ["127.0.0.1 localhost", "127.0.1.1 client1", "198.18.5.2 ceph1"]
    assert files["etc/ssh/ssh_host_ed25519_key"][0] == 0o600


def test_the_tar_archive_keeps_modes_and_belongs_to_root() -> None:
    with tarfile.open(fileobj=io.BytesIO(seed.tar({"root/key": (0o600, "secret\n")}))) as archive:
        member = archive.getmember("root/key")
        assert (member.mode, member.uid, member.gid, member.size) == (0o600, 0, 0, 7)


@pytest.mark.skipif(shutil.which("cpio") is None, reason="needs cpio")
def test_cpio_unpacks_the_archive(tmp_path: Path) -> None:
    data = b"seven b"
    subprocess.run(["cpio", "-id", "--quiet"], input=seed.newc("lab-seed.tar", data), cwd=tmp_path, check=True)
    assert (tmp_path / "lab-seed.tar").read_bytes() == data


def test_archives_are_aligned() -> None:
    archive = seed.newc("a", b"12345")
    assert len(archive) % 4 == 0
    assert archive.startswith(b"070701")
    combined = seed.initrd(b"xyz", IDENTITY)
    assert combined[:4] == b"xyz\0"
    assert combined[4:10] == b"070701"


@pytest.mark.parametrize(
    ("cpuinfo", "usable", "expected"),
    [
        ("flags\t\t: fpu vme vmx sse", True, qemu.KVM),
        ("flags\t\t: fpu svm sse", True, qemu.KVM),
        ("flags\t\t: fpu vme sse", True, qemu.TCG),
        ("flags\t\t: fpu vmx", False, qemu.TCG),
        ("model name : vmx\nflags : fpu", True, qemu.TCG),
    ],
)
def test_kvm_only_where_it_works(cpuinfo: str, usable: bool, expected: qemu.Accelerator) -> None:
    assert qemu.accelerator(cpuinfo, kvm_usable=usable) is expected


def test_the_command_line() -> None:
    directory = Path("/state/a,b")
    machine = qemu.Machine("client1", directory, Path("/k"), "tap0", "52:54:00:00:00:00", qemu.TCG, "quiet")
    argv = machine.argv()
    assert argv[argv.index("-append") + 1].endswith(" quiet")
    assert "file=/state/a,,b/disk.qcow2,if=virtio,format=qcow2,cache=unsafe,discard=unmap" in argv
    assert "tap,id=lan,ifname=tap0,script=no,downscript=no" in argv
    assert argv[-1] == "-daemonize"


@pytest.mark.parametrize(
    ("console", "word"),
    [
        ("[ 1.0] Kernel panic - not syncing: VFS", "panicked"),
        ("Gave up waiting for root file system device.", "root disk"),
        ("You are in emergency mode. After logging in", "emergency"),
    ],
)
def test_a_hopeless_boot_is_recognised(console: str, word: str) -> None:
    assert word in (qemu.boot_failure(console) or "")


def test_a_login_prompt_is_no_failure() -> None:
    assert qemu.boot_failure("Debian GNU/Linux 12 client1 ttyS0\nclient1 login: ") is None
