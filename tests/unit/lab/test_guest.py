# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's seed, its command line, and what its console says."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from contextlib import nullcontext
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from rbdlab import accelerator, machine, qemu, seed, uml
from rbdlab.errors import EndedError, LabError
from rbdlab.guest import Guest, Origin
from rbdlab.network import Network
from rbdlab.paths import Paths
from rbdlab.progress import Progress
from rbdlab.ssh import Ssh
from rbdlab.state import State

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


HARDWARE = machine.Hardware(
    name="client1",
    directory=Path("/state/a,b"),
    disk=Path("/cache/client"),
    system=Path("/cache/system"),
    tap="tap0",
    mac="52:54:00:00:00:00",
    kernel_arguments="quiet splash",
)


def test_the_command_line_of_qemu() -> None:
    argv = qemu.Machine(HARDWARE, qemu.TCG, ["setpriv", "--"]).argv()
    assert argv[:3] == ["setpriv", "--", "qemu-system-x86_64"]
    assert argv[argv.index("-append") + 1].endswith(" quiet splash")
    assert argv[argv.index("-kernel") + 1] == "/cache/system/vmlinuz"
    assert "file=/state/a,,b/disk.qcow2,if=virtio,format=qcow2,cache=unsafe,discard=unmap" in argv
    assert "tap,id=lan,ifname=tap0,script=no,downscript=no" in argv
    assert argv[-1] == "-daemonize"


def test_the_command_line_of_user_mode_linux() -> None:
    argv = uml.Machine(HARDWARE, 1000, 1001).argv()
    program = argv.index("/usr/bin/uml")
    assert argv[program - 4 : program] == ["/cache/system/rootfs", "/state/a,b", "/cache/client", "1000:1001"]
    assert {"seccomp=on", "mem=1024M", "ubd0c=/machine/disk.cow,/disk/disk.raw"} < set(argv[program:])
    assert any(word.startswith("vec0:") and "ifname=tap0,depth" in word for word in argv)
    assert argv[-2:] == ["quiet", "splash"]


def test_only_qemus_disk_has_to_be_made() -> None:
    made = qemu.Machine(HARDWARE, qemu.KVM).overlay_argv()
    assert made[-2:] == ["/cache/client/disk.raw", "/state/a,b/disk.qcow2"]
    assert not uml.Machine(HARDWARE, 1000, 1000).overlay_argv()


def test_the_accelerator_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [accelerator.choose(name) for name in ("tcg", "uml")] == ["tcg", "uml"]
    monkeypatch.setattr(accelerator, "_kvm_works", lambda: True)
    assert [accelerator.choose(name) for name in ("auto", "fast", "kvm")] == ["kvm"] * 3
    monkeypatch.setattr(accelerator, "_kvm_works", lambda: False)
    monkeypatch.setattr(accelerator.platform, "machine", lambda: "x86_64")
    assert [accelerator.choose(name) for name in ("auto", "fast")] == ["tcg", "uml"]
    monkeypatch.setattr(accelerator.platform, "machine", lambda: "aarch64")
    assert [accelerator.choose(name) for name in ("auto", "fast")] == ["tcg", "tcg"]
    for name, cause in (("kvm", "/dev/kvm"), ("xen", "known are auto, fast, kvm, tcg, uml")):
        with pytest.raises(LabError, match=cause):
            accelerator.choose(name)


@pytest.mark.parametrize(
    ("console", "word"),
    [
        ("[ 1.0] Kernel panic - not syncing: VFS", "panicked"),
        ("Gave up waiting for root file system device.", "root disk"),
        ("You are in emergency mode. After logging in", "emergency"),
        ("SECCOMP userspace requested but not functional!", "seccomp"),
    ],
)
def test_a_hopeless_boot_is_recognised(console: str, word: str) -> None:
    assert word in (machine.boot_failure(console) or "")


def test_a_login_prompt_is_no_failure() -> None:
    assert machine.boot_failure("Debian GNU/Linux 12 client1 ttyS0\nclient1 login: ") is None


class TestEnded:
    """A guest whose process ends while it boots is booted once more; one whose kernel has said why is not."""

    @pytest.fixture
    def boots(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Guest, list[str], dict[int, LabError]]:
        state = State.new("bookworm", IPv4Network("198.18.5.0/24"), "tcg")
        state.add_guest("client1")
        paths = Paths("abcdef", tmp_path, tmp_path / "cache", tmp_path / "state")
        guest = Guest("client1", paths, state, Ssh(paths.ssh), Progress())
        begun: list[str] = []
        failures: dict[int, LabError] = {}

        def wait(_guest: Guest, _timeout: float) -> None:
            if len(begun) in failures:
                raise failures[len(begun)]

        monkeypatch.setattr(Guest, "_start", lambda *_arguments: begun.append("started"))
        monkeypatch.setattr(Guest, "wait_booted", wait)
        return guest, begun, failures

    @pytest.mark.parametrize(
        ("failures", "times", "raised"),
        [
            ({}, 1, None),
            ({1: EndedError("it ended")}, 2, None),
            ({1: EndedError("it ended"), 2: EndedError("it ended again")}, 2, "it ended again"),
            ({1: LabError("the kernel panicked")}, 1, "the kernel panicked"),
        ],
    )
    def test_it_is_booted_once_more(
        self,
        boots: tuple[Guest, list[str], dict[int, LabError]],
        failures: dict[int, LabError],
        times: int,
        raised: str | None,
    ) -> None:
        guest, begun, planned = boots
        planned.update(failures)
        network = Network("rbdlab-abcdef", "rbdlab-abcdef")
        with pytest.raises(LabError, match=raised) if raised else nullcontext():
            guest.up(lambda: Origin(Path("disk"), Path("system")), network, "", 1)
        assert len(begun) == times

    def test_but_for_qemu_alone(self, boots: tuple[Guest, list[str], dict[int, LabError]]) -> None:
        """Of any other kind of guest, each boot that ends by itself is told."""
        guest, begun, planned = boots
        planned[1] = EndedError("it ended")
        guest._state.accelerator = "uml"
        with pytest.raises(EndedError):
            guest.up(lambda: Origin(Path("disk"), Path("system")), Network("rbdlab-abcdef", "rbdlab-abcdef"), "", 1)
        assert len(begun) == 1
