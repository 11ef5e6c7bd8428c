# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clients and addresses are those of this host."""

from __future__ import annotations

import socket
from pathlib import Path
from types import ModuleType

import pytest


@pytest.mark.parametrize(
    ("address", "local"),
    [("127.0.0.1:0/1", True), ("v1:127.0.0.1:0/1", True), ("192.0.2.1:0/1", False), ("-", False), ("", False)],
)
def test_addresses_of_watchers_are_told_local_or_not(
    clusters: ModuleType, monkeypatch: pytest.MonkeyPatch, address: str, *, local: bool
) -> None:
    assert clusters.is_local(address) is local

    class Nonlocal(socket.socket):
        """As with net.ipv4.ip_nonlocal_bind."""

        def bind(self, _address: object) -> None:
            """Always possible."""

    monkeypatch.setattr(clusters.socket, "socket", Nonlocal)
    assert clusters.is_local(address) is local


def test_the_kernels_clients_of_one_cluster(
    clusters: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "DEVICES", tmp_path)
    for number, fsid, client in [("0", "a", "client4123"), ("1", "b", "client4123"), ("2", "a", "client7")]:
        (tmp_path / number).mkdir()
        (tmp_path / number / "cluster_fsid").write_text(f"{fsid}\n", encoding="ascii")
        (tmp_path / number / "client_id").write_text(f"{client}\n", encoding="ascii")
    # It is being unmapped.
    (tmp_path / "2" / "client_id").unlink()
    assert clusters.kernel_clients("a") == {"client.4123"}
    assert clusters.kernel_clients("c") == set()
