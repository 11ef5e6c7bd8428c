# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pair of ``CLUSTER`` in ``module_utils/_argspec.py``."""

from __future__ import annotations


class ModuleDocFragment:
    """Options that say how to reach the cluster."""

    DOCUMENTATION = r"""
options:
  conf:
    description:
      - Path of the cluster's configuration file on the managed host.
    type: path
    default: /etc/ceph/ceph.conf
  cluster:
    description:
      - Name of the cluster; it is part of the default names of keyrings.
    type: str
    default: ceph
  user:
    description:
      - The cephx user, without C(client.).
    type: str
    default: admin
    aliases: [id]
  keyring:
    description:
      - Path of the keyring with the user's key on the managed host.
      - Without it, the places are searched that Ceph itself searches,
        C(/etc/ceph/<cluster>.client.<user>.keyring) first.
    type: path
  connect_timeout:
    description:
      - Seconds that the cluster has to answer. One that does not is an error after that time, never a hang.
      - They count from its last answer, so that an operation may take longer while the cluster is at work on it.
    type: int
    default: 30
"""
