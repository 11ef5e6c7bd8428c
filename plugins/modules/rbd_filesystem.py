#!/usr/bin/python
# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes file systems on mapped RBD images that are proven blank, and grows them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbd_filesystem
short_description: Make a file system on an RBD image that is proven blank, and grow it
version_added: 0.1.0
author: cephclient.rbd contributors (@cephclient)
description:
  - Makes a file system on a mapped image, only if the image is B(proven) blank. librbd must know of no extent that
    was ever written (in its parents neither), both ends of the device must read as zeros, libblkid must find nothing,
    and nobody else may have the image open. That it could not be read is never taken for blank.
  - An image that has the file system already is left alone, whatever the other options say. One that holds anything
    else is an error, and is not touched, unless O(overwrite) names exactly what it holds.
  - Grows the file system to the size of its image while it is mounted. It never shrinks one.
extends_documentation_fragment:
  - cephclient.rbd._attributes
  - cephclient.rbd._cluster
requirements:
  - python3-rbd and python3-rados on the managed host, for its system Python
  - the mkfs program of the file system; to grow it, C(resize2fs), C(xfs_growfs) or C(btrfs), of the same packages
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
  size:
    description:
      - The size that the image is declared to have, with its unit, as in M(cephclient.rbd.rbd_image).
      - The module waits, for up to O(connect_timeout) seconds, until the kernel has learned of that size. Check mode
        takes the image to have it already, since an earlier task may be what grows it.
    type: str
  grow:
    description:
      - Whether a file system that is smaller than its image is grown to the whole of it. It must be mounted for
        writing; if it is not mounted, RV(images[].grows_when_mounted) says so.
      - The default is V(true) for an image with a O(size), and V(false) for one without.
    type: bool
  overwrite:
    description:
      - What the image may hold and lose. The list must name everything that is in it, and nothing else, as the error
        does that refuses to overwrite it. Each thing is named by its kind and UUID, or, where it has no UUID, by the
        image's id; data without a signature are called V(data). So a name means these very data, and hits no others of
        the same kind.
      - Even then the image must be in use by nobody. Its signatures are erased, and then the file system is made.
      - To say it once is enough. An image that has got the file system is left alone.
    type: list
    elements: str
  encrypted:
    description:
      - The image is encrypted, and opened by M(cephclient.rbd.rbd_luks). The file system is made on the opened device,
        if librbd knows of no extent that was written behind the header, and blkid finds nothing. (What was never
        written reads as noise there, so the ends are not asked.)
    type: bool
    default: false
  images:
    description:
      - Many images in one call. The items take the options O(image), O(fstype), O(mkfs_options), O(size), O(grow),
        O(overwrite) and O(encrypted); what an item leaves out is taken from the top level.
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
      size:
        description: As O(size).
        type: str
      grow:
        description: As O(grow).
        type: bool
      overwrite:
        description: As O(overwrite).
        type: list
        elements: str
      encrypted:
        description: As O(encrypted).
        type: bool
seealso:
  - module: cephclient.rbd.rbd_map
  - module: cephclient.rbd.rbd_fstab
  - module: cephclient.rbd.rbd_luks
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

- name: Grow the file system, after rbd_image has grown its image to that size
  cephclient.rbd.rbd_filesystem:
    image: rbd/app-data
    fstype: xfs
    size: 40G
    user: app

- name: Make a file system over an old one that is of no use any more
  cephclient.rbd.rbd_filesystem:
    image: rbd/app-old
    fstype: xfs
    overwrite: [ext4 0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d]   # as the error said
    user: app
"""

RETURN = r"""
actions:
  description:
    - What was done, or in check mode would be done, in order. Their kinds are C(mkfs) and C(grow_filesystem).
    - C(mkfs) has C(overwritten), what was there, if the image was not blank. C(grow_filesystem) has C(size), the bytes
      that the file system has afterwards.
  returned: always
  type: list
  elements: dict
  sample:
    - action: mkfs
      subject: rbd/app-data
      fstype: xfs
    - action: grow_filesystem
      subject: rbd/app-log
      fstype: ext4
      size: 42949672960
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
    grows_when_mounted:
      description: Whether it is to be grown, and is not mounted. Mount it, and call the module again.
      type: bool
      sample: false
failures:
  description: The items that failed, each with its C(index), C(item) and C(msg).
  returned: failure
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec, _module
from ..module_utils._filesystem import FSTYPES
from ..module_utils._operations.filesystem import FilesystemOperation

_ITEM = {
    "image": {"type": "str"},
    "fstype": {"type": "str", "choices": list(FSTYPES)},
    "mkfs_options": {"type": "list", "elements": "str"},
    "size": {"type": "str"},
    "grow": {"type": "bool"},
    "overwrite": {"type": "list", "elements": "str"},
    "encrypted": {"type": "bool", "default": False},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(**_argspec.bulk("images", _ITEM))
    _module.require_bindings()
    with _module.cluster_session(module) as session:
        _module.execute(module, FilesystemOperation(module, session, _ITEM), session=session)


if __name__ == "__main__":
    main()
