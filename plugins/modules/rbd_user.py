#!/usr/bin/python
# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates and removes cephx users of RBD, and corrects their capabilities."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbd_user
short_description: Create and remove cephx users of RBD, and correct their capabilities
version_added: 0.1.0
author: cephclient.rbd contributors (@cephclient)
description:
  - Keeps one cephx user or many as declared, through the monitors. Each has exactly the capabilities that RBD needs for
    the pools and namespaces that are given; all others, such as those for CephFS, are taken away.
  - The key is made by the cluster, and never changed. It is written to O(keyring_file), or returned to a task with
    C(no_log), and to nowhere else.
extends_documentation_fragment:
  - cephclient.rbd._attributes
  - cephclient.rbd._cluster
requirements:
  - python3-rbd and python3-rados on the managed host, for its system Python
notes:
  - Run it on one host only, for example with C(run_once) or on the host of an administrator. The O(user) needs
    C(mon 'allow rwx') and C(osd 'profile rbd'); C(client.admin) has both.
  - A user who may write somewhere gets C(mon 'profile rbd'), which also allows to blocklist a client that died while it
    held the lock of an image. A user who may only read gets C(mon 'profile simple-rados-client') instead, because
    C(mon 'profile rbd-read-only') of Ceph 16 allows to blocklist any client, too.
  - Clients that are connected already keep what they may do until their tickets expire (C(auth_service_ticket_ttl), an
    hour by default), also after a change or a removal.
  - In check mode a pool or namespace that does not exist is taken for one that an earlier task creates.
options:
  name:
    description:
      - The cephx user that is kept, without C(client.). It can be neither V(admin), nor the O(user) that the module
        itself connects as, nor one of those that begin with C(bootstrap-).
    type: str
  pools:
    description:
      - What the user may use. It takes at least one pool for O(state=present).
    type: list
    elements: dict
    suboptions:
      pool:
        description: Name of a pool, which must exist.
        type: str
        required: true
      namespace:
        description:
          - Name of a namespace, which must exist. The user may then use it alone.
          - Without it the user may use the whole pool with all of its namespaces.
        type: str
      profile:
        description: What the user may do there. V(rbd) is everything, V(rbd-read-only) is to read.
        type: str
        choices: [rbd, rbd-read-only]
        default: rbd
  keyring_file:
    description:
      - Path of a keyring on the managed host where the key is written, for root alone to read. Other users' keys in the
        file are left alone.
      - With O(state=absent) the file is left as it is.
    type: path
  state:
    description:
      - V(present) creates the user if it does not exist, and sets its capabilities if they differ.
      - V(absent) removes the user.
    type: str
    choices: [present, absent]
    default: present
  users:
    description:
      - Many users in one call, over one connection. The items take the options O(name), O(pools), O(keyring_file) and
        O(state); what an item leaves out is taken from the top level.
      - All of them are checked before the first one is changed.
    type: list
    elements: dict
    suboptions:
      name:
        description: As O(name).
        type: str
        required: true
      pools:
        description: As O(pools).
        type: list
        elements: dict
        suboptions:
          pool:
            description: As O(pools[].pool).
            type: str
            required: true
          namespace:
            description: As O(pools[].namespace).
            type: str
          profile:
            description: As O(pools[].profile).
            type: str
            choices: [rbd, rbd-read-only]
            default: rbd
      keyring_file:
        description: As O(keyring_file).
        type: path
      state:
        description: As O(state).
        type: str
        choices: [present, absent]
seealso:
  - module: cephclient.rbd.rbd_keyring
  - module: cephclient.rbd.rbd_pool
  - module: cephclient.rbd.rbd_namespace
"""

EXAMPLES = r"""
- name: A user for one pool, with its keyring on this host
  cephclient.rbd.rbd_user:
    name: app
    pools:
      - pool: rbd
    keyring_file: /etc/ceph/ceph.client.app.keyring

- name: A user who writes to one namespace and reads a pool of templates
  cephclient.rbd.rbd_user:
    name: blue
    pools:
      - pool: rbd
        namespace: blue
      - pool: templates
        profile: rbd-read-only

- name: The key of a user, to be placed on other hosts with rbd_keyring
  cephclient.rbd.rbd_user:
    name: app
    pools:
      - pool: rbd
  register: created
  no_log: true

- name: Remove users
  cephclient.rbd.rbd_user:
    state: absent
    users:
      - name: red
      - name: green
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, in order. Keys are not in it.
  returned: always
  type: list
  elements: dict
  sample:
    - action: create
      subject: client.app
      capabilities:
        mon: profile rbd
        mgr: profile rbd pool=rbd
        osd: profile rbd pool=rbd
    - action: set_key
      subject: /etc/ceph/ceph.client.app.keyring
users:
  description: The users after the run, in the order of the request.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The cephx user, without C(client.).
      type: str
      sample: app
    exists:
      description: Whether the user exists.
      type: bool
    capabilities:
      description: Its capabilities, by the kind of daemon that they are for; none without a user.
      type: dict
      sample:
        mon: profile rbd
        mgr: profile rbd pool=rbd
        osd: profile rbd pool=rbd
    key:
      description: The user's key. In check mode it is missing for a user who does not exist yet.
      returned: if the task has C(no_log) set to true
      type: str
failures:
  description: The items that failed, each with its C(index), C(item) and C(msg).
  returned: failure
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec, _module
from ..module_utils._operations.user import Stores, UserOperation
from ..module_utils._system.namespaces import LibrbdNamespaces
from ..module_utils._system.users import MonitorUsers

_ACCESS = {
    "pool": {"type": "str", "required": True},
    "namespace": {"type": "str"},
    "profile": {"type": "str", "choices": ["rbd", "rbd-read-only"], "default": "rbd"},
}
_ITEM = {
    "name": {"type": "str"},
    "pools": {"type": "list", "elements": "dict", "options": _ACCESS},
    "keyring_file": {"type": "path", "no_log": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(**_argspec.bulk("users", _ITEM, "name"))
    _module.require_bindings()
    with _module.cluster_session(module) as session:
        stores = Stores(MonitorUsers(session), LibrbdNamespaces(session))
        _module.execute(module, UserOperation(module, stores, _ITEM), session=session)


if __name__ == "__main__":
    main()
