# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what is declared of images with rbdmap, the kernel, fstab and the mount table, and these with each other."""

from __future__ import annotations

from collections.abc import Iterable

from ._drift_host import Declared, Found, Host
from ._drift_mapping import mapping_rows
from ._drift_mount import mount_rows
from ._drift_row import Row, row
from ._fstab_file import path_key


def drift(host: Host, declared: Declared, found: Found) -> list[Row]:
    """Every disagreement about one image: a row each."""
    if declared.absent:
        return list(_leftovers(found))
    rows = [*mapping_rows(host, declared, found), *mount_rows(host, declared, found)]
    return rows if declared.known else [each.undeclared() for each in rows]


def _leftovers(found: Found) -> Iterable[Row]:
    gone = "it is declared absent, but"
    for path in sorted({path_key(mount.path) for mount in found.mounts}):
        yield row(found.spec, "left_mounted", f"{gone} mounted at {path}", "", path)
    for path in sorted({path_key(line.entry.path) for line in found.fstab if line.entry}):
        yield row(found.spec, "left_in_fstab", f"{gone} fstab mounts it at {path}", "", path)
    for device in found.devices:
        yield row(found.spec, "left_mapped", f"{gone} mapped as {device.path}", "", device.path)
    for line in found.lines[:1]:
        cause = f"{gone} rbdmap has a line for it (line {line.number})"
        yield row(found.spec, "left_in_rbdmap", cause, "", f"line {line.number}")


def service_rows(name: str, enabled: str, active: str) -> list[Row]:
    """Why a service will not map at boot what it shall, or has not done it yet.

    :param enabled: ``UnitFileState`` in systemd's words; empty for a service that is not installed.
    :param active: ``ActiveState``.
    """
    rows = []
    if enabled != "enabled":
        cause = f"{name} is {enabled or 'not installed'}: nothing will be mapped at boot"
        rows.append(row(None, "service_disabled", cause, "enabled", enabled))
    if active in ("activating", "reloading"):
        cause = f"{name} is at work, or tries again until it succeeds: see 'systemctl status rbdmap'"
        rows.append(row(None, "service_retrying", cause, "active", active))
    elif active != "active":
        cause = f"{name} is {active or 'not there'}: see 'journalctl -u rbdmap'"
        rows.append(row(None, "service_inactive", cause, "active", active))
    return rows
