#!/usr/bin/python
# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts file systems on RBD images, now and at boot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbd_fstab
short_description: Mount file systems on RBD images, now and at every boot
version_added: 0.1.0
author: cephclient.rbd contributors (@cephclient)
description:
  - Keeps the mount of one image or many, and their lines in C(/etc/fstab).
    With C(noauto) in a line it is the C(rbdmap) service that mounts it at boot, once it has mapped the image.
  - Comments, order and spacing of the file survive every change. A line that mount cannot read is kept
    byte for byte, and reported with its number.
  - A live mount whose options differ from the declared ones is remounted, as far as the kernel shows them and a remount
    changes them without interrupting anybody. A file system that has met an error is not remounted, and one on a
    read-only mapping not for writing; a warning says so.
  - Never unmounts lazily or by force. What is in use is refused before anything is changed, and the error names the
    processes, mounts, loop devices, swap files and NFS exports that use it, also those in other mount namespaces.
  - Never mounts over something else or over a directory that is not empty.
extends_documentation_fragment:
  - cephclient.rbd._attributes
  - cephclient.rbd._cluster
notes:
  - With C(noauto) but without C(_netdev) in O(opts), systemd takes the mount for a local one, and at shutdown
    nothing orders it against the network. Keep both when you set other options.
  - Before it mounts or unmounts, the module asks the cluster of a mapped image whether it answers and has room, since
    the kernel would wait for both without an end. Where O(user) has no key for that, a warning says that nobody could
    ask.
  - The cluster is asked for its identity only if an image of the name is mapped, and C(ceph.conf) has no C(fsid). For
    that O(user) needs a key.
  - C(rbdmap map) mounts an image by its device alone, so an image has one line. A second one for another path is
    refused.
  - If a mount point has a blank or a character outside of ASCII in its path, C(rbdmap unmap) by hand does not unmount
    it (it reads the escaped path from findmnt). At shutdown systemd does.
options:
  image:
    description:
      - The image or snapshot, as C([<pool>/[<namespace>/]]<image>[@<snap>]). A bare name lies in the pool C(rbd).
      - The line in fstab names its link, C(/dev/rbd/<pool>/[<namespace>/]<image>[@<snap>]).
    type: str
  path:
    description:
      - The mount point, an absolute path without symbolic links.
      - Required, other than for O(state=unmounted) and O(state=absent), where all mounts of the image are meant
        without it.
    type: path
  state:
    description:
      - V(mounted) - the line is in fstab and the file system is mounted with its options; the mount point is made if it
        is missing.
      - V(present) - the line is in fstab; nothing else is touched. Needs neither the image nor root.
      - V(unmounted) - the file system is not mounted; the line is left as it is.
      - V(absent) - the file system is not mounted, and the line is gone. The directory stays.
    type: str
    choices: [mounted, present, unmounted, absent]
    default: mounted
  fstype:
    description: Type of the file system.
    type: str
    default: auto
  opts:
    description: Mount options, as in fstab(5).
    type: str
    default: noauto,_netdev
  dump:
    description: The fifth field of the line, see fstab(5).
    type: int
    default: 0
  passno:
    description: The sixth field of the line, see fstab(5). Keep V(0), since fsck at boot comes before the mapping.
    type: int
    default: 0
  owner:
    description: Owner of the mounted file system's root directory, by name or number. Left as it is if not given.
    type: str
  group:
    description: Group of the mounted file system's root directory, by name or number. Left as it is if not given.
    type: str
  mode:
    description: Mode of the mounted file system's root directory, a string of octal digits. Left as it is if not given.
    type: raw
  encrypted:
    description:
      - The image is encrypted, and opened by M(cephclient.rbd.rbd_luks). The line in fstab names the opened device,
        C(/dev/mapper/rbd-<pool>-[<namespace>-]<image>) with the hyphens of each name doubled. Say so for
        O(state=absent) as well.
    type: bool
    default: false
  fstab:
    description: Path of the fstab file.
    type: path
    default: /etc/fstab
  mounts:
    description:
      - Many mounts in one call, with one write of the file and one reload of systemd.
        The items take the options O(image), O(path), O(state), O(fstype), O(opts), O(dump), O(passno), O(owner),
        O(group), O(mode) and O(encrypted); what an item leaves out is taken from the top level.
      - All of them are checked before anything is changed.
    type: list
    elements: dict
    suboptions:
      image:
        description: As O(image).
        type: str
        required: true
      path:
        description: As O(path).
        type: path
      state:
        description: As O(state).
        type: str
        choices: [mounted, present, unmounted, absent]
      fstype:
        description: As O(fstype).
        type: str
      opts:
        description: As O(opts).
        type: str
      dump:
        description: As O(dump).
        type: int
      passno:
        description: As O(passno).
        type: int
      owner:
        description: As O(owner).
        type: str
      group:
        description: As O(group).
        type: str
      mode:
        description: As O(mode).
        type: raw
      encrypted:
        description: As O(encrypted).
        type: bool
seealso:
  - module: cephclient.rbd.rbd_map
  - module: cephclient.rbd.rbd_filesystem
  - module: cephclient.rbd.rbd_luks
"""

EXAMPLES = r"""
- name: Mount an image that is mapped, now and at every boot
  cephclient.rbd.rbd_fstab:
    image: rbd/app-data
    path: /srv/app
    fstype: xfs

- name: Several mounts in one call
  cephclient.rbd.rbd_fstab:
    fstype: ext4
    opts: noauto,_netdev,noatime
    mounts:
      - image: rbd/app-data
        path: /srv/app
        owner: app
        mode: '0750'
      - image: rbd/app-log
        path: /var/log/app

- name: Mount what is opened on an encrypted image
  cephclient.rbd.rbd_fstab:
    image: rbd/app-secret
    path: /srv/secret
    fstype: xfs
    encrypted: true

- name: Unmount, and remove the line
  cephclient.rbd.rbd_fstab:
    image: rbd/app-old
    path: /srv/old
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - action: edit_file
      subject: /etc/fstab
    - action: make_directory
      subject: /srv/app
    - action: mount
      subject: /srv/app
      image: rbd/app-data
mounts:
  description: The mounts, in the order of the request.
  returned: success
  type: list
  elements: dict
  contains:
    image:
      description: The image-spec.
      type: str
      sample: rbd/app-data
    path:
      description: The mount point.
      type: str
      sample: /srv/app
    state:
      description: The state that it is in.
      type: str
      sample: mounted
failures:
  description: The items that failed, each with its C(index), C(item) and C(msg).
  returned: failure
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec, _module
from ..module_utils._operations.fstab import FstabOperation

_ITEM = {
    "image": {"type": "str"},
    "path": {"type": "path"},
    "state": {"type": "str", "choices": ["mounted", "present", "unmounted", "absent"], "default": "mounted"},
    "fstype": {"type": "str", "default": "auto"},
    "opts": {"type": "str", "default": "noauto,_netdev"},
    "dump": {"type": "int", "default": 0},
    "passno": {"type": "int", "default": 0, "no_log": False},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "raw"},
    "encrypted": {"type": "bool", "default": False},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(**_argspec.bulk("mounts", _ITEM, fstab={"type": "path", "default": "/etc/fstab"}))
    with _module.cluster_session(module) as session:
        _module.execute(module, FstabOperation(module, session, _ITEM), session=session)


if __name__ == "__main__":
    main()
