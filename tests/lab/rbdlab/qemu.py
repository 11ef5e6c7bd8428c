# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of a guest that QEMU runs (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .machine import KERNEL_ARGUMENTS, Hardware

# What follows "mitigations" was, with what every machine turns off, a fifth of the time of an emulated processor, at
# boot and in a task (all four measured together).
_KERNEL_ARGUMENTS = (
    "root=/dev/vda", "console=ttyS0", *KERNEL_ARGUMENTS, "mitigations=off", "nokaslr", "cryptomgr.notests",
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

    hardware: Hardware
    accelerator: Accelerator
    as_user: Sequence[str] = ()
    processors: int = 2

    @property
    def overlay(self) -> Path:
        """The guest's own disk."""
        return self.hardware.directory / "disk.qcow2"

    def overlay_argv(self) -> Sequence[str]:
        """Return the command that makes the guest's own disk."""
        base = str(self.hardware.disk / "disk.raw")
        return ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, str(self.overlay)]

    def argv(self) -> Sequence[str]:
        """Return the command; QEMU goes to the background once the machine is made."""
        hardware = self.hardware
        append = " ".join([*_KERNEL_ARGUMENTS, hardware.kernel_arguments]).strip()
        return [
            *self.as_user, "qemu-system-x86_64",
            "-name", hardware.name, "-nodefaults", "-no-user-config", "-display", "none",
            "-machine", "pc", *self.accelerator.options,
            "-smp", str(self.processors), "-m", str(hardware.memory_mib),
            "-kernel", str(hardware.system / "vmlinuz"), "-initrd", str(hardware.initrd), "-append", append,
            "-drive", f"file={_escaped(self.overlay)},if=virtio,format=qcow2,cache=unsafe,discard=unmap",
            "-netdev", f"tap,id=lan,ifname={hardware.tap},script=no,downscript=no",
            "-device", f"virtio-net-pci,netdev=lan,mac={hardware.mac},romfile=",
            "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
            "-chardev", f"file,id=console,path={_escaped(hardware.console)},append=on", "-serial", "chardev:console",
            "-qmp", f"unix:{_escaped(hardware.directory / 'qmp.sock')},server=on,wait=off",
            "-pidfile", str(hardware.pid), "-daemonize",
        ]  # fmt: skip


def _escaped(path: Path) -> str:
    return str(path).replace(",", ",,")
