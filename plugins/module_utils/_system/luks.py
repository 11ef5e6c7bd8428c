# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""LUKS and dm-crypt, through cryptsetup. A key goes to it in a file, never as an argument."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from .._errors import RbdError
from .command import CommandRunner, Completed
from .device_program import ask, in_time

# To try a key takes seconds on purpose, and more on a slow machine. A format tries how many rounds this host can do.
TIMEOUT = 300.0

# cryptsetup(8): 2 is "no permission (bad passphrase)".
_WRONG_KEY = 2

# In sectors of 512 bytes, whatever the sectors of the encryption are; newer versions say so in the line.
_OFFSET = re.compile(r"^\s*offset:\s*([0-9]+) ", re.MULTILINE)
_SECTOR = 512


class Luks(Protocol):
    """Formats, opens and closes encrypted devices. All methods raise RbdError."""

    def format(self, device: str, key_file: str, options: Sequence[str]) -> None:
        """Write a LUKS2 header with the one key, whatever is there."""

    def try_key(self, device: str, key_file: str, key: str | None) -> None:
        """Make sure that a key opens the device.

        :param key: that key, or None for the one in the key file.
        :raises ClusterSilent: it took too long, so that no further image is to be tried.
        """

    def open(self, device: str, name: str, key_file: str, read_only: bool) -> None:
        """Open the device as ``/dev/mapper/<name>``."""

    def resize(self, name: str, key_file: str) -> None:
        """Give an opened device all the room that there is below it."""

    def close(self, name: str, timeout: float) -> None:
        """Close an opened device that nothing uses.

        :param timeout: seconds that it may take.
        """

    def offset(self, name: str, timeout: float) -> int:
        """The bytes of the device below before the data of the opened one.

        :param timeout: seconds that it may take: the header is read from the device below.
        """


class HostLuks:
    """The real cryptsetup."""

    def __init__(self, commands: CommandRunner) -> None:
        self._commands = commands

    def format(self, device: str, key_file: str, options: Sequence[str]) -> None:
        argv = ["cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", *options, "--key-file", key_file, device]
        done = self._commands.run(argv, TIMEOUT)
        if done.rc != 0:
            raise RbdError(f"encrypt {device}", done.complaint, "Check format_options, and the kernel log (dmesg).")

    def try_key(self, device: str, key_file: str, key: str | None) -> None:
        what = f"open {device}"
        argv = ["cryptsetup", "open", "--test-passphrase", "--type", "luks", "--key-file"]
        if key is None:
            with in_time(what, argv[0], TIMEOUT):
                done = self._commands.run([*argv, key_file, device], TIMEOUT)
            _refuse(what, done, f"the key in {key_file}")
            return
        said: list[str] = []
        with _in_memory(key) as descriptor, in_time(what, argv[0], TIMEOUT):
            given = [*argv, f"/dev/fd/{descriptor}", device]
            _refuse(what, self._commands.follow(given, said.append, TIMEOUT, [descriptor]), "the key that is given")

    def open(self, device: str, name: str, key_file: str, read_only: bool) -> None:
        mode = ["--readonly"] if read_only else []
        argv = ["cryptsetup", "open", "--batch-mode", "--type", "luks", *mode, "--key-file", key_file, device, name]
        _refuse(f"open {device} as {name}", self._commands.run(argv, TIMEOUT), f"the key in {key_file}")

    def resize(self, name: str, key_file: str) -> None:
        # The kernel keeps the key where cryptsetup cannot read it back, so it has to be given again.
        argv = ["cryptsetup", "resize", "--batch-mode", "--key-file", key_file, name]
        _refuse(f"resize {name}", self._commands.run(argv, TIMEOUT), f"the key in {key_file}")

    def close(self, name: str, timeout: float) -> None:
        advice = f"Unmount it first; see what uses it with lsblk and fuser -vm /dev/mapper/{name}."
        ask(self._commands, f"close {name}", ["cryptsetup", "close", name], timeout, advice=advice)

    def offset(self, name: str, timeout: float) -> int:
        argv, advice = ["cryptsetup", "status", name], "Look at it with dmsetup info."
        done = ask(self._commands, f"look at {name}", argv, timeout, advice=advice)
        found = _OFFSET.search(done.stdout)
        if found is None:
            raise RbdError(f"look at {name}", "cryptsetup does not tell where its data begin", "Report its version.")
        return int(found.group(1)) * _SECTOR


def _refuse(what: str, done: Completed, key: str) -> None:
    if done.rc == _WRONG_KEY:
        raise RbdError(
            what,
            f"{key} opens none of its key slots (cryptsetup: {done.complaint.rstrip('.')})",
            "Give the key that the image was encrypted with. Nothing was changed in the image.",
        )
    if done.rc != 0:
        raise RbdError(what, done.complaint, "Look at the kernel log (dmesg), and at lsblk.")


@contextlib.contextmanager
def _in_memory(key: str) -> Iterator[int]:
    """A file that holds the key and has no name anywhere."""
    descriptor = os.memfd_create("key")
    try:
        os.write(descriptor, key.encode("utf-8", "surrogateescape"))
        yield descriptor
    finally:
        os.close(descriptor)
