# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mount table of a process: ``/proc/self/mountinfo``, as proc_pid_mountinfo(5) describes it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ._errors import RbdError
from ._fstab_file import path_key, unescape

# One blank separates, and a source may be empty. Any number of optional fields stands before the "-".
_ID = r"([0-9]{1,20})"
_LINE = re.compile(rf"{_ID} {_ID} {_ID}:{_ID} ([^ ]+) ([^ ]+) ([^ ]+)((?: (?!- )[^ ]+)*) - ([^ ]+) ([^ ]*) (.+)")
_GROUP = re.compile(r"(shared|master):([0-9]{1,20})")


@dataclass(frozen=True)
class Mount:
    """One mount, with the escapes undone.

    ``opts`` belong to this mount alone, ``super_opts`` to the file system wherever it is mounted.
    ``devno`` is the file system's: for btrfs not that of its block device.
    ``shared`` is the peer group that mounts below it go to, ``master`` the one that they come from; 0 for none.
    """

    mount_id: int
    parent_id: int
    devno: tuple[int, int]
    root: str
    path: str
    opts: str
    fstype: str
    source: str
    super_opts: str
    shared: int = 0
    master: int = 0


def parse(text: str) -> tuple[Mount, ...]:
    """Read a whole mountinfo (decoded with surrogateescape), in its order.

    :raises RbdError: a line is none of a mountinfo. Skipping it could hide a mount that is in use.
    """
    return tuple(_parse_line(number, line) for number, line in enumerate(text.split("\n"), 1) if line)


def at(mounts: Iterable[Mount], path: str) -> Mount | None:
    """The mount that is seen at exactly this path, or None.

    That is the topmost of those stacked there. A mount is not seen when another one lies over a
    directory above it, though it stays in the table.
    """
    table = tuple(mounts)
    ids = {mount.mount_id for mount in table}
    # The root's parent is outside of the table (or, for rootfs, itself).
    orphans = [mount for mount in table if mount.parent_id not in ids or mount.parent_id == mount.mount_id]
    children: dict[int, list[Mount]] = {}
    for mount in table:
        if mount.parent_id != mount.mount_id:
            children.setdefault(mount.parent_id, []).append(mount)
    target = path_key(path)
    seen: Mount | None = None
    for prefix in _prefixes(target):
        # Each turn descends to a child, so a sane table ends this long before the bound does.
        for _turn in table:
            below = orphans if seen is None else children.get(seen.mount_id, [])
            here = [mount for mount in below if mount.path == prefix]
            if not here:
                break
            seen = here[-1]
    return seen if seen is not None and seen.path == target else None


def holding(mounts: Iterable[Mount], path: str) -> Mount | None:
    """The mount that what is seen at this path lies on, or None."""
    table = tuple(mounts)
    found = (at(table, prefix) for prefix in reversed(_prefixes(path_key(path))))
    return next((mount for mount in found if mount is not None), None)


def _prefixes(path: str) -> list[str]:
    """Every directory on the way to an absolute path, from the root to itself."""
    names = path.strip("/").split("/") if path != "/" else []
    return ["/"] + ["/" + "/".join(names[: count + 1]) for count in range(len(names))]


def _parse_line(number: int, line: str) -> Mount:
    found = _LINE.fullmatch(line)
    if found is None:
        raise RbdError("read the mount table", f"line {number} of mountinfo is {line!r}")
    mount_id, parent_id, major, minor = (int(digits) for digits in found.groups()[:4])
    root, path, opts, groups, fstype, source, super_opts = (unescape(word) for word in found.groups()[4:])
    group = {kind: int(number) for kind, number in _GROUP.findall(groups)}
    shared, master = group.get("shared", 0), group.get("master", 0)
    return Mount(mount_id, parent_id, (major, minor), root, path, opts, fstype, source, super_opts, shared, master)
