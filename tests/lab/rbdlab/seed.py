# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a guest itself: an archive that the initramfs unpacks into the fresh disk (pure)."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network


@dataclass(frozen=True)
class Identity:
    """A guest's name, address and keys."""

    name: str
    machine_id: str
    subnet: IPv4Network
    address: IPv4Address
    hosts: Mapping[str, IPv4Address]
    authorized_key: str
    host_key: str
    host_key_public: str


def files(identity: Identity) -> dict[str, tuple[int, str]]:
    """Return path, mode and content of the files that differ from guest to guest."""
    hosts = ["127.0.0.1 localhost", f"127.0.1.1 {identity.name}"]
    hosts += [f"{address} {name}" for name, address in identity.hosts.items() if name != identity.name]
    network = f"[Match]\nType=ether\n\n[Network]\nAddress={identity.address}/{identity.subnet.prefixlen}\n"
    network += "LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    return {
        "etc/hostname": (0o644, identity.name + "\n"),
        "etc/hosts": (0o644, "\n".join(hosts) + "\n"),
        "etc/machine-id": (0o444, identity.machine_id + "\n"),
        "etc/systemd/network/10-lab.network": (0o644, network),
        "etc/ssh/ssh_host_ed25519_key": (0o600, identity.host_key),
        "etc/ssh/ssh_host_ed25519_key.pub": (0o644, identity.host_key_public),
        "root/.ssh/authorized_keys": (0o600, identity.authorized_key),
    }


def tar(members: Mapping[str, tuple[int, str]]) -> bytes:
    """Return a tar archive of these files, all owned by root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, (mode, text) in members.items():
            data = text.encode()
            entry = tarfile.TarInfo(path)
            entry.mode, entry.size = mode, len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def newc(name: str, data: bytes) -> bytes:
    """Return a cpio archive ("newc", as the kernel unpacks it) with a single file."""
    return _member(name, 0o100600, data) + _member("TRAILER!!!", 0, b"")


def _member(name: str, mode: int, data: bytes) -> bytes:
    encoded = name.encode() + b"\0"
    fields = [0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0]
    header = b"070701" + b"".join(b"%08x" % field for field in fields)
    return _padded(header + encoded) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def initrd(base: bytes, identity: Identity) -> bytes:
    """Return the initramfs of one guest: the common one, and its seed as a second archive."""
    return _padded(base) + newc("lab-seed.tar", tar(files(identity)))
