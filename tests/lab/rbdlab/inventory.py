# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible inventory of a laboratory (pure)."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeAlias

from .subnet import CEPH_HOST

Node: TypeAlias = "str | int | bool | Mapping[str, Node]"


@dataclass(frozen=True)
class Facts:
    """What the inventory says."""

    suite: str
    ceph: IPv4Address
    clients: Mapping[str, IPv4Address]
    fsid: str
    conf: str
    key_file: Path
    known_hosts: Path


def ssh_options(known_hosts: Path) -> list[str]:
    """Return the SSH options by which a laboratory stays apart from the user's own SSH."""
    settings = [
        f'UserKnownHostsFile="{known_hosts}"', "GlobalKnownHostsFile=/dev/null", "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes", "IdentityAgent=none", "ConnectTimeout=60", "ServerAliveInterval=15",
        "ServerAliveCountMax=8", "LogLevel=ERROR",
    ]  # fmt: skip
    return ["-F", "none", *(word for setting in settings for word in ("-o", setting))]


def render(facts: Facts) -> str:
    """Return the inventory as YAML."""
    groups: Mapping[str, Node] = {
        "ceph": {"hosts": {CEPH_HOST: {"ansible_host": str(facts.ceph)}}},
        "clients": {"hosts": {name: {"ansible_host": str(ip)} for name, ip in facts.clients.items()}},
    }
    return "---\n" + _yaml({"all": {"children": groups, "vars": _variables(facts)}}, 0)


def render_list(facts: Facts | None) -> str:
    """Return what Ansible takes from an inventory script, as JSON; empty groups where there is no laboratory yet."""
    ceph = {CEPH_HOST: facts.ceph} if facts else {}
    clients = facts.clients if facts else {}
    document = {
        "all": {"vars": _variables(facts) if facts else {}},
        "ceph": {"hosts": [*ceph]},
        "clients": {"hosts": [*clients]},
        # With these Ansible does not call the script again for each host.
        "_meta": {"hostvars": {name: {"ansible_host": str(ip)} for name, ip in {**ceph, **clients}.items()}},
    }
    return json.dumps(document) + "\n"


def _variables(facts: Facts) -> Mapping[str, Node]:
    return {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(facts.key_file),
        "ansible_ssh_common_args": shlex.join(ssh_options(facts.known_hosts)),
        "ansible_ssh_timeout": 60,
        # A task must not fail because the shared SSH connection ended of idleness just as it was taken up.
        "ansible_ssh_retries": 3,
        "ansible_pipelining": True,
        "ansible_python_interpreter": "/usr/bin/python3",
        "ceph_fsid": facts.fsid,
        "ceph_mon_host": str(facts.ceph),
        "ceph_conf_content": facts.conf,
        "rbdlab_suite": facts.suite,
    }


def _yaml(node: Mapping[str, Node], depth: int) -> str:
    """Write nested mappings; scalars as JSON, which YAML contains, and long texts as blocks."""
    text = ""
    for key, value in node.items():
        margin = "  " * depth
        if isinstance(value, Mapping):
            text += f"{margin}{key}:\n{_yaml(value, depth + 1)}" if value else f"{margin}{key}: {{}}\n"
        elif isinstance(value, str) and value.endswith("\n"):
            text += f"{margin}{key}: |\n" + "".join(f"{margin}  {line}\n" for line in value.splitlines())
        else:
            text += f"{margin}{key}: {json.dumps(value)}\n"
    return text
