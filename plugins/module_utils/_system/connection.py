# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to a cluster: how it is made, in bounded time, and why it fails."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from .._errors import ClusterSilent, ClusterUnavailable, ClusterUnprepared, RbdError
from .._keyring_file import KeyringFile
from .bindings import have_bindings, rados

# What conf_get("fsid") gives where ceph.conf has none.
_NO_FSID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Connection:
    """How to reach a cluster.

    :ivar conf: path of ceph.conf.
    :ivar user: cephx user without ``client.``.
    :ivar keyring: path of its keyring, or None for the places that Ceph itself searches.
    :ivar timeout: seconds that the cluster has to answer: to connect, and for each operation.
    """

    conf: str
    cluster: str
    user: str
    keyring: str | None
    timeout: int

    @property
    def keyring_path(self) -> str:
        """The keyring given, or the first place that Ceph searches for one."""
        return self.keyring or f"/etc/ceph/{self.cluster}.client.{self.user}.keyring"


def configured_fsid(connection: Connection) -> str | None:
    """The fsid that ceph.conf names, so that a dead cluster's image can be told and unmapped."""
    if rados is None or not os.path.exists(connection.conf):
        return None
    try:
        handle = rados.Rados(conffile=connection.conf, clustername=connection.cluster, rados_id=connection.user)
        fsid = str(handle.conf_get("fsid"))
        handle.shutdown()
    except rados.Error:
        return None
    return None if fsid in ("", _NO_FSID) else fsid


def connect(to: Connection) -> Any:
    """Connect.

    :returns: a ``rados.Rados``, whose ``shutdown`` the caller calls.
    :raises ClusterUnprepared: the host lacks the bindings, ceph.conf or the keyring.
    :raises ClusterUnavailable: no answer within the time-out, or the key was refused.
    """
    what = f"reach the Ceph cluster as client.{to.user}"
    _require_prepared(to, what)
    settings = {
        "client_mount_timeout": str(to.timeout),
        "rados_mon_op_timeout": str(to.timeout),
        "rados_osd_op_timeout": str(to.timeout),
    }
    if to.keyring is not None:
        settings["keyring"] = to.keyring
    try:
        handle = rados.Rados(conffile=to.conf, clustername=to.cluster, rados_id=to.user, conf=settings)
    except rados.Error as error:
        raise ClusterUnavailable(what, f"{to.conf} cannot be used ({error})", "Mend that file.") from error
    if to.keyring is None:
        _require_keyring(handle, what)
    try:
        handle.connect()
    except rados.Error as error:
        handle.shutdown()
        raise _refused(what, error, to) from error
    return handle


def _require_prepared(to: Connection, what: str) -> None:
    if not have_bindings():
        raise ClusterUnprepared(
            what,
            "this host has no Python bindings for librbd and librados",
            "Install python3-rbd and python3-rados for the system's Python.",
        )
    if not os.path.exists(to.conf):
        raise ClusterUnprepared(what, f"there is no {to.conf}", "Place the cluster's ceph.conf there, or set conf.")
    if to.keyring is not None and not os.path.exists(to.keyring):
        raise ClusterUnprepared(what, f"there is no keyring {to.keyring}", "Place it there, or set keyring.")


def _require_keyring(handle: Any, what: str) -> None:
    """Where no keyring is named Ceph searches a list of places, and then fails with "object not found"."""
    if handle.conf_get("key") or handle.conf_get("keyfile"):
        return
    places = [place.strip() for place in str(handle.conf_get("keyring")).split(",") if place.strip()]
    if not any(os.path.exists(place) for place in places):
        raise ClusterUnprepared(
            what, f"there is no keyring for that user (looked for {', '.join(places)})", "Place one, or set keyring."
        )


def _refused(what: str, error: Any, to: Connection) -> RbdError:
    """Why a connect failed, by the errno that librados gives."""
    if error.errno == 110:
        return ClusterSilent(
            what,
            f"no monitor named in {to.conf} answered within {to.timeout} seconds",
            "Check mon_host there, the network, and that the monitors have a quorum; connect_timeout sets the wait.",
        )
    if error.errno == 2 or _lacks_key(to):
        return ClusterUnavailable(
            what,
            f"the keyring {to.keyring or 'that Ceph found'} has no key for client.{to.user}",
            f"It must have a section [client.{to.user}] with its key.",
        )
    if error.errno in (1, 13):
        return ClusterUnavailable(
            what,
            f"the monitors refused the key in {to.keyring or 'its keyring'}",
            f"Compare it with what 'ceph auth get client.{to.user}' shows on an admin host.",
        )
    return ClusterUnavailable(what, str(error), f"Check {to.conf} and the cluster's health.")


def _lacks_key(to: Connection) -> bool:
    """Whether the keyring that was named is without the user: librados calls that a refusal, too."""
    if to.keyring is None:
        return False
    try:
        with open(to.keyring, encoding="utf-8", errors="surrogateescape") as handle:
            return KeyringFile.decode(handle.read()).key(to.user) is None
    except OSError:
        return False
