# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ceph's configuration and the Ansible inventory are written as their readers expect."""

from __future__ import annotations

import base64
import configparser
import json
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from rbdlab import cephconf, inventory

MON = IPv4Address("198.18.5.2")
FSID = "0a5b5c1c-7f5c-4a0e-9a51-2f9c7d3f7a10"


def parsed(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return parser


def test_the_client_needs_three_lines() -> None:
    assert cephconf.client_conf(FSID, MON) == f"[global]\nfsid = {FSID}\nmon_host = {MON}\n"


def test_the_cluster_is_one_of_each_and_content() -> None:
    conf = parsed(cephconf.cluster_conf(FSID, MON))
    assert conf["global"]["mon_host"] == str(MON)
    assert conf["global"]["auth_client_required"] == "cephx"
    assert conf["global"]["osd_pool_default_size"] == "1"
    assert conf["osd"]["osd_objectstore"] == "memstore"


def test_a_cephx_key_has_the_layout_of_ceph() -> None:
    key = base64.b64decode(cephconf.cephx_key(bytes(range(16)), 0x01020304))
    assert key == bytes.fromhex("0100 04030201 00000000 1000") + bytes(range(16))


def test_a_long_key_has_another_type() -> None:
    key = base64.b64decode(cephconf.cephx_key(bytes(cephconf.secret_length("forky")), 0))
    assert (key[0], key[10], len(key)) == (2, 32, 44)


def test_a_keyring_has_the_capabilities() -> None:
    text = cephconf.keyring({"osd.0": "AQ=="})
    assert text.startswith("[osd.0]\n\tkey = AQ==\n")
    assert '\tcaps mon = "allow profile osd"\n' in text


FACTS = inventory.Facts(
    "bookworm",
    MON,
    {"client1": IPv4Address("198.18.5.11")},
    FSID,
    cephconf.client_conf(FSID, MON),
    Path("/state/a b/id"),
    Path("/state/a b/known_hosts"),
)


def test_the_inventory_is_yaml_with_both_groups() -> None:
    yaml = pytest.importorskip("yaml")
    document = yaml.safe_load(inventory.render(FACTS))["all"]
    assert document["children"]["ceph"] == {"hosts": {"ceph1": {"ansible_host": str(MON)}}}
    assert document["children"]["clients"] == {"hosts": {"client1": {"ansible_host": "198.18.5.11"}}}
    assert document["vars"]["ceph_conf_content"] == FACTS.conf
    assert document["vars"]["ansible_python_interpreter"] == "/usr/bin/python3"


def test_the_list_of_an_inventory_script_says_the_same() -> None:
    yaml = pytest.importorskip("yaml")
    document = yaml.safe_load(inventory.render(FACTS))["all"]
    listed = json.loads(inventory.render_list(FACTS))
    assert listed["all"]["vars"] == document["vars"]
    for group in ("ceph", "clients"):
        hosts = document["children"][group]["hosts"]
        assert {name: listed["_meta"]["hostvars"][name] for name in listed[group]["hosts"]} == hosts


def test_the_list_has_both_groups_where_there_is_no_laboratory() -> None:
    assert json.loads(inventory.render_list(None)) == {
        "all": {"vars": {}}, "ceph": {"hosts": []}, "clients": {"hosts": []}, "_meta": {"hostvars": {}},
    }  # fmt: skip


def test_an_inventory_without_guests_is_still_a_mapping() -> None:
    text = inventory.render(inventory.Facts("forky", MON, {}, FSID, "x\n", Path("/i"), Path("/k")))
    assert "    clients:\n      hosts: {}\n" in text


def test_the_users_own_ssh_is_left_alone() -> None:
    options = inventory.ssh_options(Path("/state/a b/known_hosts"))
    assert options[:2] == ["-F", "none"]
    assert 'UserKnownHostsFile="/state/a b/known_hosts"' in options
    assert "StrictHostKeyChecking=yes" in options
