# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ceph's configuration, keys and keyrings as text (pure)."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from ipaddress import IPv4Address

#: Options of a ceph.conf for each section.
Options = Mapping[str, Mapping[str, str]]

#: Every entity of the cluster with its capabilities; a further OSD has those of the first.
ENTITIES: Mapping[str, Mapping[str, str]] = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "mgr": "allow *", "osd": "allow *", "mds": "allow *"},
    "mgr.a": {"mon": "allow profile mgr", "osd": "allow *", "mds": "allow *"},
    "osd.0": {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"},
}

_OPTIONS: Options = {
    "global": {
        "auth_cluster_required": "cephx",
        "auth_service_required": "cephx",
        "auth_client_required": "cephx",
        "auth_allow_insecure_global_id_reclaim": "false",
        "mon_initial_members": "a",
        "mon_allow_pool_delete": "true",
        "mon_allow_pool_size_one": "true",
        "mon_warn_on_pool_no_redundancy": "false",
        "mon_max_pg_per_osd": "2000",
        "osd_pool_default_size": "1",
        "osd_pool_default_min_size": "1",
        "osd_pool_default_pg_num": "8",
        "osd_pool_default_pgp_num": "8",
        "osd_pool_default_pg_autoscale_mode": "off",
        "osd_crush_chooseleaf_type": "0",
        "mgr_initial_modules": "",
    },
    "mon": {"mon_data_avail_warn": "2", "mon_data_avail_crit": "1"},
    "osd": {"osd_objectstore": "memstore", "memstore_device_bytes": str(8 << 30)},
}


# Ceph 20.2.4 accepts only keys of the type AES256KRB5; Ceph 16 and 18 know only AES.
_KEY_TYPES = {16: 1, 32: 2}


def secret_length(suite: str) -> int:
    """Return how many secret bytes a key of this suite's Ceph has."""
    return 32 if suite == "forky" else 16


def cephx_key(secret: bytes, created: int) -> str:
    """Encode secret bytes as Ceph writes a key: its type, time of creation, length, secret."""
    header = struct.pack("<HIIH", _KEY_TYPES[len(secret)], created, 0, len(secret))
    return base64.b64encode(header + secret).decode("ascii")


def keyring(keys: Mapping[str, str]) -> str:
    """Return a keyring of these entities with their capabilities."""
    lines = []
    for entity, key in keys.items():
        capabilities = ENTITIES["osd.0" if entity.startswith("osd.") else entity]
        lines += [f"[{entity}]", f"\tkey = {key}"]
        lines += [f'\tcaps {service} = "{caps}"' for service, caps in capabilities.items()]
    return "\n".join(lines) + "\n"


def client_conf(fsid: str, mon: IPv4Address | str) -> str:
    """Return the ceph.conf a client needs."""
    return f"[global]\nfsid = {fsid}\nmon_host = {mon}\n"


def cluster_conf(fsid: str, mon: IPv4Address | str, more: Options | None = None) -> str:
    """Return the ceph.conf of the daemons: one of each, in memory, and content with it.

    :param more: options beside these, or instead of them, for each section.
    """
    lines = client_conf(fsid, mon).splitlines()
    more = more or {}
    for section in dict.fromkeys([*_OPTIONS, *more]):
        options = {**_OPTIONS.get(section, {}), **more.get(section, {})}
        lines += [] if section == "global" else ["", f"[{section}]"]
        lines += [f"{name} = {value}".rstrip() for name, value in options.items()]
    return "\n".join(lines) + "\n"
