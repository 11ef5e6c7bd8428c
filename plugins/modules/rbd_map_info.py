#!/usr/bin/python
# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells what a host says about its RBD images."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbd_map_info
short_description: Compare what is declared of images with rbdmap, the kernel, fstab and the mount table
version_added: 0.1.0
author: cephclient.rbd contributors (@cephclient)
description:
  - Tells for one image or many what is in C(/etc/ceph/rbdmap), what is mapped and with which options, what is in
    C(/etc/fstab) and what is mounted and with which options; and every disagreement of these with each other, with what
    is declared, and with the cluster.
  - Each disagreement says what mends it, see RV(drift[].repair).
extends_documentation_fragment:
  - cephclient.rbd._attributes.read_only
  - cephclient.rbd._cluster
notes:
  - Nothing waits for a device whose cluster is away. The cluster is asked about images that are declared, if they are
    mapped or have a size. If it does not answer within O(connect_timeout), that is one of the disagreements, and
    everything else is compared.
  - Mount options are compared as far as the kernel shows them, C(ro), C(nosuid), C(nodev), C(noexec), C(nosymfollow),
    C(nodiratime), C(noatime), C(relatime), C(strictatime), C(sync) and C(lazytime) of every file system, C(discard) of
    ext4, xfs and btrfs, and C(errors) and C(commit) of ext4. Other options are no difference.
options:
  images:
    description:
      - The images that are expected on the host. The default is every image that one of the four places names; then the
        places are compared with each other alone, and the cluster is not asked.
      - What an item leaves out is not compared.
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
      size:
        description: Size of the image, with a unit as in V(20G).
        type: str
      user:
        description: The cephx user that maps the image, without C(client.).
        type: str
      keyring:
        description: Path of the keyring in the image's line in the rbdmap file.
        type: path
      options:
        description: Map options, as in M(cephclient.rbd.rbd_map). With V({}), none are expected.
        type: dict
      read_only:
        description: Whether the image is mapped read-only.
        type: bool
      shared:
        description: Whether several hosts may write to the image, as in M(cephclient.rbd.rbd_map).
        type: bool
      encrypted:
        description: Whether the file system is on what is opened on the mapping, and not on the mapping itself.
        type: bool
      fstype:
        description: Type of the file system, as in fstab.
        type: str
      opts:
        description: Mount options, as in fstab.
        type: str
      dump:
        description: The fifth field of the line in fstab.
        type: int
      passno:
        description: The sixth field of the line in fstab.
        type: int
  service:
    description: Whether C(rbdmap.service) is expected to be enabled and active, if an image is present.
    type: bool
    default: true
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

- name: Fail if anything but the next mapping would have to mend something
  cephclient.rbd.rbd_map_info:
    user: app
    images:
      - image: rbd/app-data
        path: /srv/app
        user: app
        options:
          queue_depth: 256
        fstype: xfs
        opts: noauto,_netdev,noatime
  register: app_data
  failed_when: app_data.drift | rejectattr('repair', 'equalto', 'remap') | length > 0
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
      description: The line in the rbdmap file, with C(line), C(user), C(keyring), C(options), C(read_only) and
        C(shared); null without one.
      type: dict
    mappings:
      description: The live mappings, with C(device), C(fsid), C(image_id), C(size) in bytes, C(read_only), C(user), and
        C(options), the options in force as the kernel shows them.
      type: list
      elements: dict
    fstab:
      description: The lines in fstab, with C(line), C(path), C(fstype) and C(opts).
      type: list
      elements: dict
    mounts:
      description: The live mounts, with C(path), C(fstype), C(opts), C(super_opts) (those of the file system
        wherever it is mounted) and C(source).
      type: list
      elements: dict
drift:
  description: Every disagreement. An empty list means that everything is as it should be.
  returned: success
  type: list
  elements: dict
  contains:
    image:
      description: The image-spec, or null for what concerns the whole host.
      type: str
      sample: rbd/app-data
    kind:
      description: What disagrees, one of the words that the guide on drift lists. They do not change.
      type: str
      sample: mapping_options
    cause:
      description: The same as a clause.
      type: str
      sample: /dev/rbd0 lacks the options queue_depth=256
    expected:
      description: What it should be, as far as that is a value.
      type: str
      sample: queue_depth=256
    actual:
      description: What it is, as far as that is a value.
      type: str
      sample: name=app,key=client.app
    repair:
      description:
        - V(run) - a run of the role, or of the module concerned, mends it and interrupts nobody.
        - V(remap) - the next mapping mends it, so the next boot at the latest. RV(drift[].steps) does it now, and
          interrupts whoever uses the image.
        - V(unmount) - the next mount mends it, in the same way.
        - V(fsck) - the file system must be unmounted and checked.
        - V(hand) - somebody has to decide, or to remove what is in the way.
        - V(wait) - it mends itself, or is known once the cluster can be asked.
      type: str
      sample: remap
    steps:
      description: The commands that mend it, in order, where a run does not.
      type: list
      elements: str
      sample: [umount /srv/app, rbd device unmap /dev/rbd0, systemctl reload rbdmap]
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
    "size": {"type": "str"},
    "user": {"type": "str"},
    "keyring": {"type": "path", "no_log": False},
    "options": {"type": "dict"},
    "read_only": {"type": "bool"},
    "shared": {"type": "bool"},
    "encrypted": {"type": "bool"},
    "fstype": {"type": "str"},
    "opts": {"type": "str"},
    "dump": {"type": "int"},
    "passno": {"type": "int", "no_log": False},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **_argspec.CLUSTER,
            "images": {"type": "list", "elements": "dict", "options": _ITEM},
            "service": {"type": "bool", "default": True},
            "rbdmap_file": {"type": "path", "default": "/etc/ceph/rbdmap"},
            "fstab": {"type": "path", "default": "/etc/fstab"},
        },
        supports_check_mode=True,
    )
    _module.require_bindings()
    with _module.cluster_session(module) as session:
        _module.execute(module, MapInfoOperation(module, session, _ITEM), session=session)


if __name__ == "__main__":
    main()
