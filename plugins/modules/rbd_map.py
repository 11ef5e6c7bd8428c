#!/usr/bin/python
# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps RBD images with the kernel, now and at boot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbd_map
short_description: Map RBD images with the kernel, now and at every boot
version_added: 0.1.0
author: cephclient.rbd contributors (@cephclient)
description:
  - Keeps the kernel mapping of one image or many, and their lines in C(/etc/ceph/rbdmap),
    from which the C(rbdmap) service maps them at boot.
  - Never maps an image for writing that another client has open, unless O(shared=true). Before it maps, it makes sure
    that the user may take over the lock of a client that died, and gives a client that may only have been cut off from
    the cluster 60 seconds to come back.
  - Never unmaps a device that is mounted or otherwise in use. That is refused before anything is changed, and the error
    names the processes, device-mapper, md and loop devices, swap, and mounts in other namespaces that use it.
  - Never unmaps the image of another cluster
    or pool that has the same name.
  - A line that rbdmap cannot read is kept byte for byte, and reported with its number. A value that rbdmap
    would read differently from what is meant is refused.
extends_documentation_fragment:
  - cephclient.rbd._attributes
  - cephclient.rbd._cluster
requirements:
  - ceph-common on the managed host
  - python3-rbd and python3-rados on the managed host, for its system Python; not for O(state=present)
notes:
  - O(user) and O(keyring) are also those that the line in the rbdmap file names. Without O(keyring), the line names
    C(/etc/ceph/<cluster>.client.<user>.keyring).
  - The options of a live mapping cannot be changed. Where they differ from what is declared the line is corrected
    and a warning says so; they come into force when the image is mapped the next time.
options:
  image:
    description:
      - The image or snapshot, as C([<pool>/[<namespace>/]]<image>[@<snap>]). A bare name lies in the pool C(rbd).
      - A snapshot is mapped read-only.
    type: str
  state:
    description:
      - V(mapped) - the image is mapped, and its line is in the rbdmap file.
      - V(present) - the line is in the rbdmap file; nothing else is touched. Needs neither a cluster nor root.
      - V(unmapped) - the image is not mapped; the line is left as it is.
      - V(absent) - the image is not mapped, and the line is gone.
    type: str
    choices: [mapped, present, unmapped, absent]
    default: mapped
  options:
    description:
      - Map options of the kernel client by name, see rbd(8), "Kernel rbd (krbd) options".
      - A flag takes V(true); V(false) leaves it out.
    type: dict
  read_only:
    description: Map the image read-only.
    type: bool
    default: false
  shared:
    description:
      - Several hosts may have the image mapped for writing at once. Only for a cluster file system (such as ocfs2 or
        gfs2), or for programs that agree among themselves who writes. A second writer destroys any other file system.
      - Without it, an image that another client has open is not mapped for writing. Who that is, the error tells.
      - The line in the rbdmap file gets the comment C(# shared).
    type: bool
    default: false
  disable_features:
    description:
      - Features that may be taken from the image B(for good) if the kernel of this host cannot map an image with them.
        Without this option nothing is taken; the error names what the kernel lacks, and what would be lost.
      - V(exclusive-lock) - nothing keeps two clients from writing at the same time any more.
      - V(object-map), V(fast-diff) - diffs, exports and removal have to look at every object.
      - V(deep-flatten) - a flattened clone's snapshots stay with the parent; it cannot be enabled again.
      - V(journaling) - mirroring by journal ends.
    type: list
    elements: str
    choices: [exclusive-lock, object-map, fast-diff, deep-flatten, journaling]
  rbdmap_file:
    description: Path of the rbdmap file.
    type: path
    default: /etc/ceph/rbdmap
  images:
    description:
      - Many images in one call, over one connection and with one write of the file. The items take the options
        O(image), O(state), O(options), O(read_only), O(shared) and O(disable_features); what an item leaves out is
        taken from the top level.
      - All of them are checked before anything is changed.
    type: list
    elements: dict
    suboptions:
      image:
        description: As O(image).
        type: str
        required: true
      state:
        description: As O(state).
        type: str
        choices: [mapped, present, unmapped, absent]
      options:
        description: As O(options).
        type: dict
      read_only:
        description: As O(read_only).
        type: bool
      shared:
        description: As O(shared).
        type: bool
      disable_features:
        description: As O(disable_features).
        type: list
        elements: str
        choices: [exclusive-lock, object-map, fast-diff, deep-flatten, journaling]
seealso:
  - module: cephclient.rbd.rbd_image
  - module: cephclient.rbd.rbd_fstab
  - module: cephclient.rbd.rbd_map_info
"""

EXAMPLES = r"""
- name: Map an image, now and at every boot
  cephclient.rbd.rbd_map:
    image: rbd/app-data
    user: app

- name: Map several images with options of the kernel client
  cephclient.rbd.rbd_map:
    user: app
    options:
      queue_depth: 256
      lock_on_read: true
    images:
      - image: rbd/app-data
      - image: rbd/app-log
      - image: rbd/app-data@yesterday

- name: Only the line, to take effect at the next boot
  cephclient.rbd.rbd_map:
    image: rbd/app-archive
    user: app
    read_only: true
    state: present

- name: An image with a cluster file system, which several hosts mount
  cephclient.rbd.rbd_map:
    image: rbd/cluster-data
    user: app
    shared: true

- name: An image that was made for virtual machines, with a feature that the kernel lacks
  cephclient.rbd.rbd_map:
    image: rbd/app-import
    user: app
    disable_features: [journaling]

- name: Unmap an image and forget it
  cephclient.rbd.rbd_map:
    image: rbd/app-old
    user: app
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - action: map
      subject: rbd/app-data
    - action: edit_file
      subject: /etc/ceph/rbdmap
images:
  description: The images after the run, in the order of the request.
  returned: success
  type: list
  elements: dict
  contains:
    image:
      description: The image-spec.
      type: str
      sample: rbd/app-data
    device:
      description: The mapped device, or null.
      type: str
      sample: /dev/rbd0
    link:
      description: The link to the device that fstab uses.
      type: str
      sample: /dev/rbd/rbd/app-data
failures:
  description: The items that failed, each with its C(index), C(item) and C(msg).
  returned: failure
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec, _module
from ..module_utils._features import LOSSES
from ..module_utils._operations.map import MapOperation

_ITEM = {
    "image": {"type": "str"},
    "state": {"type": "str", "choices": ["mapped", "present", "unmapped", "absent"], "default": "mapped"},
    "options": {"type": "dict"},
    "read_only": {"type": "bool", "default": False},
    "shared": {"type": "bool", "default": False},
    "disable_features": {"type": "list", "elements": "str", "choices": list(LOSSES)},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        **_argspec.bulk("images", _ITEM, rbdmap_file={"type": "path", "default": "/etc/ceph/rbdmap"})
    )
    with _module.cluster_session(module) as session:
        _module.execute(module, MapOperation(module, session, _ITEM), session=session)


if __name__ == "__main__":
    main()
