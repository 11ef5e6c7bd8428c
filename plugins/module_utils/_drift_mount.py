# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what is declared of a mount with its line in fstab and with the mount table."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from ._crypt_device import crypt_path
from ._drift_host import Declared, Found, Host, shown
from ._drift_row import HAND, Row, row
from ._fstab_file import FstabEntry, FstabLine, path_key
from ._krbd_device import KrbdDevice, mounts_of
from ._mount_options import FilesystemState, differences, fault
from ._mountinfo import Mount, at

# Types of which each is mounted under its own name, so that another one in the mount table is another file system.
_PLAIN_TYPES = {"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "gfs2", "ocfs2"}


def mount_rows(host: Host, declared: Declared, found: Found) -> Iterable[Row]:
    """The disagreements about the lines in fstab and the live mounts."""
    lined = {path_key(line.entry.path) for line in found.fstab if line.entry}
    live = {path_key(mount.path) for mount in found.mounts}
    yield from _line_rows(declared, found)
    if declared.path is not None:
        yield from _declared_rows(host, declared, found, lined, live)
    else:
        yield from _found_rows(found, lined, live)
    for path in sorted(live & ({declared.path} if declared.path else lined)):
        yield from _live_rows(host, declared, found, path)


def _line_rows(declared: Declared, found: Found) -> Iterable[Row]:
    """The lines themselves; rbdmap mounts by the first one for the device, whatever its path."""
    wanted = [line for line in found.fstab if line.entry and path_key(line.entry.path) == declared.path]
    for line in found.fstab:
        if line.fault is not None:
            cause = f"line {line.number} of fstab does not do what it seems to: {line.fault}"
            ineffective = row(found.spec, "fstab_line_ineffective", cause)
            yield ineffective if line in wanted or declared.path is None else ineffective.by(HAND)
    for line in wanted[:1]:
        yield from _differing_rows(declared, line)
    alike = wanted if declared.path else found.fstab
    if len(alike) > 1:
        numbers = ", ".join(str(line.number) for line in alike)
        cause = f"fstab has more than one line for it (lines {numbers})"
        yield row(found.spec, "fstab_line_repeated", cause, 1, len(alike))


def _differing_rows(declared: Declared, line: FstabLine) -> Iterable[Row]:
    """Each field in which the line differs from what is declared."""
    for entry in shown(line):
        for name, expected, actual in _fields(declared, entry):
            if expected is not None and str(expected) != str(actual):
                cause = f"line {line.number} of fstab has the {name} {actual} instead of {expected}"
                differs = row(declared.spec, "fstab_line_differs", cause, expected, actual)
                # Another source makes it another line, which is not edited.
                yield differs.by(HAND) if name == "source" else differs


def _fields(declared: Declared, entry: FstabEntry) -> Iterable[tuple[str, object, object]]:
    spec = declared.spec
    source = None if declared.encrypted is None else crypt_path(spec) if declared.encrypted else spec.device
    return (
        ("source", source, path_key(entry.source)),
        ("type", declared.fstype, entry.fstype),
        ("options", declared.opts, entry.opts),
        ("dump field", declared.dump, entry.dump or 0),
        ("passno field", declared.passno, entry.passno or 0),
    )


def _declared_rows(host: Host, declared: Declared, found: Found, lined: set[str], live: set[str]) -> Iterable[Row]:
    path = declared.path or ""
    if path not in lined:
        mounted = f"it is mounted at {path}" if path in live else f"it is declared at {path}"
        cause = f"{mounted}, but fstab has no such line: it will not be mounted there at boot"
        yield row(found.spec, "not_in_fstab", cause, "a line", "none")
    for line in found.fstab:
        if line.entry and path_key(line.entry.path) != path:
            cause = f"line {line.number} of fstab mounts it at {line.entry.path} instead of {path}"
            yield row(found.spec, "fstab_line_elsewhere", cause, path, line.entry.path)
    if path not in live:
        cause = f"{'fstab mounts it' if path in lined else 'it is declared'} at {path}, but it is not mounted there"
        yield row(found.spec, "not_mounted", cause, "mounted", "not mounted")
        for other in sorted(live):
            cause = f"it is mounted at {other} instead of {path}"
            yield row(found.spec, "mounted_elsewhere", cause, path, other, [f"umount {shlex.quote(other)}"])
    elif at(host.mounts, path) not in found.mounts:
        top = at(host.mounts, path)
        cause = f"{top.source if top else 'something'} is mounted over it at {path}, and hides it"
        yield row(found.spec, "mount_covered", cause, "", top.source if top else "")


def _found_rows(found: Found, lined: set[str], live: set[str]) -> Iterable[Row]:
    """Fstab against the mount table, where no path is declared."""
    for path in sorted(lined - live):
        cause = f"fstab mounts it at {path}, but it is not mounted there"
        yield row(found.spec, "not_mounted", cause, "mounted", "not mounted").by(HAND)
    # Beside its own mount an image may have bind mounts, as containers make them.
    for path in sorted(live - lined if not live & lined else ()):
        cause = f"it is mounted at {path}, but fstab has no such line: it will not be mounted there at boot"
        yield row(found.spec, "not_in_fstab", cause, "a line", "none").by(HAND)


def _device_of(mount: Mount, host: Host, found: Found) -> KrbdDevice:
    return next(device for device in found.devices if mount in mounts_of(device, host.mounts))


def _live_rows(host: Host, declared: Declared, found: Found, path: str) -> Iterable[Row]:
    """One mount against what is declared of it, or else its line in fstab."""
    mount = [mount for mount in found.mounts if path_key(mount.path) == path][-1]
    device = _device_of(mount, host, found)
    entries = [line.entry for line in found.fstab if line.entry and path_key(line.entry.path) == path]
    fstype = (declared.path and declared.fstype) or (entries[0].fstype if entries else None)
    if fstype != mount.fstype and {fstype, mount.fstype} <= _PLAIN_TYPES:
        cause = f"the file system at {path} is {mount.fstype}, not {fstype}"
        yield row(found.spec, "mount_fstype", cause, fstype, mount.fstype)
    state = host.states.get(mount.mount_id, FilesystemState())
    error = fault(mount, host.mounts, state)
    opts = (declared.path and declared.opts) or (entries[0].opts if entries else None)
    if error is not None:
        cause = f"the file system at {path} has an error: {error}. Look at dmesg"
        yield row(found.spec, "mount_error", cause, "sound", error, _check(mount, device))
    elif opts is not None:
        yield from _option_rows(found, mount, device, opts, state)


def _option_rows(found: Found, mount: Mount, device: KrbdDevice, opts: str, state: FilesystemState) -> Iterable[Row]:
    differing = differences(opts, mount, state, device.read_only)
    anew = [f"umount {shlex.quote(mount.path)}", f"mount {shlex.quote(mount.path)}"]
    for kind, remountable, steps in (("mount_options", True, []), ("mount_options_of_old", False, anew)):
        chosen = [difference for difference in differing if difference.remountable == remountable]
        if chosen:
            wanted = ",".join(difference.wanted for difference in chosen)
            actual = ",".join(difference.actual for difference in chosen)
            cause = f"it is mounted at {mount.path} with {actual} instead of {wanted}"
            yield row(found.spec, kind, cause, wanted, actual, steps)


def _check(mount: Mount, device: KrbdDevice) -> list[str]:
    """The commands that check a file system; on what is opened on the mapping, if the file system is there."""
    lies_on = next((crypt.path for crypt in device.crypts if crypt.devno == mount.devno), device.path)
    # Each asks no questions, and leaves to a person what is not safe to mend.
    checks = {"xfs": "xfs_repair", "btrfs": "btrfs check"}
    path = shlex.quote(mount.path)
    return [f"umount {path}", f"{checks.get(mount.fstype, 'fsck -f -p')} {shlex.quote(lies_on)}", f"mount {path}"]
