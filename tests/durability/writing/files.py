# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that modules write, in a directory of their own, and how they were before."""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopback.modules import Module, Result

KEY = "AQBnSw1kAAAAABAAqGRmZHNhZmRzYWZkc2FmZA=="

# Version 2, then entries of tag, permissions and id: owner rw, user 12 r, group none, mask r, others none.
_NOBODY = 2**32 - 1
_ENTRIES = ((1, 6, _NOBODY), (2, 4, 12), (4, 0, _NOBODY), (16, 4, _NOBODY), (32, 0, _NOBODY))
ACCESS = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in _ENTRIES)


@dataclass(frozen=True)
class Kind:
    """A file that a module writes.

    :ivar module: the module's short name.
    :ivar option: its option for the file's path.
    :ivar options: its other options.
    :ivar name: the file's.
    :ivar content: what others have written to it before.
    :ivar mode: of a new file.
    """

    module: str
    option: str
    options: Mapping[str, Any]
    name: str
    content: bytes
    mode: int


KINDS = {
    "fstab": Kind(
        "rbd_fstab",
        "fstab",
        {"state": "present", "image": "rbd/data", "path": "/srv/data", "fstype": "xfs"},
        "fstab",
        b"# the system's\nUUID=1-2  /  ext4\tdefaults 0 1 # root\n\nbroken \xff\n",
        0o644,
    ),
    "rbdmap": Kind(
        "rbd_map",
        "rbdmap_file",
        {"state": "present", "image": "rbd/data", "user": "app"},
        "rbdmap",
        b"# RbdDevice\t\tParameters\nrbd/other id=other,keyring=/etc/ceph/other.keyring\n",
        0o644,
    ),
    "keyring": Kind(
        "rbd_keyring",
        "keyring",
        {"user": "app", "key": KEY},
        "app.keyring",
        b"[client.other]\n\tkey = AQAAAAAAAAAAABAAqGRmZHNhZmRzYWZkc2FmZA==\n",
        0o600,
    ),
}


class Place:
    """A directory with one such file in it, or without it.

    :ivar path: what the module is told.
    :ivar real: where the file is.
    """

    def __init__(self, directory: Path, kind: Kind, situation: str) -> None:
        """Make it.

        :param situation: whether the file is ``new``, ``existing`` or behind a link (``symlinked``).
        """
        self.kind = kind
        self.old = None if situation == "new" else kind.content
        self.path = self.real = directory / kind.name
        directory.mkdir()
        if situation == "symlinked":
            (directory / "real").mkdir()
            self.real = directory / "real" / f"{kind.name}.real"
            self.path.symlink_to(self.real.relative_to(directory))
        if self.old is not None:
            self.real.write_bytes(self.old)
            self._adorn()
        self.before = self.properties()
        self.names = self.listing() | {str(self.real.relative_to(directory))}

    @property
    def temporary(self) -> Path:
        return self.real.with_name(f".{self.real.name}.cephclient-rbd")

    def options(self) -> dict[str, Any]:
        return {**self.kind.options, self.kind.option: str(self.path)}

    def listing(self) -> set[str]:
        """All files, links included."""
        top = self.path.parent
        return {str(found.relative_to(top)) for found in top.rglob("*") if found.is_symlink() or found.is_file()}

    def content(self) -> bytes | None:
        return self.real.read_bytes() if self.real.exists() else None

    def properties(self) -> dict[str, Any]:
        """What has to survive beside the content; for a new file, what it has to get."""
        if not self.real.exists():
            return {"owner": (os.geteuid(), os.getegid()), "mode": self.kind.mode}
        status = self.real.stat()
        found: dict[str, Any] = {"owner": (status.st_uid, status.st_gid), "mode": stat.S_IMODE(status.st_mode)}
        return found | {name: os.getxattr(self.real, name) for name in os.listxattr(self.real)}

    def exposed(self) -> list[str]:
        """The files with the key in them that others can read."""
        found = [self.path.parent / name for name in self.listing()]
        return [path.name for path in found if KEY.encode() in path.read_bytes() and path.stat().st_mode & 0o077]

    def require_unharmed(self, new: bytes | None) -> None:
        """The file is the old or the new one, and all of it."""
        assert self.content() in (self.old, new)
        if self.content() is not None:
            assert self.properties() == self.before
        assert self.listing() - {str(self.temporary.relative_to(self.path.parent))} <= self.names
        assert self.exposed() == []

    def require_written(self, new: bytes | None) -> None:
        """The file is the new one, and nothing else is there."""
        assert self.content() == new
        assert self.properties() == self.before
        assert self.listing() == self.names

    def _adorn(self) -> None:
        """Give the file everything that is easily lost. A keyring belongs to root alone, or is made to."""
        os.setxattr(self.real, "user.note", b"mine")
        if self.kind.mode == 0o600:
            self.real.chmod(0o600)
            return
        os.chown(self.real, 12, 34)
        os.setxattr(self.real, "system.posix_acl_access", ACCESS)
        os.setxattr(self.real, "security.selinux", b"system_u:object_r:etc_t:s0\0")
        self.real.chmod(0o2640)


class Writer:
    """Runs the module of a kind on a place, and knows what it shall make of it."""

    def __init__(self, module: Callable[..., Module], kind: Kind) -> None:
        self._module = module
        self._kind = kind

    def run(self, place: Place, *prefix: str) -> Result:
        return self._module(self._kind.module, prefix=prefix)(place.options())

    def under(self, place: Place, *prefix: str) -> int:
        """Run it under another program, and return its exit code; a signal is a negative one."""
        with self.started(place, *prefix) as process:
            return process.wait(60)

    def started(self, place: Place, *prefix: str) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
        """Have it at work within the block."""
        return self._module(self._kind.module, prefix=prefix).started(place.options())
