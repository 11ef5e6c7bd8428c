# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The laboratory of cephclient.rbd: a Ceph cluster without guests, and guests as its clients.

from rbdlab import Lab

lab = Lab.here()
lab.up()                                    # only the cluster; lab.up(["client1"]) boots a guest as well
lab.cluster().run(["ceph", "status"])
lab.down()
"""

from __future__ import annotations

from .errors import LabError
from .lab import HostStatus, Lab
from .progress import Progress

__all__ = ["HostStatus", "Lab", "LabError", "Progress"]
