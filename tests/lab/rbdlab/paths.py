# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a laboratory keeps its things: the cache that outlives it, and its state that does not."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError

APPLICATION = "cephclient-rbd-lab"
SOCKET_PATH_LIMIT = 107


def lab_id(checkout: Path, name: str = "") -> str:
    """Return the short name that tells the laboratories of a machine apart."""
    return hashlib.sha256(f"{checkout}\0{name}".encode()).hexdigest()[:6]


def _base(environment: Mapping[str, str], variable: str, default: str) -> Path:
    value = environment.get(variable, "")
    home = Path(environment.get("HOME") or Path.home())
    return (Path(value) if value.startswith("/") else home / default) / APPLICATION


@dataclass(frozen=True)
class Paths:
    """All paths of one laboratory."""

    id: str
    checkout: Path
    cache: Path
    state: Path

    @classmethod
    def of(cls, checkout: Path, environment: Mapping[str, str], name: str = "") -> Paths:
        """Derive the paths from the checkout and the XDG variables."""
        if not re.fullmatch(r"[\w.-]*", name):
            raise LabError(f"Cannot use the name {name!r} for a laboratory: it is no word. Correct RBDLAB_NAME.")
        identity = lab_id(checkout, name)
        state = _base(environment, "XDG_STATE_HOME", ".local/state") / identity
        if len(str(state / "guests/a-long-guest-name/qmp.sock")) > SOCKET_PATH_LIMIT:
            raise LabError(
                f"Cannot use {state} for the laboratory's state: the path is too long for a UNIX socket. "
                "Set XDG_STATE_HOME to a shorter directory."
            )
        return cls(identity, checkout, _base(environment, "XDG_CACHE_HOME", ".cache"), state)

    @property
    def namespace(self) -> str:
        """Name of the network namespace."""
        return f"rbdlab-{self.id}"

    @property
    def interface(self) -> str:
        """Name of the machine's end of the veth pair (at most 15 characters)."""
        return f"rbdlab-{self.id}"

    @property
    def record(self) -> Path:
        """The file with the laboratory's choices."""
        return self.state / "state.json"

    @property
    def ssh(self) -> Path:
        """The directory with SSH keys and known hosts."""
        return self.state / "ssh"

    @property
    def pod(self) -> Path:
        """The directory of the cluster: pid, logs, mount point."""
        return self.state / "ceph"

    def guest(self, name: str) -> Path:
        """The directory of a guest."""
        return self.state / "guests" / name


@contextmanager
def locked(path: Path, when_busy: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold an exclusive lock on a file of the cache; ``when_busy`` is called before waiting for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            when_busy()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
