# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing what runs the guests, and what it needs."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from . import qemu, uml
from .errors import LabError
from .machine import Hardware, Machine
from .privilege import as_user, guest_user
from .recipe import Recipe, client_recipe, uml_recipe

AUTO, FAST, KVM, TCG, UML = "auto", "fast", "kvm", "tcg", "uml"
TITLES = {KVM: "KVM, 2 processors", TCG: "TCG (emulation), 2 processors", UML: "User-mode Linux, 1 processor"}


def choose(wanted: str) -> str:
    """Return what runs the guests of a new laboratory.

    ``auto`` is the best that works here with the kernel of the suite, ``fast`` the best with any kernel. Debian has
    User-mode Linux for amd64 alone.
    """
    if wanted not in (AUTO, FAST, *TITLES):
        raise LabError(
            f"Cannot use the accelerator {wanted}: known are {', '.join((AUTO, FAST, *TITLES))}. Name one of these."
        )
    if wanted in (AUTO, FAST):
        return KVM if _kvm_works() else UML if wanted == FAST and platform.machine() == "x86_64" else TCG
    if wanted == KVM and not _kvm_works():
        raise LabError(
            "Cannot use KVM: /dev/kvm is not usable, or /proc/cpuinfo shows neither vmx nor svm. Use tcg or uml."
        )
    return wanted


def _kvm_works() -> bool:
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK)
    return qemu.accelerator(Path("/proc/cpuinfo").read_text(encoding="utf-8"), kvm_usable=usable) is qemu.KVM


def system_recipe(accelerator: str, suite: str) -> Recipe:
    """Return where kernel and initramfs come from: QEMU boots those of the suite."""
    return uml_recipe() if accelerator == UML else client_recipe(suite)


def machine(accelerator: str, hardware: Hardware) -> Machine:
    """Return the guest as the accelerator's program sees it."""
    if accelerator == UML:
        return uml.Machine(hardware, *guest_user())
    return qemu.Machine(hardware, qemu.KVM if accelerator == KVM else qemu.TCG, as_user([], "/dev/net/tun"))
