# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a cluster that lives in one directory and on one address."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rbdlab import cephconf

ADDRESS = "127.0.0.1"

_GLOBAL: Mapping[str, str] = {
    "admin_socket": "",
    "pid_file": "",
    "public_addr": ADDRESS,
    "cluster_addr": ADDRESS,
    "ms_bind_msgr1": "false",
    "ms_bind_ipv6": "false",
    # By default a port that is taken is tried three times, 5 s apart.
    "ms_bind_retry_count": "1",
    # An OSD that a test has paused is to keep its clients waiting, not to be taken for dead.
    "osd_heartbeat_grace": "600",
    # By default it takes two rounds of 5 s until the monitor knows that a pool is full.
    "mgr_stats_period": "1",
    "mon_tick_interval": "1",
    # By default every change of a map waits a second for others that could share its commit.
    "paxos_propose_interval": "0.05",
    "paxos_min_wait": "0.01",
    # A pool for each test that wants one; a single placement group is enough, and the quickest to create.
    "mon_max_pg_per_osd": "100000",
    "osd_pool_default_pg_num": "1",
    "osd_pool_default_pgp_num": "1",
    # Data pools may be erasure-coded, though the OSDs keep their data in memory.
    "mon_debug_no_require_bluestore_for_ec_overwrites": "true",
}


def daemons_conf(fsid: str, mon: str, directory: Path, more: Mapping[str, str]) -> str:
    """Return the ceph.conf of the daemons: every path is in the directory, and every port on loopback.

    :param more: further options, which win.
    """
    home, logs = directory / "$name", directory / "log"
    paths = {
        "run_dir": directory / "run",
        "crash_dir": directory / "crash",
        "log_file": logs / "$name.log",
        "mon_cluster_log_file": logs / "cluster.log",
        "mon_data": home,
        "mgr_data": home,
        "mgr_module_path": directory / "modules",
        "osd_data": home,
        "keyring": home / "keyring",
    }
    options = {**_GLOBAL, **{name: str(path) for name, path in paths.items()}, **more}
    return cephconf.cluster_conf(fsid, mon, {"global": options})


def client_conf(fsid: str, mon: str, directory: Path) -> str:
    """Return the ceph.conf of clients: they find the keyring by the user's name, and leave no files."""
    keyring = directory / "$cluster.$name.keyring"
    return cephconf.client_conf(fsid, mon) + f"keyring = {keyring}\nadmin_socket =\nlog_file =\n"
