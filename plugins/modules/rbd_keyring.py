#!/usr/bin/python
# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places a cephx user's key on a client host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbd_keyring
short_description: Place a cephx user's key on a client host
version_added: 0.1.0
author: cephclient.rbd contributors (@cephclient)
description:
  - Keeps the key of one cephx user in a keyring that root alone can read. Other users' keys in the same file are left
    alone.
  - The key is never shown, neither in the result nor in the diff, and is in no file before that file is private.
  - Without O(key) and O(content) it only makes sure that the keyring is there and has a key for the user.
extends_documentation_fragment:
  - cephclient.rbd._attributes
  - cephclient.rbd._cluster
notes:
  - Without O(keyring), the keyring is C(/etc/ceph/<cluster>.client.<user>.keyring).
  - The cluster is not asked. O(conf) and O(connect_timeout) have no effect; they are taken so that the defaults of the
    action group C(cephclient.rbd.rbd) can be set for this module, too.
options:
  key:
    description: The key, as C(ceph auth get-key client.<user>) prints it.
    type: str
  content:
    description: A keyring's text with the key of the user, as C(ceph auth get client.<user>) prints it.
    type: str
seealso:
  - module: cephclient.rbd.rbd_map
"""

EXAMPLES = r"""
- name: A key from the vault
  cephclient.rbd.rbd_keyring:
    user: app
    key: "{{ vault_ceph_app_key }}"

- name: The keyring that lies on the controller
  cephclient.rbd.rbd_keyring:
    user: app
    content: "{{ lookup('ansible.builtin.file', 'ceph.client.app.keyring') }}"

- name: Fail unless the host has a key for the user
  cephclient.rbd.rbd_keyring:
    user: app
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - action: set_key
      subject: /etc/ceph/ceph.client.app.keyring
path:
  description: Path of the keyring.
  returned: success
  type: str
  sample: /etc/ceph/ceph.client.app.keyring
failures:
  description: The items that failed, each with its C(index), C(item) and C(msg).
  returned: failure
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec, _module
from ..module_utils._operations.keyring import KeyringOperation


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **_argspec.CLUSTER,
            "key": {"type": "str", "no_log": True},
            "content": {"type": "str", "no_log": True},
        },
        mutually_exclusive=[("key", "content")],
        supports_check_mode=True,
    )
    _module.execute(module, KeyringOperation(module))


if __name__ == "__main__":
    main()
