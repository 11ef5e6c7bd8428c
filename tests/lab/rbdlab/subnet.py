# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing a subnet that nothing on the machine uses (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from .errors import LabError

# 198.18.0.0/15 is set aside for test networks (RFC 2544): no site routes it.
POOL = IPv4Network("198.18.0.0/15")
MACHINE, CEPH, FIRST_GUEST = 1, 2, 11
# The cluster's name among the hosts. Not "ceph": that is the group's, and Ansible warns of one name for both.
CEPH_HOST = "ceph1"
MAXIMUM_GUESTS = 200
_WIDEST = 8


def taken_networks(routes: str, addresses: str) -> list[IPv4Network]:
    """Read what is in use from ``ip -json route show table all`` and ``ip -json address``."""
    texts = [str(route.get("dst", "")) for route in json.loads(routes or "[]")]
    for link in json.loads(addresses or "[]"):
        texts += [f"{item['local']}/{item['prefixlen']}" for item in link.get("addr_info", [])]
    networks = []
    for text in texts:
        try:
            networks.append(IPv4Network(text, strict=False))
        except ValueError:  # "default", IPv6
            continue
    # Something wider than a /8 is a way of writing a default route.
    return [network for network in networks if network.prefixlen >= _WIDEST]


def choose(identity: str, taken: Iterable[IPv4Network]) -> IPv4Network:
    """Return a free /24; the same laboratory gets the same one as long as it is free."""
    candidates = list(POOL.subnets(new_prefix=24))
    start = int(identity, 16) % len(candidates)
    used = list(taken)
    for candidate in candidates[start:] + candidates[:start]:
        if not any(candidate.overlaps(network) for network in used):
            return candidate
    raise LabError(f"Cannot choose a subnet: every /24 of {POOL} is in use. Remove a route or another laboratory.")


def address(subnet: IPv4Network, number: int) -> IPv4Address:
    """Return the address with this number in the subnet."""
    return subnet[number]


def mac(identity: str, index: int) -> str:
    """Return the hardware address of a guest; unique among the laboratories of a machine."""
    pairs = [identity[0:2], identity[2:4], f"{index:02x}"]
    return ":".join(["52:54:00", *pairs])
