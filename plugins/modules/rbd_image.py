#!/usr/bin/python
# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates, grows and removes RBD images."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbd_image
short_description: Create, grow and remove RBD images
version_added: 0.1.0
author: cephclient.rbd contributors (@cephclient)
description:
  - Keeps one image or many as declared, through librbd.
  - Never shrinks an image, and never removes one that is mapped, watched or has snapshots.
extends_documentation_fragment:
  - cephclient.rbd._attributes
  - cephclient.rbd._cluster
requirements:
  - python3-rbd and python3-rados on the managed host, for its system Python
options:
  image:
    description:
      - The image, as C([<pool>/[<namespace>/]]<image>). A bare name lies in the pool C(rbd).
    type: str
  size:
    description:
      - Size of the image with a unit, for example V(20G) or V(512MiB); the units are powers of 1024.
      - A smaller image is grown. A larger one is an error, since to shrink an image destroys data.
      - Without a size the image must exist.
    type: str
  state:
    description:
      - V(present) creates the image if it does not exist, and grows it if it is smaller.
      - V(absent) removes the image B(with all its data).
    type: str
    choices: [present, absent]
    default: present
  images:
    description:
      - Many images in one call, over one connection. The items take the options O(image), O(size) and O(state);
        what an item leaves out is taken from the top level.
      - All of them are checked before the first one is changed.
    type: list
    elements: dict
    suboptions:
      image:
        description: As O(image).
        type: str
        required: true
      size:
        description: As O(size).
        type: str
      state:
        description: As O(state).
        type: str
        choices: [present, absent]
seealso:
  - module: cephclient.rbd.rbd_map
  - module: cephclient.rbd.rbd_filesystem
"""

EXAMPLES = r"""
- name: An image of 20 GiB
  cephclient.rbd.rbd_image:
    image: rbd/app-data
    size: 20G
    user: app

- name: Many images in one call
  cephclient.rbd.rbd_image:
    user: app
    size: 10G
    images:
      - image: rbd/app-data
      - image: rbd/app-log
        size: 2G

- name: Fail unless the image exists
  cephclient.rbd.rbd_image:
    image: rbd/app-data
    user: app

- name: Remove an image and its data
  cephclient.rbd.rbd_image:
    image: rbd/app-old
    state: absent
    user: app
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - action: create
      subject: rbd/app-data
      size: 21474836480
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
    exists:
      description: Whether the image exists.
      type: bool
    size:
      description: Size in bytes, or null without an image.
      type: int
      sample: 21474836480
failures:
  description: The items that failed, each with its C(index), C(item) and C(msg).
  returned: failure
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec, _module
from ..module_utils._operations.image import ImageOperation
from ..module_utils._system.images import LibrbdImages

_ITEM = {
    "image": {"type": "str"},
    "size": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    """Run the module."""
    arguments: dict[str, Any] = _argspec.bulk("images", _ITEM)
    arguments["argument_spec"] = {**_argspec.CLUSTER, **arguments["argument_spec"]}
    module = AnsibleModule(supports_check_mode=True, **arguments)
    _module.require_bindings()
    with _module.cluster_session(module) as session:
        _module.execute(module, ImageOperation(module, LibrbdImages(session), _ITEM))


if __name__ == "__main__":
    main()
