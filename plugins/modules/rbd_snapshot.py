#!/usr/bin/python
# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes, protects and removes snapshots of RBD images, and rolls images back to them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbd_snapshot
short_description: Take, protect and remove snapshots of RBD images, and roll back to them
version_added: 0.1.0
author: cephclient.rbd contributors (@cephclient)
description:
  - Keeps one snapshot or many as declared, through librbd.
  - Removes old snapshots by the pattern of their names, all but the newest, or those of a certain age.
  - Never removes a snapshot that has clones, nor one that is mapped on this host, nor one that is protected unless
    that is asked for. Snapshots that groups, mirroring or the trash hold are never touched.
  - Rolls an image back only while it is neither mapped on this host nor open anywhere.
  - A snapshot holds what has reached the cluster, as a power failure would leave the disk. Freeze a mounted file system
    before, see the guide on snapshots.
extends_documentation_fragment:
  - cephclient.rbd._attributes
  - cephclient.rbd._cluster
requirements:
  - python3-rbd and python3-rados on the managed host, for its system Python
notes:
  - An image that is mapped read-only elsewhere has no watchers. Nobody can tell that it is in use there, and neither
    can this module. The same goes for a snapshot that is mapped elsewhere.
  - While it changes snapshots, the module holds a lock of its own on the image, so that of several runs that want the
    same at the same moment exactly one tells of a change. The lock does not hinder other programs.
  - Before an image is rolled back, clients of the same host that have died with it open, such as a run that was killed,
    are waited for until the cluster has forgotten them, up to 35 seconds for all the images of a task. Anybody else
    who has it open is named at once, and nothing is rolled back.
options:
  image:
    description:
      - The image, as C([<pool>/[<namespace>/]]<image>). A bare name lies in the pool C(rbd).
      - With C(@<snap>) at its end it names the snapshot as well, in place of O(snapshot).
    type: str
  snapshot:
    description:
      - Name of the snapshot.
    type: str
  state:
    description:
      - V(present) takes the snapshot if there is none of that name.
      - V(absent) removes the snapshot, or all those that O(pattern) chooses.
      - V(rolled_back) gives the image the content and the size that the snapshot has. B(What was written since is
        lost), unless a later snapshot holds it; later snapshots stay. Nothing is done if the image has the same size
        and the same bytes already; to find that out, all that was written since the snapshot is read.
    type: str
    choices: [present, absent, rolled_back]
    default: present
  protected:
    description:
      - Whether the snapshot is protected, that is, whether it cannot be removed. Without it the protection is left
        alone.
      - With O(state=absent) and V(false), a protected snapshot is unprotected and removed; otherwise it is an error, or
        with O(pattern) it stays.
      - Depending on the cluster a clone can be made of a protected snapshot only. A snapshot that has clones cannot be
        unprotected.
    type: bool
  pattern:
    description:
      - Chooses the snapshots to remove by their names, in place of O(snapshot), and with O(state=absent) only. It is
        written as in a shell with C(*), C(?) and C([...]); V(*) chooses all the snapshots of the image.
      - Of the matching ones stay the newest O(keep), those younger than O(older_than), those that are protected, mapped
        on this host or cloned, and those that other items of the same call name. The rest is removed, the oldest first.
      - Patterns are worked off after everything else in the call. So a snapshot that the call itself takes is among the
        newest.
    type: str
  keep:
    description:
      - How many of the snapshots that match O(pattern) stay in any case. They are the newest, in the order in which
        they were taken, whatever the clocks said.
    type: int
  older_than:
    description:
      - How old a snapshot that matches O(pattern) has to be at least to be removed, for example V(7d); the units are
        V(w), V(d), V(h), V(m) and V(s).
      - The age is that between the cluster's clock when the snapshot was taken, and this host's clock now.
    type: str
  images:
    description:
      - Many snapshots in one call, over one connection. The items take the options O(image), O(snapshot), O(state),
        O(protected), O(pattern), O(keep) and O(older_than); what an item leaves out is taken from the top level. An
        image may be in several items.
      - All of them are checked before the first one is changed.
    type: list
    elements: dict
    suboptions:
      image:
        description: As O(image).
        type: str
        required: true
      snapshot:
        description: As O(snapshot).
        type: str
      state:
        description: As O(state).
        type: str
        choices: [present, absent, rolled_back]
      protected:
        description: As O(protected).
        type: bool
      pattern:
        description: As O(pattern).
        type: str
      keep:
        description: As O(keep).
        type: int
      older_than:
        description: As O(older_than).
        type: str
seealso:
  - module: cephclient.rbd.rbd_image
  - module: cephclient.rbd.rbd_map
"""

EXAMPLES = r"""
- name: A snapshot before the upgrade, of two images
  cephclient.rbd.rbd_snapshot:
    user: app
    snapshot: before-upgrade
    images:
      - image: rbd/app-data
      - image: rbd/app-log

- name: A snapshot to make clones of
  cephclient.rbd.rbd_snapshot:
    image: images/debian-12@golden
    protected: true

- name: Today's snapshot, and of all the daily ones the newest seven
  cephclient.rbd.rbd_snapshot:
    user: app
    images:
      - image: rbd/app-data
        snapshot: daily-{{ now(utc=true, fmt='%Y-%m-%d') }}
      - image: rbd/app-data
        pattern: daily-*
        keep: 7
        state: absent

- name: No hourly snapshot that is older than two days, but always the last three
  cephclient.rbd.rbd_snapshot:
    image: rbd/app-data
    pattern: hourly-*
    keep: 3
    older_than: 2d
    state: absent
    user: app

- name: Back to the state before the upgrade, once the image is unmapped
  cephclient.rbd.rbd_snapshot:
    image: rbd/app-data
    snapshot: before-upgrade
    state: rolled_back
    user: app

- name: Remove a protected snapshot that has no clones any more
  cephclient.rbd.rbd_snapshot:
    image: images/debian-12@golden
    state: absent
    protected: false
"""

RETURN = r"""
actions:
  description:
    - What was done, or in check mode would be done, in order.
    - Each has an C(action) and a C(subject), the snapshot. The actions are C(create), C(protect), C(unprotect),
      C(remove) and C(roll_back). The subject of C(roll_back) is the image, and C(snapshot) and C(size) say to what.
  returned: always
  type: list
  elements: dict
  sample:
    - action: create
      subject: rbd/app-data@daily-2026-11-24
      size: 21474836480
    - action: remove
      subject: rbd/app-data@daily-2026-11-17
images:
  description: The snapshots after the run, in the order of the request.
  returned: success
  type: list
  elements: dict
  contains:
    image:
      description: The image-spec, without the snapshot.
      type: str
      sample: rbd/app-data
    snapshot:
      description: Name of the snapshot.
      returned: for an item without a pattern
      type: str
      sample: daily-2026-11-24
    exists:
      description: Whether the snapshot exists.
      returned: for an item without a pattern
      type: bool
    size:
      description: Size of the snapshot in bytes; null without a snapshot, or if check mode takes the image for granted.
      returned: for an item without a pattern
      type: int
      sample: 21474836480
    protected:
      description: Whether the snapshot is protected.
      returned: for an item without a pattern
      type: bool
    pattern:
      description: The pattern.
      returned: for an item with a pattern
      type: str
      sample: daily-*
    kept:
      description: The snapshots that match the pattern and stay, the oldest first, each with the reason.
      returned: for an item with a pattern
      type: list
      elements: dict
      sample:
        - snapshot: daily-2026-11-18
          reason: it is protected
        - snapshot: daily-2026-11-24
          reason: another item of the same call names it
failures:
  description: The items that failed, each with its C(index), C(item) and C(msg).
  returned: failure
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec, _module
from ..module_utils._operations.snapshot import SnapshotOperation
from ..module_utils._system.progress import for_module
from ..module_utils._system.snapshots import LibrbdSnapshots

_ITEM = {
    "image": {"type": "str"},
    "snapshot": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent", "rolled_back"], "default": "present"},
    "protected": {"type": "bool"},
    "pattern": {"type": "str"},
    "keep": {"type": "int"},
    "older_than": {"type": "str"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(**_argspec.bulk("images", _ITEM))
    _module.require_bindings()
    with _module.cluster_session(module) as session:
        operation = SnapshotOperation(module, LibrbdSnapshots(session), _ITEM)
        _module.execute(module, operation, for_module(module), session=session)


if __name__ == "__main__":
    main()
