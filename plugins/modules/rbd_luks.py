#!/usr/bin/python
# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encrypts RBD images with LUKS, and opens them now and at boot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbd_luks
short_description: Encrypt RBD images with LUKS, and open them now and at every boot
version_added: 0.1.0
author: cephclient.rbd contributors (@cephclient)
description:
  - Opens a mapped image that is encrypted with LUKS, as C(/dev/mapper/rbd-<pool>-[<namespace>-]<image>) with the
    hyphens of each name doubled. An image that is B(proven) blank is encrypted (LUKS2) before that, as
    M(cephclient.rbd.rbd_filesystem) proves it; one that holds anything else is an error, and is not touched.
  - Writes the image's hook, C(/etc/ceph/rbd.d/<pool>/[<namespace>/]<image>). At boot C(rbdmap) runs it once it has
    mapped the image, and the hook opens and mounts it; before the image is unmapped, the hook unmounts and closes it.
  - The key is in a file that root alone can read. It is in no argument of a program, and in no result, log or diff.
  - A key is never made up, changed or removed by this module, since who loses the key loses the data.
extends_documentation_fragment:
  - cephclient.rbd._attributes
  - cephclient.rbd._cluster
requirements:
  - python3-rbd and python3-rados on the managed host, for its system Python
  - cryptsetup 2.1 or later
notes:
  - Before anything is read from an image, opened or closed, the cluster must answer. On a full cluster, which would
    keep back what is not written yet, an image is not closed.
  - The order is M(cephclient.rbd.rbd_map), this module, M(cephclient.rbd.rbd_filesystem) and
    M(cephclient.rbd.rbd_fstab), the latter two with C(encrypted=true); to remove, the reverse.
  - To open an image takes seconds on purpose, for each image, so that keys cannot be guessed; see the options that
    begin with C(--pbkdf) and C(--iter-time) in cryptsetup(8).
options:
  image:
    description: The image or snapshot, as C([<pool>/[<namespace>/]]<image>[@<snap>]).
    type: str
  state:
    description:
      - V(opened) - the image is encrypted and open, and its hook is there. It must be mapped. If it has grown, the
        opened device grows as well.
      - V(present) - the key file and the hook are there; the image is left as it is. Needs no cluster.
      - V(closed) - the image is not open; the hook is left as it is.
      - V(absent) - the image is not open, and the hook is gone. The key file stays.
    type: str
    choices: [opened, present, closed, absent]
    default: opened
  key_file:
    description:
      - Path of the key file on the host. Everything in it is the key, also a newline at its end.
      - The default is C(/etc/ceph/luks/<name of the opened device>.key), without the snapshot.
    type: path
    aliases: [luks_key_file]
  key:
    description:
      - The key, for example from a vault. It is written to O(key_file), with mode 0600, if there is no such file.
      - Without it the file must be there. A file with another key is an error, since it may be the only copy of that.
    type: str
    aliases: [luks_key]
  format_options:
    description:
      - Further options for cryptsetup luksFormat, each as C(--<name>=<value>); of C(cipher), C(hash), C(iter-time),
        C(key-size), C(label), C(pbkdf), C(pbkdf-force-iterations), C(pbkdf-memory), C(pbkdf-parallel), C(sector-size)
        and C(subsystem).
    type: list
    elements: str
    aliases: [luks_format_options]
  size:
    description:
      - The size that the image has been grown to, with a unit. The module then waits until the kernel knows it, for
        O(connect_timeout) seconds at most.
    type: str
  overwrite:
    description: What the image may hold and lose when it is encrypted, as in M(cephclient.rbd.rbd_filesystem).
    type: list
    elements: str
  images:
    description:
      - Many images in one call. The items take the options O(image), O(state), O(key_file), O(key), O(format_options),
        O(size) and O(overwrite); what an item leaves out is taken from the top level.
      - All of them are checked before anything is changed. That includes a try of the key for an image that is
        encrypted and not open.
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
        choices: [opened, present, closed, absent]
      key_file:
        description: As O(key_file).
        type: path
        aliases: [luks_key_file]
      key:
        description: As O(key).
        type: str
        aliases: [luks_key]
      format_options:
        description: As O(format_options).
        type: list
        elements: str
        aliases: [luks_format_options]
      size:
        description: As O(size).
        type: str
      overwrite:
        description: As O(overwrite).
        type: list
        elements: str
seealso:
  - module: cephclient.rbd.rbd_map
  - module: cephclient.rbd.rbd_filesystem
  - module: cephclient.rbd.rbd_fstab
  - name: Encryption
    description: Keys, the boot, growing, and what to do by hand.
    link: https://docs.ansible.com/ansible/latest/collections/cephclient/rbd/docsite/guide_encryption.html
"""

EXAMPLES = r"""
- name: Encrypt a new image with a key from the vault, and open it
  cephclient.rbd.rbd_luks:
    image: rbd/app-secret
    key: "{{ vault_app_secret_key }}"
    user: app

- name: Open an encrypted image whose key is on the host
  cephclient.rbd.rbd_luks:
    image: rbd/app-secret
    key_file: /root/app-secret.key
    user: app

- name: Close it, and take its hook away
  cephclient.rbd.rbd_luks:
    image: rbd/app-secret
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - action: place_key
      subject: /etc/ceph/luks/rbd-rbd-app--secret.key
    - action: luks_format
      subject: rbd/app-secret
      fstype: crypto_LUKS
    - action: open
      subject: rbd/app-secret
      device: /dev/mapper/rbd-rbd-app--secret
images:
  description: The images, in the order of the request.
  returned: success
  type: list
  elements: dict
  contains:
    image:
      description: The image-spec.
      type: str
      sample: rbd/app-secret
    device:
      description: What it is opened as.
      type: str
      sample: /dev/mapper/rbd-rbd-app--secret
    key_file:
      description: Where its key is.
      type: str
      sample: /etc/ceph/luks/rbd-rbd-app--secret.key
    hook:
      description: What C(rbdmap) runs for it.
      type: str
      sample: /etc/ceph/rbd.d/rbd/app-secret
failures:
  description: The items that failed, each with its C(index), C(item) and C(msg).
  returned: failure
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec, _module
from ..module_utils._operations.luks import LuksOperation

_ITEM = {
    "image": {"type": "str"},
    "state": {"type": "str", "choices": ["opened", "present", "closed", "absent"], "default": "opened"},
    "key_file": {"type": "path", "aliases": ["luks_key_file"], "no_log": False},
    "key": {"type": "str", "aliases": ["luks_key"], "no_log": True},
    "format_options": {"type": "list", "elements": "str", "aliases": ["luks_format_options"]},
    "size": {"type": "str"},
    "overwrite": {"type": "list", "elements": "str"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(**_argspec.bulk("images", _ITEM))
    with _module.cluster_session(module) as session:
        _module.execute(module, LuksOperation(module, session, _ITEM), session=session)


if __name__ == "__main__":
    main()
