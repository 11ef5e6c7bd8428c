# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest is, whatever runs it (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Hardware:
    """One guest: its files, its port of the bridge, its memory.

    ``disk`` is the cached directory with the common disk, ``system`` the one with kernel and initramfs.
    """

    name: str
    directory: Path
    disk: Path
    system: Path
    tap: str
    mac: str
    kernel_arguments: str = ""
    memory_mib: int = 1024

    @property
    def initrd(self) -> Path:
        """The initramfs with the guest's seed."""
        return self.directory / "initrd"

    @property
    def console(self) -> Path:
        """The log of the console."""
        return self.directory / "console.log"

    @property
    def pid(self) -> Path:
        """Where the machine's number is written."""
        return self.directory / "pid"


class Machine(Protocol):
    """A guest as the program sees it that runs it."""

    @property
    def overlay(self) -> Path:
        """The guest's own disk; it holds what differs from the common one."""

    def overlay_argv(self) -> Sequence[str]:
        """Return the command that makes the guest's own disk; none where the first start does."""

    def argv(self) -> Sequence[str]:
        """Return the command that ends once the machine runs and its number is written; its user may use the tap."""


# The second line turns hardening off that guests of a laboratory do not need.
KERNEL_ARGUMENTS = (
    "rootfstype=ext4", "rw", "loglevel=4", "systemd.show_status=1",
    "init_on_alloc=0", "norandmaps", "audit=0",
)  # fmt: skip


_FAILURES = (
    ("Kernel panic - not syncing", "the kernel panicked"),
    ("Gave up waiting for root", "the initramfs did not find the root disk"),
    ("You are in emergency mode", "systemd went into emergency mode"),
    ("You are in rescue mode", "systemd went into rescue mode"),
    ("(initramfs)", "the initramfs stopped at its prompt"),
    ("SECCOMP userspace requested but not functional", "this machine does not let User-mode Linux use seccomp"),
)


def boot_failure(console: str) -> str | None:
    """Tell from the console why a boot can no longer succeed; None while it can."""
    return next((meaning for mark, meaning in _FAILURES if mark in console), None)
