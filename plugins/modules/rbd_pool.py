#!/usr/bin/python
# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates pools, makes them ready for RBD, and removes them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbd_pool
short_description: Create pools, make them ready for RBD, and remove them
version_added: 0.1.0
author: cephclient.rbd contributors (@cephclient)
description:
  - Keeps one pool or many as declared, through the monitors and librbd. A pool that is ready for RBD exists, serves, is
    tagged with the application C(rbd), and was initialised as C(rbd pool init) does.
  - An erasure-coded pool is made ready for the data of images (O(type=erasure)). It gets the tag and allows overwrites.
    The images themselves lie in a replicated pool, and name the erasure-coded one as their C(data_pool).
  - A setting that is given is corrected where it differs. One that is not given is left to the cluster, its defaults
    and its autoscaler.
  - Never touches a pool that is tagged for another application, and never removes one that holds anything, unless
    O(delete_data) says so.
extends_documentation_fragment:
  - cephclient.rbd._attributes
  - cephclient.rbd._cluster
requirements:
  - python3-rbd and python3-rados on the managed host, for its system Python
notes:
  - Run it on one host only, for example with C(run_once) or on the host of an administrator. The O(user) needs
    C(mon 'allow rw') and C(osd 'profile rbd'); C(client.admin) has both.
  - A pool is initialised once its placement groups serve. If they do not within O(connect_timeout) seconds, that is an
    error, and the next run goes on from there.
  - A CRUSH rule that the monitors made for an erasure-coded pool stays when the pool is removed.
options:
  pool:
    description:
      - Name of the pool. It cannot have a slash, an at sign or a quote in it, nor begin with a dot.
    type: str
  type:
    description:
      - V(replicated) is for images, V(erasure) for their data.
      - Without it a new pool is replicated, and an existing one is taken as it is. The type of an existing pool cannot
        be changed.
    type: str
    choices: [replicated, erasure]
  size:
    description:
      - How many copies of its data a replicated pool keeps. For an erasure-coded one its profile decides.
      - A size of V(1) loses data with the first disk that fails. The monitors refuse it unless their option
        C(mon_allow_pool_size_one) is set, which this module never does.
    type: int
  min_size:
    description:
      - How many copies (or parts, in an erasure-coded pool) must be there for the pool to serve.
    type: int
  pg_num:
    description:
      - Number of placement groups. A change takes the cluster some time; the module does not wait for it.
      - It takes a O(pg_autoscale_mode) of V(off) or V(warn) beside it, since the autoscaler would change it again.
    type: int
  pg_autoscale_mode:
    description:
      - Whether the cluster itself chooses the number of placement groups.
    type: str
    choices: ['on', 'off', warn]
  crush_rule:
    description:
      - Name of the CRUSH rule that places the pool's data. To change it moves that data.
    type: str
  erasure_code_profile:
    description:
      - Name of the profile of an erasure-coded pool, which must exist. It cannot be changed later.
      - Without it a new pool gets the profile C(default).
    type: str
  delete_data:
    description:
      - Whether O(state=absent) may remove the pool B(with all that it holds).
      - Not even then is a pool removed while somebody has one of its images open for writing.
    type: bool
    default: false
  state:
    description:
      - V(present) creates the pool if it does not exist, and makes it ready for RBD.
      - V(absent) removes the pool. It must hold no images, also in namespaces and in the trash, and no other objects,
        unless O(delete_data) is set. The monitors must allow it (their option C(mon_allow_pool_delete)), which this
        module never changes.
    type: str
    choices: [present, absent]
    default: present
  pools:
    description:
      - Many pools in one call, over one connection. The items take the options from O(pool) to O(state); what an item
        leaves out is taken from the top level.
      - All of them are checked before the first one is changed.
    type: list
    elements: dict
    suboptions:
      pool:
        description: As O(pool).
        type: str
        required: true
      type:
        description: As O(type).
        type: str
        choices: [replicated, erasure]
      size:
        description: As O(size).
        type: int
      min_size:
        description: As O(min_size).
        type: int
      pg_num:
        description: As O(pg_num).
        type: int
      pg_autoscale_mode:
        description: As O(pg_autoscale_mode).
        type: str
        choices: ['on', 'off', warn]
      crush_rule:
        description: As O(crush_rule).
        type: str
      erasure_code_profile:
        description: As O(erasure_code_profile).
        type: str
      delete_data:
        description: As O(delete_data).
        type: bool
      state:
        description: As O(state).
        type: str
        choices: [present, absent]
seealso:
  - module: cephclient.rbd.rbd_namespace
  - module: cephclient.rbd.rbd_user
  - module: cephclient.rbd.rbd_image
"""

EXAMPLES = r"""
- name: A pool for images, everything else by the cluster's defaults
  cephclient.rbd.rbd_pool:
    pool: rbd

- name: A pool for images, and an erasure-coded one for their data
  cephclient.rbd.rbd_pool:
    pools:
      - pool: rbd
        size: 3
        min_size: 2
      - pool: rbd-data
        type: erasure

- name: A number of placement groups that the autoscaler leaves alone
  cephclient.rbd.rbd_pool:
    pool: rbd
    pg_num: 64
    pg_autoscale_mode: 'off'

- name: Remove a pool that is empty
  cephclient.rbd.rbd_pool:
    pool: rbd-old
    state: absent

- name: Remove a pool with all of its images
  cephclient.rbd.rbd_pool:
    pool: rbd-scratch
    state: absent
    delete_data: true
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - action: create
      subject: rbd
      type: replicated
      size: 3
    - action: set
      subject: rbd
      setting: min_size
      value: 2
    - action: tag
      subject: rbd
    - action: init
      subject: rbd
pools:
  description: The pools after the run, or in check mode before it, in the order of the request.
  returned: success
  type: list
  elements: dict
  contains:
    pool:
      description: Name of the pool.
      type: str
      sample: rbd
    exists:
      description: Whether the pool exists. Without it all that follows is null.
      type: bool
    type:
      description: V(replicated) or V(erasure).
      type: str
      sample: replicated
    erasure_code_profile:
      description: The profile of an erasure-coded pool, or null.
      type: str
    size:
      description: How many copies, or parts, of its data it keeps.
      type: int
      sample: 3
    min_size:
      description: How many of them must be there for it to serve.
      type: int
      sample: 2
    crush_rule:
      description: Name of its CRUSH rule.
      type: str
      sample: replicated_rule
    pg_autoscale_mode:
      description: Whether the cluster chooses the number of placement groups.
      type: str
      sample: 'on'
    pg_num:
      description: The number of placement groups that it has, or is on its way to.
      type: int
      sample: 32
failures:
  description: The items that failed, each with its C(index), C(item) and C(msg).
  returned: failure
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec, _module
from ..module_utils._operations.pool import PoolOperation
from ..module_utils._system.pools import ClusterPools

_ITEM = {
    "pool": {"type": "str"},
    "type": {"type": "str", "choices": ["replicated", "erasure"]},
    "size": {"type": "int"},
    "min_size": {"type": "int"},
    "pg_num": {"type": "int"},
    "pg_autoscale_mode": {"type": "str", "choices": ["on", "off", "warn"]},
    "crush_rule": {"type": "str"},
    "erasure_code_profile": {"type": "str"},
    "delete_data": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(**_argspec.bulk("pools", _ITEM, "pool"))
    _module.require_bindings()
    with _module.cluster_session(module) as session:
        _module.execute(module, PoolOperation(module, ClusterPools(session), _ITEM), session=session)


if __name__ == "__main__":
    main()
