# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a laboratory remembers between two commands."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
import uuid
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from . import cephconf, subnet
from .errors import LabError
from .subnet import CEPH_HOST

_NAME = re.compile(r"[a-z][a-z0-9-]{0,14}")


@dataclass
class State:
    """The choices of a laboratory: suite, subnet, the cluster's identity, its guests, and what runs them."""

    suite: str
    subnet: str
    fsid: str
    keys: dict[str, str]
    guests: dict[str, int] = field(default_factory=dict)
    accelerator: str = "tcg"

    @classmethod
    def new(cls, suite: str, network: IPv4Network, accelerator: str = "tcg") -> State:
        """Make the choices of a new laboratory."""
        now, length = int(time.time()), cephconf.secret_length(suite)
        keys = {entity: cephconf.cephx_key(secrets.token_bytes(length), now) for entity in cephconf.ENTITIES}
        return cls(suite, str(network), str(uuid.uuid4()), keys, accelerator=accelerator)

    @classmethod
    def load(cls, path: Path) -> State | None:
        """Read the state; None if there is no laboratory."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise LabError(f"Cannot read {path}: it is damaged ({error}). Run 'lab down', then 'lab up'.") from error

    def save(self, path: Path) -> None:
        """Write the state, whole or not at all."""
        temporary = path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(asdict(self), stream, indent=2)
        temporary.replace(path)

    @property
    def network(self) -> IPv4Network:
        """The subnet of the laboratory."""
        return IPv4Network(self.subnet)

    @property
    def ceph_address(self) -> IPv4Address:
        """The address of the monitor and of the host ``ceph1``."""
        return subnet.address(self.network, subnet.CEPH)

    def add_guest(self, name: str) -> None:
        """Give a new guest a number; a known one keeps its own."""
        if name in self.guests:
            return
        if not _NAME.fullmatch(name) or name in {CEPH_HOST, "localhost"}:
            raise LabError(
                f"Cannot make a guest named {name!r}: a name has 1 to 15 lower-case letters, digits and hyphens, "
                f"starts with a letter, and '{CEPH_HOST}' is the cluster's. Choose another, such as client2."
            )
        free = set(range(subnet.MAXIMUM_GUESTS)) - set(self.guests.values())
        if not free:
            raise LabError(f"Cannot add the guest {name}: the laboratory is full. Run 'lab down' first.")
        self.guests[name] = min(free)

    def guest_address(self, name: str) -> IPv4Address:
        """Return the address of a guest."""
        return subnet.address(self.network, subnet.FIRST_GUEST + self.guests[name])

    def hosts(self) -> dict[str, IPv4Address]:
        """Return every host that can be reached by SSH."""
        guests = {name: self.guest_address(name) for name in self.guests}
        return {CEPH_HOST: self.ceph_address, **guests}
