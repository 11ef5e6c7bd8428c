# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A laboratory finds a subnet that nothing else uses."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network

import pytest
from rbdlab.errors import LabError
from rbdlab.subnet import POOL, address, choose, mac, taken_networks


def test_the_same_laboratory_gets_the_same_subnet() -> None:
    assert choose("0a1b2c", []) == choose("0a1b2c", [])
    assert choose("0a1b2c", []).subnet_of(POOL)


def test_a_taken_subnet_is_passed_over() -> None:
    first = choose("000000", [])
    second = choose("000000", [first])
    assert not second.overlaps(first)
    assert choose("000000", [IPv4Network(f"{first[7]}/32")]) == second


def test_the_search_goes_round() -> None:
    last = list(POOL.subnets(new_prefix=24))[-1]
    assert choose(f"{511:06x}", [last]) == next(POOL.subnets(new_prefix=24))


def test_a_full_pool_is_an_error() -> None:
    with pytest.raises(LabError, match="every /24"):
        choose("000000", [POOL])


def test_routes_and_addresses_are_read() -> None:
    routes = [{"dst": "default"}, {"dst": "192.0.2.0/24"}, {"dst": "192.0.2.7"}, {"dst": "0.0.0.0/1"}, {"dst": "::/0"}]
    addresses = [{"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}]}, {"ifname": "x"}]
    assert taken_networks(json.dumps(routes), json.dumps(addresses)) == [
        IPv4Network("192.0.2.0/24"),
        IPv4Network("192.0.2.7/32"),
        IPv4Network("127.0.0.0/8"),
    ]
    assert taken_networks("", "") == []


def test_addresses() -> None:
    assert address(IPv4Network("198.18.5.0/24"), 2) == IPv4Address("198.18.5.2")
    assert mac("0a1b2c", 17) == "52:54:00:0a:1b:11"
