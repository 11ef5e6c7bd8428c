# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that rbdmap.service runs, ready to be run here."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.test_rbdmap_oracle import script
from ansible_collections.cephclient.rbd.tests.unit.roles.boot_program import CLUSTER, FILES, MOUNT, RBD, Unit

__all__ = ["script"]  # the fixture: rbdmap as it is shipped


@pytest.fixture
def unit(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unit:
    monkeypatch.syspath_prepend(FILES)
    spec = importlib.util.spec_from_file_location("rbdmap_unit", FILES / "rbdmap_unit.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "rbdmap_unit", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RBDMAP", str(script))
    for name in ("FILE", "DEVICES", "HOOKS", "FSTAB", "MOUNTS", "RUN"):
        monkeypatch.setattr(module, name, tmp_path / name.lower())
    monkeypatch.setattr(module.Line, "mapped", property(lambda line: line.device.exists()))
    monkeypatch.setattr(sys.modules["rbdmap_clusters"], "kernel_clients", {CLUSTER: {"client.1"}}.__getitem__)
    for name, text in {"rbd": RBD, "mount": MOUNT, "logger": "#!/bin/sh\n"}.items():
        command = tmp_path / "bin" / name
        command.parent.mkdir(exist_ok=True)
        command.write_text(text, encoding="utf-8")
        command.chmod(0o755)
    for name in ("fstab", "mounts", "calls"):
        (tmp_path / name).touch()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("PLACE", str(tmp_path))
    return Unit(module, tmp_path)


@pytest.fixture
def clock(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds from the beginning of the test: it passes only while the program sleeps; its ticks."""
    ticks = [0.0]
    monkeypatch.setattr(unit.module.time, "monotonic", lambda: ticks[-1])
    monkeypatch.setattr(unit.module.time, "sleep", lambda seconds: ticks.append(ticks[-1] + seconds))
    return ticks
