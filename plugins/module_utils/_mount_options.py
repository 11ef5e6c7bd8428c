# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares declared mount options with those that the kernel shows of a live mount.

Only what can be told surely is compared: the flags of the mount and of the file system, and few options of single file
systems. What the kernel does not show (``noauto``, ``_netdev``, ``x-...``, ``uid=``) or spells in ways of its own
(``logbsize=``, ``compress=``) is no difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ._mountinfo import Mount

# Each flag as the kernel shows it, and the word for its absence. These belong to the mount alone ...
_MOUNT_FLAGS: Mapping[str, str] = {
    "nosuid": "suid",
    "nodev": "dev",
    "noexec": "exec",
    "nodiratime": "diratime",
    "nosymfollow": "symfollow",
}
# ... and these to the file system wherever it is mounted.
_SUPER_FLAGS: Mapping[str, str] = {"sync": "async", "lazytime": "nolazytime"}
_ATIMES = ("noatime", "relatime", "strictatime")

# What mount(8) takes further words for. They count where they stand, so that a later "exec" undoes that of "user".
_SECURE = ("nosuid", "nodev")
_IMPLIED: Mapping[str, tuple[str, ...]] = {
    "user": ("noexec", *_SECURE),
    "users": ("noexec", *_SECURE),
    "owner": _SECURE,
    "group": _SECURE,
    "atime": ("relatime",),
}

# The file systems whose discards can be told: whether one that nobody has asked for is a difference (btrfs chooses for
# itself), and whether a remount changes it (xfs ignores it there, as tried with Linux 6.1).
_DISCARDS: Mapping[str, tuple[bool, bool]] = {"ext4": (True, True), "xfs": (True, False), "btrfs": (False, True)}
_EXT4_VALUES = ("commit", "errors")

# A comma in quotes, as in context="...", does not end an option.
_WORD = re.compile(r'(?:"[^"]*"|[^,"])+')


@dataclass(frozen=True)
class FilesystemState:
    """What the kernel tells of a mounted file system beside the mount table.

    :ivar options: all its options in force, also its defaults; empty where the kernel does not list them.
    :ivar errors: how many errors it has recorded since its last check.
    :ivar shut_down: whether every access fails, since the kernel has shut it down.
    """

    options: tuple[str, ...] = ()
    errors: int = 0
    shut_down: bool = False


@dataclass(frozen=True)
class Difference:
    """An option that is not as declared.

    :ivar wanted: the word that is declared, or that stands for what is not declared.
    :ivar remountable: whether a remount changes it; else only the next mount does.
    """

    wanted: str
    actual: str
    remountable: bool = True


def differences(opts: str, mount: Mount, state: FilesystemState, read_only_device: bool) -> tuple[Difference, ...]:
    """In what a live mount differs from its declared options.

    :param read_only_device: its device cannot be written to, so that it is mounted read-only whatever was asked.
    """
    words = _words(opts)
    compared = (
        *_access(words, mount, read_only_device),
        *_flags(words, _MOUNT_FLAGS, mount.opts.split(",")),
        *_flags(words, _SUPER_FLAGS, mount.super_opts.split(",")),
        *_atime(words, mount),
        *_discard(words, mount, state),
        *_ext4_values(words, mount, state),
    )
    return tuple(difference for difference in compared if difference.wanted != difference.actual)


def wants_writing(opts: str) -> bool:
    """Whether the declared options are those of a file system that is written to."""
    return _last(_words(opts), ("rw", "ro"), "rw") == "rw"


def fault(mount: Mount, mounts: Iterable[Mount], state: FilesystemState) -> str | None:
    """A clause on why a file system cannot be relied on to be written, or None for a sound one.

    A remount by hand makes the mount read-only as well as the file system; after an error the kernel does the latter
    alone. Kernels of late leave the flag as it is and show a word of its own, or nothing but the count of errors.
    """
    flags = mount.super_opts.split(",")
    beside = (other for other in mounts if other.devno == mount.devno)
    if state.shut_down or "shutdown" in flags:
        return "the kernel has shut it down after an error"
    if "emergency_ro" in flags or ("ro" in flags and not any("ro" in other.opts.split(",") for other in beside)):
        return "it is read-only though mounted for writing, as the kernel makes it after an error"
    if state.errors:
        return f"{mount.fstype} has recorded errors in it ({state.errors}), and may refuse to write since"
    return None


def _words(opts: str) -> tuple[str, ...]:
    """The options one by one, with what they imply."""
    return tuple(word for given in _WORD.findall(opts) for word in _IMPLIED.get(given, (given,)))


def _last(words: Iterable[str], choices: Iterable[str], default: str) -> str:
    """The one given last."""
    known = tuple(choices)
    return ([word for word in words if word in known] or [default])[-1]


def _access(words: tuple[str, ...], mount: Mount, read_only_device: bool) -> Iterable[Difference]:
    wanted = _last(words, ("rw", "ro"), "rw")
    read_only = "ro" in mount.opts.split(",") or "ro" in mount.super_opts.split(",")
    if not (wanted == "rw" and read_only_device):
        yield Difference(wanted, "ro" if read_only else "rw")


def _flags(words: tuple[str, ...], known: Mapping[str, str], shown: list[str]) -> Iterable[Difference]:
    for flag, opposite in known.items():
        yield Difference(_last(words, (flag, opposite), opposite), flag if flag in shown else opposite)


def _atime(words: tuple[str, ...], mount: Mount) -> Iterable[Difference]:
    given = {word for word in words if word in _ATIMES}
    # Of several the versions of mount(8) and the kernel make different things.
    if len(given) <= 1 and not {"norelatime", "nostrictatime"} & set(words):
        yield Difference(_last(given, _ATIMES, "relatime"), _last(mount.opts.split(","), _ATIMES, "strictatime"))


def _discard(words: tuple[str, ...], mount: Mount, state: FilesystemState) -> Iterable[Difference]:
    if mount.fstype not in _DISCARDS:
        return
    complete, remountable = _DISCARDS[mount.fstype]
    given = [word for word in words if word in ("discard", "nodiscard") or word.startswith("discard=")]
    if not given and not complete:
        return
    wanted = "nodiscard" if not given or given[-1] == "nodiscard" else "discard"
    # One that is the file system's own default is shown in the complete list alone, and is meant by saying nothing.
    shown = [*mount.super_opts.split(","), *(state.options if given else ())]
    on = any(word == "discard" or word.startswith("discard=") for word in shown)
    yield Difference(wanted, "discard" if on else "nodiscard", remountable)


def _ext4_values(words: tuple[str, ...], mount: Mount, state: FilesystemState) -> Iterable[Difference]:
    if mount.fstype != "ext4":
        return
    shown = [*state.options, *mount.super_opts.split(",")]
    for name in _EXT4_VALUES:
        wanted = [word for word in words if word.startswith(f"{name}=")]
        actual = [word for word in shown if word.startswith(f"{name}=")]
        # commit=0 stands for the default.
        if wanted and actual and wanted[-1] != "commit=0":
            yield Difference(wanted[-1], actual[-1])
