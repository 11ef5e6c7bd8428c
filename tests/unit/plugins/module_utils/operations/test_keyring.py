# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_keyring from its parameters to its result, with the real files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._module import Operation
from ansible_collections.cephclient.rbd.plugins.module_utils._operations._ports import Ports
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.keyring import KeyringOperation
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import Run, ritual, run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import CANARY

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a private keyring is root's")
TEXT = f"[client.app]\n\tkey = {CANARY}\n"


def make(module: Any, _session: object, _options: object, _ports: object) -> Operation:
    return KeyringOperation(module, Ports())


def options(path: Path, **given: Any) -> dict[str, Any]:
    return {"user": "app", "key": None, "content": None, "keyring": str(path), **given}


def everything(end: Run) -> str:
    return f"{end.result} {end.warnings}"


@pytest.mark.parametrize("given", [{"key": CANARY}, {"content": f"[client.x]\nkey = y\n{TEXT}"}])
@pytest.mark.parametrize("text", [None, "", TEXT, "[client.app]\n\tkey = old\n[client.else]\n\tkey = theirs\n"])
def test_check_do_do_again_check_again(tmp_path: Path, given: dict[str, str], text: str | None) -> None:
    path = tmp_path / "keyring"
    if text is not None:
        path.write_text(text)
    end = ritual(make, FakeHost(), options(path, **given))
    assert TEXT in path.read_text()
    assert ("theirs" in path.read_text()) == ("theirs" in (text or ""))
    assert path.stat().st_mode & 0o7777 == 0o600
    assert CANARY not in everything(end)


def test_check_mode_makes_no_file(tmp_path: Path) -> None:
    run(make, FakeHost(), options(tmp_path / "keyring", key=CANARY), check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_directory_fails_without_the_key(tmp_path: Path) -> None:
    end = run(make, FakeHost(), options(tmp_path / "none" / "keyring", key=CANARY))
    assert end.failed
    assert CANARY not in everything(end)


def test_a_keyring_that_is_only_asked_for_is_warned_of_if_others_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keyring"
    path.write_text(TEXT)
    path.chmod(0o644)
    end = run(make, FakeHost(), options(path))
    assert (end.failed, end.result["changed"]) == (False, False)
    assert end.warnings[0].endswith(f"Run: chmod 0600 {path}.")
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_default_path_is_where_ceph_looks_first() -> None:
    end = run(make, FakeHost(), {**options(Path("/")), "keyring": None, "cluster": "no-such-cluster"})
    assert "/etc/ceph/no-such-cluster.client.app.keyring" in end.result["msg"]


@pytest.mark.parametrize("user", ["a]b", "app]\n[client.admin"])
def test_a_user_that_a_keyring_cannot_hold_is_refused_and_nothing_is_written(tmp_path: Path, user: str) -> None:
    path = tmp_path / "keyring"
    path.write_text(TEXT)
    end = run(make, FakeHost(), {**options(path, key=CANARY), "user": user})
    assert "a keyring cannot hold such a name" in end.result["msg"]
    assert path.read_text() == TEXT
    assert CANARY not in everything(end)
