#!/usr/bin/python
# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells what a host says about its RBD images."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbd_map_info
short_description: Compare rbdmap, the kernel, fstab and the mount table
version_added: 0.1.0
author: cephclient.rbd contributors (@cephclient)
description:
  - Tells for one image or many what is in C(/etc/ceph/rbdmap), what is mapped, what is in C(/etc/fstab) and what is
    mounted, and every disagreement between them.
extends_documentation_fragment:
  - cephclient.rbd._attributes.read_only
  - cephclient.rbd._cluster
notes:
  - The cluster is asked for its identity only if O(images) is given, something is mapped, and C(ceph.conf) has no
    C(fsid).
options:
  images:
    description:
      - The images that are expected on the host. The default is every image that one of the four places names.
    type: list
    elements: dict
    suboptions:
      image:
        description: The image or snapshot, as C([<pool>/[<namespace>/]]<image>[@<snap>]).
        type: str
        required: true
      path:
        description: Where it is expected to be mounted. Without it, that it is mounted is not expected.
        type: path
      state:
        description: With V(absent), the image is expected in none of the four places.
        type: str
        choices: [present, absent]
        default: present
  rbdmap_file:
    description: Path of the rbdmap file.
    type: path
    default: /etc/ceph/rbdmap
  fstab:
    description: Path of the fstab file.
    type: path
    default: /etc/fstab
seealso:
  - module: cephclient.rbd.rbd_map
  - module: cephclient.rbd.rbd_fstab
"""

EXAMPLES = r"""
- name: Everything that the host knows
  cephclient.rbd.rbd_map_info:
  register: host_images

- name: Fail if one of the four places disagrees
  cephclient.rbd.rbd_map_info:
    user: app
    images:
      - image: rbd/app-data
        path: /srv/app
  register: app_data
  failed_when: app_data.drift | length > 0
"""

RETURN = r"""
images:
  description: The images, each with what the four places say of it.
  returned: success
  type: list
  elements: dict
  contains:
    image:
      description: The image-spec.
      type: str
      sample: rbd/app-data
    rbdmap:
      description: The line in the rbdmap file, with C(line), C(user), C(keyring), C(options) and
        C(read_only); null without one.
      type: dict
    mappings:
      description: The live mappings, with C(device), C(fsid), C(image_id), C(size) in bytes, C(read_only) and C(user).
      type: list
      elements: dict
    fstab:
      description: The lines in fstab, with C(line), C(path), C(fstype) and C(opts).
      type: list
      elements: dict
    mounts:
      description: The live mounts, with C(path), C(fstype), C(opts) and C(source).
      type: list
      elements: dict
drift:
  description:
    - Every disagreement, with the C(image) and the C(cause).
    - With C(at_next_map) it is one that only a new mapping mends, such as a changed map option.
  returned: success
  type: list
  elements: dict
  sample:
    - image: rbd/app-data
      cause: rbdmap has a line for it (line 3), but it is not mapped
      at_next_map: false
service:
  description: The rbdmap service in systemd's words, with C(name), C(enabled) and C(active).
  returned: success
  type: dict
  sample:
    name: rbdmap.service
    enabled: enabled
    active: active
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec, _module
from ..module_utils._operations.map_info import MapInfoOperation

_ITEM = {
    "image": {"type": "str", "required": True},
    "path": {"type": "path"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **_argspec.CLUSTER,
            "images": {"type": "list", "elements": "dict", "options": _ITEM},
            "rbdmap_file": {"type": "path", "default": "/etc/ceph/rbdmap"},
            "fstab": {"type": "path", "default": "/etc/fstab"},
        },
        supports_check_mode=True,
    )
    _module.require_bindings()
    with _module.cluster_session(module) as session:
        _module.execute(module, MapInfoOperation(module, session, _ITEM))


if __name__ == "__main__":
    main()
