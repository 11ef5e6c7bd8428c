# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of a guest that is User-mode Linux (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .machine import KERNEL_ARGUMENTS, Hardware
from .recipe import packaged_path


@dataclass(frozen=True)
class Machine:
    """One guest as User-mode Linux sees it: chrooted in its tree, with /machine its own and /disk the common one."""

    hardware: Hardware
    user: int
    group: int

    @property
    def overlay(self) -> Path:
        """The guest's own disk, a sparse file."""
        return self.hardware.directory / "uml" / "disk.cow"

    def overlay_argv(self) -> Sequence[str]:
        """Return nothing: the kernel makes the overlay at its first start."""
        return ()

    def argv(self) -> Sequence[str]:
        """Return the command, for root: it gives its rights up itself."""
        hardware = self.hardware
        start = ["sh", str(packaged_path("uml.sh")), str(hardware.system / "rootfs"), str(hardware.directory)]
        start += [str(hardware.disk), f"{self.user}:{self.group}"]
        return [*start, "/usr/bin/uml", *self._kernel_arguments()]

    def _kernel_arguments(self) -> list[str]:
        hardware = self.hardware
        return [
            f"mem={hardware.memory_mib}M", "seccomp=on", "umid=uml", "uml_dir=/tmp/",
            # "c": without a lock on the common disk, which QEMU would take for a writer's.
            "ubd0c=/machine/disk.cow,/disk/disk.raw", "initrd=/machine/initrd", "root=/dev/ubda",
            f"vec0:transport=tap,ifname={hardware.tap},depth=128,gro=1,mac={hardware.mac}",
            "con0=null,fd:1", "con=null", "ssl=null", "console=tty0",
            # Its watchdog would be a process beside the kernel.
            "systemd.watchdog_device=/dev/none",
            # 512 terminals that nobody uses were a quarter of a boot's time, and most of a daemon-reload's.
            "pty.legacy_count=0",
            # What Debian's other kernels have; this one would begin with SELinux.
            "lsm=yama,apparmor",
            *KERNEL_ARGUMENTS, *hardware.kernel_arguments.split(),
        ]  # fmt: skip
