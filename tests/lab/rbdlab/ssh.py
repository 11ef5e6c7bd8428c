# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH keys of a laboratory, and talking to its hosts."""

from __future__ import annotations

import shlex
import socket
import subprocess
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path

from .errors import LabError
from .inventory import ssh_options
from .process import run


class Ssh:
    """The keys in one directory, and the command lines that use them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def key(self) -> Path:
        """The private key that every host of the laboratory accepts for root."""
        return self._directory / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The hosts' keys, written when they are made: nothing is trusted on first use."""
        return self._directory / "known_hosts"

    def prepare(self, hosts: Mapping[str, IPv4Address]) -> None:
        """Make what is missing: the user's key, a key for each host, and the file of known hosts."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._generate(self.key, "rbdlab")
        lines = []
        for name, address in hosts.items():
            self._generate(self.host_key(name), name)
            kind, key = self.public(self.host_key(name)).split()[:2]
            lines.append(f"{address},{name} {kind} {key}\n")
        self.known_hosts.write_text("".join(lines), encoding="utf-8")

    @staticmethod
    def _generate(path: Path, comment: str) -> None:
        if not path.exists():
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
            run(argv, purpose=f"make the SSH key {path}")

    def host_key(self, name: str) -> Path:
        """Return the private key of a host."""
        return self._directory / f"host-{name}"

    @staticmethod
    def public(key: Path) -> str:
        """Return the public half of a key."""
        return Path(f"{key}.pub").read_text(encoding="utf-8")

    def argv(self, address: IPv4Address, command: Sequence[str] = ()) -> list[str]:
        """Return the command line of a session, or of one command, as root on a host."""
        options = ["-i", str(self.key), *ssh_options(self.known_hosts)]
        return ["ssh", *options, f"root@{address}", *command]

    def ask(self, address: IPv4Address, script: str, timeout: float) -> str | None:
        """Run a shell script on a host and return its output; None if there was no answer in time."""
        argv = self.argv(address, ["sh", "-c", shlex.quote(script)])
        try:
            done = subprocess.run(
                [*argv[:1], "-o", "BatchMode=yes", *argv[1:]], stdin=subprocess.DEVNULL, capture_output=True,
                text=True, errors="replace", timeout=timeout, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return None
        except FileNotFoundError as error:
            raise LabError("Cannot reach the laboratory: there is no ssh command. Install openssh-client.") from error
        return done.stdout if done.returncode == 0 else None


def answers(address: IPv4Address, port: int = 22, timeout: float = 2.0) -> bool:
    """Tell whether an SSH server greets at this address."""
    try:
        with socket.create_connection((str(address), port), timeout=timeout) as connection:
            connection.settimeout(timeout)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
