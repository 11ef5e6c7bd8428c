# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The laboratory's own network: a namespace with a bridge, reached by a veth pair."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Network
from pathlib import Path

from . import subnet
from .privilege import as_root, guest_user
from .process import run, run_root

BRIDGE = "br0"


def taken() -> list[IPv4Network]:
    """Return the networks that the machine uses now."""
    routes = run(["ip", "-4", "-json", "route", "show", "table", "all"], purpose="list the machine's routes")
    addresses = run(["ip", "-4", "-json", "address"], purpose="list the machine's addresses")
    return subnet.taken_networks(routes, addresses)


class Network:
    """One network namespace and what is in it."""

    def __init__(self, namespace: str, interface: str) -> None:
        self.namespace = namespace
        self.interface = interface

    def inside(self, argv: list[str]) -> list[str]:
        """Return the command (for root) that runs ``argv`` in the namespace."""
        return ["ip", "netns", "exec", self.namespace, *argv]

    def exists(self) -> bool:
        """Tell whether the namespace and the way into it are there."""
        return Path("/run/netns", self.namespace).exists() and Path("/sys/class/net", self.interface).exists()

    def up(self, network: IPv4Network) -> None:
        """Make the namespace, the bridge and the veth pair."""
        machine = f"{network[subnet.MACHINE]}/{network.prefixlen}"
        ceph = f"{network[subnet.CEPH]}/{network.prefixlen}"
        there = ["-n", self.namespace]
        commands: list[list[str]] = [
            ["netns", "add", self.namespace],
            [*there, "link", "set", "lo", "up"],
            [*there, "link", "add", BRIDGE, "type", "bridge", "stp_state", "0"],
            [*there, "link", "set", BRIDGE, "addrgenmode", "none", "up"],
            [*there, "address", "add", ceph, "dev", BRIDGE],
            ["link", "add", self.interface, "type", "veth", "peer", "name", "machine", "netns", self.namespace],
            [*there, "link", "set", "machine", "addrgenmode", "none", "master", BRIDGE, "up"],
            ["link", "set", self.interface, "addrgenmode", "none", "up"],
            ["address", "add", machine, "dev", self.interface],
        ]
        for command in commands:
            run_root(["ip", *command], purpose=f"set up the network namespace {self.namespace}")

    def tap(self, name: str) -> None:
        """Make a guest's port of the bridge, unless it exists."""
        shown = subprocess.run(
            as_root(["ip", "-n", self.namespace, "link", "show", name]), capture_output=True, check=False
        )
        if shown.returncode == 0:
            self.plug(name)
            return
        purpose = f"make the tap {name} in {self.namespace}"
        owner = ["user", str(guest_user()[0])]
        run_root(self.inside(["ip", "tuntap", "add", "dev", name, "mode", "tap", *owner]), purpose=purpose)
        command = ["link", "set", name, "addrgenmode", "none", "master", BRIDGE, "up"]
        run_root(["ip", "-n", self.namespace, *command], purpose=purpose)

    def plug(self, name: str) -> None:
        """Put a guest's port on the bridge."""
        command = ["link", "set", name, "master", BRIDGE, "up"]
        run_root(["ip", "-n", self.namespace, *command], purpose=f"put {name} on the bridge")

    def unplug(self, name: str) -> None:
        """Take a guest's port off the bridge. It stays up: User-mode Linux never uses one again that was down."""
        run_root(["ip", "-n", self.namespace, "link", "set", name, "nomaster"], purpose=f"take {name} off the bridge")

    def pids(self) -> list[int]:
        """Return the processes that run in the namespace."""
        if not Path("/run/netns", self.namespace).exists():
            return []
        text = run_root(["ip", "netns", "pids", self.namespace], purpose=f"list the processes in {self.namespace}")
        return [int(word) for word in text.split()]

    def down(self) -> None:
        """Remove the namespace and the veth pair."""
        if Path("/sys/class/net", self.interface).exists():
            run_root(["ip", "link", "del", self.interface], purpose=f"remove the interface {self.interface}")
        if Path("/run/netns", self.namespace).exists():
            run_root(["ip", "netns", "del", self.namespace], purpose=f"remove the namespace {self.namespace}")
