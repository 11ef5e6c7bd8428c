#!/usr/bin/python
# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes file systems on mapped RBD images that are proven blank."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbd_filesystem
short_description: Make a file system on an RBD image that is proven blank
version_added: 0.1.0
author: cephclient.rbd contributors (@cephclient)
description:
  - Makes a file system on a mapped image, only if the image is B(proven) blank. librbd must know of no extent that
    was ever written (in its parents neither), both ends of the device must read as zeros, and blkid must find nothing.
    That it could not be read is never taken for blank.
  - An image that has the file system already is left alone. One that holds anything else is an error, and is not
    touched. There is no option to override that.
extends_documentation_fragment:
  - cephclient.rbd._attributes
  - cephclient.rbd._cluster
requirements:
  - python3-rbd and python3-rados on the managed host, for its system Python
  - the mkfs program of the file system
options:
  image:
    description: The image, as C([<pool>/[<namespace>/]]<image>). It must be mapped.
    type: str
  fstype:
    description: Type of the file system. Each image needs one.
    type: str
    choices: [ext4, xfs, btrfs]
  mkfs_options:
    description: Further arguments for mkfs.
    type: list
    elements: str
  images:
    description:
      - Many images in one call. The items take the options O(image), O(fstype) and O(mkfs_options);
        what an item leaves out is taken from the top level.
      - All of them are checked before anything is changed.
    type: list
    elements: dict
    suboptions:
      image:
        description: As O(image).
        type: str
        required: true
      fstype:
        description: As O(fstype).
        type: str
        choices: [ext4, xfs, btrfs]
      mkfs_options:
        description: As O(mkfs_options).
        type: list
        elements: str
seealso:
  - module: cephclient.rbd.rbd_map
  - module: cephclient.rbd.rbd_fstab
"""

EXAMPLES = r"""
- name: A file system on a new image
  cephclient.rbd.rbd_filesystem:
    image: rbd/app-data
    fstype: xfs
    user: app

- name: Several, one of them with a label
  cephclient.rbd.rbd_filesystem:
    user: app
    fstype: ext4
    images:
      - image: rbd/app-data
      - image: rbd/app-log
        mkfs_options: [-L, applog]
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - action: mkfs
      subject: rbd/app-data
      fstype: xfs
images:
  description: The images, in the order of the request.
  returned: success
  type: list
  elements: dict
  contains:
    image:
      description: The image-spec.
      type: str
      sample: rbd/app-data
    fstype:
      description: The file system that it has.
      type: str
      sample: xfs
failures:
  description: The items that failed, each with its C(index), C(item) and C(msg).
  returned: failure
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec, _module
from ..module_utils._filesystem import FSTYPES
from ..module_utils._operations.filesystem import FilesystemOperation

_ITEM = {
    "image": {"type": "str"},
    "fstype": {"type": "str", "choices": list(FSTYPES)},
    "mkfs_options": {"type": "list", "elements": "str"},
}


def main() -> None:
    """Run the module."""
    arguments: dict[str, Any] = _argspec.bulk("images", _ITEM)
    arguments["argument_spec"] = {**_argspec.CLUSTER, **arguments["argument_spec"]}
    module = AnsibleModule(supports_check_mode=True, **arguments)
    _module.require_bindings()
    with _module.cluster_session(module) as session:
        _module.execute(module, FilesystemOperation(module, session, _ITEM))


if __name__ == "__main__":
    main()
