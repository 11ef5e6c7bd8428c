# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of module options; each is the pair of a fragment in ``plugins/doc_fragments``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The pair of the doc fragment cluster.
CLUSTER: dict[str, Any] = {
    "conf": {"type": "path", "default": "/etc/ceph/ceph.conf"},
    "cluster": {"type": "str", "default": "ceph"},
    "user": {"type": "str", "default": "admin", "aliases": ["id"]},
    "keyring": {"type": "path", "no_log": False},
    "connect_timeout": {"type": "int", "default": 30},
}


def bulk(list_name: str, item: Mapping[str, Any], key: str = "image", **others: Any) -> dict[str, Any]:
    """The arguments of AnsibleModule: the connection, and options that describe one item or are defaults for a list.

    The list's items take the same options, without defaults of their own: a default there would
    hide the value given at the top level.

    :param list_name: name of the list option.
    :param item: argument specs of the options that an item takes.
    :param key: the option that identifies an item.
    :param others: argument specs of options beside these, which hold for all items.
    """
    suboptions = {name: _without_default(spec) for name, spec in item.items()}
    suboptions[key] = {**suboptions[key], "required": True}
    return {
        "argument_spec": {
            **CLUSTER,
            **others,
            **item,
            list_name: {"type": "list", "elements": "dict", "options": suboptions},
        },
        "mutually_exclusive": [(key, list_name)],
        "required_one_of": [(key, list_name)],
        "supports_check_mode": True,
    }


def _without_default(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key != "default"}
