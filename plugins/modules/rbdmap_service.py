#!/usr/bin/python
# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manages the service that maps and mounts the images at boot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbdmap_service
short_description: Manage the service that maps and mounts RBD images at boot
version_added: 0.1.0
author: cephclient.rbd contributors (@cephclient)
description:
  - Enables and starts C(rbdmap.service), which Ceph ships in C(ceph-common), and lets it heal itself by a drop-in and a
    program that it runs in place of C(rbdmap map). A boot then does not wait for a cluster that is unreachable, the
    images appear when it returns, and what another client has open for writing is not mapped.
  - The service is never stopped or restarted, since that would unmap every RBD image of the host. A drop-in takes
    effect with the next start or reload of the service.
  - To start it maps and mounts what the rbdmap file lists and is not mapped yet. If one of these images cannot be
    mapped, the module fails. A service that is at work, or waits for its next attempt, is waited for.
extends_documentation_fragment:
  - cephclient.rbd._attributes
  - cephclient.rbd._cluster
notes:
  - The cluster is not queried. O(conf), O(cluster), O(user), O(keyring) and O(connect_timeout) have no effect; they are
    taken so that the defaults of the action group C(cephclient.rbd.rbd) can be set for this module, too.
  - The program's files are C(/usr/local/lib/cephclient.rbd/rbdmap_unit.py) and C(rbdmap_clusters.py) beside it, the
    drop-in is C(/etc/systemd/system/rbdmap.service.d/cephclient-rbd.conf). The directories stay when they are removed.
  - systemd reads the unit again if the drop-in changes, or if it has not read an earlier change of the unit's files.
options:
  state:
    description:
      - V(present) enables and starts the service.
      - V(absent) removes the drop-in and its program. The service itself is left as it is, enabled or not, since the
        rbdmap file may list other images.
    type: str
    choices: [present, absent]
    default: present
  self_heal:
    description:
      - With O(state=present), whether the drop-in and its program are there. With V(false) they are removed, and the
        service is as Ceph ships it.
      - Where systemd is older than 244, which cannot start a service of this type again by itself, V(true) places
        nothing, with a warning.
    type: bool
    default: true
  assume_installed:
    description:
      - In check mode, take a unit that does not exist for one that an earlier task of the same play would have
        installed. Whether the package enables and starts its service is not known then, so only what is done besides
        is predicted.
      - Outside check mode it has no effect, and a unit that does not exist is an error.
    type: bool
    default: false
seealso:
  - module: cephclient.rbd.rbd_map
  - module: cephclient.rbd.rbd_map_info
"""

EXAMPLES = r"""
- name: Let the host map and mount its images at boot
  cephclient.rbd.rbdmap_service:

- name: The same with the service as Ceph ships it
  cephclient.rbd.rbdmap_service:
    self_heal: false

- name: Remove the drop-in and its program, and leave the service alone
  cephclient.rbd.rbdmap_service:
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
      subject: /etc/systemd/system/rbdmap.service.d/cephclient-rbd.conf
    - action: daemon_reload
      subject: rbdmap.service
    - action: start
      subject: rbdmap.service
state:
  description: The state that was asked for.
  returned: success
  type: str
  sample: present
self_heal:
  description: Whether the drop-in is there.
  returned: success
  type: bool
service:
  description:
    - The C(name) of the service, and its state in systemd's own words, C(enabled) (C(UnitFileState)) and C(active)
      (C(ActiveState)). In check mode as they would be; both are empty, or C(inactive), where the unit is not installed.
  returned: success
  type: dict
  sample:
    name: rbdmap.service
    enabled: enabled
    active: active
failures:
  description: The step that failed, with its C(item) and C(msg).
  returned: failure
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec, _module
from ..module_utils._operations.rbdmap_service import ServiceOperation
from ..module_utils._service_request import ServiceRequest
from ..module_utils._system.boot_program import program_texts
from ..module_utils._system.command import HostCommands
from ..module_utils._system.files import HostFiles
from ..module_utils._system.service import HostServices


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **_argspec.CLUSTER,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "self_heal": {"type": "bool", "default": True},
            "assume_installed": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    request = ServiceRequest(
        state=module.params["state"],
        self_heal=module.params["self_heal"],
        assume_installed=module.params["assume_installed"] and module.check_mode,
    )
    operation = ServiceOperation(request, module.check_mode, HostFiles(), HostServices(HostCommands()), program_texts)
    _module.execute(module, operation)


if __name__ == "__main__":
    main()
