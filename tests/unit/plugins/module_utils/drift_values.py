# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host on which everything agrees, for the tests of drift to disturb."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.cephclient.rbd.plugins.module_utils._drift import drift
from ansible_collections.cephclient.rbd.plugins.module_utils._drift_host import Answer, Declared, Host, find
from ansible_collections.cephclient.rbd.plugins.module_utils._drift_row import KINDS, REPAIRS, RUN, Row
from ansible_collections.cephclient.rbd.plugins.module_utils._fstab_file import FstabFile
from ansible_collections.cephclient.rbd.plugins.module_utils._krbd_device import KrbdDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._map_options import MapOptions
from ansible_collections.cephclient.rbd.plugins.module_utils._mount_options import FilesystemState
from ansible_collections.cephclient.rbd.plugins.module_utils._mountinfo import Mount
from ansible_collections.cephclient.rbd.plugins.module_utils._rbdmap_file import RbdmapFile
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    FSID,
    device,
    facts,
    mount,
    root_mount,
)

RBDMAP = "# mine\nrbd/app id=admin,keyring=/k\n"
FSTAB = "# mine\n/dev/rbd/rbd/app /srv/app xfs noauto,_netdev 0 0\n"
AT_PATH = Declared(APP, "/srv/app")
GONE = Declared(APP, absent=True)
WHOLE = Declared(
    APP,
    "/srv/app",
    size=1 << 30,
    user="admin",
    keyring="/k",
    options=MapOptions(),
    read_only=False,
    shared=False,
    encrypted=False,
    fstype="xfs",
    opts="noauto,_netdev",
    dump=0,
    passno=0,
)


def host(
    rbdmap: str = RBDMAP,
    fstab: str = FSTAB,
    devices: tuple[KrbdDevice, ...] = (device(),),
    mounts: tuple[Mount, ...] = (mount("/srv/app"),),
    **more: Any,
) -> Host:
    """A host on which the image is in every place, unless told otherwise; of the cluster that is asked."""
    known: Mapping[str, Any] = {"fsid": FSID, "answers": {str(APP): Answer(facts())}, **more}
    return Host(RbdmapFile.decode(rbdmap), FstabFile.decode(fstab), devices, (root_mount(), *mounts), **known)


EMPTY = host("", "", (), ())
BROKEN = FilesystemState(errors=1)


def rows(seen: Host, declared: Declared = WHOLE) -> list[Row]:
    """The rows, each of which must be one that is documented."""
    found = drift(seen, declared, find(seen, declared.spec))
    for row in found:
        assert row.image == str(declared.spec)
        assert row.kind in KINDS
        assert row.repair in REPAIRS
        assert row.repair != RUN or declared.known
        assert not (row.repair == RUN and row.steps)
        assert row.cause
        assert row.cause[0].islower() or row.cause[0] == "/"
        assert not row.cause.endswith(".")
    return found


def kinds(seen: Host, declared: Declared = WHOLE) -> list[str]:
    """The kinds of the rows."""
    return [row.kind for row in rows(seen, declared)]


def causes(seen: Host, declared: Declared = AT_PATH) -> list[str]:
    """The rows' sentences."""
    return [row.cause for row in rows(seen, declared)]
