#!/usr/bin/python
# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells everything about RBD images."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbd_info
short_description: Tell everything about RBD images
version_added: 0.1.0
author: cephclient.rbd contributors (@cephclient)
description:
  - Tells of one image, of many, or of all images of a pool what the cluster knows, through librbd - layout, features,
    ancestors, clones, snapshots, watchers, the lock, settings, mirroring and what they use.
  - Images are opened read-only, eight at a time over one connection. A module that reads them leaves no trace, and
    disturbs nobody who uses them.
extends_documentation_fragment:
  - cephclient.rbd._attributes.read_only
  - cephclient.rbd._cluster
requirements:
  - python3-rbd and python3-rados on the managed host, for its system Python
options:
  image:
    description:
      - The image, as C([<pool>/[<namespace>/]]<image>). A bare name lies in the pool C(rbd).
      - That it does not exist is no failure.
    type: str
  images:
    description:
      - Many images in one call, over one connection.
    type: list
    elements: dict
    suboptions:
      image:
        description: As O(image).
        type: str
        required: true
  pool:
    description:
      - All images of that pool, and its trash.
      - An image that cannot be read is told with its RV(images[].error), and a warning, beside the others.
    type: str
  namespace:
    description:
      - The namespace of O(pool). The default is the pool's own, which has no name.
    type: str
  all_namespaces:
    description:
      - Whether to tell the images of all namespaces of O(pool), its own included. The default is not to.
    type: bool
  usage:
    description:
      - Whether to count what images use.
      - With V(fast), where fast-diff knows it. That takes about as long as reading anything else of an image.
      - With V(always), also where it does not. Then every object that the image could have is looked for, which takes
        minutes for an image of some TiB.
    type: str
    choices: [fast, always, never]
    default: fast
  children:
    description:
      - Whether to look for clones.
      - To find those of a protected snapshot, librbd asks every pool of the cluster, and fails if one of them does not
        answer.
    type: bool
    default: true
seealso:
  - module: cephclient.rbd.rbd_image
  - module: cephclient.rbd.rbd_map_info
    description: What a host says about its images.
"""

EXAMPLES = r"""
- name: Fail if somebody has the image open
  cephclient.rbd.rbd_info:
    image: rbd/app-data
    user: app
  register: app_data
  failed_when: app_data.images[0].watchers | length > 0

- name: Many images in one call
  cephclient.rbd.rbd_info:
    user: app
    images:
      - image: rbd/app-data
      - image: rbd/app-log

- name: All images of a pool and its trash, also those in namespaces, without counting what they use
  cephclient.rbd.rbd_info:
    pool: rbd
    all_namespaces: true
    usage: never

- name: Fail if a clone hangs on a parent in the trash
  cephclient.rbd.rbd_info:
    pool: vms
  register: vms
  failed_when: >-
    vms.images | selectattr('parent', 'defined') | selectattr('parent') | selectattr('parent.in_trash')
    | list | length > 0
"""

RETURN = r"""
images:
  description:
    - The images, in the order of the request, or those of a pool by name.
    - What follows RV(images[].error) is there only for an image that exists and could be read.
  returned: success
  type: list
  elements: dict
  contains:
    image:
      description: The image-spec.
      type: str
      sample: rbd/app-data
    pool:
      description: Its pool.
      type: str
      sample: rbd
    namespace:
      description: Its namespace, or an empty text for the pool's own.
      type: str
      sample: ''
    name:
      description: Its name.
      type: str
      sample: app-data
    exists:
      description: Whether it exists.
      type: bool
    error:
      description: Why it could not be read, or null; only an image of a O(pool) can have that.
      type: str
    image_id:
      description: Its id, which stays when it is renamed.
      type: str
      sample: 10256b8b4567
    size:
      description: Its size in bytes.
      type: int
      sample: 21474836480
    objects:
      description: How many objects it has when all of it is written.
      type: int
      sample: 5120
    block_name_prefix:
      description: What the names of these objects begin with.
      type: str
      sample: rbd_data.10256b8b4567
    features:
      description: The names of its features.
      type: list
      elements: str
      sample: [layering, exclusive-lock, object-map, fast-diff, deep-flatten]
    flags:
      description: V(object-map-invalid) and V(fast-diff-invalid), where they are.
      type: list
      elements: str
      sample: []
    object_size:
      description: Size of an object in bytes.
      type: int
      sample: 4194304
    stripe_unit:
      description: Bytes that a stripe takes in one object; the object size where it is not striped.
      type: int
      sample: 4194304
    stripe_count:
      description: Objects that a stripe goes over; 1 where it is not striped.
      type: int
      sample: 1
    data_pool:
      description: The pool of its data, or null where that is its own.
      type: str
    created:
      description: When it was created, in ISO 8601 and UTC.
      type: str
      sample: '2026-03-01T12:00:00Z'
    accessed:
      description: When it was last read. Librbd notes that at most once a day.
      type: str
      sample: '2026-03-01T12:00:00Z'
    modified:
      description: When it was last written. Librbd notes that at most once a minute.
      type: str
      sample: '2026-03-01T12:00:00Z'
    parent:
      description: The snapshot that it is a clone of, or null.
      type: dict
      contains:
        image:
          description: The parent as an image-spec with its snapshot. One in the trash has the name that it had.
          type: str
          sample: rbd/golden@v1
        image_id:
          description: Its id.
          type: str
          sample: 10256b8b4567
        overlap:
          description: Bytes from the beginning that the clone may still share with it.
          type: int
          sample: 21474836480
        in_trash:
          description: Whether the parent lies in the trash.
          type: bool
    depth:
      description: How many ancestors it has, 0 without a parent; null where one of them cannot be read.
      type: int
      sample: 1
    children:
      description:
        - Its clones; null with O(children=false), or where the user may not look into a pool that has some.
      type: list
      elements: dict
      contains:
        image:
          description: The clone as an image-spec. One in the trash has the name that it had.
          type: str
          sample: vms/vm-7
        image_id:
          description: Its id.
          type: str
          sample: 10276b8b4567
        snapshot:
          description: The snapshot that it is a clone of.
          type: str
          sample: v1
        in_trash:
          description: Whether the clone lies in the trash.
          type: bool
    snapshots:
      description: Its snapshots, oldest first.
      type: list
      elements: dict
      contains:
        name:
          description: Its name.
          type: str
          sample: v1
        id:
          description: Its id.
          type: int
          sample: 4
        size:
          description: The image's size then, in bytes.
          type: int
          sample: 21474836480
        created:
          description: When it was made, in ISO 8601 and UTC.
          type: str
          sample: '2026-03-01T12:00:00Z'
        protected:
          description: Whether it is protected.
          type: bool
        used:
          description: Bytes that were used since the snapshot before it, or null where they were not counted.
          type: int
          sample: 8388608
    hidden_snapshots:
      description: Snapshots that belong to a group, to mirroring or to the trash, oldest first.
      type: list
      elements: dict
      contains:
        name:
          description: The name that librbd has given it.
          type: str
          sample: 1a3e7f3c-8c3c-4d4e-9d0e-5d0b3e1f1c55
        id:
          description: Its id.
          type: int
          sample: 4
        size:
          description: The image's size then, in bytes.
          type: int
          sample: 21474836480
        created:
          description: When it was made, in ISO 8601 and UTC.
          type: str
          sample: '2026-03-01T12:00:00Z'
        namespace:
          description:
            - V(group), V(mirror), or V(trash) for one that was removed while it had clones.
          type: str
          sample: trash
        original_name:
          description: The name that it had before it went to the trash, or that of the group snapshot; else null.
          type: str
          sample: v1
        group:
          description: The group of that group snapshot, as C(<pool>/[<namespace>/]<group>); else null.
          type: str
    snapshot_limit:
      description: How many snapshots it may have, the hidden ones included, or null without a limit.
      type: int
    group:
      description: The group that it is in, as C(<pool>/[<namespace>/]<group>), or null.
      type: str
    watchers:
      description: The clients that have it open for writing, each with its C(client) and its C(address).
      type: list
      elements: dict
      sample:
        - client: client.4123
          address: 10.0.0.5:0/1234
    lock:
      description: The lock on it, or null.
      type: dict
      contains:
        exclusive:
          description: Whether it has one holder only.
          type: bool
        automatic:
          description: Whether librbd or the kernel took it, for the feature exclusive-lock, and nobody by hand.
          type: bool
        tag:
          description: What those who share a lock have agreed on.
          type: str
          sample: internal
        lockers:
          description: The holders, each with its C(client), its C(address) and the lock's C(cookie).
          type: list
          elements: dict
          sample:
            - client: client.4123
              address: 10.0.0.5:0/1234
              cookie: auto 18446462598732840961
    config:
      description: Its own overrides of librbd's options.
      type: dict
      sample:
        rbd_cache: 'false'
    metadata:
      description: Its metadata without these overrides.
      type: dict
      sample:
        owner: app
    usage:
      description: What it uses, counted in objects as C(rbd du) does, or null with O(usage=never).
      type: dict
      contains:
        head:
          description: Bytes that were used since its last snapshot; null where they were not counted.
          type: int
          sample: 4194304
        total:
          description: Those, and those of its snapshots.
          type: int
          sample: 12582912
        method:
          description: V(fast-diff), or V(objects) where each object was looked for; null where nothing was counted.
          type: str
          sample: fast-diff
        reason:
          description: Why nothing was counted, else null.
          type: str
    mirroring:
      description:
        - How it is mirrored, with C(mode) (V(journal) or V(snapshot)), C(state) (V(enabled) or V(disabling)),
          C(primary) and C(global_id); null where it is not.
      type: dict
      sample:
        mode: snapshot
        state: enabled
        primary: true
        global_id: 1d681f92-c948-492c-8267-7182707bcde6
trash:
  description: The images in the trash of a O(pool), and of its namespaces with O(all_namespaces).
  returned: success
  type: list
  elements: dict
  contains:
    image:
      description: The image-spec that it had.
      type: str
      sample: rbd/app-old
    pool:
      description: Its pool.
      type: str
      sample: rbd
    namespace:
      description: Its namespace, or an empty text for the pool's own.
      type: str
      sample: ''
    name:
      description: The name that it had.
      type: str
      sample: app-old
    image_id:
      description: Its id, by which it can be restored or removed.
      type: str
      sample: 10286b8b4567
    source:
      description: What moved it there, as C(rbd trash ls) calls it, for example V(USER) or V(MIRRORING).
      type: str
      sample: USER
    deleted:
      description: When, in ISO 8601 and UTC.
      type: str
      sample: '2026-03-01T12:00:00Z'
    kept_until:
      description: Until then it is removed only by force.
      type: str
      sample: '2026-03-08T12:00:00Z'
failures:
  description: The items that failed, each with its C(index), C(item) and C(msg).
  returned: failure
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec, _module
from ..module_utils._operations.info import InfoOperation
from ..module_utils._system.image_reader import LibrbdImageReader

_ITEM: dict[str, Any] = {"image": {"type": "str"}}
_OPTIONS: dict[str, Any] = {
    "pool": {"type": "str"},
    "namespace": {"type": "str"},
    "all_namespaces": {"type": "bool"},
    "usage": {"type": "str", "choices": ["fast", "always", "never"], "default": "fast"},
    "children": {"type": "bool", "default": True},
}
_WHAT = ("image", "images", "pool")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=_argspec.bulk("images", _ITEM, **_OPTIONS)["argument_spec"],
        mutually_exclusive=[_WHAT, ("namespace", "all_namespaces")],
        required_one_of=[_WHAT],
        required_by={"namespace": ["pool"]},
        required_if=[("all_namespaces", True, ["pool"])],
        supports_check_mode=True,
    )
    _module.require_bindings()
    with _module.cluster_session(module) as session:
        _module.execute(module, InfoOperation(module, LibrbdImageReader(session), _ITEM), session=session)


if __name__ == "__main__":
    main()
