#!/usr/bin/python
# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates and removes RBD namespaces."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbd_namespace
short_description: Create and remove RBD namespaces
version_added: 0.1.0
author: cephclient.rbd contributors (@cephclient)
description:
  - Keeps one namespace of a pool or many as declared, through librbd. A namespace divides a pool among users who may
    not see each other's images.
  - Never removes a namespace that holds images, images in the trash, or groups of images.
extends_documentation_fragment:
  - cephclient.rbd._attributes
  - cephclient.rbd._cluster
requirements:
  - python3-rbd and python3-rados on the managed host, for its system Python
notes:
  - Run it on one host only, for example with C(run_once) or on the host of an administrator. The O(user) needs
    C(mon 'profile rbd') and C(osd 'profile rbd pool=<pool>').
  - In check mode a pool that does not exist is taken for one that an earlier task creates.
options:
  namespace:
    description:
      - Name of the namespace. It cannot have a slash, an at sign, a quote or an asterisk in it.
    type: str
  pool:
    description:
      - Name of the pool.
    type: str
    default: rbd
  state:
    description:
      - V(present) creates the namespace if it does not exist.
      - V(absent) removes the namespace, which must be empty.
    type: str
    choices: [present, absent]
    default: present
  namespaces:
    description:
      - Many namespaces in one call, over one connection. The items take the options O(namespace), O(pool) and O(state);
        what an item leaves out is taken from the top level.
      - All of them are checked before the first one is changed.
    type: list
    elements: dict
    suboptions:
      namespace:
        description: As O(namespace).
        type: str
        required: true
      pool:
        description: As O(pool).
        type: str
      state:
        description: As O(state).
        type: str
        choices: [present, absent]
seealso:
  - module: cephclient.rbd.rbd_pool
  - module: cephclient.rbd.rbd_user
"""

EXAMPLES = r"""
- name: A namespace for each team
  cephclient.rbd.rbd_namespace:
    pool: rbd
    namespaces:
      - namespace: blue
      - namespace: green

- name: Remove a namespace that is empty
  cephclient.rbd.rbd_namespace:
    pool: rbd
    namespace: red
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - action: create
      subject: rbd/blue
namespaces:
  description: The namespaces after the run, in the order of the request.
  returned: success
  type: list
  elements: dict
  contains:
    pool:
      description: Name of the pool.
      type: str
      sample: rbd
    namespace:
      description: Name of the namespace.
      type: str
      sample: blue
    exists:
      description: Whether the namespace exists.
      type: bool
failures:
  description: The items that failed, each with its C(index), C(item) and C(msg).
  returned: failure
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec, _module
from ..module_utils._operations.namespace import NamespaceOperation
from ..module_utils._system.namespaces import LibrbdNamespaces

_ITEM = {
    "namespace": {"type": "str"},
    "pool": {"type": "str", "default": "rbd"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(**_argspec.bulk("namespaces", _ITEM, "namespace"))
    _module.require_bindings()
    with _module.cluster_session(module) as session:
        _module.execute(module, NamespaceOperation(module, LibrbdNamespaces(session), _ITEM), session=session)


if __name__ == "__main__":
    main()
