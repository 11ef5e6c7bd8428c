# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""qemu-img, which reads qcow2 files and writes their content into an image through librbd.

librbd's own import (``migration_prepare_import``, Ceph 16.2) takes compressed clusters, as most cloud images
have them, for zeros, and says that all is well.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from typing import Callable

from .._errors import RbdError
from .._image_source import SourceFile, doing
from .._image_spec import ImageSpec
from .command import CommandRunner, Completed, ProgramMissing
from .progress import OnProgress

# Seconds in which it has to get on by one percent; longer where a percent is so much that even a slow
# cluster (in bytes per second) may need more. What the cluster does not answer fails long before.
PATIENCE = 300.0
SLOW = 1 << 20

_PACKAGES = (
    "Install qemu-utils and qemu-block-extra (Debian), qemu-img and qemu-kvm-block-rbd (RedHat), "
    "or qemu-img and qemu-block-rbd (SUSE)."
)

# What it says, with the cause and the advice that it stands for.
_KNOWN = (
    (
        'Failed to get shared "write" lock',
        "another program has it open for writing, for example a virtual machine",
        "End that program, or import a copy.",
    ),
    ("Unknown protocol 'rbd'", "the qemu-img of this host has no driver for rbd", _PACKAGES),
)
_TIMED_OUT = "Connection timed out"

_PERCENT = re.compile(r"\(([0-9.]+)/100%\)")
_DAMAGE = re.compile(r"ERROR:? ")
# Of `qemu-img check`: leaked clusters waste space in the file, and nothing else.
_SOUND = (0, 3)


class WriteTimedOut(RbdError):
    """The cluster did not answer to a write."""


class QemuImg:
    """Takes one qcow2 file, by a descriptor: that is the very file that was looked at, whatever its path means now.

    :param descriptor: the open file.
    """

    def __init__(self, commands: CommandRunner, source: SourceFile, descriptor: int) -> None:
        self._commands = commands
        self._source = source
        self._descriptor = descriptor
        driver = "host_device" if stat.S_ISBLK(os.fstat(descriptor).st_mode) else "file"
        place = {"driver": driver, "filename": f"/dev/fd/{descriptor}"}
        # No backing file is opened, whatever the file says by now.
        self._name = f"json:{json.dumps({'driver': 'qcow2', 'backing': None, 'file': place})}"

    def check(self) -> None:
        """Make sure that all of the file is there: to ``qemu-img convert`` what lies behind its end is zeros.

        :raises RbdError: the file is damaged or incomplete.
        """
        done = self._run("check", [self._name], self._refuse_damage)
        if done.rc not in _SOUND:
            raise self._failure(done, self._name)

    def convert(self, target: str, on_progress: OnProgress) -> None:
        """Write the content into an image of zeros.

        :param target: the image, see :func:`image_name`.
        :raises WriteTimedOut: the cluster did not answer.
        :raises RbdError: it cannot be read, or not be written.
        """
        size = self._source.virtual_size

        def hear(line: str) -> None:
            percent = _PERCENT.search(line)
            if percent:
                on_progress(int(size * float(percent[1]) / 100), size)

        # The cache "none" has each write acknowledged by the OSDs; without it qemu-img does not even flush.
        new = ("-p", "-n", "--target-is-zero", "-S", "4k", "-W", "-t", "none", "-O", "raw")
        done = self._run("convert", [*new, self._name, target], hear)
        if done.rc != 0:
            raise self._failure(done, target)

    def _run(self, command: str, arguments: Sequence[str], hear: Callable[[str], None]) -> Completed:
        silence = PATIENCE + self._source.virtual_size / 100 / SLOW
        try:
            return self._commands.follow(["qemu-img", command, *arguments], hear, silence, [self._descriptor])
        except ProgramMissing:
            what = doing(self._source.path)
            raise RbdError(what, "qemu-img, which reads qcow2 files, is not on this host", _PACKAGES) from None

    def _refuse_damage(self, line: str) -> None:
        if _DAMAGE.match(line):
            raise RbdError(
                doing(self._source.path),
                f"it is damaged or incomplete (qemu-img says: {line})",
                "Check how it was made or copied.",
            )

    def _failure(self, done: Completed, name: str) -> RbdError:
        """Why it failed.

        :param name: what it calls the file or the image by.
        """
        what = doing(self._source.path)
        for sign, cause, advice in _KNOWN:
            if sign in done.stdout:
                return RbdError(what, cause, advice)
        lines = [line for line in done.stdout.splitlines() if not _PERCENT.search(line)]
        words = Completed(done.rc, "\n".join(lines), "").complaint.replace(f" {name!r}", "")
        kind = WriteTimedOut if _TIMED_OUT in words else RbdError
        return kind(what, f"qemu-img failed ({words})", "Look at the cluster's health, and check the file.")


def image_name(spec: ImageSpec, options: Mapping[str, str]) -> str:
    """How QEMU is told of an image (block/rbd.c): ``rbd:<pool>/[<namespace>/]<image>:<option>=<value>:...``.

    :param options: ``id``, ``conf`` and options of librados. Never a key: everybody can read it.
    """
    place = "/".join(_escaped(name) for name in (spec.pool, spec.namespace, spec.image) if name)
    return ":".join([f"rbd:{place}", *(f"{name}={_escaped(value)}" for name, value in options.items())])


def _escaped(text: str) -> str:
    return re.sub(r"([\\:=])", r"\\\1", text)
