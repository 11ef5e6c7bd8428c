# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of a guest (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

# The second line turns hardening off that guests of a laboratory do not need. What follows "mitigations" was a fifth of
# the time of an emulated processor, at boot and in a task (all four measured together).
KERNEL_ARGUMENTS = (
    "root=/dev/vda", "rootfstype=ext4", "rw", "console=ttyS0", "loglevel=4", "systemd.show_status=1",
    "mitigations=off", "init_on_alloc=0", "nokaslr", "norandmaps", "audit=0",
)  # fmt: skip


@dataclass(frozen=True)
class Accelerator:
    """How the guest's processors are made."""

    name: str
    options: tuple[str, ...]


KVM = Accelerator("KVM", ("-accel", "kvm", "-cpu", "host"))
TCG = Accelerator("TCG (emulation)", ("-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "Nehalem"))


def accelerator(cpuinfo: str, *, kvm_usable: bool) -> Accelerator:
    """Choose KVM only where the processor really has it: /dev/kvm alone proves nothing."""
    has_extension = re.search(r"^flags\s*:.*\b(vmx|svm)\b", cpuinfo, re.MULTILINE)
    return KVM if kvm_usable and has_extension else TCG


@dataclass(frozen=True)
class Machine:
    """One guest as QEMU sees it."""

    name: str
    directory: Path
    kernel: Path
    tap: str
    mac: str
    accelerator: Accelerator
    extra_kernel_arguments: str = ""
    processors: int = 2
    memory_mib: int = 1024

    @property
    def disk(self) -> Path:
        """The guest's own disk, an overlay of the cached one."""
        return self.directory / "disk.qcow2"

    @property
    def initrd(self) -> Path:
        """The initramfs with the guest's seed."""
        return self.directory / "initrd"

    @property
    def console(self) -> Path:
        """The log of the serial console."""
        return self.directory / "console.log"

    @property
    def pid(self) -> Path:
        """Where QEMU writes its number."""
        return self.directory / "qemu.pid"

    def argv(self) -> list[str]:
        """Return the command; QEMU goes to the background once the machine is made."""
        append = " ".join([*KERNEL_ARGUMENTS, self.extra_kernel_arguments]).strip()
        return [
            "qemu-system-x86_64", "-name", self.name, "-nodefaults", "-no-user-config", "-display", "none",
            "-machine", "pc", *self.accelerator.options,
            "-smp", str(self.processors), "-m", str(self.memory_mib),
            "-kernel", str(self.kernel), "-initrd", str(self.initrd), "-append", append,
            "-drive", f"file={_escaped(self.disk)},if=virtio,format=qcow2,cache=unsafe,discard=unmap",
            "-netdev", f"tap,id=lan,ifname={self.tap},script=no,downscript=no",
            "-device", f"virtio-net-pci,netdev=lan,mac={self.mac},romfile=",
            "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
            "-chardev", f"file,id=console,path={_escaped(self.console)},append=on", "-serial", "chardev:console",
            "-qmp", f"unix:{_escaped(self.directory / 'qmp.sock')},server=on,wait=off",
            "-pidfile", str(self.pid), "-daemonize",
        ]  # fmt: skip


def _escaped(path: Path) -> str:
    return str(path).replace(",", ",,")


_FAILURES = (
    ("Kernel panic - not syncing", "the kernel panicked"),
    ("Gave up waiting for root", "the initramfs did not find the root disk"),
    ("You are in emergency mode", "systemd went into emergency mode"),
    ("You are in rescue mode", "systemd went into rescue mode"),
    ("(initramfs)", "the initramfs stopped at its prompt"),
)


def boot_failure(console: str) -> str | None:
    """Tell from the console why a boot can no longer succeed; None while it can."""
    return next((meaning for mark, meaning in _FAILURES if mark in console), None)
