#!/usr/bin/python
# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps RBD images as declared."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbd_image
short_description: Create, clone, import, change, trash and remove RBD images
version_added: 0.1.0
author: cephclient.rbd contributors (@cephclient)
description:
  - Keeps one image or many as declared, through librbd.
  - Never shrinks an image and never removes snapshots unless told so, and never touches what is in use.
extends_documentation_fragment:
  - cephclient.rbd._attributes
  - cephclient.rbd._cluster
requirements:
  - python3-rbd and python3-rados on the managed host, for its system Python
notes:
  - Flattening, importing and removing may take long. Run as an asynchronous task, the module tells how far it is; see
    the guide on progress.
  - An image that somebody has open is neither removed, shrunk nor renamed. A client of the same host that has died with
    it open, such as a killed run, is waited for until the cluster has forgotten it, up to 35 seconds for all images.
options:
  image:
    description:
      - The image, as C([<pool>/[<namespace>/]]<image>). A bare name lies in the pool C(rbd).
    type: str
  state:
    description:
      - V(present) makes the image if it does not exist, and changes it where it is not as declared. An image of that
        name in the trash is restored, see O(restore).
      - V(absent) removes the image B(with all its data). One that is mapped, watched, or has snapshots or clones is
        refused.
      - V(trashed) moves the image to the pool's trash, from where V(present) brings it back. One that does not exist,
        or is in the trash already, is left as it is.
    type: str
    choices: [present, absent, trashed]
    default: present
  size:
    description:
      - Size of the image with a unit, for example V(20G) or V(512MiB); the units are powers of 1024.
      - A smaller image is grown. A larger one is an error unless O(shrink) is set.
      - Without a size the image must exist, or be made of O(parent) or O(source), which have a size.
    type: str
  shrink:
    description:
      - Whether a larger image may be made smaller, which B(destroys the data) beyond the new size. Never done while
        the image is mapped or watched.
    type: bool
    default: false
  features:
    description:
      - The features that are on; all others are off. The names are V(layering), V(exclusive-lock), V(object-map),
        V(fast-diff), V(deep-flatten) and V(journaling).
      - V(layering) cannot be changed once the image exists, V(deep-flatten) can only be taken away. The others are
        changed only while the image is neither mapped nor watched. An object map that is enabled later, or has become
        invalid, is rebuilt.
      - Without it, a new image gets the cluster's defaults, a clone the features of its parent, and an existing image
        stays as it is.
    type: list
    elements: str
  object_size:
    description:
      - Size of the image's objects with a unit, a power of two from V(4K) to V(32M). It is fixed when the image is
        made.
    type: str
  stripe_unit:
    description:
      - Size with a unit of the pieces in which data goes over several objects; it divides the object size. It is
        fixed when the image is made, and goes with O(stripe_count).
    type: str
  stripe_count:
    description:
      - Number of objects that a stripe goes over.
    type: int
  data_pool:
    description:
      - The pool for the image's data, for example an erasure-coded one. It is fixed when the image is made.
    type: str
  parent:
    description:
      - The snapshot that a new image is a clone of, as C([<pool>/[<namespace>/]]<image>@<snap>).
      - Where the cluster makes clones of version 1 (C(require-min-compat-client) before mimic), the snapshot has to
        be protected.
      - An existing image that is a clone of something else, or of nothing, is an error; with O(flatten), one without
        a parent is as it shall be.
    type: str
  flatten:
    description:
      - "Whether the image shall share nothing with a parent: what it still shares is copied, and it is detached. This
        may take long."
    type: bool
    default: false
  source:
    description:
      - "A file on the managed host whose content a B(new) image gets: a raw image, a block device, or a qcow2 image
        (needs C(qemu-img) with its driver for rbd on the managed host). Holes and zeros take no space."
      - The image appears under its name only once all of its content is there. An image that exists is not touched,
        and not compared with the file.
    type: path
  source_format:
    description:
      - Format of O(source). Without it, it is told from the file's first bytes.
    type: str
    choices: [raw, qcow2]
  config:
    description:
      - Overrides of librbd's options for this image, for example C(rbd_clone_copy_on_read). A key with the value null
        is removed.
      - Keys that are not named are left alone, see O(purge_config).
    type: dict
  purge_config:
    description:
      - Whether overrides that O(config) does not name are removed.
    type: bool
    default: false
  metadata:
    description:
      - Metadata of the image. A key with the value null is removed; keys that are not named are left alone, see
        O(purge_metadata).
    type: dict
  purge_metadata:
    description:
      - Whether metadata that O(metadata) does not name is removed, also those of other programs.
    type: bool
    default: false
  renamed_from:
    description:
      - What the image was called before, in the same pool and namespace. If only that image exists, it is renamed,
        unless it is mapped or watched. If both exist, it is an error.
    type: str
  restore:
    description:
      - Whether O(state=present) takes an image of that name out of the trash, instead of making a new one. Several of
        the same name in the trash are an error.
    type: bool
    default: true
  retention:
    description:
      - For how long O(state=trashed) keeps the image in the trash against removal, with a unit (V(w), V(d), V(h),
        V(m), V(s)), for example V(7d). The default is not at all. An image that is in the trash already keeps its
        own.
    type: str
  purge_snapshots:
    description:
      - Whether O(state=absent) removes the image's snapshots, too, protected ones included. Snapshots with clones are
        refused all the same.
    type: bool
    default: false
  images:
    description:
      - Many images in one call, over one connection. The items take the options above, from O(image) on; what an item
        leaves out is taken from the top level.
      - All of them are checked before the first one is changed.
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
        choices: [present, absent, trashed]
      size:
        description: As O(size).
        type: str
      shrink:
        description: As O(shrink).
        type: bool
      features:
        description: As O(features).
        type: list
        elements: str
      object_size:
        description: As O(object_size).
        type: str
      stripe_unit:
        description: As O(stripe_unit).
        type: str
      stripe_count:
        description: As O(stripe_count).
        type: int
      data_pool:
        description: As O(data_pool).
        type: str
      parent:
        description: As O(parent).
        type: str
      flatten:
        description: As O(flatten).
        type: bool
      source:
        description: As O(source).
        type: path
      source_format:
        description: As O(source_format).
        type: str
        choices: [raw, qcow2]
      config:
        description: As O(config).
        type: dict
      purge_config:
        description: As O(purge_config).
        type: bool
      metadata:
        description: As O(metadata).
        type: dict
      purge_metadata:
        description: As O(purge_metadata).
        type: bool
      renamed_from:
        description: As O(renamed_from).
        type: str
      restore:
        description: As O(restore).
        type: bool
      retention:
        description: As O(retention).
        type: str
      purge_snapshots:
        description: As O(purge_snapshots).
        type: bool
seealso:
  - module: cephclient.rbd.rbd_snapshot
  - module: cephclient.rbd.rbd_info
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

- name: An image with its data in an erasure-coded pool, and without journaling
  cephclient.rbd.rbd_image:
    image: rbd/archive
    size: 1T
    data_pool: archive-data
    features: [layering, exclusive-lock, object-map, fast-diff, deep-flatten]

- name: The golden image, from a file
  cephclient.rbd.rbd_image:
    image: images/debian-12
    source: /srv/images/debian-12.qcow2
  async: 3600
  poll: 5

- name: A clone for a virtual machine, larger than its parent, that copies on read, too
  cephclient.rbd.rbd_image:
    image: vms/web1
    parent: images/debian-12@2026-11
    size: 40G
    config:
      rbd_clone_copy_on_read: true
    metadata:
      owner: web team

- name: Detach the clone from its parent
  cephclient.rbd.rbd_image:
    image: vms/web1
    flatten: true
  async: 3600
  poll: 5

- name: Put an image aside for a month; state present would bring it back
  cephclient.rbd.rbd_image:
    image: rbd/app-old
    state: trashed
    retention: 30d

- name: Remove an image, its snapshots and its data
  cephclient.rbd.rbd_image:
    image: rbd/app-old
    state: absent
    purge_snapshots: true
"""

RETURN = r"""
actions:
  description:
    - What was done, or in check mode would be done, in order.
    - Each has an C(action) and a C(subject), the image-spec. The actions are C(create), C(clone), C(import),
      C(restore), C(rename), C(grow), C(shrink), C(change_features), C(rebuild_object_map), C(flatten), C(set_config),
      C(set_metadata), C(purge_snapshots), C(trash) and C(remove).
  returned: always
  type: list
  elements: dict
  sample:
    - action: create
      subject: rbd/app-data
      size: 21474836480
      features: [layering, exclusive-lock, object-map, fast-diff, deep-flatten]
      object_size: 4194304
      stripe_unit: 4194304
      stripe_count: 1
      data_pool: null
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
    features:
      description: Names of its features.
      type: list
      elements: str
      sample: [layering, exclusive-lock, object-map, fast-diff, deep-flatten]
    parent:
      description: The snapshot that it is a clone of, or null.
      type: str
      sample: images/debian-12@2026-11
failures:
  description: The items that failed, each with its C(index), C(item) and C(msg).
  returned: failure
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec, _module
from ..module_utils._operations.image import ImageOperation, Stores
from ..module_utils._system.command import HostCommands
from ..module_utils._system.image_changes import LibrbdImageChanges
from ..module_utils._system.image_source import HostImageSources
from ..module_utils._system.images import LibrbdImages
from ..module_utils._system.progress import for_module

_ITEM = {
    "image": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent", "trashed"], "default": "present"},
    "size": {"type": "str"},
    "shrink": {"type": "bool", "default": False},
    "features": {"type": "list", "elements": "str"},
    "object_size": {"type": "str"},
    "stripe_unit": {"type": "str"},
    "stripe_count": {"type": "int"},
    "data_pool": {"type": "str"},
    "parent": {"type": "str"},
    "flatten": {"type": "bool", "default": False},
    "source": {"type": "path"},
    "source_format": {"type": "str", "choices": ["raw", "qcow2"]},
    "config": {"type": "dict"},
    "purge_config": {"type": "bool", "default": False},
    "metadata": {"type": "dict"},
    "purge_metadata": {"type": "bool", "default": False},
    "renamed_from": {"type": "str"},
    "restore": {"type": "bool", "default": True},
    "retention": {"type": "str"},
    "purge_snapshots": {"type": "bool", "default": False},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(**_argspec.bulk("images", _ITEM))
    _module.require_bindings()
    progress = for_module(module)
    with _module.cluster_session(module) as session:
        sources = HostImageSources(session, HostCommands())
        stores = Stores(LibrbdImages(session), LibrbdImageChanges(session), sources, progress)
        _module.execute(module, ImageOperation(module, stores, _ITEM), progress, session=session)


if __name__ == "__main__":
    main()
